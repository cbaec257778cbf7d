use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;

use crate::runtime::{Runtime, Sleep};

/// Ticks every `period`, the first time at once.
///
/// The ticks keep to their schedule and do not drift. What follows a late one is for
/// [`Interval::missed`] to say.
///
/// # Panics
///
/// If `period` is nought. For a period that comes from outside take [`Interval::try_new`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::interval;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// sim.block_on(async {
///     let mut ticks = interval(&rt, Duration::from_secs(1));
///     for _ in 0..3 {
///         ticks.tick().await;
///     }
/// });
/// assert_eq!(sim.elapsed(), Duration::from_secs(2));
/// ```
#[track_caller]
pub fn interval(rt: &Runtime, period: Duration) -> Interval {
    interval_at(rt, rt.now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// If `period` is nought.
#[track_caller]
pub fn interval_at(rt: &Runtime, start: Instant, period: Duration) -> Interval {
    match Interval::try_new(rt, start, period) {
        Ok(interval) => interval,
        Err(error) => panic!("{error}"),
    }
}

/// Ticks every period. From [`interval`] and [`interval_at`].
///
/// Also a [`Stream`] without an end. Take [`Timer`](super::Timer) for something that is to be
/// done every period by itself.
///
/// # Cancel safety
///
/// A tick that was not taken stays due for the next poll.
#[must_use = "an interval does nothing unless its ticks are awaited"]
pub struct Interval {
    period: Duration,
    missed: MissedTicks,
    /// When the next tick is due. `None` is never.
    due: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

/// What follows a tick that was taken late.
///
/// Ticks due every 10 seconds, and a loop that is busy from 0 to 25 and then quick:
///
/// | | taken at | and after that |
/// |---|---|---|
/// | `Burst` | 0, 25 (due at 10), 25 (due at 20) | 30, 40 |
/// | `Delay` | 0, 25 (due at 10) | 35, 45 |
/// | `Skip` | 0, 25 (due at 10) | 30, 40 |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::{MissedTicks, interval};
///
/// let (sim, second) = (Sim::new(), Duration::from_secs(1));
/// let rt = sim.runtime();
/// sim.block_on(async {
///     let mut ticks = interval(&rt, 10 * second).missed(MissedTicks::Skip);
///     ticks.tick().await;
///     rt.sleep(25 * second).await; // busy
///     ticks.tick().await; // the tick that was due at 10
///     ticks.tick().await;
/// });
/// assert_eq!(sim.elapsed(), 30 * second);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTicks {
    /// The missed ones at once, until the schedule is met again. None is lost.
    #[default]
    Burst,
    /// The next one a period after the late one was taken: never two within a period.
    Delay,
    /// The next one that the schedule has ahead. The missed ones are lost.
    Skip,
}

impl Interval {
    /// As [`interval_at`], for a period that comes from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidPeriod`] if `period` is nought.
    pub fn try_new(rt: &Runtime, start: Instant, period: Duration) -> Result<Self, InvalidPeriod> {
        InvalidPeriod::check(period)?;
        Ok(Self {
            period,
            missed: MissedTicks::default(),
            due: Some(start),
            sleep: Box::pin(rt.sleep_until(start)),
        })
    }

    /// Says what follows a late tick.
    #[must_use = "the interval is changed by value"]
    pub fn missed(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// Waits for the next tick. Gives the moment at which it was due.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait uses up no tick.
    pub fn tick(&mut self) -> NextTick<'_> {
        NextTick { interval: self }
    }

    /// As [`tick`](Self::tick), for futures written by hand.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        std::task::ready!(self.sleep.as_mut().poll(cx));
        self.due = match self.missed {
            MissedTicks::Burst => due.checked_add(self.period),
            MissedTicks::Delay => self.sleep.now().checked_add(self.period),
            MissedTicks::Skip => next_after(due, self.period, self.sleep.now()),
        };
        if let Some(next) = self.due {
            self.sleep.as_mut().reset_at(next);
        }
        Poll::Ready(due)
    }

    /// Makes the next tick come a period from now, and the others a period after it.
    pub fn reset(&mut self) {
        self.due = self.sleep.now().checked_add(self.period);
        if let Some(due) = self.due {
            self.sleep.as_mut().reset_at(due);
        }
    }

    /// The period.
    pub fn period(&self) -> Duration {
        self.period
    }
}

/// The first moment after `now` among `due`, a period later, two periods later..
///
/// At least a period after `due`. `None` if the clock can not say it.
pub(super) fn next_after(due: Instant, period: Duration, now: Instant) -> Option<Instant> {
    let late = now.saturating_duration_since(due);
    let into_period = late.as_nanos() % period.as_nanos();
    let (seconds, nanos) = (into_period / NANOS, into_period % NANOS);
    // Neither cast cuts anything off: the rest is no more than `late`, which is a `Duration`.
    let whole = late - Duration::new(seconds as u64, nanos as u32);
    due.checked_add(whole)?.checked_add(period)
}

const NANOS: u128 = 1_000_000_000;

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("missed", &self.missed)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// The future of [`Interval::tick`], of an [`interval`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct NextTick<'a> {
    interval: &'a mut Interval,
}

impl Future for NextTick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.interval.poll_tick(cx)
    }
}

/// A period of nought: it would tick without end at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPeriod(());

impl InvalidPeriod {
    pub(super) fn check(period: Duration) -> Result<(), Self> {
        if period.is_zero() {
            return Err(Self(()));
        }
        Ok(())
    }
}

impl fmt::Display for InvalidPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a period of nought would never let time go on: give a longer one")
    }
}

impl std::error::Error for InvalidPeriod {}
