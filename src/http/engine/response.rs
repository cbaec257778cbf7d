use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::Connection;
use super::pool::Lease;
use crate::http::{Body, ErrorKind, HttpError, TimeoutPhase};
use crate::runtime::Sleep;

/// The response for the caller. Its connection goes back at once if all of it is here already,
/// with the body's end otherwise.
pub(super) fn hand_over(
    response: Response<Incoming>,
    connection: Box<Connection>,
    lease: Lease,
    timer: Option<Pin<Box<Sleep>>>,
) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    // What hyper adds for protocol upgrades keeps no promise here.
    head.extensions.clear();
    let mut body = ResponseBody {
        ambiguous: is_ambiguous(&head.headers),
        incoming,
        exchange: Some((connection, lease)),
        timer,
    };
    if body.is_done() {
        body.finish();
        if let Some(bytes) = body.in_memory() {
            return Response::from_parts(head, Body::from(bytes));
        }
    }
    Response::from_parts(head, Body::new(body))
}

/// Two lengths in one head: someone between the server and us may have taken the other one.
pub(in crate::http) fn is_ambiguous(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH)
}

/// A response's body, which drives its connection.
struct ResponseBody {
    incoming: Incoming,
    /// `None` once the connection has gone, back or for good.
    exchange: Option<(Box<Connection>, Lease)>,
    /// Ready at the request's deadline.
    timer: Option<Pin<Box<Sleep>>>,
    ambiguous: bool,
}

/// How much of a body that nobody reads is looked at, if it is there already.
const LOOK: usize = 64 * 1024;

impl ResponseBody {
    /// Whether the end of the response was seen.
    fn is_done(&self) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|(connection, _)| connection.is_idle())
    }

    /// Closes the connection.
    fn give_up(&mut self) {
        self.timer = None;
        self.exchange = None;
    }

    /// Parts with the connection at the end of the response.
    fn finish(&mut self) {
        self.timer = None;
        if let Some((connection, lease)) = self.exchange.take() {
            if connection.is_idle() && !self.ambiguous {
                lease.give_back(connection);
            }
        }
    }

    /// What is left of a body that came in one piece, without the price of a stream.
    fn in_memory(&mut self) -> Option<Bytes> {
        if self.incoming.is_end_stream() {
            return Some(Bytes::new());
        }
        // With a length known, what is here is one piece. Chunks may be followed by trailers.
        self.incoming.size_hint().exact()?;
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.incoming).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let Some((connection, lease)) = &mut this.exchange else {
            return Pin::new(&mut this.incoming)
                .poll_frame(cx)
                .map_err(|error| HttpError::new(ErrorKind::Truncated).with_source(error));
        };
        if let Poll::Ready(frame) = connection.poll_frame(&mut this.incoming, cx) {
            let frame = frame.map(|frame| frame.map_err(|error| lease.explain(error)));
            match &frame {
                Some(Ok(_)) if !this.incoming.is_end_stream() => {}
                Some(Ok(_)) | None => this.finish(),
                Some(Err(_)) => this.give_up(),
            }
            return Poll::Ready(frame);
        }
        if let Some(timer) = &mut this.timer {
            ready!(timer.as_mut().poll(cx));
            this.give_up();
            return Poll::Ready(Some(Err(deadline_passed(true))));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let Some((connection, _)) = &mut self.exchange else {
            return;
        };
        if std::thread::panicking() {
            return;
        }
        connection.look_again();
        let mut cx = Context::from_waker(Waker::noop());
        let mut seen = 0;
        while seen < LOOK && !self.incoming.is_end_stream() {
            match connection.poll_frame(&mut self.incoming, &mut cx) {
                Poll::Ready(Some(Ok(frame))) => seen += frame.data_ref().map_or(0, Bytes::len),
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(_))) | Poll::Pending => return,
            }
        }
        self.finish();
    }
}

/// The error of a request whose deadline has passed.
pub(super) fn deadline_passed(maybe_sent: bool) -> HttpError {
    let error = HttpError::new(ErrorKind::Timeout(TimeoutPhase::Total));
    if maybe_sent {
        error.with_maybe_sent()
    } else {
        error
    }
}
