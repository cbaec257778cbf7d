//! Waiting for the states of a group.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::node::Node;
use crate::sync::Key;

/// A wait for a group to close, or to be closed.
pub(super) struct Wait {
    node: Arc<Node>,
    closed: bool,
    key: Option<Key>,
}

impl Wait {
    pub(super) fn new(node: &Arc<Node>, closed: bool) -> Self {
        Self {
            node: node.clone(),
            closed,
            key: None,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.node.poll_state(self.closed, &mut self.key, cx)
    }

    /// As [`poll`](Self::poll), unless a task that the group waits for is the one that polls.
    pub(super) fn poll_outside(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SelfWait>> {
        if self.poll(cx).is_ready() {
            Poll::Ready(Ok(()))
        } else if self.node.is_polled_here() {
            Poll::Ready(Err(SelfWait(())))
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.node.forget_waiter(self.closed, key);
        }
    }
}

/// The future of [`Group::closing`](super::Group::closing).
#[must_use = "futures do nothing unless awaited"]
pub struct Closing(pub(super) Wait);

impl Future for Closing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").finish_non_exhaustive()
    }
}

/// The future of [`Group::closed`](super::Group::closed).
#[must_use = "futures do nothing unless awaited"]
pub struct Closed(pub(super) Wait);

impl Future for Closed {
    type Output = Result<(), SelfWait>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_outside(cx)
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}

/// A task, or the body of a block, waited for the end of a group that waits for its end.
///
/// Known by the thread: whoever polls the wait while a task of the group is polled there is that
/// task. If that task runs an executor in its poll, as some `block_on` do, tasks of others that wait
/// for the group get this error from it too, although they would not wait for ever. Have such a
/// task wait somewhere else, or run the executor elsewhere than in a task of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfWait(());

impl fmt::Display for SelfWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task waited for the group it belongs to")
    }
}

impl std::error::Error for SelfWait {}
