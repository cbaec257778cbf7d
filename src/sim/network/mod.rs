mod body;
mod reply;

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use self::body::PacedBody;
use super::Sim;
use super::order::Random;
use crate::http::{
    Body, Capabilities, Client, ErrorKind, Exchange, ExchangePhase, HttpError, Phases,
};
use crate::primitives::Mutex;
use crate::runtime::Runtime;

pub use self::reply::Reply;

/// The most bytes of a request's body that a server takes.
const MOST_BODY: usize = 64 << 20;

/// A network in memory: a [`Client`] whose servers are closures, on the time of a [`Sim`].
///
/// Each exchange has a connection of its own. It takes three times the latency: to connect, for
/// the request, for the answer. Names without a server are not found. What the network loses or
/// resets is drawn, the same in each run for the same seed and schedule.
///
/// Clones share the network. Dropping the future of an exchange, or the body of its response,
/// closes its connection.
///
/// # Examples
///
/// A server that fails at each tenth request and loses one in a hundred, asked once a second for
/// six hours:
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use untethered::http::{FanOut, Retry, StatusCode, Timeouts};
/// use untethered::sim::{Network, Reply, Sim};
/// use untethered::time::Backoff;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let asked = AtomicU32::new(0);
/// let network = Network::new(&sim)
///     .latency(Duration::from_millis(5)..=Duration::from_millis(80))
///     .loss(0.01)
///     .serve("api.example", move |_request| match asked.fetch_add(1, Ordering::Relaxed) % 10 {
///         9 => Reply::from(StatusCode::SERVICE_UNAVAILABLE),
///         _ => Reply::from("ready").after(Duration::from_millis(20)),
///     });
/// // A backoff without a seed of yours draws one, and each run would be another.
/// let backoff = Backoff::new(Duration::from_millis(100)).seed(7);
/// let fan_out = FanOut::new(&rt, network.clone())
///     .timeout(Timeouts::default().first_byte(Duration::from_secs(2)))
///     .retry(Retry::attempts(6).backoff(backoff));
/// sim.block_on(async {
///     for _ in 0..6 * 3600 {
///         let fetched = fan_out.fetch("http://api.example/health").await.unwrap();
///         assert_eq!(fetched.body(), "ready");
///         rt.sleep(Duration::from_secs(1)).await;
///     }
/// });
/// assert!(sim.elapsed() > Duration::from_secs(6 * 3600));
/// assert!(network.exchanges() > 6 * 3600);
/// assert_eq!(network.under_way(), 0);
/// ```
#[derive(Clone)]
pub struct Network {
    runtime: Runtime,
    setup: Arc<Setup>,
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct Setup {
    latency: RangeInclusive<Duration>,
    loss: f64,
    resets: f64,
    servers: HashMap<String, Arc<Server>>,
}

type Server = dyn Fn(Request<Bytes>) -> Reply + Send + Sync;

struct State {
    random: Random,
    exchanges: u64,
    under_way: usize,
    peak: usize,
}

/// What the network does to an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    /// The request is lost on its way.
    RequestLost,
    /// The server has seen it, and the answer is lost.
    AnswerLost,
    /// The connection is closed once the request was sent.
    RequestReset,
    /// The connection is closed once the server has seen it.
    AnswerReset,
}

impl Network {
    /// A network without a server, without latency, which loses nothing.
    pub fn new(sim: &Sim) -> Self {
        Self {
            runtime: sim.runtime(),
            setup: Arc::new(Setup {
                latency: Duration::ZERO..=Duration::ZERO,
                loss: 0.0,
                resets: 0.0,
                servers: HashMap::new(),
            }),
            state: Arc::new(Mutex::new(State {
                random: Random::new(0),
                exchanges: 0,
                under_way: 0,
                peak: 0,
            })),
        }
    }

    /// Requests to `host`, whatever the port and the scheme, are answered by `server`.
    ///
    /// It is called once for each request that arrives, with its whole body, at the moment when it
    /// arrives. It returns what becomes a [`Reply`]: one, a text, a status, a [`Response`].
    #[must_use = "it gives the changed value back"]
    pub fn serve<R: Into<Reply>>(
        self,
        host: impl Into<String>,
        server: impl Fn(Request<Bytes>) -> R + Send + Sync + 'static,
    ) -> Self {
        let server = Arc::new(move |request| server(request).into());
        let host = host.into().to_ascii_lowercase();
        self.with(|setup| drop(setup.servers.insert(host, server)))
    }

    /// How long anything is on its way, drawn anew each time: no time by default.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    #[track_caller]
    #[must_use = "it gives the changed value back"]
    pub fn latency(self, range: RangeInclusive<Duration>) -> Self {
        assert!(!range.is_empty(), "a range of latencies is not empty");
        self.with(|setup| setup.latency = range)
    }

    /// The share of exchanges that are lost, from nought to one: none by default.
    ///
    /// Nothing comes back, ever: only a timeout helps. Of half of them the server has seen the
    /// request.
    ///
    /// # Panics
    ///
    /// If `share` is not between nought and one, or more than one together with
    /// [`resets`](Self::resets).
    #[track_caller]
    #[must_use = "it gives the changed value back"]
    pub fn loss(self, share: f64) -> Self {
        assert_share(share, self.setup.resets);
        self.with(|setup| setup.loss = share)
    }

    /// The share of exchanges whose connection is closed, from nought to one: none by default.
    ///
    /// The error is [`Truncated`](ErrorKind::Truncated). Of half of them the server has seen the
    /// request.
    ///
    /// # Panics
    ///
    /// If `share` is not between nought and one, or more than one together with
    /// [`loss`](Self::loss).
    #[track_caller]
    #[must_use = "it gives the changed value back"]
    pub fn resets(self, share: f64) -> Self {
        assert_share(share, self.setup.loss);
        self.with(|setup| setup.resets = share)
    }

    /// The seed of what is drawn: nought by default.
    #[must_use = "it gives the changed value back"]
    pub fn seed(self, seed: u64) -> Self {
        self.state.lock().random = Random::new(seed);
        self
    }

    /// How many exchanges were begun.
    pub fn exchanges(&self) -> u64 {
        self.state.lock().exchanges
    }

    /// How many exchanges have not ended: their bodies count until they are read or dropped.
    pub fn under_way(&self) -> usize {
        self.state.lock().under_way
    }

    /// How many exchanges were under way at once at most.
    pub fn peak(&self) -> usize {
        self.state.lock().peak
    }

    fn with(mut self, change: impl FnOnce(&mut Setup)) -> Self {
        change(Arc::make_mut(&mut self.setup));
        self
    }

    async fn exchange(
        self,
        request: Request<Body>,
        under_way: UnderWay,
    ) -> Result<Response<Body>, HttpError> {
        let phases = request.extensions().get::<Phases>().cloned();
        let report = |phase| phases.iter().for_each(|phases| phases.report(phase));
        report(ExchangePhase::Connecting);
        let host = request.uri().host().ok_or(ErrorKind::InvalidRequest)?;
        let server = self.setup.servers.get(&host.to_ascii_lowercase()).cloned();
        self.travel().await;
        let server = server.ok_or(ErrorKind::Resolve)?;

        report(ExchangePhase::Sending);
        let (parts, body) = request.into_parts();
        let body = body.bytes(MOST_BODY).await?;
        report(ExchangePhase::Sent);
        self.travel().await;
        let fate = self.fate();
        match fate {
            Fate::RequestLost => pending().await,
            Fate::RequestReset => return Err(closed()),
            Fate::Arrives | Fate::AnswerLost | Fate::AnswerReset => {}
        }
        let reply = server(Request::from_parts(parts, body));
        self.runtime.sleep(reply.after).await;
        let reply = reply.into_answer().await?;
        self.travel().await;
        match fate {
            Fate::AnswerLost => pending().await,
            Fate::AnswerReset => return Err(closed()),
            Fate::Arrives | Fate::RequestLost | Fate::RequestReset => {}
        }
        report(ExchangePhase::Head);
        let pace = reply.pace;
        let cut = reply.cut;
        Ok(reply
            .response
            .map(|bytes| Body::new(PacedBody::new(&self.runtime, bytes, pace, cut, under_way))))
    }

    /// Waits as long as anything takes to get to the other side.
    async fn travel(&self) {
        let (least, most) = (*self.setup.latency.start(), *self.setup.latency.end());
        let spread = most - least;
        if !most.is_zero() {
            let drawn = self.state.lock().share();
            self.runtime.sleep(least + spread.mul_f64(drawn)).await;
        }
    }

    fn fate(&self) -> Fate {
        let drawn = self.state.lock().share();
        let (loss, resets) = (self.setup.loss, self.setup.resets);
        if drawn < loss / 2.0 {
            Fate::RequestLost
        } else if drawn < loss {
            Fate::AnswerLost
        } else if drawn < loss + resets / 2.0 {
            Fate::RequestReset
        } else if drawn < loss + resets {
            Fate::AnswerReset
        } else {
            Fate::Arrives
        }
    }
}

impl Client for Network {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        let under_way = UnderWay::begin(&self.state);
        Box::pin(self.clone().exchange(request, under_way))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_phases()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("latency", &self.setup.latency)
            .field("loss", &self.setup.loss)
            .field("resets", &self.setup.resets)
            .field("under_way", &self.under_way())
            .finish_non_exhaustive()
    }
}

impl State {
    /// A number from nought on, below one.
    fn share(&mut self) -> f64 {
        // As many bits as a float has.
        let bits = self.random.next() >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

/// Counts an exchange until it is dropped.
struct UnderWay {
    state: Arc<Mutex<State>>,
}

impl UnderWay {
    fn begin(state: &Arc<Mutex<State>>) -> Self {
        let mut counts = state.lock();
        counts.exchanges += 1;
        counts.under_way += 1;
        counts.peak = counts.peak.max(counts.under_way);
        Self {
            state: state.clone(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.state.lock().under_way -= 1;
    }
}

/// The connection ended, and nobody knows what the server has seen.
fn closed() -> HttpError {
    HttpError::new(ErrorKind::Truncated).with_maybe_sent()
}

#[track_caller]
fn assert_share(share: f64, other: f64) {
    let share_is_one = (0.0..=1.0).contains(&share);
    assert!(share_is_one, "a share is from nought to one, not {share}");
    let sum = share + other;
    assert!(
        sum <= 1.0,
        "of all exchanges, {sum} can not be lost or reset"
    );
}
