use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use url::Url;

use super::{Attempt, address, request::Names};
use crate::http::{ErrorKind, HttpError};

/// An answer, read to its end.
#[derive(Clone)]
pub struct Fetched {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) saved: Option<u64>,
    pub(super) url: Url,
    pub(super) history: Vec<Redirected>,
    pub(super) attempts: usize,
    pub(super) earlier_attempts: Vec<Attempt>,
    pub(super) elapsed: Duration,
}

impl Fetched {
    /// The status. Any is an answer, unless a [`StatusCheck`](super::StatusCheck) says otherwise.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body; empty if it was [saved](super::FetchRequest::save_to).
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as text. It is read as UTF-8, whatever the headers say; what is none becomes
    /// U+FFFD, `\u{fffd}`.
    ///
    /// Copies nothing if all of it is UTF-8. Where others are to be refused, take
    /// `std::str::from_utf8(fetched.body())`; for another charset decode [`body`](Self::body).
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// How many bytes the body has, be it here or in a file.
    pub fn body_len(&self) -> u64 {
        self.saved.unwrap_or(self.body.len() as u64)
    }

    /// The body, without the rest.
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Where the answer came from, after all redirects. Without user info.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The redirects that led here, the first one first.
    pub fn history(&self) -> &[Redirected] {
        &self.history
    }

    /// How often the request was begun, [hedges](super::Hedge) counted, redirects not.
    pub fn attempts(&self) -> usize {
        self.attempts
    }

    /// The attempts before the one that gave this answer, and those beside it.
    pub fn earlier_attempts(&self) -> &[Attempt] {
        &self.earlier_attempts
    }

    /// How long it took, all attempts together. Waiting for slots, for the rate limit and between
    /// attempts is not counted.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl fmt::Debug for Fetched {
    /// Names of headers only, no body, and no secret of the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("headers", &Names(&self.headers))
            .field("body", &format_args!("{} bytes", self.body_len()))
            .field("url", &address::shown(&self.url))
            .field("history", &self.history)
            .field("attempts", &self.attempts)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

/// A redirect that was followed on the way to what [`FanOut::fetch`](super::FanOut::fetch) gives.
/// From [`Fetched::history`].
#[derive(Clone)]
pub struct Redirected {
    pub(super) status: StatusCode,
    pub(super) url: Url,
}

impl Redirected {
    /// The status that asked for it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The URL that answered with it. Without user info.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }
}

impl fmt::Debug for Redirected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirected")
            .field("status", &self.status)
            .field("url", &address::shown(&self.url))
            .finish()
    }
}

/// Why one request of a [`FanOut`](super::FanOut) gave no answer.
///
/// Displays what went wrong, the URL without user info and query, and the time it took if anything
/// was tried. No header and no body is ever part of it.
#[derive(Clone)]
pub struct FetchError(Arc<Failure>);

pub(super) struct Failure {
    pub(super) error: HttpError,
    pub(super) url: String,
    pub(super) attempts: usize,
    pub(super) earlier_attempts: Vec<Attempt>,
    pub(super) elapsed: Duration,
    pub(super) response: Option<Fetched>,
}

impl FetchError {
    pub(super) fn new(failure: Failure) -> Self {
        Self(Arc::new(failure))
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.error.kind()
    }

    /// Whether the server may have seen the request.
    pub fn maybe_sent(&self) -> bool {
        self.0.error.maybe_sent()
    }

    /// The URL that failed, the last one if there were redirects. Without user info, query and
    /// fragment.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// How often the request was begun: nought if it was refused or cancelled before that.
    pub fn attempts(&self) -> usize {
        self.0.attempts
    }

    /// The attempts before the last one, the first one first.
    pub fn earlier_attempts(&self) -> &[Attempt] {
        &self.0.earlier_attempts
    }

    /// How long it took, all attempts together. Waiting for slots, for the rate limit and between
    /// attempts is not counted.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The answer that a [`StatusCheck`](super::StatusCheck) refused. Of a long body it holds the
    /// beginning.
    pub fn response(&self) -> Option<&Fetched> {
        self.0.response.as_ref()
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { error, url, .. } = &*self.0;
        if self.0.attempts == 0 {
            return write!(f, "{error} ({url})");
        }
        write!(f, "{error} ({url}, after {:.1?}", self.0.elapsed)?;
        match self.0.attempts {
            1 => f.write_str(")"),
            attempts => write!(f, " in {attempts} attempts)"),
        }
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchError")
            .field("error", &self.0.error)
            .field("url", &self.0.url)
            .field("elapsed", &self.0.elapsed)
            .field("response", &self.0.response)
            .finish_non_exhaustive()
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.error.source()
    }
}
