mod attempt;
mod pacing;
mod retry_after;

pub use attempt::Attempt;
pub(super) use attempt::Outcome;
pub(super) use pacing::Pacing;
pub(super) use retry_after::retry_after;

use std::num::NonZeroUsize;
use std::time::Duration;

use http::{Method, StatusCode};

use crate::http::{ErrorKind, TimeoutPhase};
use crate::time::Backoff;

/// When a request of a [`FanOut`](super::FanOut) is tried again, and how often.
///
/// Tried again are requests that found no connection, were cut off or ran into a limit of time,
/// and those answered with 408, 429, 500, 502, 503 or 504. Errors of a kind that comes again (a
/// bad URL, a certificate, a body that is too large, a redirect loop) are not.
///
/// * Only what may be done twice: GET, HEAD, OPTIONS, TRACE, PUT and DELETE (RFC 9110, 9.2.2).
///   Other methods are tried again only if nothing was sent, unless
///   [`any_method`](Self::any_method) says otherwise. A body that comes in pieces is never sent
///   twice.
/// * Between two attempts the request has no slot, and counts to no limit of time but
///   [`within`](Self::within). Each attempt has the limits of [`Timeouts`](super::Timeouts) to
///   itself. After a redirect the last hop is tried again, not the whole way.
/// * A host that answers with `Retry-After` is left alone for so long by every request of the
///   session, but not longer than [`longest_pause`](Self::longest_pause).
/// * A host that never answers is not hammered: see [`budget`](Self::budget).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use untethered::http::{Body, FanOut, HttpError, Request, Response, Retry, client_fn};
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let calls = AtomicUsize::new(0);
/// let client = client_fn(move |_: Request<Body>| {
///     let status = if calls.fetch_add(1, Ordering::Relaxed) == 0 { 503 } else { 200 };
///     let response = Response::builder().status(status).body(Body::empty()).unwrap();
///     async { Ok::<_, HttpError>(response) }
/// });
/// let fan_out = FanOut::new(&sim.runtime(), client).retry(Retry::default());
/// let fetched = sim.block_on(fan_out.fetch("http://a.example/")).unwrap();
/// assert_eq!((fetched.status().as_u16(), fetched.attempts()), (200, 2));
/// assert_eq!(fetched.earlier_attempts()[0].status().unwrap(), 503);
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a policy does nothing until it is given to a fan-out"]
pub struct Retry {
    attempts: NonZeroUsize,
    backoff: Backoff,
    within: Option<Duration>,
    longest_pause: Duration,
    statuses: Vec<StatusCode>,
    any_method: bool,
    /// `None` is unlimited.
    budget: Option<usize>,
}

const DEFAULT_ATTEMPTS: NonZeroUsize = NonZeroUsize::new(3).unwrap();
const DEFAULT_DELAY: Duration = Duration::from_millis(200);
const DEFAULT_LONGEST_PAUSE: Duration = Duration::from_secs(60);
const DEFAULT_BUDGET: usize = 100;
const DEFAULT_STATUSES: [StatusCode; 6] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

impl Default for Retry {
    /// Three attempts, the first one counted.
    fn default() -> Self {
        Self {
            attempts: DEFAULT_ATTEMPTS,
            backoff: Backoff::new(DEFAULT_DELAY),
            within: None,
            longest_pause: DEFAULT_LONGEST_PAUSE,
            statuses: DEFAULT_STATUSES.into(),
            any_method: false,
            budget: Some(DEFAULT_BUDGET),
        }
    }
}

impl Retry {
    /// So many attempts, the first one counted.
    ///
    /// # Panics
    ///
    /// If `attempts` is nought: one is no retry, and nought would fetch nothing.
    #[track_caller]
    pub fn attempts(attempts: usize) -> Self {
        let attempts = super::at_least_one(attempts, "nought attempts fetch nothing");
        Self {
            attempts,
            ..Self::default()
        }
    }

    /// How long to wait before each retry. By default 200 ms, twice as long each time, up to
    /// 30 s, half of it random.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// All attempts end so long after the first one began, waits between them counted. No retry is
    /// begun that could not start in time.
    ///
    /// # Panics
    ///
    /// If `limit` is nought.
    #[track_caller]
    pub fn within(self, limit: Duration) -> Self {
        assert!(
            !limit.is_zero(),
            "a limit of nought for all attempts would fail every request"
        );
        Self {
            within: Some(limit),
            ..self
        }
    }

    /// How long a host is left alone at most, if its `Retry-After` asks for more. By default 60 s.
    pub fn longest_pause(self, limit: Duration) -> Self {
        Self {
            longest_pause: limit,
            ..self
        }
    }

    /// The statuses that are tried again, in place of the default ones.
    pub fn statuses(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        Self {
            statuses: statuses.into_iter().collect(),
            ..self
        }
    }

    /// Tries every method again: the server may do twice what a POST asked for.
    pub fn any_method(self) -> Self {
        Self {
            any_method: true,
            ..self
        }
    }

    /// How many retries a host may be sent that gives no good answers. By default 100.
    ///
    /// Each retry takes one from the host's budget; each answer that needs no retry, and each
    /// second, gives one back, until it is full. With an empty budget a failure is final, whatever
    /// attempts are left. Nought is no retry at all.
    pub fn budget(self, retries: usize) -> Self {
        Self {
            budget: Some(retries),
            ..self
        }
    }

    /// Sends a host as many retries as the attempts allow, even if it answers none.
    pub fn unlimited_budget(self) -> Self {
        Self {
            budget: None,
            ..self
        }
    }

    pub(super) fn limit(&self) -> Option<Duration> {
        self.within
    }

    /// Whether attempt number `attempts`, counted from one, may be followed by another.
    pub(super) fn allows(&self, attempts: usize, method: &Method, maybe_sent: bool) -> bool {
        attempts < self.attempts.get() && (self.any_method || method.is_idempotent() || !maybe_sent)
    }

    /// Whether it may go better next time.
    pub(super) fn may_pass(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Lost => false,
            Outcome::Status(status) => self.statuses.contains(&status),
            Outcome::Error(kind) => matches!(
                kind,
                ErrorKind::Resolve
                    | ErrorKind::Connect
                    | ErrorKind::Truncated
                    | ErrorKind::Timeout(
                        TimeoutPhase::Connect
                            | TimeoutPhase::FirstByte
                            | TimeoutPhase::Idle
                            | TimeoutPhase::Total
                    )
            ),
        }
    }

    /// The wait of request number `request` after attempt number `attempts`, counted from one.
    pub(super) fn delay(&self, request: u64, attempts: usize) -> Duration {
        self.backoff.of(request).delay(attempts - 1)
    }
}
