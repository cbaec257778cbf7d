mod hedging;

pub(super) use hedging::Hedging;

use std::num::NonZeroUsize;
use std::time::Duration;

/// When a request of a [`FanOut`](super::FanOut) is sent a second time beside the first, because
/// that is slow.
///
/// The first of both that is answered wins, whatever the status; the other is dropped, which closes
/// its connection. One that fails leaves the other alone; a failure is final, or for
/// [`Retry`](super::Retry), once both have failed. A body that is slow after its head came is waited
/// for.
///
/// * Only what may be done twice: GET, HEAD, OPTIONS, TRACE, PUT and DELETE, with a body that can be
///   sent twice.
/// * A hedge waits for slots and for the rate limit as every request does; if the answer comes
///   before, it is not sent. The limits of time of the attempt hold for both together, those to
///   connect and to the first byte for each.
/// * The extra load is bounded: of a hundred requests, redirects and retries counted, no more than
///   [`percent`](Self::percent) are sent twice.
///
/// (Dean and Barroso, *The Tail at Scale*, 2013.)
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
/// use untethered::http::{Body, FanOut, Hedge, HttpError, Request, Response, client_fn};
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let calls = AtomicUsize::new(0);
/// // The first request takes 20 s, the second one a second.
/// let client = client_fn(move |_: Request<Body>| {
///     let seconds = [20, 1][calls.fetch_add(1, Ordering::Relaxed)];
///     let answer = rt.sleep(Duration::from_secs(seconds));
///     async move {
///         answer.await;
///         Ok::<_, HttpError>(Response::new(Body::empty()))
///     }
/// });
/// let hedge = Hedge::after(Duration::from_secs(2));
/// let fan_out = FanOut::new(&sim.runtime(), client).hedge(hedge);
/// let fetched = sim.block_on(fan_out.fetch("http://a.example/")).unwrap();
/// assert_eq!((fetched.attempts(), fetched.elapsed().as_secs()), (2, 3));
/// assert!(fetched.earlier_attempts()[0].is_lost());
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "hedging does nothing until it is given to a fan-out"]
pub struct Hedge {
    delay: Delay,
    percent: NonZeroUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delay {
    After(Duration),
    Percentile(usize),
}

const DEFAULT_PERCENT: NonZeroUsize = NonZeroUsize::new(5).unwrap();

impl Hedge {
    /// When no answer has come for so long after the request was begun.
    ///
    /// # Panics
    ///
    /// If `delay` is nought.
    #[track_caller]
    pub fn after(delay: Duration) -> Self {
        assert!(
            !delay.is_zero(),
            "a hedge after nought would send every request twice"
        );
        Self {
            delay: Delay::After(delay),
            percent: DEFAULT_PERCENT,
        }
    }

    /// When it takes longer than so many of a hundred requests to that host have taken of late,
    /// from their beginning to the head of the answer. The last 64 are looked at; nothing is sent
    /// twice before there are 20.
    ///
    /// # Panics
    ///
    /// If `percentile` is nought or more than 99.
    #[track_caller]
    pub fn percentile(percentile: usize) -> Self {
        assert!(
            (1..=99).contains(&percentile),
            "a percentile is 1 to 99, not {percentile}"
        );
        Self {
            delay: Delay::Percentile(percentile),
            percent: DEFAULT_PERCENT,
        }
    }

    /// Of a hundred requests of the session so many are sent twice at most. By default 5. It is
    /// rounded up: one may be, however few there are.
    ///
    /// # Panics
    ///
    /// If `percent` is nought or more than 100.
    #[track_caller]
    pub fn percent(self, percent: usize) -> Self {
        let number = NonZeroUsize::new(percent).filter(|percent| percent.get() <= 100);
        let Some(percent) = number else {
            panic!("a share is 1 to 100 percent, not {percent}");
        };
        Self { percent, ..self }
    }
}
