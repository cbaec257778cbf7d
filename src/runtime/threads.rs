use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_executor::Executor;
use futures_timer::Delay;

use super::{BoxFuture, Runtime, Sleeper, Spawner, block_on, sleep_in_steps};
use crate::task::{CancellationToken, DropGuard, catch, forget_panic};

/// A runtime of its own: `n` worker threads, and one for the timers of all such runtimes.
///
/// For programs without a runtime. The threads start now, and are named `untethered-0` and so on.
/// They end when the last clone of the [`Runtime`] has been dropped; nobody waits for them, and
/// the tasks that are left are dropped. A task that holds a clone keeps its runtime running, and so
/// does a [`Group`](crate::group::Group) or a handle of one of its tasks.
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
    // Starts the thread of the timers, here rather than in the middle of the program.
    drop(Delay::new(Duration::ZERO));
    let workers = Workers {
        executor,
        _closing: closing_guard,
        started: NonZeroUsize::new(started).unwrap_or(NonZeroUsize::MIN),
    };
    Runtime::new(workers, Timers)
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

struct Timers;

impl Sleeper for Timers {
    #[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(sleep_in_steps(deadline, Delay::new))
    }
}
