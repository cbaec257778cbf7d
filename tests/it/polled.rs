//! Futures polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::support::Wakes;

/// A future with a waker of its own.
pub(crate) struct Polled<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

impl<F: Future> Polled<F> {
    pub(crate) fn new(future: F) -> Self {
        let (wakes, waker) = Wakes::new();
        Self {
            future: Box::pin(future),
            wakes,
            waker,
        }
    }

    /// A future that has to wait.
    #[track_caller]
    pub(crate) fn waiting(future: F) -> Self {
        let mut polled = Self::new(future);
        assert!(polled.poll().is_pending(), "it was ready at once");
        polled
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let mut cx = Context::from_waker(&self.waker);
        self.future.as_mut().poll(&mut cx)
    }

    /// What it gives when polled now.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it is not ready"),
        }
    }

    /// How often its present waker was woken.
    pub(crate) fn woken(&self) -> usize {
        self.wakes.count()
    }

    /// From the next poll on it is polled with another waker.
    pub(crate) fn change_waker(&mut self) {
        (self.wakes, self.waker) = Wakes::new();
    }
}

/// What a future gives that needs not wait.
#[track_caller]
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    Polled::new(future).ready()
}
