use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;

use ::async_std::task;

use super::clock::Clock;
use super::spawner::available_parallelism;
use super::{BoxFuture, Driver, Runtime, Spawner, async_io};

/// async-std's executor, which async-std starts on first use.
///
/// It runs on as many threads as the environment variable `ASYNC_STD_THREAD_COUNT` says, by
/// default on as many as the machine has processors. async-std is no longer maintained: take it
/// where a program has it already.
///
/// # Examples
///
/// ```
/// use untethered::runtime;
///
/// let rt = runtime::async_std();
/// assert_eq!(async_std::task::block_on(rt.spawn(async { 6 * 7 })).unwrap(), 42);
/// ```
pub fn async_std() -> Runtime {
    Runtime::on(Tasks, Clock::AsyncIo(async_io::Timers))
}

struct Tasks;

impl Spawner for Tasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        // Dropping the handle lets the task go on.
        drop(task::spawn(task));
    }

    fn spawn_driver(&self, driver: Driver) {
        drop(task::spawn(driver));
    }

    fn parallelism(&self) -> NonZeroUsize {
        // As async-std reads it: nought is one.
        match std::env::var("ASYNC_STD_THREAD_COUNT").map(|threads| threads.parse()) {
            Ok(Ok(threads)) => NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
            _ => available_parallelism(),
        }
    }

    fn block_on(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), String> {
        task::block_on(main);
        Ok(())
    }
}
