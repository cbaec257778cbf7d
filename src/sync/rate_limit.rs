use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{Key, WaitList, wake_all};
use crate::primitives::Mutex;
use crate::runtime::{Runtime, Sleep};
use crate::task::catch_drop;

/// At most n starts in any interval of the period.
///
/// The window is strict: wherever an interval as long as the period is laid, it holds at most n
/// starts, so there is no moment at which twice as many pass, as a token bucket allows after it
/// was idle. The first n pass at once. Strictly first come, first served; a dropped wait gives up its place and
/// uses up nothing. Clones share the limit.
///
/// It remembers the moments of the last starts within the period, at most n of them.
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

struct Window {
    limit: NonZeroUsize,
    period: Duration,
    state: Mutex<State>,
}

struct State {
    /// The starts that still count, the oldest first.
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
        let limit = NonZeroUsize::new(limit)
            .ok_or(InvalidRate("a rate limit of nought lets nobody start"))?;
        if period.is_zero() {
            return Err(InvalidRate(
                "a rate limit needs a period longer than nought",
            ));
        }
        Ok(Self {
            window: Arc::new(Window {
                limit,
                period,
                state: Mutex::new(State {
                    starts: VecDeque::new(),
                    waiters: WaitList::new(),
                }),
            }),
        })
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
            window: &self.window,
            rt,
            key: None,
            sleep: None,
        }
    }

    /// Whether one more may start now, in which case it counts. Passes nobody who waits.
    pub fn try_acquire(&self, rt: &Runtime) -> bool {
        let now = rt.now();
        let mut state = self.window.state.lock();
        state.waiters.is_empty() && self.window.start(&mut state, now).is_ok()
    }

    /// How many may start in a period.
    pub fn limit(&self) -> usize {
        self.window.limit.get()
    }

    /// The period.
    pub fn period(&self) -> Duration {
        self.window.period
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("limit", &self.window.limit)
            .field("period", &self.window.period)
            .finish_non_exhaustive()
    }
}

impl Window {
    /// Counts a start at `now`, or says when the next one may be; `None` is never.
    fn start(&self, state: &mut State, now: Instant) -> Result<(), Option<Instant>> {
        while let Some(oldest) = state.starts.front() {
            match oldest.checked_add(self.period) {
                Some(end) if end <= now => state.starts.pop_front(),
                end if state.starts.len() >= self.limit.get() => return Err(end),
                _ => break,
            };
        }
        // Another thread may have read the clock after us and got here before us.
        let now = state.starts.back().map_or(now, |&last| last.max(now));
        state.starts.push_back(now);
        Ok(())
    }

    /// Takes a waiter off the queue and wakes the next one to watch the clock in its place.
    fn leave(&self, key: Key) {
        let mut state = self.state.lock();
        let was_first = state.waiters.is_first(&key);
        let removed = state.waiters.remove(key);
        let next = if was_first {
            state.waiters.take_first_waker()
        } else {
            None
        };
        drop(state);
        wake_all(next);
        catch_drop(removed.waker).ok();
    }
}

/// The future of [`RateLimit::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireRate<'a> {
    window: &'a Window,
    rt: &'a Runtime,
    key: Option<Key>,
    sleep: Option<Sleep>,
}

impl Future for AcquireRate<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let now = this.rt.now();
            let mut state = this.window.state.lock();
            let is_first = match &this.key {
                Some(key) => state.waiters.is_first(key),
                None => state.waiters.is_empty(),
            };
            let start = if is_first {
                this.window.start(&mut state, now)
            } else {
                Err(None)
            };
            let Err(next) = start else {
                drop(state);
                this.sleep = None;
                if let Some(key) = this.key.take() {
                    this.window.leave(key);
                }
                return Poll::Ready(());
            };
            let old = match &this.key {
                Some(key) => state.waiters.update(key, cx),
                None => {
                    this.key = Some(state.waiters.push(cx.waker().clone()));
                    None
                }
            };
            drop(state);
            catch_drop(old).ok();
            // Not the first: whoever leaves that place wakes us. Never: nothing to wait for.
            let Some(next) = next else {
                this.sleep = None;
                return Poll::Pending;
            };
            let sleep = this.sleep.get_or_insert_with(|| this.rt.sleep_until(next));
            if sleep.deadline() != Some(next) {
                sleep.reset_at(next);
            }
            std::task::ready!(Pin::new(sleep).poll(cx));
        }
    }
}

impl Drop for AcquireRate<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.window.leave(key);
        }
    }
}

impl fmt::Debug for AcquireRate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireRate").finish_non_exhaustive()
    }
}

/// The error of [`RateLimit::try_new`]: a limit or a period of nought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRate(&'static str);

impl fmt::Display for InvalidRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidRate {}
