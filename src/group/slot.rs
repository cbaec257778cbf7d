use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::sync::{AcquireOwned, Limit, OwnedPermit};

/// A place under the limit of the group, or in the queue for one.
pub(super) enum Slot {
    Free,
    Waiting(AcquireOwned),
    Held(OwnedPermit),
}

impl Slot {
    /// Takes a place, or the next in the queue.
    pub(super) fn of(limit: &Limit) -> Self {
        let mut wait = limit.acquire_owned();
        // Queues at once; whom to wake it learns when the task is first polled.
        match Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Self::Held(permit),
            Poll::Pending => Self::Waiting(wait),
        }
    }

    pub(super) fn into_permit(self) -> Option<OwnedPermit> {
        match self {
            Self::Held(permit) => Some(permit),
            Self::Free | Self::Waiting(_) => None,
        }
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Waiting(_) => self.poll_waiting(cx),
            Self::Free | Self::Held(_) => Poll::Ready(()),
        }
    }

    #[cold]
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(wait) = self {
            let permit = std::task::ready!(Pin::new(wait).poll(cx));
            *self = Self::Held(permit);
        }
        Poll::Ready(())
    }
}
