mod gate;
#[cfg(feature = "http")]
mod tcp;
pub(super) mod timers;

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use ::tokio::runtime::{Handle, RuntimeFlavor};
use ::tokio::task::consume_budget;
use ::tokio::task::coop::has_budget_remaining;

use self::timers::Timers;
use super::clock::Clock;
use super::{BoxFuture, Driver, Runtime, Spawner};
use crate::task::{catch, forget_panic};

/// The tokio runtime this is called in, current-thread or multi-thread.
///
/// To take one from outside, hand its handle to [`Runtime::try_from`]. Inside, as in a
/// `#[tokio::main]`, what runs on it is awaited: [`Runtime::block_on`], and `run` and `run_with`
/// with it, would block a thread that runs tasks, and panic.
///
/// The clock is tokio's: it stands still and jumps where `tokio::time::pause` says so. Blocking
/// closures go to tokio's own pool. What is spawned after the tokio runtime was shut down is
/// dropped, and a sleep stays pending from then on. One idle task is kept on the tokio runtime
/// for as long as a clone of the [`Runtime`] or a sleep of it is there: it tells of the shutdown.
///
/// # Errors
///
/// [`NoRuntime::NotInside`] outside of a tokio runtime. [`NoRuntime::TimersOff`] if it was built
/// without `enable_time`. tokio answers this question by a panic only. It is caught here, but
/// the program's panic hook sees it, and a program that aborts on panic ends.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::runtime;
///
/// # let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # tokio.block_on(async {
/// let rt = runtime::tokio()?;
/// let nap = rt.sleep(Duration::from_millis(1));
/// let task = rt.spawn(async move {
///     nap.await;
///     "rested"
/// });
/// assert_eq!(task.await.unwrap(), "rested");
/// # Ok::<(), runtime::NoRuntime>(())
/// # }).unwrap();
/// assert!(runtime::tokio().is_err());
/// ```
pub fn tokio() -> Result<Runtime, NoRuntime> {
    match Handle::try_current() {
        Ok(handle) => Runtime::try_from(handle),
        Err(_) => Err(NoRuntime::NotInside),
    }
}

/// As [`tokio()`](super::tokio), for the runtime of a handle. Never [`NoRuntime::NotInside`].
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
impl TryFrom<Handle> for Runtime {
    type Error = NoRuntime;

    fn try_from(handle: Handle) -> Result<Self, NoRuntime> {
        let timers = Timers::new(handle.clone())?;
        let workers = handle.metrics().num_workers();
        let tasks = Tasks {
            workers: NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN),
            #[cfg(feature = "http")]
            sockets: tcp::Sockets::default(),
            handle,
        };
        Ok(Self::on(tasks, Clock::Tokio(timers)))
    }
}

/// Why there is no [`Runtime`] to be had from tokio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoRuntime {
    /// The call was made outside of a tokio runtime.
    NotInside,
    /// The tokio runtime was built without `enable_time`.
    TimersOff,
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInside => "not called from inside a tokio runtime",
            Self::TimersOff => "timers are off in this tokio runtime: build it with `enable_time`",
        })
    }
}

impl std::error::Error for NoRuntime {}

struct Tasks {
    handle: Handle,
    /// How many threads run tasks.
    workers: NonZeroUsize,
    #[cfg(feature = "http")]
    sockets: tcp::Sockets,
}

impl Spawner for Tasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.handle.spawn(task);
    }

    fn spawn_driver(&self, driver: Driver) {
        self.handle.spawn(driver);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        // tokio panics where the system gives it no thread. The work is in its queue by then, to
        // be run by a later thread or dropped with the runtime.
        if let Err(payload) = catch(|| self.handle.spawn_blocking(work)) {
            forget_panic(payload);
        }
    }

    #[cfg(feature = "http")]
    fn watch(
        &self,
        socket: std::net::TcpStream,
    ) -> std::io::Result<std::sync::Arc<dyn super::Tcp>> {
        self.sockets.watch(&self.handle, socket)
    }

    fn parallelism(&self) -> NonZeroUsize {
        self.workers
    }

    fn block_on(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), String> {
        let refusal = if polls_here() {
            "this thread runs tasks of tokio and must not block: await the future here. \
             For `run` and `run_with` that is `Run::on(&rt).main(..).await` and \
             `Run::on(&rt).main_with(..).await`"
        } else if self.handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            "a tokio runtime of one thread runs nothing outside of its own \
             `Runtime::block_on`: await the future there"
        } else {
            self.handle.block_on(main);
            return Ok(());
        };
        Err(refusal.into())
    }

    fn should_yield(&self) -> bool {
        !has_budget_remaining()
    }

    fn yield_now(&self, cx: &mut Context<'_>) {
        // tokio wakes a task that yields this way after it looked at timers and sockets. One that
        // woke itself would go before them.
        let polled = pin!(::tokio::task::yield_now()).poll(cx);
        debug_assert!(polled.is_pending());
    }

    fn keeps_woken_last(&self) -> bool {
        // It waits for this worker, where no other can take it, until one more is woken or spawned.
        self.workers > NonZeroUsize::MIN
    }

    fn bump(&self) {
        if self.keeps_woken_last() {
            self.handle.spawn(async {});
        }
    }
}

/// Whether tokio polls something on this thread, so that its `block_on` would panic.
///
/// tokio does not say so. But what it polls has a budget, kept in a `u8`, and what may block has
/// none: code in `block_in_place`, in `spawn_blocking`, under a guard of `enter`. Uses that budget
/// up. Does not see what is `unconstrained`: there tokio panics itself.
fn polls_here() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let used_up = (0..=u8::MAX).any(|_| pin!(consume_budget()).poll(&mut cx).is_pending());
    used_up || !has_budget_remaining()
}

/// Runs `f` in tokio's context. `None` where the thread is too far gone to have one: in the
/// destructors of its thread-local variables.
#[inline]
fn inside<T>(handle: &Handle, f: impl FnOnce() -> T) -> Option<T> {
    let lives = CONTEXT.try_with(|context| context.lives);
    if !lives.unwrap_or_else(|_| context_lives()) {
        return None;
    }
    let _inside = handle.enter();
    Some(f())
}

thread_local! {
    /// To ask tokio each time would count its handle up and down. Thread-local variables are
    /// dropped last made first, and tokio's is made here if it was not: while this is there, so is
    /// that.
    static CONTEXT: MadeAfterTokios = MadeAfterTokios { lives: context_lives() };
}

struct MadeAfterTokios {
    lives: bool,
}

/// So that std keeps account of whether it is still there.
impl Drop for MadeAfterTokios {
    fn drop(&mut self) {}
}

fn context_lives() -> bool {
    !matches!(Handle::try_current(), Err(error) if error.is_thread_local_destroyed())
}
