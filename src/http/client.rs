use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};

use super::{Body, HttpError};

/// The future of [`Client::send`].
pub type Exchange<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Body>, HttpError>> + Send + 'a>>;

/// One request, one response.
///
/// What everything in [`http`](super) is built on. Implement it for the HTTP library you have, or
/// make one from a closure with [`client_fn`].
///
/// # The contract
///
/// * Exactly one exchange for a call: no redirects, no retries.
/// * Any status is `Ok`. A body that ends early is an error of the body,
///   [`Truncated`](super::ErrorKind::Truncated).
/// * Dropping the future or the response's body cancels: the connection is closed.
/// * A connection is used again only after the end of a framed response was seen.
/// * A [`Deadline`](super::Deadline) among the request's extensions is kept by clients that say so
///   in their [`capabilities`](Self::capabilities); so is the reporting to
///   [`Phases`](super::Phases).
/// * Nothing a server sends makes it panic.
///
/// # Examples
///
/// ```
/// use untethered::http::{Body, Client, HttpError, Request, Response, client_fn};
///
/// # futures_lite::future::block_on(async {
/// let client = client_fn(|request: Request<Body>| async move {
///     let body = Body::from(format!("you asked for {}", request.uri()));
///     Ok::<_, HttpError>(Response::new(body))
/// });
/// let response = client.send(Request::new(Body::empty())).await.unwrap();
/// assert_eq!(response.status(), 200);
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP client",
    label = "implements no `untethered::http::Client`",
    note = "`Engine` is one; for the client of another crate take its adapter, listed in \
            `untethered::http`; of an async function `client_fn` makes one"
)]
pub trait Client: Send + Sync {
    /// Sends `request` and waits for the head of the response.
    fn send(&self, request: Request<Body>) -> Exchange<'_>;

    /// What the client does by itself.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

/// What a [`Client`] does by itself, so that nobody does it twice or waits for it in vain.
///
/// By default nothing. A client sets what it keeps:
///
/// ```
/// use untethered::http::Capabilities;
///
/// let capabilities = Capabilities::default().with_phases();
/// assert!(capabilities.phases() && !capabilities.deadline());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    phases: bool,
    deadline: bool,
    decoding: bool,
}

impl Capabilities {
    /// The client reports to the request's [`Phases`](super::Phases).
    #[must_use = "it gives the changed value back"]
    pub fn with_phases(self) -> Self {
        Self {
            phases: true,
            ..self
        }
    }

    /// The client ends an exchange at the request's [`Deadline`](super::Deadline), its body included.
    #[must_use = "it gives the changed value back"]
    pub fn with_deadline(self) -> Self {
        Self {
            deadline: true,
            ..self
        }
    }

    /// The client asks for coded answers and decodes them: nobody else asks for some.
    #[must_use = "it gives the changed value back"]
    pub fn with_decoding(self) -> Self {
        Self {
            decoding: true,
            ..self
        }
    }

    /// Whether the client reports phases.
    pub fn phases(self) -> bool {
        self.phases
    }

    /// Whether the client keeps deadlines.
    pub fn deadline(self) -> bool {
        self.deadline
    }

    /// Whether the client decodes answers.
    pub fn decoding(self) -> bool {
        self.decoding
    }
}

impl<C: Client + ?Sized> Client for &C {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        (**self).send(request)
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
}

impl<C: Client + ?Sized> Client for Box<C> {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        (**self).send(request)
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
}

impl<C: Client + ?Sized> Client for Arc<C> {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        (**self).send(request)
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
}

/// A [`Client`] that answers with what `answer` returns: a test double in one line.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
/// use untethered::http::{Body, FanOut, Request, Response, client_fn};
/// # let rt = untethered::runtime::threads(1);
///
/// let echo = client_fn(async |request: Request<Body>| {
///     Ok(Response::new(Body::from(request.uri().path().to_owned())))
/// });
/// let fetched = FanOut::new(&rt, echo).fetch("http://a.test/b").await.unwrap();
/// assert_eq!(fetched.body(), "/b");
/// # });
/// ```
pub fn client_fn<F, Fut>(answer: F) -> ClientFn<F>
where
    F: Fn(Request<Body>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response<Body>, HttpError>> + Send + 'static,
{
    ClientFn { answer }
}

/// From [`client_fn`].
#[derive(Clone)]
pub struct ClientFn<F> {
    answer: F,
}

impl<F, Fut> Client for ClientFn<F>
where
    F: Fn(Request<Body>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response<Body>, HttpError>> + Send + 'static,
{
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        Box::pin((self.answer)(request))
    }
}

impl<F> fmt::Debug for ClientFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFn").finish_non_exhaustive()
    }
}
