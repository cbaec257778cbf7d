use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use ::smol::Executor;

use super::clock::Clock;
use super::{BoxFuture, Driver, Runtime, Spawner, async_io};

/// smol's global executor, which smol starts on first use.
///
/// It runs on as many threads as the environment variable `SMOL_THREADS` says, by default on one.
///
/// # Examples
///
/// ```
/// use untethered::runtime;
///
/// let rt = runtime::smol();
/// assert_eq!(smol::block_on(rt.spawn(async { 6 * 7 })).unwrap(), 42);
/// ```
pub fn smol() -> Runtime {
    Runtime::on(Global, Clock::AsyncIo(async_io::Timers))
}

/// An executor of one's own, with smol's timers.
///
/// The executor belongs to the caller, who runs it: on as many threads as it likes, or inside a
/// `block_on`. The runtime does not keep it alive. Dropping the last [`Arc`] drops the tasks that
/// are left, and what is spawned after that; sleeps go on, because smol's timers have a thread of
/// their own.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use untethered::runtime;
///
/// let executor = Arc::new(smol::Executor::new());
/// let rt = runtime::executor(&executor);
/// let task = rt.spawn(async { 6 * 7 });
/// assert_eq!(smol::block_on(executor.run(task)).unwrap(), 42);
///
/// let task = rt.spawn(async { "never run" });
/// drop(executor);
/// assert!(smol::block_on(task).unwrap_err().is_cancelled());
/// ```
pub fn executor(executor: &Arc<Executor<'static>>) -> Runtime {
    Runtime::on(
        Own(Arc::downgrade(executor)),
        Clock::AsyncIo(async_io::Timers),
    )
}

struct Global;

impl Spawner for Global {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        ::smol::spawn(task).detach();
    }

    fn spawn_driver(&self, driver: Driver) {
        ::smol::spawn(driver).detach();
    }

    fn parallelism(&self) -> NonZeroUsize {
        // As smol reads it.
        std::env::var("SMOL_THREADS")
            .ok()
            .and_then(|threads| threads.parse().ok())
            .unwrap_or(NonZeroUsize::MIN)
    }

    fn block_on(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), String> {
        ::smol::block_on(main);
        Ok(())
    }
}

/// Weak: the tasks in the executor hold the runtime, often enough.
struct Own(Weak<Executor<'static>>);

impl Spawner for Own {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        if let Some(executor) = self.0.upgrade() {
            executor.spawn(task).detach();
        }
    }

    fn spawn_driver(&self, driver: Driver) {
        if let Some(executor) = self.0.upgrade() {
            executor.spawn(driver).detach();
        }
    }

    fn block_on(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), String> {
        match self.0.upgrade() {
            Some(executor) => ::smol::block_on(executor.run(main)),
            None => ::smol::block_on(main),
        }
        Ok(())
    }
}
