use std::error::Error as _;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::isahc::config::{Configurable, ExpectContinue, RedirectPolicy, VersionNegotiation};
use ::isahc::error::{Error, ErrorKind as IsahcKind};
use ::isahc::{AsyncBody, HttpClient};
use bytes::Bytes;
use futures_io::AsyncRead;
use http::{Method, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame};

use super::reader::Reader;
use super::{
    Body, Capabilities, Client, Deadline, ErrorKind, Exchange, HttpError, TimeoutPhase, foreign,
    received,
};
use crate::primitives::Mutex;
use crate::runtime::Runtime;

/// isahc, which is curl, as a [`Client`].
///
/// [`new`](Self::new) makes an `isahc::HttpClient` that does one exchange and nothing else: no
/// redirects, no decoding, no proxy. It speaks HTTP/1.1. For https turn a TLS feature of isahc on
/// in your own `Cargo.toml`. A client of your own becomes one by `From`: with all that you gave
/// it, so the [contract](Client) is kept as far as that goes.
///
/// One thread of its own does the work for each client, so it runs under every runtime.
///
/// It keeps [`Deadline`](super::Deadline)s where it was made by [`new`](Self::new), and reports no
/// [`Phases`](super::Phases). curl does not look after a transfer that was dropped: its connection
/// is closed with the next that the server sends, or at the request's deadline. Without one, a
/// server that stays silent keeps it. A connection is used for one request only, for curl would
/// send a request again on one that it used before. An empty body that ends with its connection is
/// [`Truncated`](ErrorKind::Truncated): a head that breaks off looks the same.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::http::{Body, Client, IsahcClient, Request};
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
/// let client = IsahcClient::new(&rt).unwrap();
/// let request = Request::get(url).body(Body::empty()).unwrap();
/// let response = client.send(request).await.unwrap();
/// assert_eq!(response.into_body().bytes(1024).await.unwrap(), "hello");
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct IsahcClient {
    isahc: HttpClient,
    runtime: Option<Runtime>,
}

impl IsahcClient {
    /// A client that keeps the contract as far as curl does.
    ///
    /// # Errors
    ///
    /// [`Other`](ErrorKind::Other) if curl or its thread can not be set up.
    pub fn new(runtime: &Runtime) -> Result<Self, HttpError> {
        let isahc = HttpClient::builder()
            .version_negotiation(VersionNegotiation::http11())
            .redirect_policy(RedirectPolicy::None)
            .automatic_decompression(false)
            .expect_continue(ExpectContinue::disabled())
            .proxy(None)
            .tcp_nodelay()
            // On a connection that it used before, curl sends a request again by itself.
            .connection_cache_size(0)
            .build()
            .map_err(|error| HttpError::new(ErrorKind::Other).with_source(error))?;
        Ok(Self {
            isahc,
            runtime: Some(runtime.clone()),
        })
    }
}

impl From<HttpClient> for IsahcClient {
    fn from(isahc: HttpClient) -> Self {
        Self {
            isahc,
            runtime: None,
        }
    }
}

impl Client for IsahcClient {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        let deadline = request.extensions().get::<Deadline>().copied();
        let send = move |request| self.exchange(request, deadline);
        Box::pin(foreign::exchange(self.runtime.as_ref(), request, send))
    }

    fn capabilities(&self) -> Capabilities {
        foreign::capabilities(self.runtime.as_ref())
    }
}

impl IsahcClient {
    async fn exchange(
        &self,
        request: Request<Body>,
        deadline: Option<Deadline>,
    ) -> Result<Response<Received>, HttpError> {
        let failure = Failure::default();
        let (head, body) = request.into_parts();
        let head_only = head.method == Method::HEAD;
        let mut request = Request::builder().method(head.method).uri(head.uri);
        if let (Some(runtime), Some(Deadline(deadline))) = (&self.runtime, deadline) {
            // Ends a transfer that was dropped. Later than the deadline, which is told here.
            let left = deadline.saturating_duration_since(runtime.now());
            request = request.timeout(left.saturating_add(GRACE));
        }
        let mut request = request
            .body(to_isahc(body, &failure))
            .map_err(|error| HttpError::new(ErrorKind::InvalidRequest).with_source(error))?;
        *request.headers_mut() = head.headers;
        let response = self.isahc.send_async(request).await;
        let response = response.map_err(|error| failure.or(explain(error)))?;
        let framed = head_only || is_framed(&response);
        Ok(response.map(|body| Received {
            body,
            failure,
            must_have_more: !framed,
            buffer: vec![0; PIECE],
        }))
    }
}

impl fmt::Debug for IsahcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsahcClient").finish_non_exhaustive()
    }
}

/// How long after its deadline a dropped transfer is ended. curl rounds down, and must not be first.
const GRACE: Duration = Duration::from_millis(10);

/// How much is read at once from a body.
const PIECE: usize = 16 * 1024;

/// What went wrong with the request's body: curl only knows that something did.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<HttpError>>>);

impl Failure {
    fn or(&self, error: HttpError) -> HttpError {
        let kept = self.0.lock().take();
        match kept {
            Some(kept) => kept.with_maybe_sent(),
            None => error,
        }
    }
}

fn to_isahc(body: Body, failure: &Failure) -> AsyncBody {
    let length = body.size_hint().exact();
    if length == Some(0) {
        return AsyncBody::empty();
    }
    let reader = Outgoing {
        reader: Reader::new(body),
        failure: failure.clone(),
    };
    match length {
        Some(length) => AsyncBody::from_reader_sized(reader, length),
        None => AsyncBody::from_reader(reader),
    }
}

/// A request's body that keeps its error.
struct Outgoing {
    reader: Reader,
    failure: Failure,
}

impl AsyncRead for Outgoing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.reader).poll_read(cx, buffer));
        Poll::Ready(read.map_err(|error| match error.downcast::<HttpError>() {
            Ok(error) => {
                *self.failure.0.lock() = Some(error);
                io::ErrorKind::Other.into()
            }
            Err(error) => error,
        }))
    }
}

/// A response's body.
struct Received {
    body: AsyncBody,
    failure: Failure,
    /// Nothing has come yet of a body that ends with its connection. curl takes a head that breaks
    /// off for a whole one, and this is what it looks like.
    must_have_more: bool,
    buffer: Vec<u8>,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let read = ready!(Pin::new(&mut this.body).poll_read(cx, &mut this.buffer));
        Poll::Ready(match read {
            Ok(0) if std::mem::take(&mut this.must_have_more) => {
                let error = HttpError::new(ErrorKind::Truncated).with_maybe_sent();
                Some(Err(error.with_message("neither a length nor a body")))
            }
            Ok(0) => None,
            Ok(n) => {
                this.must_have_more = false;
                let piece = Bytes::copy_from_slice(&this.buffer[..n]);
                Some(Ok(Frame::data(piece)))
            }
            Err(error) => {
                let error = match error.downcast::<Error>() {
                    Ok(error) => explain(error),
                    Err(error) => received::failed(error),
                };
                Some(Err(this.failure.or(error)))
            }
        })
    }
}

/// Whether the head says where the body ends.
fn is_framed(response: &Response<AsyncBody>) -> bool {
    let headers = response.headers();
    headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status())
}

fn explain(error: Error) -> HttpError {
    let cause: Option<&curl::Error> = error.source().and_then(|cause| cause.downcast_ref());
    let truncated = cause.is_some_and(|cause| {
        cause.is_got_nothing() || cause.is_partial_file() || cause.is_recv_error()
    });
    let (kind, sent) = match error.kind() {
        IsahcKind::InvalidRequest => (ErrorKind::InvalidRequest, false),
        IsahcKind::NameResolution => (ErrorKind::Resolve, false),
        IsahcKind::ConnectionFailed => (ErrorKind::Connect, false),
        IsahcKind::BadClientCertificate
        | IsahcKind::BadServerCertificate
        | IsahcKind::InvalidTlsConfiguration
        | IsahcKind::TlsEngine => (ErrorKind::Tls, false),
        IsahcKind::Timeout => (ErrorKind::Timeout(TimeoutPhase::Total), true),
        _ if truncated => (ErrorKind::Truncated, true),
        IsahcKind::ProtocolViolation => (ErrorKind::Protocol, true),
        IsahcKind::Io => (ErrorKind::Truncated, true),
        _ => (ErrorKind::Other, true),
    };
    let error = HttpError::new(kind).with_source(error);
    if sent { error.with_maybe_sent() } else { error }
}
