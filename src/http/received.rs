//! A response of another library, made ours.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Body, ErrorKind, HttpError, TimeoutPhase, cause};
use crate::runtime::Sleep;
use crate::task::DropGuard;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The response for the caller. It ends with `timer`; `sending` is dropped with it.
pub(super) fn receive<B>(
    response: Response<B>,
    timer: Option<Pin<Box<Sleep>>>,
    sending: Option<DropGuard>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    response.map(|body| {
        Body::new(ResponseBody {
            body: Some(body),
            timer,
            sending,
        })
    })
}

/// The error of an exchange that may have reached the server, as it was if it was ours.
pub(super) fn failed(error: impl Into<BoxError>) -> HttpError {
    match error.into().downcast::<HttpError>() {
        Ok(error) => *error,
        Err(error) => HttpError::new(cause::kind_of(&*error))
            .with_maybe_sent()
            .with_source(error),
    }
}

/// Ready with an error when the time is over. Without a timer it never is.
pub(super) fn poll_deadline(
    timer: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<HttpError> {
    let Some(running) = timer else {
        return Poll::Pending;
    };
    ready!(running.as_mut().poll(cx));
    *timer = None;
    Poll::Ready(deadline_passed().with_maybe_sent())
}

/// The error of a request whose deadline has passed before it was sent.
pub(super) fn deadline_passed() -> HttpError {
    HttpError::new(ErrorKind::Timeout(TimeoutPhase::Total))
}

pin_project! {
    /// The body of another library.
    struct ResponseBody<B> {
        // Dropped at its end, in whatever way it ends.
        #[pin]
        body: Option<B>,
        timer: Option<Pin<Box<Sleep>>>,
        // Ends the request's body when it is dropped.
        sending: Option<DropGuard>,
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let frame = match body.poll_frame(cx) {
            Poll::Ready(frame) => frame.map(|frame| frame.map_err(failed)),
            Poll::Pending => Some(Err(ready!(poll_deadline(this.timer, cx)))),
        };
        if !matches!(frame, Some(Ok(_))) {
            this.body.set(None);
            *this.timer = None;
            *this.sending = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
