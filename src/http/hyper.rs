use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::hyper::body::Incoming;
use ::hyper::rt::{Executor, Timer};
use http::{Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connect, HttpConnector, capture_connection};

use super::exclusive::Exclusive;
use super::inside::Inside;
use super::{
    Body, Capabilities, Client, Exchange, HttpError, connecting, engine, foreign, received,
};
use crate::runtime::{Runtime, Sleep};

/// The pooled client of hyper-util, on the sockets of tokio, as a [`Client`].
///
/// [`new`](Self::new) makes one that speaks plain HTTP/1.1; its connections are tasks of the
/// runtime it is given. [`with_connector`](Self::with_connector) puts it on a connector of your
/// own, for https or a proxy. A client that you have becomes one by `From`.
///
/// Where an exchange is polled inside of a tokio runtime, its sockets belong to that one; it has
/// to be built with `enable_all`, or the exchange fails with
/// [`Unsupported`](super::ErrorKind::Unsupported). Elsewhere one thread of the process waits for
/// sockets.
///
/// It keeps [`Deadline`](super::Deadline)s where it was made with a runtime, and reports no
/// [`Phases`](super::Phases). A dropped exchange or body closes its connection, by the task that
/// drives it. [`Engine`](super::Engine) has neither such tasks nor tokio below it.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::http::{Body, Client, HyperClient, Request};
///
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// # let url = format!("http://{}/", listener.local_addr().unwrap());
/// # std::thread::spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let mut request = [0; 1024];
/// #     assert!(socket.read(&mut request).unwrap() > 0);
/// #     socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
/// # });
/// # futures_lite::future::block_on(async {
/// let rt = untethered::runtime::threads(1);
/// let client = HyperClient::new(&rt);
/// let request = Request::get(url).body(Body::empty()).unwrap();
/// let response = client.send(request).await.unwrap();
/// assert_eq!(response.into_body().bytes(1024).await.unwrap(), "hello");
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct HyperClient<C = HttpConnector> {
    hyper: legacy::Client<C, Body>,
    runtime: Option<Runtime>,
}

impl HyperClient {
    /// A client for plain HTTP/1.1.
    pub fn new(runtime: &Runtime) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self::with_connector(runtime, connector)
    }
}

impl<C> HyperClient<C>
where
    C: Connect + Clone,
{
    /// A client whose connections `connector` makes.
    pub fn with_connector(runtime: &Runtime, connector: C) -> Self {
        let tasks = Tasks(runtime.clone());
        let hyper = legacy::Client::builder(tasks.clone())
            .pool_timer(tasks.clone())
            .timer(tasks)
            .http1_max_headers(engine::MAX_HEADERS)
            .http1_max_buf_size(engine::MAX_HEAD)
            .build(connector);
        Self {
            hyper,
            runtime: Some(runtime.clone()),
        }
    }
}

impl<C> From<legacy::Client<C, Body>> for HyperClient<C> {
    fn from(hyper: legacy::Client<C, Body>) -> Self {
        Self {
            hyper,
            runtime: None,
        }
    }
}

impl<C> Client for HyperClient<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        let send = |request| Inside::new(self.request(request));
        Box::pin(foreign::exchange(self.runtime.as_ref(), request, send))
    }

    fn capabilities(&self) -> Capabilities {
        foreign::capabilities(self.runtime.as_ref())
    }
}

impl<C> HyperClient<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    async fn request(&self, mut request: Request<Body>) -> Result<Response<Incoming>, HttpError> {
        let connection = capture_connection(&mut request);
        let response = self.hyper.request(request).await.map_err(|error| {
            if error.is_connect() {
                connecting::failed(error)
            } else {
                received::failed(error)
            }
        })?;
        if engine::is_ambiguous(response.headers()) {
            if let Some(connected) = &*connection.connection_metadata() {
                connected.poison();
            }
        }
        Ok(response)
    }
}

impl<C> fmt::Debug for HyperClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperClient").finish_non_exhaustive()
    }
}

/// hyper's tasks and timers, on our runtime.
#[derive(Clone)]
struct Tasks(Runtime);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        // Some of them connect.
        let task = Inside::new(async {
            task.await;
            Ok(())
        });
        self.0.spawn(task).detach();
    }
}

impl Timer for Tasks {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Rest(Exclusive::new(Box::pin(self.0.sleep(duration)))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Rest(Exclusive::new(Box::pin(self.0.sleep_until(deadline)))))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

/// hyper wants its sleeps `Sync`.
struct Rest(Exclusive<Pin<Box<Sleep>>>);

impl Future for Rest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().as_mut().poll(cx)
    }
}

impl ::hyper::rt::Sleep for Rest {}
