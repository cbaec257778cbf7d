use std::fmt;
use std::future::{Future, pending};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::tokio::runtime::{EnterGuard, Handle};
use ::tokio::task::AbortHandle;
use pin_project_lite::pin_project;

use super::{BoxFuture, Runtime, Sleeper, Spawner};
use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::task::{catch, forget_panic};

/// The tokio runtime this is called in, current-thread or multi-thread.
///
/// To take one from outside, hand its handle to [`Runtime::try_from`].
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
        Ok(Self::new(Tasks(handle.clone()), Timers::new(handle)?))
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

struct Tasks(Handle);

impl Spawner for Tasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        // tokio panics where the system gives it no thread. The work is in its queue by then, to
        // be run by a later thread or dropped with the runtime.
        if let Err(payload) = catch(|| self.0.spawn_blocking(work)) {
            forget_panic(payload);
        }
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.0.metrics().num_workers()).unwrap_or(NonZeroUsize::MIN)
    }
}

struct Timers {
    handle: Handle,
    /// Set when tokio drops the watcher, which it does before its timers end.
    gone: Arc<AtomicBool>,
    watcher: AbortHandle,
}

impl Timers {
    fn new(handle: Handle) -> Result<Self, NoRuntime> {
        let probe = catch(|| {
            let _inside = handle.enter();
            drop(::tokio::time::sleep(Duration::ZERO));
        });
        if let Err(payload) = probe {
            forget_panic(payload);
            return Err(NoRuntime::TimersOff);
        }
        let gone = Arc::new(AtomicBool::new(false));
        let watcher = handle.spawn(pending_until_dropped(SetOnDrop(gone.clone())));
        Ok(Self {
            watcher: watcher.abort_handle(),
            handle,
            gone,
        })
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Sleeper for Timers {
    #[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
    fn now(&self) -> Instant {
        match enter(&self.handle) {
            Some(_inside) => ::tokio::time::Instant::now().into_std(),
            None => Instant::now(),
        }
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        // tokio rounds up to its tick of a millisecond, by an addition that must not overflow.
        if deadline.checked_add(Duration::from_secs(1)).is_none() {
            return Box::pin(pending());
        }
        let Some(_inside) = enter(&self.handle) else {
            return Box::pin(pending());
        };
        Box::pin(Timer {
            sleep: ::tokio::time::sleep_until(deadline.into()),
            handle: self.handle.clone(),
            gone: self.gone.clone(),
        })
    }
}

/// tokio's context. `None` where the thread is too far gone to have one: in the destructors of
/// its thread-local variables.
fn enter(handle: &Handle) -> Option<EnterGuard<'_>> {
    match Handle::try_current() {
        Err(error) if error.is_thread_local_destroyed() => None,
        _ => Some(handle.enter()),
    }
}

pin_project! {
    /// A sleep of tokio that stays pending, instead of panicking, once its runtime was shut down.
    struct Timer {
        #[pin]
        sleep: ::tokio::time::Sleep,
        handle: Handle,
        gone: Arc<AtomicBool>,
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        // Relaxed: the flag guards no data, and one that comes too late is caught below.
        if this.gone.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        match catch(|| this.sleep.poll(cx)) {
            Ok(poll) => poll,
            // The shutdown came between the look at the flag and the poll.
            Err(payload) if is_shut_down(this.handle) => {
                this.gone.store(true, Ordering::Relaxed);
                forget_panic(payload);
                Poll::Pending
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}

/// Whether the runtime refuses tasks: it drops them in the call then.
fn is_shut_down(handle: &Handle) -> bool {
    let probe = handle.spawn(pending::<()>());
    probe.abort();
    probe.is_finished()
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn pending_until_dropped(_guard: SetOnDrop) {
    pending::<()>().await;
}
