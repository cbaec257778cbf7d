use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use async_compat::Compat;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::received::BoxError;
use super::{ErrorKind, HttpError};
use crate::task::catch;

pin_project! {
    /// Polls and drops something where sockets of tokio work: in the tokio runtime it is in, or,
    /// where there is none, in one of the process's own that waits for sockets on a thread.
    pub(super) struct Inside<T> {
        // What is dropped half-way may start a task to tidy up.
        #[pin]
        inner: Compat<T>,
    }
}

impl<T> Inside<T> {
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner: Compat::new(inner),
        }
    }
}

impl<T, O> Future for Inside<T>
where
    T: Future<Output = Result<O, HttpError>>,
{
    type Output = Result<O, HttpError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        match catch(|| inner.poll(cx)) {
            Ok(polled) => polled,
            Err(payload) => Poll::Ready(Err(explain(payload))),
        }
    }
}

impl<T> HttpBody for Inside<T>
where
    T: HttpBody + Unpin,
    T::Error: Into<BoxError>,
{
    type Data = T::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<T::Data>, BoxError>>> {
        let inner = self.inner.get_mut();
        let next = pin!(Compat::new(poll_fn(
            |cx| Pin::new(&mut *inner).poll_frame(cx)
        )));
        let frame = match catch(|| next.poll(cx)) {
            Ok(polled) => ready!(polled).map(|frame| frame.map_err(Into::into)),
            Err(payload) => Some(Err(explain(payload).into())),
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.get_ref().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.get_ref().size_hint()
    }
}

/// tokio panics where a runtime was built without its sockets or timers, and can not be asked
/// before. Any other panic goes on.
fn explain(payload: Box<dyn Any + Send>) -> HttpError {
    let message = match payload.downcast_ref::<String>() {
        Some(message) => message,
        None => payload.downcast_ref::<&str>().copied().unwrap_or_default(),
    };
    if message.contains("IO is disabled") || message.contains("timers are disabled") {
        return HttpError::new(ErrorKind::Unsupported)
            .with_message("this client needs the runtime around it built with `enable_all`");
    }
    resume_unwind(payload)
}
