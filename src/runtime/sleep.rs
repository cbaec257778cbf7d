use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;

/// Tells the time and sleeps. One of the two traits behind a [`Runtime`](super::Runtime).
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

/// The future of [`Runtime::sleep`](super::Runtime::sleep) and [`Runtime::sleep_until`](super::Runtime::sleep_until).
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
    pub(super) fn new(sleeper: Arc<dyn Sleeper>, deadline: Option<Instant>) -> Self {
        Self {
            sleeper,
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

/// The time of day by the clock of this machine: only for what others write as a date.
#[cfg(feature = "http")]
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
pub(crate) fn wall_clock() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Sleeps by `timer`, which takes a duration, until `deadline` and not less.
///
/// In steps, because not every system can wait for a century.
#[cfg(any(feature = "async-std", feature = "smol", feature = "threads"))]
#[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
pub(super) async fn sleep_in_steps<T: Future>(deadline: Instant, timer: impl Fn(Duration) -> T) {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        timer(left.min(LONGEST)).await;
    }
}
