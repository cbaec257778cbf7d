use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::retry::Outcome;
use crate::Runtime;
use crate::http::ErrorKind;
use crate::primitives::Mutex;
use crate::sync::Limit;

/// A limit of requests under way at each host that finds itself.
///
/// It grows by one for each round of good answers while it is in full use, and shrinks when the
/// host says or shows that it is too much: to a half on 429, 503, a refused connection or a limit
/// of time; by a tenth when answers take three times as long as the quickest ones. What was under
/// way when it shrank shrinks it no further. (Additive increase, multiplicative decrease: Chiu and Jain,
/// *Analysis of the Increase and Decrease Algorithms*, 1989.)
///
/// # Examples
///
/// ```
/// use untethered::http::Adaptive;
///
/// let limit = Adaptive::up_to(64).at_least(2).start_at(8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a limit does nothing until it is given to a fan-out"]
pub struct Adaptive {
    least: NonZeroUsize,
    start: NonZeroUsize,
    most: NonZeroUsize,
}

const DEFAULT_START: NonZeroUsize = NonZeroUsize::new(4).unwrap();

impl Adaptive {
    /// At most so many requests at one host. Starts at 4, and goes down to one.
    ///
    /// # Panics
    ///
    /// If `most` is nought.
    #[track_caller]
    pub fn up_to(most: usize) -> Self {
        Self {
            least: NonZeroUsize::MIN,
            start: DEFAULT_START,
            most: super::at_least_one(most, "a limit of nought per host fetches nothing"),
        }
    }

    /// Never fewer than so many, or the most if that is less.
    ///
    /// # Panics
    ///
    /// If `least` is nought.
    #[track_caller]
    pub fn at_least(self, least: usize) -> Self {
        Self {
            least: super::at_least_one(least, "a limit of nought per host fetches nothing"),
            ..self
        }
    }

    /// So many to begin with.
    ///
    /// # Panics
    ///
    /// If `start` is nought.
    #[track_caller]
    pub fn start_at(self, start: usize) -> Self {
        Self {
            start: super::at_least_one(start, "a limit of nought per host fetches nothing"),
            ..self
        }
    }

    /// With no more than `most`, whatever was said before.
    pub(super) fn within(self, most: Option<NonZeroUsize>) -> Self {
        Self {
            most: most.map_or(self.most, |most| most.min(self.most)),
            ..self
        }
    }

    /// What a host begins with.
    pub(super) fn start(self) -> NonZeroUsize {
        self.start.max(self.least).min(self.most)
    }
}

/// What the answers of one host say about its limit.
pub(super) struct Gauge {
    range: Adaptive,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Good answers in full use since the limit last grew.
    good: usize,
    /// When it last shrank: what was begun before that says nothing new.
    shrunk: Option<Instant>,
    /// How long an answer takes when the host is at ease.
    at_ease: Duration,
    /// How long answers take of late.
    of_late: Duration,
}

/// Of how many answers a mean is made.
const OF_LATE: u32 = 8;

/// Differences below this are noise.
const NOISE: Duration = Duration::from_millis(10);

impl Gauge {
    pub(super) fn new(range: Adaptive) -> Self {
        Self {
            range,
            seen: Mutex::default(),
        }
    }

    /// An exchange that was begun at `started` ended so. Moves `limit`.
    pub(super) fn report(&self, limit: &Limit, outcome: Outcome, started: Instant, rt: &Runtime) {
        let is_too_much = match outcome {
            Outcome::Status(status) => matches!(status.as_u16(), 429 | 503),
            Outcome::Error(ErrorKind::Connect | ErrorKind::Timeout(_)) => true,
            // Says nothing of how much is too much.
            Outcome::Error(_) | Outcome::Lost => return,
        };
        let now = rt.now();
        let took = now.saturating_duration_since(started);
        let least = self.range.least.min(self.range.most).get();
        let mut seen = self.seen.lock();
        let total = limit.total();
        let next = if is_too_much {
            seen.shrink(started, now, total, total / 2)
        } else if seen.is_slow(took, total == least) {
            seen.shrink(started, now, total, total - total.div_ceil(10))
        } else {
            seen.grow(total, limit.available() == 0)
        };
        // Setting the limit wakes those it lets in.
        drop(seen);
        let next = next.clamp(least, self.range.most.get());
        if next != total {
            limit.set_total(next);
        }
    }
}

impl Seen {
    /// Takes a good answer into account. Whether answers have become slow.
    fn is_slow(&mut self, took: Duration, is_least: bool) -> bool {
        if self.at_ease.is_zero() {
            (self.at_ease, self.of_late) = (took, took);
        }
        self.of_late = mean(self.of_late, took);
        if took < self.at_ease {
            self.at_ease = took;
        } else if is_least {
            // Less load there can not be: the host has become slower for good.
            self.at_ease = mean(self.at_ease, took);
        }
        self.of_late > 3 * self.at_ease + NOISE
    }

    fn shrink(&mut self, started: Instant, now: Instant, total: usize, to: usize) -> usize {
        if self.shrunk.is_some_and(|at| started < at) {
            return total;
        }
        self.shrunk = Some(now);
        self.good = 0;
        to
    }

    fn grow(&mut self, total: usize, is_full: bool) -> usize {
        self.good += usize::from(is_full);
        if self.good < total {
            return total;
        }
        self.good = 0;
        total + 1
    }
}

fn mean(so_far: Duration, new: Duration) -> Duration {
    so_far - so_far / OF_LATE + new / OF_LATE
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Wake};

    use http::StatusCode;

    use super::*;
    use crate::primitives::atomic::{AtomicUsize, Ordering};
    use crate::sim::Sim;

    struct Host {
        rt: Runtime,
        gauge: Gauge,
        limit: Limit,
        woken: AtomicUsize,
    }

    impl Host {
        fn report(&self) {
            let ok = Outcome::Status(StatusCode::OK);
            self.gauge.report(&self.limit, ok, self.rt.now(), &self.rt);
        }
    }

    impl Wake for Host {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Ordering::Relaxed);
            self.report();
        }
    }

    #[test]
    fn a_waker_may_report() {
        let host = Arc::new(Host {
            rt: Sim::new().runtime(),
            gauge: Gauge::new(Adaptive::up_to(9).start_at(1)),
            limit: Limit::new(1),
            woken: AtomicUsize::new(0),
        });
        let _permit = host.limit.try_acquire();
        let waker = host.clone().into();
        let mut waits = pin!(host.limit.acquire());
        assert!(
            waits
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        host.report();
        assert_eq!(host.woken.load(Ordering::Relaxed), 1);
    }
}
