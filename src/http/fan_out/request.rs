use std::fmt;
use std::path::PathBuf;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, header};

use super::{StatusCheck, Timeouts, address, auth};
use crate::http::{Body, ErrorKind, HttpError};

/// One request for a [`FanOut`](super::FanOut): a URL, and what differs from the session.
///
/// Nothing is checked until it is fetched. What is wrong with it, a URL that is none or a header
/// that can not be sent, is then the result of this one request.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::http::{FetchRequest, Method, Timeouts};
///
/// let request = FetchRequest::new(Method::POST, "http://127.0.0.1/jobs")
///     .header("content-type", "application/json")
///     .body(r#"{"run": true}"#)
///     .timeout(Timeouts::total(Duration::from_secs(90)));
/// assert_eq!(request.url(), "http://127.0.0.1/jobs");
/// ```
#[must_use = "it does nothing until it is fetched"]
pub struct FetchRequest {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) extensions: Extensions,
    pub(super) timeouts: Timeouts,
    pub(super) status_check: Option<StatusCheck>,
    pub(super) save_to: Option<PathBuf>,
    /// The first thing that was wrong with an option.
    pub(super) fault: Option<&'static str>,
}

impl FetchRequest {
    /// A GET of `url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A request of any method.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Body::empty(),
            extensions: Extensions::new(),
            timeouts: Timeouts::new(),
            status_check: None,
            save_to: None,
            fault: None,
        }
    }

    /// Adds a header, in place of the session's headers of that name.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            (Err(_), _) => self = self.with_fault("not a header name"),
            (_, Err(_)) => self = self.with_fault("not a header value"),
        }
        self
    }

    /// Authenticates with a user name and a password, in place of the session's and the URL's.
    ///
    /// The header does not follow a redirect to another origin and is never shown. A user name
    /// with a colon in it can not be sent.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        if user.contains(':') {
            return self.with_fault("a colon in the user name");
        }
        let value = auth::basic(user.as_bytes(), password.as_bytes());
        self.headers.insert(header::AUTHORIZATION, value);
        self
    }

    /// Authenticates with a token, in place of the session's and the URL's.
    ///
    /// The header does not follow a redirect to another origin and is never shown.
    pub fn bearer_auth(mut self, token: &str) -> Self {
        match auth::bearer(token) {
            Some(value) => {
                self.headers.insert(header::AUTHORIZATION, value);
                self
            }
            None => self.with_fault("not a token a header can hold"),
        }
    }

    /// Sends `body`.
    pub fn body(self, body: impl Into<Body>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    /// Lays limits of time over the session's.
    pub fn timeout(self, timeouts: Timeouts) -> Self {
        Self {
            timeouts: timeouts.or(self.timeouts),
            ..self
        }
    }

    /// Which statuses are failures, in place of the session's check.
    pub fn status_check(self, check: StatusCheck) -> Self {
        Self {
            status_check: Some(check),
            ..self
        }
    }

    /// Writes the body of the answer to the file at `path` as it comes, instead of keeping it in
    /// memory.
    ///
    /// The file appears under that name once it is complete, in place of one that is there; until
    /// then it is one in the same folder whose name begins with `.untethered-`. If the request
    /// fails or is dropped nothing of it is left. The limit of the session for bodies holds for it
    /// too. An answer whose status is [refused](super::StatusCheck) is not saved.
    ///
    /// A file that can not be written is an error of kind [`Other`](ErrorKind::Other), with the
    /// [`io::Error`](std::io::Error) as its source.
    pub fn save_to(self, path: impl Into<PathBuf>) -> Self {
        Self {
            save_to: Some(path.into()),
            ..self
        }
    }

    /// The URL as it was given, user info included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is wrong with the options, if something is.
    pub(super) fn check(&self) -> Result<(), HttpError> {
        match self.fault {
            Some(fault) => Err(HttpError::new(ErrorKind::InvalidRequest).with_message(fault)),
            None => Ok(()),
        }
    }

    fn with_fault(self, fault: &'static str) -> Self {
        Self {
            fault: self.fault.or(Some(fault)),
            ..self
        }
    }
}

impl From<&str> for FetchRequest {
    fn from(url: &str) -> Self {
        Self::get(url)
    }
}

impl From<&String> for FetchRequest {
    fn from(url: &String) -> Self {
        Self::get(url)
    }
}

impl From<String> for FetchRequest {
    fn from(url: String) -> Self {
        Self::get(url)
    }
}

impl From<Request<Body>> for FetchRequest {
    fn from(request: Request<Body>) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            headers: parts.headers,
            extensions: parts.extensions,
            body,
            ..Self::new(parts.method, parts.uri.to_string())
        }
    }
}

impl fmt::Debug for FetchRequest {
    /// Names of headers only, and no secret of the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("method", &self.method)
            .field("url", &address::shown_text(&self.url))
            .field("headers", &Names(&self.headers))
            .field("body", &self.body)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// The names in a header map, since any value may be a secret.
pub(super) struct Names<'a>(pub(super) &'a HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// What [`FanOut::fetch_all`](super::FanOut::fetch_all) takes: a URL, a request, or one of them
/// with a key.
///
/// The key comes back with the result. Without one it is the URL as it was given.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing to fetch",
    label = "neither a URL nor a request",
    note = "take a URL (`&str` or `String`), a `Request<Body>`, a `FetchRequest`, or a pair of a key and \
            one of these"
)]
pub trait IntoFetch {
    /// What tells the results apart.
    type Key;

    /// The key and the request.
    fn into_fetch(self) -> (Self::Key, FetchRequest);
}

impl<K, R: Into<FetchRequest>> IntoFetch for (K, R) {
    type Key = K;

    fn into_fetch(self) -> (K, FetchRequest) {
        (self.0, self.1.into())
    }
}

impl IntoFetch for &str {
    type Key = String;

    fn into_fetch(self) -> (String, FetchRequest) {
        FetchRequest::get(self).into_fetch()
    }
}

impl IntoFetch for &String {
    type Key = String;

    fn into_fetch(self) -> (String, FetchRequest) {
        FetchRequest::get(self).into_fetch()
    }
}

impl IntoFetch for String {
    type Key = String;

    fn into_fetch(self) -> (String, FetchRequest) {
        FetchRequest::get(self).into_fetch()
    }
}

impl IntoFetch for Request<Body> {
    type Key = String;

    fn into_fetch(self) -> (String, FetchRequest) {
        FetchRequest::from(self).into_fetch()
    }
}

impl IntoFetch for FetchRequest {
    type Key = String;

    fn into_fetch(self) -> (String, FetchRequest) {
        (self.url.clone(), self)
    }
}
