use std::error::Error;
use std::fmt;

/// Why an exchange failed.
///
/// Displays its kind and its own message; what caused it is in [`source`](Error::source). It
/// holds no URL and no header, so it tells no secret.
pub struct HttpError {
    kind: ErrorKind,
    message: Option<String>,
    maybe_sent: bool,
    source: Option<BoxError>,
}

type BoxError = Box<dyn Error + Send + Sync>;

/// The kind of an [`HttpError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong: a URL, a header, an option. Nothing was sent.
    InvalidRequest,
    /// The host's name has no address.
    Resolve,
    /// No connection: refused, unreachable, reset while connecting.
    Connect,
    /// The TLS handshake failed, or the certificate was not accepted.
    Tls,
    /// A limit of time passed.
    Timeout(TimeoutPhase),
    /// The server did not speak HTTP.
    Protocol,
    /// The connection ended before the response did.
    Truncated,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// The body is not what its `Content-Encoding` says.
    Decode,
    /// Too many redirects, a loop, or one that may not be followed.
    Redirect,
    /// The status is one that was declared a failure.
    Status,
    /// The client can not do what was asked for.
    Unsupported,
    /// Asked to stop before the answer was there.
    Cancelled,
    /// Anything else; see the source.
    Other,
}

/// Which limit of the [`Timeouts`](super::Timeouts) passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// Waiting for a slot, before anything was begun.
    Queue,
    /// Connecting, TLS included.
    Connect,
    /// From the sent request to the first byte of the answer.
    FirstByte,
    /// Between two pieces of data.
    Idle,
    /// All of it, from the start of the request to the end of the body.
    Total,
}

impl ErrorKind {
    /// The kind in snake case, as in machine-readable output: `invalid_request`, `timeout`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout(_) => "timeout",
            Self::Protocol => "protocol",
            Self::Truncated => "truncated",
            Self::BodyTooLarge => "body_too_large",
            Self::Decode => "decode",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidRequest => "invalid request",
            Self::Resolve => "host not found",
            Self::Connect => "no connection",
            Self::Tls => "TLS failed",
            Self::Timeout(phase) => return write!(f, "{phase} timeout"),
            Self::Protocol => "not valid HTTP",
            Self::Truncated => "response ended early",
            Self::BodyTooLarge => "body too large",
            Self::Decode => "body not decoded",
            Self::Redirect => "redirect not followed",
            Self::Status => "status not accepted",
            Self::Unsupported => "not supported by this client",
            Self::Cancelled => "cancelled",
            Self::Other => "request failed",
        })
    }
}

impl TimeoutPhase {
    /// The phase in snake case: `first_byte`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Connect => "connect",
            Self::FirstByte => "first_byte",
            Self::Idle => "idle",
            Self::Total => "total",
        }
    }
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstByte => "first byte",
            phase => phase.as_str(),
        })
    }
}

impl HttpError {
    /// An error of that kind, with nothing sent, no message and no source.
    pub fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            message: None,
            maybe_sent: false,
            source: None,
        }
    }

    /// Says what exactly was wrong. Put no URL, header or other secret into it.
    #[must_use = "it gives the changed value back"]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..self
        }
    }

    /// Keeps what caused it.
    #[must_use = "it gives the changed value back"]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// Says that the server may have seen the request, so that repeating it is not always safe.
    #[must_use = "it gives the changed value back"]
    pub fn with_maybe_sent(self) -> Self {
        Self {
            maybe_sent: true,
            ..self
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the server may have seen the request.
    pub fn maybe_sent(&self) -> bool {
        self.maybe_sent
    }
}

impl From<ErrorKind> for HttpError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpError")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("maybe_sent", &self.maybe_sent)
            .field("source", &self.source)
            .finish()
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
