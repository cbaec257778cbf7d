#[cfg(feature = "http")]
mod tcp;

use std::cell::Cell;
use std::fmt;
use std::future::{Future, pending};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use ::tokio::runtime::{Handle, RuntimeFlavor};
use ::tokio::task::{AbortHandle, unconstrained};
use pin_project_lite::pin_project;

use super::clock::Clock;
use super::{BoxFuture, Driver, Runtime, Spawner};
use crate::primitives::atomic::{AtomicUsize, Ordering, fence};
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
        let timers = Timers::new(handle.clone())?;
        let tasks = Tasks {
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
    fn watch(&self, socket: std::net::TcpStream) -> std::io::Result<Arc<dyn super::Tcp>> {
        self.sockets.watch(&self.handle, socket)
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.handle.metrics().num_workers()).unwrap_or(NonZeroUsize::MIN)
    }

    fn block_on(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), String> {
        if let RuntimeFlavor::CurrentThread = self.handle.runtime_flavor() {
            return Err(
                "a tokio runtime of one thread runs nothing outside of its own \
                        `Runtime::block_on`: await the future there"
                    .into(),
            );
        }
        self.handle.block_on(main);
        Ok(())
    }

    fn should_yield(&self) -> bool {
        !::tokio::task::coop::has_budget_remaining()
    }

    fn yield_now(&self, cx: &mut Context<'_>) {
        // tokio wakes a task that yields this way after it looked at timers and sockets. One that
        // woke itself would go before them.
        let polled = pin!(::tokio::task::yield_now()).poll(cx);
        debug_assert!(polled.is_pending());
    }

    fn keeps_woken_last(&self) -> bool {
        // It waits for this worker, where no other can take it, until one more is woken or spawned.
        self.handle.metrics().num_workers() > 1
    }

    fn bump(&self) {
        if self.keeps_woken_last() {
            self.handle.spawn(async {});
        }
    }
}

#[derive(Clone)]
pub(super) struct Timers(Arc<Watched>);

struct Watched {
    handle: Handle,
    /// Whether its clock can be paused: only that of a runtime of one thread.
    pausable: bool,
    gate: Arc<Gate>,
    /// The task that closes the gate when tokio drops it: after the last poll of a task, before
    /// the timers end.
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
        let gate = Arc::new(Gate::default());
        let closes = CloseOnDrop(gate.clone());
        let watcher = handle.spawn(async move {
            let _closes = closes;
            pending::<()>().await;
        });
        Ok(Self(Arc::new(Watched {
            pausable: handle.runtime_flavor() == RuntimeFlavor::CurrentThread,
            watcher: watcher.abort_handle(),
            handle,
            gate,
        })))
    }

    pub(super) fn now(&self) -> Instant {
        self.0.now()
    }

    #[inline]
    pub(super) fn after(&self, duration: Duration) -> (Option<Instant>, Timer) {
        if !self.0.pausable {
            // A timer that is never polled, of work that is ready at once, then costs nothing.
            return (self.now().checked_add(duration), self.timer());
        }
        // One visit to tokio's context for both.
        let made = self.0.inside(|| {
            let now = ::tokio::time::Instant::now().into_std();
            let deadline = now.checked_add(duration);
            (deadline, deadline.and_then(sleep_until))
        });
        let (deadline, sleep) = made.unwrap_or_else(|| (self.now().checked_add(duration), None));
        let watched = self.0.clone();
        (deadline, Timer { watched, sleep })
    }

    pub(super) fn timer(&self) -> Timer {
        Timer {
            watched: self.0.clone(),
            sleep: None,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Watched {
    #[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
    fn now(&self) -> Instant {
        if !self.pausable {
            return Instant::now();
        }
        self.inside(|| ::tokio::time::Instant::now().into_std())
            .unwrap_or_else(Instant::now)
    }

    #[inline]
    fn inside<T>(&self, f: impl FnOnce() -> T) -> Option<T> {
        inside(&self.handle, f)
    }
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

/// Only in tokio's context. `None` is never.
fn sleep_until(deadline: Instant) -> Option<::tokio::time::Sleep> {
    // tokio rounds up to its tick of a millisecond, by an addition that must not overflow.
    deadline.checked_add(Duration::from_secs(1))?;
    Some(::tokio::time::sleep_until(deadline.into()))
}

pin_project! {
    /// A sleep of tokio that stays pending once its runtime was shut down, where tokio's own
    /// would panic or, fired by the shutdown, be early.
    pub(super) struct Timer {
        watched: Arc<Watched>,
        // `None` where there is no timer to be had.
        #[pin]
        sleep: Option<::tokio::time::Sleep>,
    }
}

impl Timer {
    pub(super) fn now(&self) -> Instant {
        self.watched.now()
    }

    pub(super) fn arm(self: Pin<&mut Self>, _deadline: Instant) {
        // The poll that follows does, if there is no sleep to that deadline already.
    }

    pub(super) fn is_dead(&self) -> bool {
        self.watched.gate.is_closed()
    }

    pub(super) fn disarm(self: Pin<&mut Self>) {
        self.project().sleep.set(None);
    }

    pub(super) fn poll(self: Pin<&mut Self>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let gate = &this.watched.gate;
        if this.sleep.is_none() {
            let sleep = this.watched.inside(|| sleep_until(deadline));
            this.sleep.set(sleep.flatten());
        }
        let Some(sleep) = this.sleep.as_pin_mut() else {
            return Poll::Pending;
        };
        if sleep.is_elapsed() {
            // Acquire, with the release of who fired it: if it was a shutdown, the gate is seen
            // closed.
            fence(Ordering::Acquire);
            return gate.unless_closed();
        }
        let Some(_passing) = gate.pass() else {
            return Poll::Pending;
        };
        // Outside of the task's budget, or work that uses all of it would never be timed out.
        let mut unconstrained = unconstrained(sleep);
        match catch(|| Pin::new(&mut unconstrained).poll(cx)) {
            // A shutdown, which fires it early, waits for who is passing before it begins; but
            // not for ever.
            Ok(Poll::Ready(())) => gate.unless_closed(),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) if gate.is_closed() => {
                forget_panic(payload);
                Poll::Pending
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}

/// Keeps tokio from ending its timers while one of them is polled.
///
/// Bit 0 says closed; the rest counts who is passing, in twos.
#[derive(Default)]
struct Gate(AtomicUsize);

const CLOSED: usize = 1;
const PASSING: usize = 2;

thread_local! {
    /// How many gates this thread is passing.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

impl Gate {
    /// `None` once it is closed.
    fn pass(&self) -> Option<Passing<'_>> {
        OWN.try_with(|own| own.set(own.get() + 1)).ok();
        let passing = Passing(self);
        // Nothing is read through the gate: the one modification order of the number suffices.
        // Who passes comes before the close in it, and so is waited for.
        if self.0.fetch_add(PASSING, Ordering::Relaxed) & CLOSED == 0 {
            Some(passing)
        } else {
            None
        }
    }

    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    fn unless_closed(&self) -> Poll<()> {
        match self.is_closed() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// Closes it, and waits until all have passed.
    fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::Relaxed);
        // The poll may be this thread's: of a waker that ends the runtime when it is dropped.
        // Then tokio panics, and `poll` catches that.
        let own = OWN.try_with(Cell::get).unwrap_or(0) * PASSING;
        // A poll is short, but its thread may be kept from running for long. It is not waited
        // for without end, because a waker could wait for us.
        for round in 0..SHORT_WAITS + LONG_WAITS {
            // Acquire, with the release of who has passed: the poll is over.
            if self.0.load(Ordering::Acquire) <= CLOSED + own {
                break;
            }
            wait(round < SHORT_WAITS);
        }
    }
}

const SHORT_WAITS: usize = 1_000;
/// Of a millisecond each.
const LONG_WAITS: usize = 10_000;

#[expect(clippy::disallowed_methods, reason = "no timer of a runtime that ends")]
fn wait(short: bool) {
    if short {
        thread::yield_now();
    } else {
        thread::sleep(Duration::from_millis(1));
    }
}

struct Passing<'a>(&'a Gate);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(PASSING, Ordering::Release);
        OWN.try_with(|own| own.set(own.get() - 1)).ok();
    }
}

struct CloseOnDrop(Arc<Gate>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}
