use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::blocking::block_on;
use super::channel::Channel;
use super::line::Ticket;

/// The future of [`Queue::push`](super::Queue::push).
#[must_use = "futures do nothing unless awaited"]
pub struct Push<'a, T> {
    channel: &'a Channel<T>,
    item: Option<T>,
    place: Option<Ticket>,
}

impl<T> Channel<T> {
    pub(super) fn push(&self, item: T) -> Push<'_, T> {
        Push {
            channel: self,
            item: Some(item),
            place: None,
        }
    }

    pub(super) fn push_blocking(&self, item: T) -> Result<(), Closed<T>> {
        match self.try_push(item) {
            Ok(()) => Ok(()),
            Err(TryPushError::Closed(item)) => Err(Closed(item)),
            Err(TryPushError::Full(item)) => block_on(self.push(item)),
        }
    }
}

impl<T> Future for Push<'_, T> {
    type Output = Result<(), Closed<T>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.channel.poll_push(&mut this.item, &mut this.place, cx)
    }
}

/// The item is never pinned.
impl<T> Unpin for Push<'_, T> {}

impl<T> Drop for Push<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.place.take() {
            drop(self.channel.leave_push(ticket));
        }
    }
}

impl<T> fmt::Debug for Push<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").finish_non_exhaustive()
    }
}

/// The error of a push: the queue is closed. Holds the item.
#[derive(Clone, PartialEq, Eq)]
pub struct Closed<T>(pub(super) T);

impl<T> Closed<T> {
    /// The item that was not pushed.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is closed")
    }
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> std::error::Error for Closed<T> {}

/// The error of [`Queue::try_push`](super::Queue::try_push). Holds the item.
#[derive(Clone, PartialEq, Eq)]
pub enum TryPushError<T> {
    /// There is no room now.
    Full(T),
    /// The queue is closed.
    Closed(T),
}

impl<T> TryPushError<T> {
    /// The item that was not pushed.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }

    /// Whether there was no room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<T> fmt::Display for TryPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::Closed(_) => "the queue is closed",
        })
    }
}

impl<T> fmt::Debug for TryPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> std::error::Error for TryPushError<T> {}
