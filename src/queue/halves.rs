use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;

use super::channel::Channel;
use super::handles::Kind;
use super::stream::{Popper, Pusher};
use super::{Closed, Pop, PopBatch, PopLatest, Push, TryPopError, TryPushError, WaitClosed};

/// The half of a [`Queue`](super::Queue) that pushes. The drop of the last one closes the queue.
///
/// Also a [`Sink`], as [`QueueSink`](super::QueueSink) is.
///
/// # Examples
///
/// ```
/// use untethered::Queue;
///
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = Queue::bounded(2).into_halves();
/// let another = sender.clone();
/// drop(sender);
/// assert!(!receiver.is_closed());
/// another.push(7).await.unwrap();
/// drop(another);
/// assert!(receiver.is_closed());
/// assert_eq!(receiver.pop().await, Some(7));
/// # });
/// ```
pub struct Sender<T> {
    pusher: Pusher<T>,
}

/// The half of a [`Queue`](super::Queue) that pops. The drop of the last one closes the queue.
///
/// Pushes that wait then get their items back, and what is inside is dropped, unless a [`Queue`](super::Queue)
/// is left that could still pop it.
///
/// Also a [`Stream`], as [`QueueStream`](super::QueueStream) is: once polled as one, it keeps its
/// place in the line, and what it is given there, until it is polled again or dropped.
///
/// # Cancel safety
///
/// Its pops lose nothing when dropped, and neither does the wait for the next of the stream.
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use untethered::Queue;
///
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = Queue::bounded(2).into_halves();
/// sender.push(7).await.unwrap();
/// assert_eq!(receiver.next().await, Some(7));
/// drop(receiver);
/// assert!(sender.push(8).await.is_err());
/// # });
/// ```
#[must_use = "dropping the last receiver closes the queue"]
pub struct Receiver<T> {
    popper: Popper<T>,
}

impl<T> Sender<T> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Self {
        channel.add_handle(Kind::Sender);
        Self {
            pusher: Pusher::new(channel),
        }
    }

    /// As [`Queue::push`](super::Queue::push).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped push either has happened or takes its item with it.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item if the queue is closed, or is while this waits.
    pub fn push(&self, item: T) -> Push<'_, T> {
        self.pusher.channel.push(item)
    }

    /// As [`Queue::try_push`](super::Queue::try_push).
    ///
    /// # Errors
    ///
    /// [`TryPushError`] with the item: `Closed` if the queue is closed, full or not, else `Full`.
    pub fn try_push(&self, item: T) -> Result<(), TryPushError<T>> {
        self.pusher.channel.try_push(item)
    }

    /// As [`Queue::push_blocking`](super::Queue::push_blocking).
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item if the queue is closed, or is while this waits.
    pub fn push_blocking(&self, item: T) -> Result<(), Closed<T>> {
        self.pusher.channel.push_blocking(item)
    }

    /// As [`Queue::close`](super::Queue::close).
    pub fn close(&self) {
        self.pusher.channel.close();
    }

    /// As [`Queue::closed`](super::Queue::closed).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub fn closed(&self) -> WaitClosed<'_, T> {
        self.pusher.channel.closed()
    }

    /// As [`Queue::is_closed`](super::Queue::is_closed).
    pub fn is_closed(&self) -> bool {
        self.pusher.channel.is_closed()
    }

    /// As [`Queue::len`](super::Queue::len).
    pub fn len(&self) -> usize {
        self.pusher.channel.len()
    }

    /// As [`Queue::is_empty`](super::Queue::is_empty).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`Queue::is_full`](super::Queue::is_full).
    pub fn is_full(&self) -> bool {
        self.pusher.channel.is_full()
    }

    /// As [`Queue::capacity`](super::Queue::capacity).
    pub fn capacity(&self) -> Option<usize> {
        self.pusher.channel.capacity()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self::new(self.pusher.channel.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Its place first: what it holds there must not keep the queue from ending.
        let item = self.pusher.leave();
        self.pusher.channel.remove_handle(Kind::Sender);
        // Last, as its destructor may panic.
        drop(item);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pusher.channel.debug("Sender", f)
    }
}

impl<T> Sink<T> for Sender<T> {
    type Error = Closed<T>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Closed<T>>> {
        self.pusher.poll_flush(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), Closed<T>> {
        self.pusher.start_send(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Closed<T>>> {
        self.pusher.poll_flush(cx)
    }

    /// Flushes. The queue closes when the last sender is dropped.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Closed<T>>> {
        self.pusher.poll_flush(cx)
    }
}

impl<T> Receiver<T> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Self {
        channel.add_handle(Kind::Receiver);
        Self {
            popper: Popper::new(channel),
        }
    }

    /// As [`Queue::pop`](super::Queue::pop).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait takes nothing.
    pub fn pop(&self) -> Pop<'_, T> {
        self.popper.channel.pop()
    }

    /// As [`Queue::try_pop`](super::Queue::try_pop).
    ///
    /// # Errors
    ///
    /// [`TryPopError`]: `Closed` if nothing can come any more, else `Empty`.
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        self.popper.channel.try_pop()
    }

    /// As [`Queue::pop_blocking`](super::Queue::pop_blocking).
    pub fn pop_blocking(&self) -> Option<T> {
        self.popper.channel.pop_blocking()
    }

    /// As [`Queue::pop_latest`](super::Queue::pop_latest).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait takes nothing.
    pub fn pop_latest(&self) -> PopLatest<'_, T> {
        self.popper.channel.pop_latest()
    }

    /// As [`Queue::try_pop_latest`](super::Queue::try_pop_latest).
    ///
    /// # Errors
    ///
    /// [`TryPopError`]: `Closed` if nothing can come any more, else `Empty`.
    pub fn try_pop_latest(&self) -> Result<T, TryPopError> {
        self.popper.channel.try_pop_latest()
    }

    /// As [`Queue::pop_batch`](super::Queue::pop_batch).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait takes nothing.
    ///
    /// # Panics
    ///
    /// If `max` is nought.
    #[track_caller]
    pub fn pop_batch(&self, max: usize) -> PopBatch<'_, T> {
        self.popper.channel.pop_batch(max)
    }

    /// As [`Queue::try_pop_batch`](super::Queue::try_pop_batch).
    ///
    /// # Errors
    ///
    /// [`TryPopError`]: `Closed` if nothing can come any more, else `Empty`.
    ///
    /// # Panics
    ///
    /// If `max` is nought.
    #[track_caller]
    pub fn try_pop_batch(&self, max: usize) -> Result<Vec<T>, TryPopError> {
        self.popper.channel.try_pop_batch(max)
    }

    /// As [`Queue::drain`](super::Queue::drain).
    pub fn drain(&self) -> VecDeque<T> {
        self.popper.channel.drain()
    }

    /// As [`Queue::close_now`](super::Queue::close_now).
    pub fn close_now(&self) -> VecDeque<T> {
        self.popper.channel.close_now()
    }

    /// As [`Queue::close`](super::Queue::close).
    pub fn close(&self) {
        self.popper.channel.close();
    }

    /// As [`Queue::closed`](super::Queue::closed).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub fn closed(&self) -> WaitClosed<'_, T> {
        self.popper.channel.closed()
    }

    /// As [`Queue::is_closed`](super::Queue::is_closed).
    pub fn is_closed(&self) -> bool {
        self.popper.channel.is_closed()
    }

    /// As [`Queue::len`](super::Queue::len).
    pub fn len(&self) -> usize {
        self.popper.channel.len()
    }

    /// As [`Queue::is_empty`](super::Queue::is_empty).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`Queue::is_full`](super::Queue::is_full).
    pub fn is_full(&self) -> bool {
        self.popper.channel.is_full()
    }

    /// As [`Queue::capacity`](super::Queue::capacity).
    pub fn capacity(&self) -> Option<usize> {
        self.popper.channel.capacity()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(self.popper.channel.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Its place first: what it holds there must not keep the queue from ending.
        self.popper.leave();
        self.popper.channel.remove_handle(Kind::Receiver);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.popper.channel.debug("Receiver", f)
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.popper.poll_next(cx)
    }
}
