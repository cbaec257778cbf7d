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
use http::{HeaderMap, HeaderName, HeaderValue, header};

use self::exchange::Job;
use self::request::Names;
use self::run::{Iter, run};
use self::session::{Options, Session};
use self::timer::Timer;
use crate::Runtime;
use crate::http::Client;
#[cfg(feature = "cookies")]
use crate::http::CookieJar;
use crate::sync::RateLimit;
use crate::task::CancellationToken;

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
/// body.
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
            client: Arc::new(client),
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

    /// At most so many requests under way, from the first byte sent to the last one received.
    ///
    /// # Panics
    ///
    /// If `limit` is nought. For a number that comes from outside go by [`NonZeroUsize`].
    #[track_caller]
    pub fn concurrency(self, limit: usize) -> Self {
        let limit = at_least_one(limit, "a concurrency of nought fetches nothing");
        self.with(|options| options.concurrency = limit)
    }

    /// At most so many of them at one host, by its name or address as the URL has it; ports are
    /// not told apart. Without it hosts have no limit of their own.
    ///
    /// # Panics
    ///
    /// If `limit` is nought. For a number that comes from outside go by [`NonZeroUsize`].
    #[track_caller]
    pub fn per_host(self, limit: usize) -> Self {
        let limit = at_least_one(limit, "a limit of nought per host fetches nothing");
        self.with(|options| options.per_host = Some(limit))
    }

    /// As many at one host as it can take. Where [`per_host`](Self::per_host) has a limit too, that
    /// is the most.
    pub fn adaptive(self, limit: Adaptive) -> Self {
        self.with(|options| options.adaptive = Some(limit))
    }

    /// Lays limits of time over those set before, and over the defaults.
    pub fn timeout(self, timeouts: Timeouts) -> Self {
        self.with(|options| options.timeouts = timeouts.or(options.timeouts))
    }

    /// Sends a header with every request that has none of that name.
    ///
    /// # Panics
    ///
    /// If no header can have that name or value. For those that come from outside take
    /// [`headers`](Self::headers).
    #[track_caller]
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        let (Ok(name), Ok(value)) = (name.try_into(), value.try_into()) else {
            panic!("that is no name or no value of a header");
        };
        self.headers(HeaderMap::from_iter([(name, value)]))
    }

    /// As [`header`](Self::header), for several.
    pub fn headers(self, mut headers: HeaderMap) -> Self {
        auth::mark_credentials(&mut headers);
        self.with(|options| {
            for (name, value) in &headers {
                options.headers.append(name, value.clone());
            }
        })
    }

    /// Authenticates every request with a user name and a password.
    ///
    /// Never shown, and not sent to another origin that a redirect leads to. Of a request or its
    /// URL that bring their own credentials, those are sent instead.
    ///
    /// # Panics
    ///
    /// If there is a colon in the user name: it can not be sent.
    #[track_caller]
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        assert!(
            !user.contains(':'),
            "a user name with a colon can not be sent: the server would take it for the end"
        );
        self.authorization(auth::basic(user.as_bytes(), password.as_bytes()))
    }

    /// Authenticates every request with a token. As [`basic_auth`](Self::basic_auth).
    ///
    /// # Panics
    ///
    /// If no header can hold the token.
    #[track_caller]
    pub fn bearer_auth(self, token: &str) -> Self {
        match auth::bearer(token) {
            Some(value) => self.authorization(value),
            None => panic!("no header can hold that token"),
        }
    }

    /// Bodies have so many bytes at most; a longer one is an error. Nought allows no body.
    pub fn max_body(self, bytes: usize) -> Self {
        self.with(|options| options.max_body = Some(bytes))
    }

    /// Bodies may fill the memory.
    pub fn unlimited_body(self) -> Self {
        self.with(|options| options.max_body = None)
    }

    /// Sends the cookies of `jar`, and keeps there what answers set, redirects among them. Without
    /// it cookies are headers like any other.
    ///
    /// A request with a `Cookie` of its own, or the session's, is sent with that alone.
    #[cfg(feature = "cookies")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cookies")))]
    pub fn cookies(self, jar: &CookieJar) -> Self {
        use crate::http::cookies::WithCookies;
        let jar = jar.clone();
        self.with(|options| {
            let client = options.client.clone();
            options.client = Arc::new(WithCookies { jar, client });
        })
    }

    /// Asks for answers that are coded (gzip, deflate, br; with the feature `zstd` that too) and
    /// decodes them.
    ///
    /// Limits of bodies and files to [save to](FetchRequest::save_to) then have to do with
    /// what was decoded; `Content-Encoding` and `Content-Length` of the answer are dropped, and
    /// everything else is as in [`decode`](crate::http::decode()). Left alone are requests with a
    /// `Range` or an `Accept-Encoding` of their own or the session's, and clients whose
    /// [`Capabilities`](crate::http::Capabilities) say that they decode by themselves.
    #[cfg(feature = "decode")]
    #[cfg_attr(docsrs, doc(cfg(feature = "decode")))]
    pub fn decode(self) -> Self {
        use crate::http::decode::Decoding;
        self.with(|options| options.client = Arc::new(Decoding(options.client.clone())))
    }

    /// Follows so many redirects; one more is an error.
    ///
    /// # Panics
    ///
    /// If `hops` is nought: take [`no_redirects`](Self::no_redirects).
    #[track_caller]
    pub fn redirects(self, hops: usize) -> Self {
        let hops = at_least_one(hops, "nought redirects are said with `no_redirects()`");
        self.with(|options| options.redirects = Some(hops))
    }

    /// Gives redirects as answers.
    pub fn no_redirects(self) -> Self {
        self.with(|options| options.redirects = None)
    }

    /// Starts no more requests than `rate` allows, each redirect counted.
    ///
    /// A request starts when it is handed to the client. Where that has to connect first, the
    /// server sees it later: those of a first burst may arrive together with those of the next
    /// period, which find their connections open.
    pub fn rate_limit(self, rate: RateLimit) -> Self {
        self.with(|options| options.rate = Some(rate))
    }

    /// Which statuses are failures.
    pub fn status_check(self, check: StatusCheck) -> Self {
        self.with(|options| options.status_check = check)
    }

    /// Tries requests again that may go better next time. Without it nothing is tried again.
    pub fn retry(self, retry: Retry) -> Self {
        self.with(|options| options.retry = Some(retry))
    }

    /// Sends a request that is slow once more, and takes the first answer. Without it no request
    /// is under way twice.
    pub fn hedge(self, hedge: Hedge) -> Self {
        self.with(|options| options.hedge = Some(hedge))
    }

    /// Sends equal requests of one fan-out once, and gives each key the answer.
    ///
    /// Equal are requests of GET or HEAD with the same URL, headers and limits of time, and with
    /// nothing else: no body, no extension, no [`save_to`](FetchRequest::save_to), no status check
    /// of their own. URLs are compared as they are parsed: `HTTP://A.example:80` is
    /// `http://a.example/`, but a fragment tells two apart.
    ///
    /// Equal ones wait for the one that was first, for no limit of time, and share what it ends in,
    /// a failure too. Later ones get the same as long as it is remembered: so that memory stays
    /// bounded, what ended first is forgotten when bodies and all come to more than 32 MiB; then one
    /// is sent again.
    pub fn dedupe(self) -> Self {
        self.with(|options| options.dedupe = true)
    }

    /// Says how far a [`fetch_all`](Self::fetch_all) has got.
    pub fn progress(self, progress: Progress) -> Self {
        self.with(|options| options.progress = Some(progress))
    }

    /// Once `token` is cancelled nothing more is started, and what is under way is finished.
    ///
    /// Requests that wait, be it between two redirects, are
    /// [`Cancelled`](crate::http::ErrorKind::Cancelled). So is the rest of the input, if its
    /// `size_hint` has an upper bound; other input, which may never end, is left where it is.
    pub fn close_on(self, token: CancellationToken) -> Self {
        self.with(|options| options.close = Some(token))
    }

    /// Once `token` is cancelled what is under way is dropped too.
    ///
    /// What was finished by then is still given; everything else is as in
    /// [`close_on`](Self::close_on).
    pub fn cancel_on(self, token: CancellationToken) -> Self {
        self.with(|options| options.cancel = Some(token))
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

    #[track_caller]
    fn authorization(self, value: HeaderValue) -> Self {
        self.with(|options| {
            options.headers.insert(header::AUTHORIZATION, value);
        })
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
