//! The one door to async runtimes.
//!
//! A [`Runtime`] is a cheap, clonable handle that can start a task, sleep, tell the time and run
//! a blocking closure. Operations of this crate that need one of these take it as an argument;
//! nothing looks for a runtime by itself.
//!
//! Take the constructor of the runtime your program runs on:
//!
//! | Program | Constructor | Feature |
//! |---|---|---|
//! | tokio | `runtime::tokio()`, or `Runtime::try_from(handle)` | `tokio` |
//! | smol | `runtime::smol()`, or `runtime::executor()` for an `Executor` of your own | `smol` |
//! | async-std | `runtime::async_std()` | `async-std` |
//! | none at all | `runtime::threads()` | `threads` |
//! | tests with virtual time | `Sim::new().runtime()` | `sim` |
//!
//! For any other, implement [`Spawner`] and [`Sleeper`] and hand them to [`Runtime::new`].
//!
//! # The contract
//!
//! What holds on every runtime, and what an implementation must keep for it to hold:
//!
//! * A runtime that can not run a task drops it. Whoever holds the [`Task`] then gets a
//!   [`JoinError`](crate::task::JoinError) that says cancelled.
//! * What this crate hands to a runtime never unwinds, neither when polled nor when dropped.
//! * A future is dropped before its outcome can be seen.
//! * Timers are never early. A sleep never panics: where the timers went with the runtime, it stays
//!   pending.
//! * A [`Runtime`] works from every thread and from destructors.

#[allow(dead_code, reason = "stands in for what a feature adds")]
mod absent;
#[cfg(any(feature = "async-std", feature = "smol"))]
mod async_io;
#[cfg(feature = "async-std")]
mod async_std;
mod block_on;
mod blocking;
mod clock;
mod driver;
mod sleep;
#[cfg(feature = "smol")]
mod smol;
mod spawner;
#[cfg(feature = "http")]
mod tcp;
#[cfg(feature = "threads")]
mod threads;
#[cfg(any(feature = "threads", all(test, untethered_loom)))]
mod timers;
#[cfg(feature = "tokio")]
mod tokio;
mod unobserved;
#[cfg(any(feature = "threads", all(test, untethered_loom)))]
mod wheel;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::{Duration, Instant};

pub use futures_core::future::BoxFuture;

#[cfg(feature = "async-std")]
#[cfg_attr(docsrs, doc(cfg(feature = "async-std")))]
pub use self::async_std::async_std;
pub use self::block_on::block_on;
pub use self::sleep::{Sleep, Sleeper};
#[cfg(feature = "smol")]
#[cfg_attr(docsrs, doc(cfg(feature = "smol")))]
pub use self::smol::{executor, smol};
pub use self::spawner::Spawner;
#[cfg(feature = "threads")]
#[cfg_attr(docsrs, doc(cfg(feature = "threads")))]
pub use self::threads::threads;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub use self::tokio::{NoRuntime, tokio};
pub use self::unobserved::Unobserved;

pub(crate) use self::driver::{Driver, Drives, Seat};
#[cfg(feature = "sim")]
pub(crate) use self::sleep::present;
#[cfg(feature = "http")]
pub(crate) use self::sleep::wall_clock;
#[cfg(feature = "http")]
pub(crate) use self::tcp::Tcp;
pub(crate) use self::unobserved::{Hook, print_unobserved, report_unobserved};

#[cfg(not(any(feature = "async-std", feature = "smol")))]
use self::absent as async_io;
#[cfg(not(any(feature = "threads", all(test, untethered_loom))))]
use self::absent as timers;
// Not named `tokio`: where the feature is off nothing is, so that the compiler can say to whoever
// calls `runtime::tokio()` which feature it is.
#[cfg(not(feature = "tokio"))]
use self::absent as tokio_timers;
use self::clock::Clock;
#[cfg(feature = "tokio")]
use self::tokio::timers as tokio_timers;
use crate::task::{BlockingTask, Task, quiet};

/// A handle to an async runtime: starts tasks, sleeps, tells the time, runs blocking closures.
///
/// Clones share the same runtime. See the [module](self) for where to get one and for the
/// contract that holds on each.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::runtime;
///
/// let rt = runtime::threads(2);
/// let task = rt.spawn(async { 6 * 7 });
/// assert_eq!(futures_lite::future::block_on(task).unwrap(), 42);
/// # }
/// ```
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    spawner: Arc<dyn Spawner>,
    clock: Clock,
    unobserved: Arc<Hook>,
    most_drivers: OnceLock<NonZeroUsize>,
}

impl Runtime {
    /// A runtime from its two halves.
    pub fn new(spawner: impl Spawner, sleeper: impl Sleeper) -> Self {
        Self::on(spawner, Clock::Other(Arc::new(sleeper)))
    }

    fn on(spawner: impl Spawner, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                spawner: Arc::new(spawner),
                clock,
                unobserved: Arc::new(print_unobserved),
                most_drivers: OnceLock::new(),
            }),
        }
    }

    /// Starts `future` as a task of the runtime.
    ///
    /// The task starts by itself; awaiting the [`Task`] gives its output. Dropping the [`Task`]
    /// cancels the future, [`Task::detach`] lets it go on alone.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, body) = Task::new(future, self);
        let caller = Location::caller();
        self.inner.spawner.spawn_at(Box::pin(body), caller);
        task
    }

    /// Runs `work` on a thread where it may block.
    ///
    /// Awaiting the [`BlockingTask`] gives what `work` returned. Dropping it lets `work` go on.
    /// `work` that is never run, because the runtime has gone, gives a cancelled
    /// [`JoinError`](crate::task::JoinError).
    pub fn spawn_blocking<F, T>(&self, work: F) -> BlockingTask<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, body) = BlockingTask::new(work, self);
        self.inner.spawner.spawn_blocking(body);
        task
    }

    /// Runs `future` on the calling thread until it is done: the way from `main` into the runtime.
    ///
    /// `future` is not a task: it need not be `Send` and may borrow. It finds what tasks of the
    /// runtime find: tokio's context, or async-std's. On an executor of one's own the thread runs
    /// the executor meanwhile, on a `Sim` it drives the simulation; elsewhere tasks run on the
    /// threads of the runtime.
    ///
    /// Inside of a task `.await` instead. A call there blocks the thread that runs the task, and
    /// the other tasks of that thread with it; a runtime with that one thread stands still, for
    /// ever if `future` waits for one of its tasks.
    ///
    /// # Panics
    ///
    /// If `future` does; if called where tokio, on a runtime of tokio, or a `Sim` polls: await it
    /// there; and on a tokio runtime of one thread, which only its own `block_on` can drive.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] {
    /// use untethered::runtime;
    ///
    /// let rt = runtime::threads(2);
    /// let words = vec!["on", "loan"];
    /// let sum = rt.block_on(async { rt.spawn(async { 2 }).await.unwrap() + words.len() });
    /// assert_eq!(sum, 4);
    /// # }
    /// ```
    #[track_caller]
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
        let mut output = None;
        let refusal = {
            let main = pin!(async { output = Some(future.await) });
            self.inner.spawner.block_on(main).err()
        };
        if let Some(refusal) = refusal {
            panic!("{refusal}");
        }
        output.expect("a future that has ended has set its output")
    }

    /// The present moment by the runtime's clock.
    pub fn now(&self) -> Instant {
        self.inner.clock.now()
    }

    /// Sleeps for `duration`, counted from this call.
    ///
    /// Nought is ready at the first poll. A `duration` too long for the clock never ends.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::after(&self.inner.clock, duration)
    }

    /// Sleeps until `deadline`. One that has passed is ready at the first poll.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::until(&self.inner.clock, deadline)
    }

    /// How many tasks can run at the same moment.
    pub fn parallelism(&self) -> NonZeroUsize {
        self.inner.spawner.parallelism()
    }

    /// The same runtime with `hook` for panics that no handle can report.
    ///
    /// It applies to what is started through the returned handle and its clones. By default each
    /// gives one line on standard error. A panic of the hook itself is dropped.
    #[must_use = "the hook belongs to the returned handle"]
    pub fn on_unobserved(self, hook: impl Fn(Unobserved) + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                spawner: self.inner.spawner.clone(),
                clock: self.inner.clock.clone(),
                unobserved: Arc::new(hook),
                most_drivers: OnceLock::new(),
            }),
        }
    }

    pub(crate) fn hook(&self) -> Arc<Hook> {
        self.inner.unobserved.clone()
    }

    pub(crate) fn report_unobserved(&self, payload: Box<dyn Any + Send>) {
        report_unobserved(&*self.inner.unobserved, payload);
    }

    pub(crate) fn report(&self, unobserved: Unobserved) {
        quiet(|| (self.inner.unobserved)(unobserved));
    }

    /// Starts a driver of a group.
    pub(crate) fn spawn_driver(&self, driver: Driver) {
        self.inner.spawner.spawn_driver(driver);
    }

    /// How many drivers a group may have: the [`parallelism`](Self::parallelism), asked for once.
    pub(crate) fn most_drivers(&self) -> usize {
        let most = self.inner.most_drivers.get_or_init(|| self.parallelism());
        most.get()
    }

    /// Has a reactor watch `socket`, which does not block.
    #[cfg(feature = "http")]
    pub(crate) fn watch(&self, socket: std::net::TcpStream) -> std::io::Result<Arc<dyn Tcp>> {
        self.inner.spawner.watch(socket)
    }

    pub(crate) fn watches_groups(&self) -> bool {
        self.inner.spawner.watches_groups()
    }

    pub(crate) fn should_yield(&self) -> bool {
        self.inner.spawner.should_yield()
    }

    pub(crate) fn yield_now(&self, cx: &mut Context<'_>) {
        self.inner.spawner.yield_now(cx);
    }

    pub(crate) fn keeps_woken_last(&self) -> bool {
        self.inner.spawner.keeps_woken_last()
    }

    pub(crate) fn bump(&self) {
        self.inner.spawner.bump();
    }

    pub(crate) fn choose(&self, ready: usize) -> usize {
        self.inner.spawner.choose(ready)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

// Here, and not in the root, because it shows a program on tokio.
#[cfg(all(
    doctest,
    feature = "http",
    feature = "sim",
    feature = "tokio",
    feature = "workers"
))]
#[doc = include_str!("../../README.md")]
struct Readme;
