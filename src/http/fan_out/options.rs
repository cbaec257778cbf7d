//! What can be set for a session.

use std::num::NonZeroUsize;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Adaptive, FanOut, Hedge, Progress, Retry, StatusCheck, Timeouts, at_least_one, auth};
use crate::Runtime;
use crate::http::Client;
#[cfg(feature = "decode")]
use crate::http::decode::Decoding;
#[cfg(feature = "cookies")]
use crate::http::{CookieJar, cookies::WithCookies};
use crate::sync::RateLimit;
use crate::task::CancellationToken;

#[derive(Clone)]
pub(super) struct Options {
    pub(super) rt: Runtime,
    /// As it was given, without what the session lays around it.
    pub(super) bare_client: Arc<dyn Client>,
    #[cfg(feature = "cookies")]
    pub(super) cookies: Option<CookieJar>,
    #[cfg(feature = "decode")]
    pub(super) decode: bool,
    pub(super) concurrency: NonZeroUsize,
    pub(super) per_host: Option<NonZeroUsize>,
    pub(super) adaptive: Option<Adaptive>,
    pub(super) rate: Option<RateLimit>,
    pub(super) timeouts: Timeouts,
    pub(super) headers: HeaderMap,
    /// `None` is unlimited.
    pub(super) max_body: Option<usize>,
    /// `None` follows no redirect.
    pub(super) redirects: Option<NonZeroUsize>,
    pub(super) status_check: StatusCheck,
    /// `None` tries nothing again.
    pub(super) retry: Option<Retry>,
    /// `None` sends nothing twice at once.
    pub(super) hedge: Option<Hedge>,
    /// Whether equal requests of a run share one exchange.
    pub(super) dedupe: bool,
    pub(super) progress: Option<Progress>,
    /// Nothing more is started once it is cancelled.
    pub(super) close: Option<CancellationToken>,
    /// What is under way is dropped once it is cancelled.
    pub(super) cancel: Option<CancellationToken>,
}

impl Options {
    /// The client that does all that is asked for.
    pub(super) fn client(&self) -> Arc<dyn Client> {
        let client = self.bare_client.clone();
        #[cfg(feature = "decode")]
        let client: Arc<dyn Client> = match self.decode {
            true => Arc::new(Decoding(client)),
            false => client,
        };
        #[cfg(feature = "cookies")]
        let client: Arc<dyn Client> = match self.cookies.clone() {
            Some(jar) => Arc::new(WithCookies { jar, client }),
            None => client,
        };
        client
    }
}

impl FanOut {
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
        let Ok(name) = name.try_into() else {
            panic!("no header can have that name");
        };
        let Ok(value) = value.try_into() else {
            panic!("the header {name} can not hold that value");
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
            "a user name with a colon can not be sent: the server would take the colon for its end"
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

    /// Sends the cookies of `jar`, and keeps there what answers set, redirects among them; no other
    /// jar any more. Without one cookies are headers like any other.
    ///
    /// A request with a `Cookie` of its own, or the session's, is sent with that alone.
    #[cfg(feature = "cookies")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cookies")))]
    pub fn cookies(self, jar: &CookieJar) -> Self {
        self.with(|options| options.cookies = Some(jar.clone()))
    }

    /// Asks for answers that are coded (gzip, deflate, br; with the feature `zstd` that too) and
    /// decodes them.
    ///
    /// Limits of bodies and files to [save to](super::FetchRequest::save_to) then have to do with
    /// what was decoded; `Content-Encoding` and `Content-Length` of the answer are dropped, and
    /// everything else is as in [`decode`](crate::http::decode()). Left alone are requests with a
    /// `Range` or an `Accept-Encoding` of their own or the session's, and clients whose
    /// [`Capabilities`](crate::http::Capabilities) say that they decode by themselves.
    #[cfg(feature = "decode")]
    #[cfg_attr(docsrs, doc(cfg(feature = "decode")))]
    pub fn decode(self) -> Self {
        self.with(|options| options.decode = true)
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
    /// nothing else: no body, no extension, no [`save_to`](super::FetchRequest::save_to), no status
    /// check of their own. URLs are compared as they are parsed: `HTTP://A.example:80` is
    /// `http://a.example/`, but a fragment tells two apart. Cookies of a jar are no part of a request:
    /// what is asked again behind a login gets the answer from before it.
    ///
    /// Equal ones wait for the one that was first, for no limit of time, and share what it ends in,
    /// a failure too. Later ones get the same as long as it is remembered: so that memory stays
    /// bounded, what ended first is forgotten when bodies, headers and all come to more than 32 MiB;
    /// then one is sent again.
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

    #[track_caller]
    fn authorization(self, value: HeaderValue) -> Self {
        self.with(|options| {
            options.headers.insert(header::AUTHORIZATION, value);
        })
    }
}
