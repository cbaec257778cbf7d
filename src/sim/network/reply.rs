use std::fmt;
use std::future::pending;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::closed;
use crate::http::{ErrorKind, HttpError};

/// What a server of a [`Network`](super::Network) does with a request.
///
/// Made from a text or bytes (200), from a [`StatusCode`], or from a [`Response`]. One that
/// answers nothing is made by [`silence`](Self::silence), [`reset`](Self::reset) or
/// [`refuse`](Self::refuse).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::http::{Body, Client, ErrorKind, Request};
/// use untethered::sim::{Network, Reply, Sim};
///
/// let sim = Sim::new();
/// let second = Duration::from_secs(1);
/// let network = Network::new(&sim).serve("slow.example", move |request| match request.uri().path() {
///     "/drip" => Reply::from("hello").pace(2, second),
///     _ => Reply::from("hello").after(3 * second).cut(4),
/// });
/// let get = |path: &str| Request::get(format!("http://slow.example{path}")).body(Body::empty());
/// sim.block_on(async {
///     let response = network.send(get("/drip").unwrap()).await.unwrap();
///     assert_eq!(response.into_body().bytes(9).await.unwrap(), "hello");
///     assert_eq!(sim.elapsed(), 3 * second); // in three pieces
///     let response = network.send(get("/").unwrap()).await.unwrap();
///     assert_eq!(sim.elapsed(), 6 * second);
///     let error = response.into_body().bytes(9).await.unwrap_err();
///     assert_eq!(error.kind(), ErrorKind::Truncated);
/// });
/// ```
pub struct Reply {
    pub(super) response: Response<Bytes>,
    pub(super) after: Duration,
    pub(super) pace: Option<Pace>,
    pub(super) cut: Option<usize>,
    kind: Kind,
}

/// How a body comes: so many bytes each time, the time before each.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) piece: NonZeroUsize,
    pub(super) every: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Answer,
    Silence,
    Reset,
    Refuse,
}

impl Reply {
    /// No answer at all, and the connection stays.
    pub fn silence() -> Self {
        Self::of_kind(Kind::Silence)
    }

    /// The connection is closed instead of an answer.
    pub fn reset() -> Self {
        Self::of_kind(Kind::Reset)
    }

    /// As if nobody listened: [`Connect`](ErrorKind::Connect), and nothing was sent.
    pub fn refuse() -> Self {
        Self::of_kind(Kind::Refuse)
    }

    /// With a header.
    ///
    /// # Panics
    ///
    /// If there is no such header name or value.
    #[track_caller]
    #[must_use = "it gives the changed value back"]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name);
        let Ok(name) = name else {
            panic!("no name of a header");
        };
        let Ok(value) = HeaderValue::try_from(value) else {
            panic!("no value of the header {name}");
        };
        self.response.headers_mut().append(name, value);
        self
    }

    /// So long after the request has arrived: at once by default.
    #[must_use = "it gives the changed value back"]
    pub fn after(self, delay: Duration) -> Self {
        Self {
            after: delay,
            ..self
        }
    }

    /// The body comes in pieces of so many bytes, and each takes so long. All at once by default.
    ///
    /// # Panics
    ///
    /// If `piece` is nought.
    #[track_caller]
    #[must_use = "it gives the changed value back"]
    pub fn pace(self, piece: usize, every: Duration) -> Self {
        let Some(piece) = NonZeroUsize::new(piece) else {
            panic!("a body in pieces of no byte never ends");
        };
        Self {
            pace: Some(Pace { piece, every }),
            ..self
        }
    }

    /// The connection is closed after so many bytes of the body, if it has more.
    #[must_use = "it gives the changed value back"]
    pub fn cut(self, bytes: usize) -> Self {
        Self {
            cut: Some(bytes),
            ..self
        }
    }

    fn of_kind(kind: Kind) -> Self {
        Self {
            response: Response::new(Bytes::new()),
            after: Duration::ZERO,
            pace: None,
            cut: None,
            kind,
        }
    }

    /// Itself, if it is an answer.
    pub(super) async fn into_answer(self) -> Result<Self, HttpError> {
        match self.kind {
            Kind::Answer => Ok(self),
            Kind::Silence => pending().await,
            Kind::Reset => Err(closed()),
            Kind::Refuse => Err(ErrorKind::Connect.into()),
        }
    }
}

impl<T: Into<Bytes>> From<Response<T>> for Reply {
    fn from(response: Response<T>) -> Self {
        Self {
            response: response.map(Into::into),
            ..Self::of_kind(Kind::Answer)
        }
    }
}

impl From<StatusCode> for Reply {
    fn from(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        response.into()
    }
}

impl From<&'static str> for Reply {
    fn from(text: &'static str) -> Self {
        Response::new(text).into()
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Response::new(text).into()
    }
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Response::new(bytes).into()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("kind", &self.kind)
            .field("status", &self.response.status())
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
