use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{catch, discard};

/// Runs `future` and drops it; gives what either panicked with instead of unwinding.
///
/// After its poll nothing of `future` is left, whatever it gave.
pub(crate) fn caught<F: Future>(future: F) -> Caught<F> {
    Caught {
        future: Some(future),
    }
}

pin_project! {
    pub(crate) struct Caught<F> {
        // `None` once it is done.
        #[pin]
        future: Option<F>,
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut future = self.project().future;
        let running = future.as_mut().as_pin_mut();
        let running = running.expect("polled after it was ready");
        let ended = match catch(|| running.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        Poll::Ready(match catch(|| future.set(None)) {
            Ok(()) => ended,
            // The first panic counts.
            Err(second) if ended.is_err() => {
                discard(second);
                ended
            }
            Err(payload) => {
                discard(ended);
                Err(payload)
            }
        })
    }
}
