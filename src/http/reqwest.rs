use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::reqwest::redirect::Policy;
use ::reqwest::{Error, retry};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::exclusive::Exclusive;
use super::inside::Inside;
use super::{
    Body, Capabilities, Client, ErrorKind, Exchange, HttpError, connecting, engine, foreign,
    received,
};
use crate::runtime::Runtime;

/// reqwest as a [`Client`].
///
/// [`new`](Self::new) makes a `reqwest::Client` that does one exchange and nothing else: no
/// redirects, no retries, no cookies, no decoding, no proxy. It speaks HTTP/1.1. For https turn a
/// TLS feature of reqwest on in your own `Cargo.toml`. A client of your own becomes one by
/// `From`: with all that you gave it, so the [contract](Client) is kept as far as that goes.
///
/// reqwest stands on tokio. Where an exchange is polled inside of a tokio runtime, that one is
/// used; it has to be built with `enable_all`, or the exchange fails with
/// [`Unsupported`](ErrorKind::Unsupported). Elsewhere one thread of the process waits for sockets.
///
/// It keeps [`Deadline`](super::Deadline)s where it was made by [`new`](Self::new), and reports no
/// [`Phases`](super::Phases): a connect timeout is the builder's. A URL goes out as the `url`
/// crate writes it, and every request gets `accept: */*` unless it has an own one. A dropped
/// exchange or body closes its connection, by a task of tokio.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::http::{Body, Client, Request, ReqwestClient};
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
/// let client = ReqwestClient::new(&rt).unwrap();
/// let request = Request::get(url).body(Body::empty()).unwrap();
/// let response = client.send(request).await.unwrap();
/// assert_eq!(response.into_body().bytes(1024).await.unwrap(), "hello");
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct ReqwestClient {
    reqwest: ::reqwest::Client,
    runtime: Option<Runtime>,
}

impl ReqwestClient {
    /// A client that keeps the contract.
    ///
    /// # Errors
    ///
    /// [`Other`](ErrorKind::Other) if its TLS can not be set up.
    pub fn new(runtime: &Runtime) -> Result<Self, HttpError> {
        let reqwest = ::reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http1_only()
            .http1_max_headers(engine::MAX_HEADERS)
            .build()
            .map_err(|error| HttpError::new(ErrorKind::Other).with_source(error))?;
        Ok(Self {
            reqwest,
            runtime: Some(runtime.clone()),
        })
    }
}

impl From<::reqwest::Client> for ReqwestClient {
    fn from(reqwest: ::reqwest::Client) -> Self {
        Self {
            reqwest,
            runtime: None,
        }
    }
}

impl Client for ReqwestClient {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        let send = |request| Inside::new(self.execute(request));
        Box::pin(foreign::exchange(self.runtime.as_ref(), request, send))
    }

    fn capabilities(&self) -> Capabilities {
        foreign::capabilities(self.runtime.as_ref())
    }
}

impl ReqwestClient {
    async fn execute(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Inside<Received>>, HttpError> {
        let request = request.map(to_reqwest).try_into().map_err(explain)?;
        let response = self.reqwest.execute(request).await.map_err(explain)?;
        Ok(Response::from(response).map(|body| Inside::new(Received(body))))
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").finish_non_exhaustive()
    }
}

/// The error without its URL, which may hold a secret.
fn explain(error: Error) -> HttpError {
    let error = error.without_url();
    if error.is_builder() {
        HttpError::new(ErrorKind::InvalidRequest).with_source(error)
    } else if error.is_connect() {
        connecting::failed(error)
    } else {
        received::failed(error)
    }
}

fn to_reqwest(body: Body) -> ::reqwest::Body {
    if body.is_end_stream() {
        return ::reqwest::Body::default();
    }
    ::reqwest::Body::wrap(Outgoing {
        length: body.size_hint().exact(),
        body: Exclusive::new(body),
    })
}

/// reqwest wants its bodies `Sync`.
struct Outgoing {
    body: Exclusive<Body>,
    /// As it was before the first piece: it is not asked for later.
    length: Option<u64>,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        Pin::new(self.body.get_mut()).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A response's body, whose errors lose their URL.
struct Received(::reqwest::Body);

impl HttpBody for Received {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(explain)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
