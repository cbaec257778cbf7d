use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;

use super::clock::{Clock, Timer};

/// Tells the time and sleeps. One of the two traits behind a [`Runtime`](super::Runtime).
///
/// Both methods must go by the same clock.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not sleep",
    label = "implements no `untethered::runtime::Sleeper`",
    note = "for tokio, smol, async-std and plain threads `untethered::runtime` has constructors; for \
            another runtime implement `Sleeper`"
)]
pub trait Sleeper: Send + Sync + 'static {
    /// The present moment. Never goes backwards.
    fn now(&self) -> Instant;

    /// A future that is ready at `deadline`, never before it.
    ///
    /// Dropping it frees the timer. It must be possible to create, poll and drop it on any thread.
    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()>;
}

pin_project! {
    /// The future of [`Runtime::sleep`](super::Runtime::sleep) and [`Runtime::sleep_until`](super::Runtime::sleep_until).
    ///
    /// Ready once its deadline has passed, and from then on at every poll. Dropping it frees the
    /// timer. [`reset`](Self::reset) moves the deadline, before or after it has passed. What is
    /// reset or polled by hand has to be pinned first.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives its timer back; awaiting it again goes on where it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::time::Duration;
    /// use untethered::sim::Sim;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let second = Duration::from_secs(1);
    /// sim.block_on(async {
    ///     let mut nap = pin!(rt.sleep(second));
    ///     nap.as_mut().await;
    ///     nap.as_mut().reset(2 * second);
    ///     nap.await;
    /// });
    /// assert_eq!(sim.elapsed(), 3 * second);
    /// ```
    #[must_use = "futures do nothing unless awaited"]
    pub struct Sleep {
        // `None` lies beyond what the clock can say.
        deadline: Option<Instant>,
        state: State,
        #[pin]
        timer: Timer,
        // Some timers must not be moved. Which ones there are is a matter of features, which must
        // not change what a user can do with the type.
        #[pin]
        _pinned: PhantomPinned,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Made a moment ago with a deadline ahead, and armed; never polled.
    Fresh,
    Unarmed,
    Armed,
    Elapsed,
}

impl Sleep {
    #[inline]
    pub(super) fn after(clock: &Clock, duration: Duration) -> Self {
        let (deadline, timer) = clock.after(duration);
        let fresh = timer.is_some() && !duration.is_zero();
        Self {
            deadline,
            state: if fresh { State::Fresh } else { State::Unarmed },
            timer: timer.unwrap_or_else(|| clock.timer()),
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn until(clock: &Clock, deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            state: State::Unarmed,
            timer: clock.timer(),
            _pinned: PhantomPinned,
        }
    }

    /// When the sleep ends. `None` if that lies beyond what the clock can say.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the deadline had passed when the sleep was last polled.
    pub fn is_elapsed(&self) -> bool {
        self.state == State::Elapsed
    }

    /// Moves the deadline to `duration` from now. It has to be polled again to be woken then.
    pub fn reset(self: Pin<&mut Self>, duration: Duration) {
        let deadline = self.now().checked_add(duration);
        self.move_to(deadline);
    }

    /// Moves the deadline to `deadline`. It has to be polled again to be woken then.
    pub fn reset_at(self: Pin<&mut Self>, deadline: Instant) {
        self.move_to(Some(deadline));
    }

    /// The present moment by the clock it goes by.
    pub(crate) fn now(&self) -> Instant {
        self.timer.now()
    }

    fn move_to(self: Pin<&mut Self>, deadline: Option<Instant>) {
        let this = self.project();
        if *this.state != State::Elapsed {
            this.timer.disarm();
        }
        *this.state = State::Unarmed;
        *this.deadline = deadline;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(deadline) = *this.deadline else {
            return Poll::Pending;
        };
        if *this.state == State::Fresh {
            // The clock was read when it was made, and is not read again; unless nothing else
            // could tell that the deadline has passed.
            *this.state = if this.timer.is_dead() {
                State::Unarmed
            } else {
                State::Armed
            };
        }
        if *this.state == State::Unarmed {
            *this.state = if this.timer.now() >= deadline {
                State::Elapsed
            } else {
                this.timer.as_mut().arm(deadline);
                State::Armed
            };
        }
        if *this.state == State::Armed {
            std::task::ready!(this.timer.as_mut().poll(deadline, cx));
            this.timer.disarm();
            *this.state = State::Elapsed;
        }
        Poll::Ready(())
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
