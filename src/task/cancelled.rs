//! Waiting for a token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::discard;
use super::token::Node;
use crate::sync::{Key, NeedsClone};

/// One wait for a node, however it is reached.
pub(super) struct Waiter<N: AsRef<Node>> {
    node: N,
    key: Option<Key>,
}

impl<N: AsRef<Node>> Waiter<N> {
    pub(super) fn new(node: N) -> Self {
        Self { node, key: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let node = self.node.as_ref();
        if node.is_cancelled() {
            return Poll::Ready(());
        }
        // Cloning a waker runs the executor's code: not while the lock is held.
        let mut spare = self.key.is_none().then(|| cx.waker().clone());
        loop {
            let mut state = node.state.lock();
            if node.is_cancelled() {
                drop(state);
                discard(spare);
                return Poll::Ready(());
            }
            let waits = &mut state.waiters;
            let queued = waits.queue(&mut self.key, cx.waker(), &mut spare, || ());
            drop(state);
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }
}

impl<N: AsRef<Node>> Drop for Waiter<N> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else {
            return;
        };
        let node = self.node.as_ref();
        if node.is_cancelled() {
            return;
        }
        let mut state = node.state.lock();
        // It may have been cancelled since we looked.
        if !node.is_cancelled() {
            let removed = state.waiters.remove(key);
            drop(state);
            discard(removed.waker);
        }
    }
}

/// The future of [`CancellationToken::cancelled`](super::CancellationToken::cancelled).
#[must_use = "futures do nothing unless awaited"]
pub struct Cancelled<'a> {
    pub(super) waiter: Waiter<&'a Arc<Node>>,
}

/// The future of [`CancellationToken::cancelled_owned`](super::CancellationToken::cancelled_owned).
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind in the token.
#[must_use = "futures do nothing unless awaited"]
pub struct CancelledOwned {
    pub(super) waiter: Waiter<Arc<Node>>,
}

impl Future for Cancelled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.poll(cx)
    }
}

impl Future for CancelledOwned {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.poll(cx)
    }
}

impl fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").finish_non_exhaustive()
    }
}

impl fmt::Debug for CancelledOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelledOwned").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`CancellationToken::run_until_cancelled`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future inside.
    #[must_use = "futures do nothing unless awaited"]
    pub struct RunUntilCancelled<'a, F> {
        // `None` once it is done or given up.
        #[pin]
        pub(super) future: Option<F>,
        pub(super) cancelled: Cancelled<'a>,
    }
}

impl<F: Future> Future for RunUntilCancelled<'_, F> {
    type Output = Option<F::Output>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let output = match future.expect("polled after it was ready").poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => {
                std::task::ready!(this.cancelled.waiter.poll(cx));
                None
            }
        };
        this.future.set(None);
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for RunUntilCancelled<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunUntilCancelled").finish_non_exhaustive()
    }
}
