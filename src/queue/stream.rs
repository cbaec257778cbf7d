use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;

use super::channel::Channel;
use super::line::Ticket;
use super::{Closed, Queue};

/// The items of a [`Queue`]; ends when that is closed and nothing is left.
///
/// Several streams and pops share the items. Once polled, it keeps its place in the line, and what
/// it is given there, until it is polled again or dropped: drop a stream that is not polled any
/// more. It is a handle of the queue, as a clone is.
///
/// # Cancel safety
///
/// Dropping it gives its place, and an item that it was given there, on to the next who waits.
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use untethered::Queue;
///
/// # futures_lite::future::block_on(async {
/// let queue = Queue::unbounded();
/// for number in 1..=4 {
///     queue.push(number).await.unwrap();
/// }
/// queue.close();
/// assert_eq!(queue.stream().map(|number| number * number).collect::<Vec<_>>().await, [1, 4, 9, 16]);
/// # });
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct QueueStream<T> {
    /// Before the handle: its place is left before the handle goes.
    popper: Popper<T>,
    _queue: Queue<T>,
}

impl<T> QueueStream<T> {
    pub(super) fn new(queue: Queue<T>) -> Self {
        Self {
            popper: Popper::new(queue.channel.clone()),
            _queue: queue,
        }
    }
}

impl<T> Stream for QueueStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.popper.poll_next(cx)
    }
}

impl<T> fmt::Debug for QueueStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.popper.channel.debug("QueueStream", f)
    }
}

/// Pushes into a [`Queue`].
///
/// While the queue is full it keeps one item in the line of those who push; flushing waits until
/// that is inside, and so does closing the sink, which leaves the queue open. It is a handle of the
/// queue, as a clone is.
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, stream};
/// use futures_util::SinkExt;
/// use untethered::Queue;
///
/// # futures_lite::future::block_on(async {
/// let queue = Queue::unbounded();
/// queue.sink().send_all(&mut stream::iter([1, 2, 3]).map(Ok)).await.unwrap();
/// assert_eq!(queue.drain(), [1, 2, 3]);
/// # });
/// ```
#[must_use = "sinks do nothing unless polled"]
pub struct QueueSink<T> {
    /// Before the handle: its place is left before the handle goes.
    pusher: Pusher<T>,
    _queue: Queue<T>,
}

impl<T> QueueSink<T> {
    pub(super) fn new(queue: Queue<T>) -> Self {
        Self {
            pusher: Pusher::new(queue.channel.clone()),
            _queue: queue,
        }
    }
}

impl<T> Sink<T> for QueueSink<T> {
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

    /// Flushes. The queue stays open.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Closed<T>>> {
        self.pusher.poll_flush(cx)
    }
}

impl<T> fmt::Debug for QueueSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pusher.channel.debug("QueueSink", f)
    }
}

/// Pops as a stream does.
pub(super) struct Popper<T> {
    pub(super) channel: Arc<Channel<T>>,
    place: Option<Ticket>,
}

impl<T> Popper<T> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Self {
        Self {
            channel,
            place: None,
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.channel.poll_take(&mut self.place, cx, |_, item| item)
    }

    pub(super) fn leave(&mut self) {
        if let Some(ticket) = self.place.take() {
            self.channel.leave_pop(ticket);
        }
    }
}

impl<T> Drop for Popper<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Pushes as a sink does.
pub(super) struct Pusher<T> {
    pub(super) channel: Arc<Channel<T>>,
    /// Of the item that found no room, among the pushes that wait.
    place: Option<Ticket>,
}

impl<T> Pusher<T> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Self {
        Self {
            channel,
            place: None,
        }
    }

    pub(super) fn start_send(&mut self, item: T) -> Result<(), Closed<T>> {
        assert!(
            self.place.is_none(),
            "a sink was given an item before it was ready"
        );
        self.place = self.channel.start_push(item)?;
        Ok(())
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed<T>>> {
        if self.place.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.channel.poll_push(&mut None, &mut self.place, cx)
    }

    /// Gives the item that found no room.
    pub(super) fn leave(&mut self) -> Option<T> {
        let ticket = self.place.take()?;
        self.channel.leave_push(ticket)
    }
}

impl<T> Drop for Pusher<T> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
