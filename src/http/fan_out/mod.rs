mod adaptive;
mod address;
mod auth;
#[cfg(feature = "indicatif")]
mod bar;
mod dedupe;
mod exchange;
mod fetch_all;
mod fetched;
mod hedge;
mod hosts;
mod options;
mod places;
mod progress;
mod redirect;
mod request;
mod results;
mod retry;
mod run;
mod saved;
#[cfg(feature = "serde")]
mod serialize;
mod session;
mod slots;
mod stats;
mod status_check;
mod timeouts;
mod timer;
#[cfg_attr(not(feature = "tracing"), path = "untraced.rs")]
mod trace;
mod watch;

pub use adaptive::Adaptive;
pub use address::redact_url;
pub use fetch_all::{FailFast, FailedFetch, FetchAll, FetchAllFuture, FetchStream};
pub use fetched::{FetchError, Fetched, Redirected};
pub use hedge::Hedge;
pub use progress::{Progress, Tally};
pub use request::{FetchRequest, IntoFetch};
pub use results::FetchResults;
pub use retry::{Attempt, Retry};
pub use stats::Stats;
pub use status_check::StatusCheck;
pub use timeouts::Timeouts;

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use http::HeaderMap;

use self::exchange::Job;
use self::options::Options;
use self::request::Names;
use self::run::{Iter, run};
use self::session::Session;
use self::timer::Timer;
use crate::Runtime;
use crate::http::Client;

const DEFAULT_CONCURRENCY: NonZeroUsize = NonZeroUsize::new(100).unwrap();
const DEFAULT_MAX_BODY: usize = 32 * 1024 * 1024;
const DEFAULT_REDIRECTS: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// Many requests at once, over any [`Client`].
///
/// It is a session: options, a client with its connections, and limits, to be used for any number
/// of fan-outs, also at the same time; the limits hold for all of them together. Clones are the
/// same session. An option that is set on a clone makes a session of its own, over the same
/// client.
///
/// Each key gets its own result; a request that fails stops no other one. Unless told otherwise
/// 100 requests are under way at most, a request may take 30 s ([`Timeouts`]), a body may have
/// 32 MiB, and 10 redirects are followed.
///
/// A request waits for a slot of its host, for a slot, and for the rate limit, in this order, and
/// for none of them within its limits of time. Where hosts have a limit, or may ask for a pause
/// ([`Retry`]), requests to other hosts may pass those that wait: four times `concurrency` requests
/// of the input are looked at.
///
/// Redirects lead to http and https, never from https to http. `Authorization`, `Cookie`,
/// `Proxy-Authorization` and every header marked sensitive stay behind for good when one leads to
/// another origin. A user name and a password in a URL are sent as basic authentication, and are
/// in no message.
///
/// Nothing is spawned: the requests run where their results are awaited, and dropping that drops
/// them.
///
/// With the feature `tracing` each request is told of in events of the target `untethered::http`,
/// with a number of its own in the field `request`: its begin, redirects, retries and end at the
/// level debug, each exchange at trace. They hold what errors hold: no user info, query, header or
/// body. One that is given the answer of its [equal](Self::dedupe) is told of in none.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")]
/// # futures_lite::future::block_on(async {
/// use untethered::http::{Body, FanOut, HttpError, Request, Response, client_fn};
/// use untethered::runtime;
///
/// let rt = runtime::threads(1);
/// let client = client_fn(|request: Request<Body>| async move {
///     Ok::<_, HttpError>(Response::new(Body::from(request.uri().path().to_owned())))
/// });
/// let results = FanOut::new(&rt, client)
///     .concurrency(50)
///     .per_host(8)
///     .fetch_all([("a", "http://one.example/1"), ("b", "http://two.example/2")])
///     .await;
/// let fetched = results.get("b").unwrap().as_ref().unwrap();
/// assert_eq!(fetched.body(), "/2");
/// # });
/// ```
#[derive(Clone)]
#[must_use = "a session does nothing until it is asked to fetch"]
pub struct FanOut {
    session: Arc<Session>,
}

impl FanOut {
    /// A session over `client`.
    pub fn new(rt: &Runtime, client: impl Client + 'static) -> Self {
        let options = Options {
            rt: rt.clone(),
            bare_client: Arc::new(client),
            #[cfg(feature = "cookies")]
            cookies: None,
            #[cfg(feature = "decode")]
            decode: false,
            concurrency: DEFAULT_CONCURRENCY,
            per_host: None,
            adaptive: None,
            rate: None,
            timeouts: Timeouts::new(),
            headers: HeaderMap::new(),
            max_body: Some(DEFAULT_MAX_BODY),
            redirects: Some(DEFAULT_REDIRECTS),
            status_check: StatusCheck::off(),
            retry: None,
            hedge: None,
            dedupe: false,
            progress: None,
            close: None,
            cancel: None,
        };
        Self {
            session: Arc::new(Session::new(options)),
        }
    }

    /// A session over surf on the built-in engine: the short form of
    /// `FanOut::new(&rt, SurfClient::new(&rt))`.
    #[cfg(feature = "surf")]
    #[cfg_attr(docsrs, doc(cfg(feature = "surf")))]
    pub fn surf(rt: &Runtime) -> Self {
        Self::new(rt, crate::http::SurfClient::new(rt))
    }

    /// Fetches all `requests`: URLs, requests, or pairs of a key and one of these.
    ///
    /// Lazy: nothing is taken from `requests` before the answer is polled, and no more than can
    /// be looked at.
    ///
    /// # Cancel safety
    ///
    /// Dropping the answer drops what is under way and closes its connections.
    ///
    /// # Examples
    ///
    /// ```
    /// # use untethered::http::{Body, ErrorKind, HttpError, Request, Response, client_fn};
    /// # use untethered::http::FanOut;
    /// # #[cfg(feature = "threads")]
    /// # futures_lite::future::block_on(async {
    /// # let rt = untethered::runtime::threads(1);
    /// # let client = client_fn(|_: Request<Body>| async {
    /// #     Ok::<_, HttpError>(Response::new(Body::empty()))
    /// # });
    /// let fan_out = FanOut::new(&rt, client);
    /// let mut results = fan_out.fetch_all(["http://a.example/", "ftp://b.example/"]).stream();
    /// while let Some((url, result)) = results.next().await {
    ///     match result {
    ///         Ok(fetched) => assert_eq!(fetched.status(), 200),
    ///         Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{url}"),
    ///     }
    /// }
    /// # });
    /// ```
    pub fn fetch_all<'a, I>(&self, requests: I) -> FetchAll<'a, <I::Item as IntoFetch>::Key>
    where
        I: IntoIterator<Item: IntoFetch<Key: Send>, IntoIter: Send + 'a>,
        <I::Item as IntoFetch>::Key: 'a,
    {
        self.fetch_stream(Iter(requests.into_iter()))
    }

    /// As [`fetch_all`](Self::fetch_all), of a stream.
    pub fn fetch_stream<'a, S>(&self, requests: S) -> FetchAll<'a, <S::Item as IntoFetch>::Key>
    where
        S: Stream<Item: IntoFetch<Key: Send>> + Send + 'a,
        <S::Item as IntoFetch>::Key: 'a,
    {
        FetchAll::new(run(self.session.clone(), requests))
    }

    /// Fetches one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the request and closes its connection.
    ///
    /// # Errors
    ///
    /// [`FetchError`], whose kind says what went wrong.
    pub async fn fetch(&self, request: impl Into<FetchRequest>) -> Result<Fetched, FetchError> {
        let rt = &self.session.options.rt;
        let timer = Timer::new(rt.clone());
        let mut sleep = pin!(rt.sleep(Duration::MAX));
        let job = Job::new(request.into());
        let mut result = pin!(async { job?.run(&self.session, &timer).await });
        let result = std::future::poll_fn(|cx| {
            let polled = result.as_mut().poll(cx);
            if polled.is_pending() {
                timer.poll(sleep.as_mut(), cx);
            }
            polled
        })
        .await;
        self.session.count(&result);
        result
    }

    /// What the session has done so far, and how many requests are under way: the clones that
    /// share it too, and while they run. A request that was dropped is in no number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use untethered::http::{Body, FanOut, HttpError, Request, Response, client_fn};
    /// # #[cfg(feature = "threads")]
    /// # futures_lite::future::block_on(async {
    /// # let rt = untethered::runtime::threads(1);
    /// # let client = client_fn(|_: Request<Body>| async {
    /// #     Ok::<_, HttpError>(Response::new(Body::from("four")))
    /// # });
    /// let fan_out = FanOut::new(&rt, client);
    /// fan_out.fetch_all(["http://a.example/", "http://b.example/", "no URL"]).await;
    /// let stats = fan_out.stats();
    /// assert_eq!((stats.running, stats.done, stats.failed, stats.bytes), (0, 2, 1, 8));
    /// # });
    /// ```
    pub fn stats(&self) -> Stats {
        self.session.stats()
    }

    fn with(self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = match Arc::try_unwrap(self.session) {
            Ok(session) => session.options,
            Err(session) => session.options.clone(),
        };
        change(&mut options);
        Self {
            session: Arc::new(Session::new(options)),
        }
    }
}

impl fmt::Debug for FanOut {
    /// Names of headers only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.session.options;
        f.debug_struct("FanOut")
            .field("concurrency", &options.concurrency)
            .field("per_host", &options.per_host)
            .field("adaptive", &options.adaptive)
            .field("rate_limit", &options.rate)
            .field("timeouts", &options.timeouts)
            .field("headers", &Names(&options.headers))
            .field("max_body", &options.max_body)
            .field("redirects", &options.redirects)
            .field("status_check", &options.status_check)
            .field("retry", &options.retry)
            .field("hedge", &options.hedge)
            .field("dedupe", &options.dedupe)
            .finish_non_exhaustive()
    }
}

#[track_caller]
fn at_least_one(number: usize, otherwise: &str) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or_else(|| panic!("{otherwise}: give one or more"))
}
