use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::ledger::Ledger;
use super::task::Work;
use crate::primitives::Mutex;
use crate::task::{catch, discard, forget_panic};

/// Where the body leaves its output.
pub(super) struct BodyPlace<T, E>(Mutex<Option<Result<T, E>>>);

impl<T, E> BodyPlace<T, E> {
    pub(super) fn take(&self) -> Option<Result<T, E>> {
        self.0.lock().take()
    }
}

pin_project! {
    /// The body of a scope, one more of its tasks.
    pub(super) struct Body<F, T, E> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        place: Arc<BodyPlace<T, E>>,
    }
}

impl<F, T, E> Body<F, T, E> {
    pub(super) fn new(future: F) -> (Self, Arc<BodyPlace<T, E>>) {
        let place = Arc::new(BodyPlace(Mutex::new(None)));
        let body = Self {
            future: Some(future),
            place: place.clone(),
        };
        (body, place)
    }
}

impl<F, T, E> Work<E> for Body<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    fn poll(
        self: Pin<&mut Self>,
        ledger: &Ledger<E>,
        _slot: usize,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let output = match catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        let dropped = catch(|| this.future.set(None));
        ledger.one_less();
        let output = match (output, dropped) {
            (Ok(output), Ok(())) => output,
            (Ok(lost), Err(payload)) => {
                discard(lost);
                ledger.body_panicked(payload);
                return Poll::Ready(());
            }
            (Err(payload), dropped) => {
                dropped.unwrap_or_else(forget_panic);
                ledger.body_panicked(payload);
                return Poll::Ready(());
            }
        };
        let output = match output {
            Ok(value) => Some(Ok(value)),
            Err(error) => ledger.record_body(error).map(Err),
        };
        *this.place.0.lock() = output;
        Poll::Ready(())
    }

    /// No handle has it.
    fn is_stopped(&self) -> bool {
        false
    }

    fn cancel(mut self: Pin<Box<Self>>, ledger: &Ledger<E>, counted: bool) {
        if let Err(payload) = catch(|| self.as_mut().project().future.set(None)) {
            ledger.mailbox.keep_panic(payload);
        }
        if counted {
            ledger.one_less();
        }
    }
}
