use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;

use super::expect::Gate;
use super::failure;
use super::socket::{Hook, Socket};
use super::transport::Transport;
use crate::http::{Body, ExchangePhase, HttpError, Phases};
use crate::primitives::atomic::{AtomicBool, Ordering::Relaxed};
use crate::runtime::Sleep;

/// A connection that speaks HTTP/1.1. Whoever waits for something on it drives it: there is no
/// task behind it, and dropping it closes the socket at once.
pub(super) struct Connection {
    sender: http1::SendRequest<Outgoing>,
    life: Life,
    socket: Socket,
    made: Instant,
    requests: usize,
}

struct Life {
    /// `None` once it has ended.
    protocol: Option<http1::Connection<Transport, Outgoing>>,
    /// How it ended, if nobody else was told.
    failure: Option<hyper::Error>,
}

/// Why there is no response.
pub(super) enum Refused {
    /// The connection had ended before the request, which is where it was.
    Unsent(hyper::Error),
    Failed(HttpError),
}

/// The most bytes a response's head may have.
pub(in crate::http) const MAX_HEAD: usize = 256 * 1024;
/// How many headers it may have at other clients.
#[cfg(any(feature = "hyper-tokio", feature = "reqwest"))]
pub(in crate::http) const MAX_HEADERS: usize = 256;
/// How many headers the protocol has room for on its stack. For more it allocates for each
/// response, and fills what it allocated.
pub(super) const CHEAP_HEADERS: usize = 100;

impl Connection {
    pub(super) async fn new(
        transport: Transport,
        socket: Socket,
        made: Instant,
        max_headers: usize,
    ) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        if max_headers != CHEAP_HEADERS {
            // More of them, of four bytes at least, do not fit into a head.
            builder.max_headers(max_headers.min(MAX_HEAD / 4));
        }
        let (sender, protocol) = builder.handshake(transport).await?;
        Ok(Self {
            sender,
            life: Life {
                protocol: Some(protocol),
                failure: None,
            },
            socket,
            made,
            requests: 0,
        })
    }

    /// How many requests it was used for.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// Since when it is there.
    pub(super) fn made(&self) -> Instant {
        self.made
    }

    /// What it takes to end it from outside.
    pub(super) fn hook(&self) -> Hook {
        self.socket.hook()
    }

    /// Whether the last response has ended, was seen to end, and another request may follow.
    pub(super) fn is_idle(&self) -> bool {
        self.life.protocol.is_some() && self.sender.is_ready()
    }

    /// The next read asks the kernel: what has arrived is seen without waiting.
    pub(super) fn look_again(&self) {
        self.socket.look_again();
    }

    /// Nobody waits for anything on it any more.
    pub(super) fn rest(&self) {
        self.socket.rest();
    }

    /// Takes the request, writes it and waits for the head of the response.
    ///
    /// Looks first whether the connection still stands. To be dropped unless it is driven to the
    /// end of the response. With `held`, the body waits so long for the server to ask for it.
    pub(super) async fn send(
        &mut self,
        request: &mut Request<Body>,
        phases: Option<&Phases>,
        held: Option<Sleep>,
    ) -> Result<Response<Incoming>, Refused> {
        let (gate, key) = held.map(|held| Gate::new(request, held)).unzip();
        let written = phases.map(|phases| (phases, Arc::new(AtomicBool::new(false))));
        let outgoing = std::mem::take(request).map(|body| Outgoing {
            body: Some(body),
            gate,
            written: written.as_ref().map(|(_, written)| written.clone()),
        });
        self.requests += 1;
        self.socket.look_again();
        self.socket.forget_writes();
        let mut response = pin!(self.sender.try_send_request(outgoing));
        let response = poll_fn(|cx| {
            let socket = &self.socket;
            socket.drive(cx, |cx| {
                self.life.go_on(cx);
                if let Some((phases, written)) = &written {
                    if written.load(Relaxed) && socket.flushed() {
                        phases.report(ExchangePhase::Sent);
                    } else if socket.wrote() {
                        phases.report(ExchangePhase::Sending);
                    }
                }
                response.as_mut().poll(cx)
            })
        })
        .await;
        if let Some(key) = key {
            key.shut();
        }
        response.map_err(|mut error| match error.take_message() {
            Some(outgoing) => {
                *request = outgoing.map(Outgoing::into_body);
                Refused::Unsent(error.into_error())
            }
            None => Refused::Failed(failure::of_exchange(error.into_error(), &self.socket)),
        })
    }

    /// The next piece of the response's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = self.socket.drive(cx, |cx| {
            // Often it came along with the head.
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Poll::Ready(frame);
            }
            self.life.go_on(cx);
            Pin::new(&mut *body).poll_frame(cx)
        });
        frame.map_err(|error| {
            failure::of_exchange(self.life.failure.take().unwrap_or(error), &self.socket)
        })
    }
}

impl Life {
    fn go_on(&mut self, cx: &mut Context<'_>) {
        if let Some(protocol) = &mut self.protocol {
            if let Poll::Ready(ended) = Pin::new(protocol).poll(cx) {
                self.failure = ended.err();
                self.protocol = None;
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// A request's body that notes when the protocol has taken all of it.
struct Outgoing {
    body: Option<Body>,
    gate: Option<Gate>,
    written: Option<Arc<AtomicBool>>,
}

impl Outgoing {
    fn into_body(mut self) -> Body {
        self.body.take().unwrap_or_default()
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll(cx));
            self.gate = None;
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(written) = &self.written {
            written.store(true, Relaxed);
        }
    }
}
