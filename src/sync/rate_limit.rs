use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::{Key, NeedsClone, Throttle, WaitList, wake_all};
use crate::primitives::SpinLock;
use crate::runtime::{Runtime, Sleep};
use crate::task::discard;

/// At most n starts in any interval of the period.
///
/// The window is strict: wherever an interval as long as the period is laid, it holds at most n
/// starts, so there is no moment at which twice as many pass, as a token bucket allows after it
/// was idle. The first n pass at once. Strictly first come, first served; a dropped wait gives up its place and
/// uses up nothing. Clones share the limit.
///
/// It remembers the moments of the last n starts.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::sync::RateLimit;
/// # #[cfg(feature = "sim")] {
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let rate = RateLimit::new(2, Duration::from_secs(1));
/// sim.block_on(async {
///     for _ in 0..5 {
///         rate.acquire(&rt).await;
///     }
/// });
/// assert_eq!(sim.elapsed(), Duration::from_secs(2));
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimit {
    window: Arc<Window>,
}

/// So many in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) limit: NonZeroUsize,
    pub(super) period: Duration,
}

/// One limit, and who waits for it.
pub(super) struct Window {
    state: SpinLock<State>,
}

struct State {
    rate: Rate,
    /// The last starts, the oldest first: as many as the limit, more only after it was lowered.
    starts: VecDeque<Instant>,
    /// Only the first of them sleeps; whoever stops being first wakes the next.
    waiters: WaitList,
}

impl RateLimit {
    /// At most `limit` starts in any interval of `period`.
    ///
    /// # Panics
    ///
    /// If `limit` or `period` is nought. For numbers that come from outside take
    /// [`try_new`](Self::try_new).
    #[track_caller]
    pub fn new(limit: usize, period: Duration) -> Self {
        match Self::try_new(limit, period) {
            Ok(rate) => rate,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`new`](Self::new), for numbers that come from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidRate`] if `limit` or `period` is nought.
    pub fn try_new(limit: usize, period: Duration) -> Result<Self, InvalidRate> {
        Ok(Self {
            window: Arc::new(Window::new(Rate::new(limit, period)?)),
        })
    }

    /// Changes the rate, for those who wait too.
    ///
    /// The starts that are remembered, as many as the old limit, count in the new period as in the
    /// old one.
    ///
    /// # Panics
    ///
    /// If `limit` or `period` is nought. For numbers that come from outside take
    /// [`try_set`](Self::try_set).
    #[track_caller]
    pub fn set(&self, limit: usize, period: Duration) {
        if let Err(error) = self.try_set(limit, period) {
            panic!("{error}");
        }
    }

    /// As [`set`](Self::set), for numbers that come from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidRate`] if `limit` or `period` is nought; the rate stays as it was.
    pub fn try_set(&self, limit: usize, period: Duration) -> Result<(), InvalidRate> {
        self.window.set(Rate::new(limit, period)?);
        Ok(())
    }

    /// Waits until one more may start.
    ///
    /// The start counts from the moment at which the wait is over, by the clock of `rt`; every
    /// user of one limit must go by the same clock.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait uses up nothing and lets the next one move up.
    pub fn acquire<'a>(&'a self, rt: &'a Runtime) -> AcquireRate<'a> {
        AcquireRate {
            rt,
            wait: Wait::new(&self.window),
        }
    }

    /// Whether one more may start now, in which case it counts. Passes nobody who waits.
    pub fn try_acquire(&self, rt: &Runtime) -> bool {
        self.window.try_start(rt)
    }

    /// Delays the items of `stream` so that no more of them come out than may start.
    ///
    /// An item waits in the stream that is returned, and counts when it comes out.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sim")] {
    /// use std::time::Duration;
    /// use futures_lite::{StreamExt, stream};
    /// use untethered::{sim::Sim, sync::RateLimit};
    ///
    /// let sim = Sim::new();
    /// let rate = RateLimit::new(2, Duration::from_secs(1));
    /// let slow = rate.throttle(&sim.runtime(), stream::iter(0..6));
    /// assert_eq!(sim.block_on(slow.count()), 6);
    /// assert_eq!(sim.elapsed(), Duration::from_secs(2));
    /// # }
    /// ```
    pub fn throttle<S: Stream>(&self, rt: &Runtime, stream: S) -> Throttle<S> {
        Throttle::new(Wait::new(self.window.clone()), rt.clone(), stream)
    }

    /// How many may start in a period.
    pub fn limit(&self) -> usize {
        self.window.rate().limit.get()
    }

    /// The period.
    pub fn period(&self) -> Duration {
        self.window.rate().period
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.window.rate();
        f.debug_struct("RateLimit")
            .field("limit", &rate.limit)
            .field("period", &rate.period)
            .finish_non_exhaustive()
    }
}

impl Rate {
    pub(super) fn new(limit: usize, period: Duration) -> Result<Self, InvalidRate> {
        let limit = NonZeroUsize::new(limit)
            .ok_or(InvalidRate("a rate limit of nought lets nobody start"))?;
        if period.is_zero() {
            return Err(InvalidRate(
                "a rate limit needs a period longer than nought",
            ));
        }
        Ok(Self { limit, period })
    }
}

impl State {
    /// Counts a start at `now`, or says when the next one may be; `None` is never.
    fn start(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        let limit = self.rate.limit.get();
        // Those of long ago are looked at when their place is needed, so that a start takes no
        // longer however many there are.
        while let Some(beyond) = self.starts.len().checked_sub(limit) {
            if !self.is_over(self.starts[0], now) {
                return Err(self.starts[beyond].checked_add(self.rate.period));
            }
            self.starts.pop_front();
        }
        // Another thread may have read the clock after us and got here before us.
        let now = self.starts.back().map_or(now, |&last| last.max(now));
        self.starts.push_back(now);
        Ok(())
    }

    /// Whether a start does not count any more.
    fn is_over(&self, start: Instant, now: Instant) -> bool {
        // Beyond what the clock can say lies beyond now.
        start
            .checked_add(self.rate.period)
            .is_some_and(|end| end <= now)
    }
}

impl Window {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            state: SpinLock::new(State {
                rate,
                starts: VecDeque::new(),
                waiters: WaitList::new(),
            }),
        }
    }

    pub(super) fn rate(&self) -> Rate {
        self.state.lock().rate
    }

    pub(super) fn set(&self, rate: Rate) {
        let mut state = self.state.lock();
        state.rate = rate;
        // It sleeps for as long as the old rate says.
        let first = state.waiters.take_first_waker();
        drop(state);
        wake_all(first);
    }

    pub(super) fn try_start(&self, rt: &Runtime) -> bool {
        let now = rt.now();
        let mut state = self.state.lock();
        state.waiters.is_empty() && state.start(now).is_ok()
    }

    /// Whether a fresh one would do the same.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let state = self.state.lock();
        let last = state.starts.back();
        state.waiters.is_empty() && last.is_none_or(|&last| state.is_over(last, now))
    }

    /// Takes a waiter off the queue and wakes the next one to watch the clock in its place.
    fn leave(&self, key: Key) {
        let mut state = self.state.lock();
        let was_first = state.waiters.is_first(&key);
        let removed = state.waiters.remove(key);
        let next = was_first.then(|| state.waiters.take_first_waker());
        drop(state);
        wake_all(next.flatten());
        discard(removed.waker);
    }
}

/// One wait for the window that `W` leads to.
pub(super) struct Wait<W: AsRef<Window>> {
    window: W,
    place: Option<Key>,
    /// In a box: only who is first in the queue needs one.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<W: AsRef<Window>> Wait<W> {
    pub(super) fn new(window: W) -> Self {
        Self {
            window,
            place: None,
            sleep: None,
        }
    }

    pub(super) fn poll(&mut self, rt: &Runtime, cx: &mut Context<'_>) -> Poll<()> {
        let window = self.window.as_ref();
        let mut spare = None;
        loop {
            let now = rt.now();
            let mut guard = window.state.lock();
            let state = &mut *guard;
            let is_first = match &self.place {
                Some(key) => state.waiters.is_first(key),
                None => state.waiters.is_empty(),
            };
            let start = if is_first {
                state.start(now)
            } else {
                Err(None)
            };
            let Err(next) = start else {
                drop(guard);
                self.sleep = None;
                discard(spare);
                if let Some(key) = self.place.take() {
                    window.leave(key);
                }
                return Poll::Ready(());
            };
            let waits = &mut state.waiters;
            let queued = waits.queue(&mut self.place, cx.waker(), &mut spare, || ());
            drop(guard);
            if let Err(NeedsClone) = queued {
                spare = Some(cx.waker().clone());
                continue;
            }
            // Not the first: whoever leaves that place wakes us. Never: nothing to wait for.
            let Some(next) = next else {
                self.sleep = None;
                return Poll::Pending;
            };
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(rt.sleep_until(next)));
            if sleep.deadline() != Some(next) {
                sleep.as_mut().reset_at(next);
            }
            ready!(sleep.as_mut().poll(cx));
        }
    }
}

impl<W: AsRef<Window>> Drop for Wait<W> {
    fn drop(&mut self) {
        if let Some(key) = self.place.take() {
            self.window.as_ref().leave(key);
        }
    }
}

/// The future of [`RateLimit::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireRate<'a> {
    rt: &'a Runtime,
    wait: Wait<&'a Arc<Window>>,
}

impl Future for AcquireRate<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.wait.poll(this.rt, cx)
    }
}

impl fmt::Debug for AcquireRate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireRate").finish_non_exhaustive()
    }
}

/// The error of [`RateLimit::try_new`] and its like: a limit or a period of nought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRate(&'static str);

impl fmt::Display for InvalidRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidRate {}
