use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use async_executor::Executor;

use super::clock::Clock;
use super::timers::Timers;
use super::{BoxFuture, Driver, Runtime, Spawner, block_on};
use crate::task::{CancellationToken, DropGuard, catch, forget_panic};

/// A runtime of its own: `n` worker threads, and one for its timers.
///
/// For programs without a runtime. The threads start now, and are named `untethered-0` and so on.
/// They end when the last clone of the [`Runtime`] has been dropped; nobody waits for them, and
/// the tasks that are left are dropped. A task that holds a clone keeps its runtime running, and so
/// does a [`Group`](crate::group::Group) or a handle of one of its tasks; a sleep keeps the thread
/// of the timers.
///
/// A timer whose neighbours are a few microseconds away may be up to a millisecond late, to fire
/// with them. One that is alone fires as soon as the system runs the thread.
///
/// Where the system gives fewer than `n` threads, the runtime makes do with those:
/// [`Runtime::parallelism`] says how many.
///
/// # Panics
///
/// If `n` is nought: nothing would ever run. A number from outside is best read as a
/// [`NonZeroUsize`]. Also if the system gives no thread at all.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use futures_lite::future::block_on;
/// use untethered::runtime;
///
/// let rt = runtime::threads(2);
/// let nap = rt.sleep(Duration::from_millis(1));
/// let task = rt.spawn(async move {
///     nap.await;
///     "rested"
/// });
/// assert_eq!(block_on(task).unwrap(), "rested");
/// ```
#[track_caller]
pub fn threads(n: usize) -> Runtime {
    assert!(n != 0, "a runtime without threads would never run a task");
    let timers = match Timers::start() {
        Ok(timers) => timers,
        Err(error) => panic!("the system gives no thread for the timers: {error}"),
    };
    let (executor, closing) = (Arc::new(Executor::new()), CancellationToken::new());
    let closing_guard = closing.clone().drop_guard();
    let mut started = 0;
    while started < n {
        match start(started, executor.clone(), closing.clone()) {
            Ok(()) => started += 1,
            Err(_) if started > 0 => break,
            Err(error) => panic!("the system gives no thread to run tasks on: {error}"),
        }
    }
    let workers = Workers {
        executor,
        _closing: closing_guard,
        started: NonZeroUsize::new(started).unwrap_or(NonZeroUsize::MIN),
    };
    Runtime::on(workers, Clock::Threads(timers))
}

struct Workers {
    // Dropped before the guard, so that the last one, which drops the tasks, is a worker's.
    executor: Arc<Executor<'static>>,
    _closing: DropGuard,
    started: NonZeroUsize,
}

impl Spawner for Workers {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.executor.spawn(task).detach();
    }

    fn spawn_driver(&self, driver: Driver) {
        self.executor.spawn(driver).detach();
    }

    fn parallelism(&self) -> NonZeroUsize {
        self.started
    }
}

fn start(
    index: usize,
    executor: Arc<Executor<'static>>,
    closing: CancellationToken,
) -> io::Result<()> {
    let work = move || {
        // Tasks do not unwind. Should anything else, the thread is worth more than the panic,
        // which the panic hook has seen.
        while let Err(payload) = catch(|| block_on(executor.run(closing.cancelled()))) {
            forget_panic(payload);
        }
    };
    let name = format!("untethered-{index}");
    thread::Builder::new().name(name).spawn(work).map(drop)
}
