//! Where the futures of a run lie.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::primitives::Mutex;

/// Boxes for futures, used again. What moves is the box: a future of 2 KB would be copied each time
/// it is handed on.
pub(super) struct Places<F> {
    spare: Mutex<Vec<Place<F>>>,
}

type Place<F> = Pin<Box<Option<F>>>;

/// A future in a place, which goes back once it is done.
pub(super) struct Placed<F> {
    /// `None` once it is done.
    place: Option<Place<F>>,
    places: Arc<Places<F>>,
}

impl<F> Places<F> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            spare: Mutex::new(Vec::new()),
        })
    }

    /// Makes a future in a place.
    // Always inlined, so that it is made there instead of being moved there.
    #[inline(always)]
    pub(super) fn put(self: &Arc<Self>, make: impl FnOnce() -> F) -> Placed<F> {
        let spare = self.spare.lock().pop();
        let mut place = spare.unwrap_or_else(|| Box::pin(None));
        place.set(Some(make()));
        Placed {
            place: Some(place),
            places: self.clone(),
        }
    }
}

impl<F: Future> Future for Placed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let place = self.place.as_mut();
        let future = place.and_then(|place| place.as_mut().as_pin_mut());
        let output = ready!(future.expect("polled after it was ready").poll(cx));
        if let Some(mut place) = self.place.take() {
            place.set(None);
            self.places.spare.lock().push(place);
        }
        Poll::Ready(output)
    }
}
