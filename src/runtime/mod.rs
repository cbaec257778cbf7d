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

#[cfg(feature = "async-std")]
mod async_std;
mod blocking;
#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "threads")]
mod threads;
#[cfg(feature = "tokio")]
mod tokio;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub use futures_core::future::BoxFuture;

#[cfg(feature = "async-std")]
#[cfg_attr(docsrs, doc(cfg(feature = "async-std")))]
pub use self::async_std::async_std;
#[cfg(feature = "smol")]
#[cfg_attr(docsrs, doc(cfg(feature = "smol")))]
pub use self::smol::{executor, smol};
#[cfg(feature = "threads")]
#[cfg_attr(docsrs, doc(cfg(feature = "threads")))]
pub use self::threads::threads;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub use self::tokio::{NoRuntime, tokio};

use crate::task::{BlockingTask, Task, quiet};

/// Starts tasks. One of the two traits behind a [`Runtime`].
///
/// # Examples
///
/// A spawner that gives each task a thread of its own:
///
/// ```
/// use untethered::runtime::{BoxFuture, Spawner};
///
/// struct ThreadEach;
///
/// impl Spawner for ThreadEach {
///     fn spawn(&self, task: BoxFuture<'static, ()>) {
///         std::thread::spawn(|| futures_lite::future::block_on(task));
///     }
/// }
/// ```
pub trait Spawner: Send + Sync + 'static {
    /// Runs `task` to its end, or drops it.
    ///
    /// Must return at once and must not poll `task` on the caller's stack. The task never
    /// unwinds. An implementation that can not run it (any more) drops it.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// As [`spawn`](Self::spawn), for a spawner that tells where its tasks come from.
    #[doc(hidden)]
    fn spawn_at(&self, task: BoxFuture<'static, ()>, caller: &'static Location<'static>) {
        let _ = caller;
        self.spawn(task);
    }

    /// Runs `work` where it may block.
    ///
    /// By default on a pool of the whole process: at most 500 threads, started as they are needed
    /// and ended when idle. Work beyond that waits its turn. Where the system gives no thread at
    /// all, the work is dropped.
    ///
    /// Neither running nor dropping `work` unwinds. An implementation that can not run it drops
    /// it.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        blocking::spawn(work);
    }

    /// How many tasks can run at the same moment: the number of worker threads.
    ///
    /// By default what the machine offers.
    fn parallelism(&self) -> NonZeroUsize {
        available_parallelism()
    }

    /// Whether the task that is polled on this thread has used up its share and ought to yield.
    #[doc(hidden)]
    fn should_yield(&self) -> bool {
        false
    }

    /// Has the task of `cx` polled again once others had their turn.
    #[doc(hidden)]
    fn yield_now(&self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Called by a task that has just woken another which must not wait for it, for a scheduler
    /// that keeps the task woken last for the thread it was woken on.
    #[doc(hidden)]
    fn bump(&self) {}

    /// Which of `ready` children of a group is to be polled next, the oldest being nought.
    #[doc(hidden)]
    fn choose(&self, ready: usize) -> usize {
        let _ = ready;
        0
    }
}

/// Tells the time and sleeps. One of the two traits behind a [`Runtime`].
///
/// Both methods must go by the same clock.
pub trait Sleeper: Send + Sync + 'static {
    /// The present moment. Never goes backwards.
    fn now(&self) -> Instant;

    /// A future that is ready at `deadline`, never before it.
    ///
    /// Dropping it frees the timer. It must be possible to create, poll and drop it on any thread.
    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()>;
}

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
    sleeper: Arc<dyn Sleeper>,
    unobserved: Arc<Hook>,
}

pub(crate) type Hook = dyn Fn(Unobserved) + Send + Sync;

impl Runtime {
    /// A runtime from its two halves.
    pub fn new(spawner: impl Spawner, sleeper: impl Sleeper) -> Self {
        Self {
            inner: Arc::new(Inner {
                spawner: Arc::new(spawner),
                sleeper: Arc::new(sleeper),
                unobserved: Arc::new(|unobserved| eprintln!("untethered: {unobserved}")),
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

    /// The present moment by the runtime's clock.
    pub fn now(&self) -> Instant {
        self.inner.sleeper.now()
    }

    /// Sleeps for `duration`, counted from this call.
    ///
    /// Nought is ready at the first poll. A `duration` too long for the clock never ends.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(self, self.now().checked_add(duration))
    }

    /// Sleeps until `deadline`. One that has passed is ready at the first poll.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(self, Some(deadline))
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
                sleeper: self.inner.sleeper.clone(),
                unobserved: Arc::new(hook),
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

    /// Starts a task that has no handle. `task` never unwinds.
    pub(crate) fn spawn_driver(&self, task: BoxFuture<'static, ()>) {
        self.inner.spawner.spawn(task);
    }

    pub(crate) fn should_yield(&self) -> bool {
        self.inner.spawner.should_yield()
    }

    pub(crate) fn yield_now(&self, cx: &mut Context<'_>) {
        self.inner.spawner.yield_now(cx);
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

/// Hands `payload` to `hook`. A panic of the hook is dropped.
pub(crate) fn report_unobserved(hook: &Hook, payload: Box<dyn Any + Send>) {
    quiet(|| hook(Unobserved::panic(payload)));
}

/// What went wrong in a task and has nobody to take it.
///
/// A panic of a task whose handle was dropped or detached, or a failure of a
/// [`Group`](crate::group::Group) that has no other owner. Goes to the hook of
/// [`Runtime::on_unobserved`].
pub struct Unobserved {
    what: What,
}

enum What {
    Panic(Box<dyn Any + Send>),
    /// The error, and which task it comes from.
    Error(String, Box<dyn std::error::Error + Send + Sync>),
}

impl Unobserved {
    pub(crate) fn error(task: String, error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self {
            what: What::Error(task, error),
        }
    }

    pub(crate) fn panic(payload: Box<dyn Any + Send>) -> Self {
        Self {
            what: What::Panic(payload),
        }
    }

    /// What the task panicked with; the boxed error if it returned one.
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.what {
            What::Panic(payload) => payload,
            What::Error(_, error) => Box::new(error),
        }
    }

    /// The error the task returned.
    ///
    /// # Errors
    ///
    /// Gives itself back if the task panicked.
    pub fn into_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        match self.what {
            What::Error(_, error) => Ok(error),
            What::Panic(_) => Err(self),
        }
    }
}

impl fmt::Debug for Unobserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unobserved")
            .field(&self.to_string())
            .finish()
    }
}

impl fmt::Display for Unobserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Panic(payload) => {
                f.write_str("a task that nobody waits for panicked")?;
                match crate::task::panic_message(&**payload) {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                }
            }
            What::Error(task, error) => write!(f, "{task} failed: {error}"),
        }
    }
}

/// The future of [`Runtime::sleep`] and [`Runtime::sleep_until`].
///
/// Ready once its deadline has passed, and from then on at every poll. Dropping it frees the
/// timer. [`reset`](Self::reset) moves the deadline, before or after it has passed.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    /// Not the runtime: a task that sleeps must not keep alive what runs it.
    sleeper: Arc<dyn Sleeper>,
    /// `None` lies beyond what the clock can say.
    deadline: Option<Instant>,
    timer: Timer,
}

enum Timer {
    Unarmed,
    Armed(BoxFuture<'static, ()>),
    Elapsed,
}

impl Sleep {
    fn new(runtime: &Runtime, deadline: Option<Instant>) -> Self {
        Self {
            sleeper: runtime.inner.sleeper.clone(),
            deadline,
            timer: Timer::Unarmed,
        }
    }

    /// When the sleep ends. `None` if that lies beyond what the clock can say.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the deadline had passed when the sleep was last polled.
    pub fn is_elapsed(&self) -> bool {
        matches!(self.timer, Timer::Elapsed)
    }

    /// Moves the deadline to `duration` from now.
    pub fn reset(&mut self, duration: Duration) {
        self.deadline = self.sleeper.now().checked_add(duration);
        self.timer = Timer::Unarmed;
    }

    /// The present moment by the clock it goes by.
    pub(crate) fn now(&self) -> Instant {
        self.sleeper.now()
    }

    /// Moves the deadline to `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        self.timer = Timer::Unarmed;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(deadline) = this.deadline else {
            return Poll::Pending;
        };
        if let Timer::Unarmed = this.timer {
            this.timer = if this.sleeper.now() >= deadline {
                Timer::Elapsed
            } else {
                Timer::Armed(this.sleeper.sleep_until(deadline))
            };
        }
        match &mut this.timer {
            Timer::Armed(timer) => {
                std::task::ready!(timer.as_mut().poll(cx));
                this.timer = Timer::Elapsed;
                Poll::Ready(())
            }
            _ => Poll::Ready(()),
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("elapsed", &self.is_elapsed())
            .finish()
    }
}

/// The real clock, where a virtual one begins.
#[cfg(feature = "sim")]
#[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
pub(crate) fn present() -> Instant {
    Instant::now()
}

fn available_parallelism() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Sleeps by `timer`, which takes a duration, until `deadline` and not less.
///
/// In steps, because not every system can wait for a century.
#[cfg(any(feature = "async-std", feature = "smol", feature = "threads"))]
#[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
async fn sleep_in_steps<T: Future>(deadline: Instant, timer: impl Fn(Duration) -> T) {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        timer(left.min(LONGEST)).await;
    }
}
