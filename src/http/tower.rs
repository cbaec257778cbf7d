use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::received::{self, BoxError};
use super::{Body, Capabilities, Client, Exchange, HttpError, cause};

/// A tower service as a [`Client`].
///
/// Each exchange has a clone of the service, waits until it is ready and calls it once. What is
/// among the request's extensions goes along, so [`Deadline`](super::Deadline) and
/// [`Phases`](super::Phases) reach a client below it. Whether the [contract](Client) is kept is up
/// to the service.
///
/// # Examples
///
/// Middleware around a client: [`ClientService`] goes into it, a `TowerClient` comes out.
///
/// ```
/// use std::task::{Context, Poll};
/// use tower_service::Service;
/// use untethered::http::{
///     Body, Client, ClientService, HttpError, Request, Response, TowerClient, client_fn,
/// };
///
/// #[derive(Clone)]
/// struct Shout<S>(S);
///
/// impl<S: Service<Request<Body>>> Service<Request<Body>> for Shout<S> {
///     type Response = S::Response;
///     type Error = S::Error;
///     type Future = S::Future;
///
///     fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
///         self.0.poll_ready(cx)
///     }
///
///     fn call(&mut self, request: Request<Body>) -> S::Future {
///         self.0.call(request.map(|_| Body::from("HELLO")))
///     }
/// }
///
/// # futures_lite::future::block_on(async {
/// let echo = client_fn(|request: Request<Body>| async {
///     Ok::<_, HttpError>(Response::new(request.into_body()))
/// });
/// let client = TowerClient::new(Shout(ClientService::new(echo)));
/// let request = Request::post("http://example.org/").body(Body::from("hello")).unwrap();
/// let response = client.send(request).await.unwrap();
/// assert_eq!(response.into_body().bytes(10).await.unwrap(), "HELLO");
/// # });
/// ```
#[derive(Clone)]
pub struct TowerClient<S> {
    service: S,
    capabilities: Capabilities,
}

impl<S> TowerClient<S> {
    /// A client that is not known to do anything by itself.
    pub fn new(service: S) -> Self {
        Self {
            service,
            capabilities: Capabilities::default(),
        }
    }

    /// Says what is kept below: that of the client at the bottom, if all between lets it pass.
    #[must_use = "it gives the changed value back"]
    pub fn with_capabilities(self, capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            ..self
        }
    }
}

impl<S, B> Client for TowerClient<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        let mut service = self.service.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(not_ready)?;
            let response = service.call(request).await.map_err(received::failed)?;
            Ok(received::receive(response, None, None))
        })
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

impl<S> fmt::Debug for TowerClient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerClient")
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// The error of a service that took no request, as it was if it was ours.
fn not_ready(error: impl Into<BoxError>) -> HttpError {
    match error.into().downcast::<HttpError>() {
        Ok(error) => *error,
        Err(error) => HttpError::new(cause::kind_of(&*error)).with_source(error),
    }
}

/// A [`Client`] as a tower service. It is always ready: put a limit around it.
///
/// A future that is dropped cancels its exchange.
///
/// # Examples
///
/// ```
/// use tower_service::Service;
/// use untethered::http::{Body, ClientService, HttpError, Request, Response, client_fn};
///
/// # futures_lite::future::block_on(async {
/// let mut service = ClientService::new(client_fn(|_| async {
///     Ok::<_, HttpError>(Response::new(Body::from("hello")))
/// }));
/// let request = Request::get("http://example.org/").body(Body::empty()).unwrap();
/// let response = service.call(request).await.unwrap();
/// assert_eq!(response.into_body().bytes(10).await.unwrap(), "hello");
/// # });
/// ```
#[derive(Clone)]
pub struct ClientService<C> {
    client: C,
}

impl<C> ClientService<C> {
    /// A service that sends by `client`.
    pub fn new(client: C) -> Self {
        Self { client }
    }
}

impl<C> Service<Request<Body>> for ClientService<C>
where
    C: Client + Clone + 'static,
{
    type Response = Response<Body>;
    type Error = HttpError;
    type Future = Exchange<'static>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Exchange<'static> {
        let client = self.client.clone();
        Box::pin(async move { client.send(request).await })
    }
}

impl<C> fmt::Debug for ClientService<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService").finish_non_exhaustive()
    }
}
