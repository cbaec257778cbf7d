//! A closable queue, bounded or not, for many producers and many consumers.
//!
//! [`Queue`] is one shared handle that pushes and pops, and closes when told. Take [`Sender`] and
//! [`Receiver`], made by [`Queue::sender`] and [`Queue::receiver`], where the end is to come by
//! itself: they count themselves, and the drop of the last one closes.
//!
//! # Order
//!
//! Items leave in the order in which they were pushed. Those who wait are served in the order in
//! which they came, and nobody passes them, neither a new `push` or `pop` nor a `try_` one: an item
//! that is pushed while somebody waits for one is given to that pop, and a place that becomes free
//! while a push waits is filled by it, before anybody else can look.
//!
//! An item that was given to a pop has left the queue: it counts neither in [`len`](Queue::len) nor
//! against the capacity. If that pop is dropped before it runs, the item goes to the next one that
//! waits, or back to the front. Only so can a queue hold more than its capacity, by one for each
//! pop dropped like that, and then nothing is pushed until it holds less. A queue that is closed
//! does not end while an item may come back: pops wait, and `try_pop` finds it empty.
//!
//! # Left out
//!
//! * A look at the first item without taking it: with more than one consumer it may be gone
//!   before the answer is used. Pop, and act on what you have.
//! * A wait until all that was popped is processed too: the queue does not know when that is.
//!   Await the tasks that do it.
//!
//! # Examples
//!
//! ```
//! use untethered::Queue;
//!
//! # futures_lite::future::block_on(async {
//! let queue = Queue::bounded(8);
//! for word in ["to", "be", "closed"] {
//!     queue.push(word).await.unwrap();
//! }
//! queue.close();
//! assert_eq!(queue.push("late").await.unwrap_err().into_inner(), "late");
//! let mut words = Vec::new();
//! while let Some(word) = queue.pop().await {
//!     words.push(word);
//! }
//! assert_eq!(words, ["to", "be", "closed"]);
//! # });
//! ```

mod blocking;
mod buffer;
mod channel;
mod closed;
mod halves;
mod handles;
mod line;
mod pop;
mod push;
mod signs;
mod state;
mod stream;

pub use self::closed::WaitClosed;
pub use self::halves::{Receiver, Sender};
pub use self::pop::{Pop, PopBatch, PopLatest, TryPopError};
pub use self::push::{Closed, Push, TryPushError};
pub use self::stream::{QueueSink, QueueStream};

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use self::channel::Channel;
use self::handles::Kind;

/// A closable first-in, first-out queue for many producers and many consumers.
///
/// Clones are the same queue. It closes when [`close`](Self::close) or
/// [`close_now`](Self::close_now) is called, or when the last [`Sender`] or the last [`Receiver`]
/// that was made of it is dropped; a dropped `Queue` closes it only if nobody is left who could
/// push, or who could pop. Needs no runtime. Waiting allocates nothing, and a dropped wait leaves
/// nothing behind. See the [module](self) for the order in which things happen.
///
/// # Examples
///
/// ```
/// use untethered::Queue;
///
/// # futures_lite::future::block_on(async {
/// let queue = Queue::bounded(1);
/// queue.push(1).await.unwrap();
/// assert!(queue.try_push(2).unwrap_err().is_full());
/// assert_eq!(queue.pop().await, Some(1));
/// queue.close();
/// assert_eq!(queue.pop().await, None);
/// # });
/// ```
pub struct Queue<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Queue<T> {
    /// A queue with room for `capacity` items. With [`usize::MAX`] it is an
    /// [`unbounded`](Self::unbounded) one.
    ///
    /// # Panics
    ///
    /// If `capacity` is nought: nothing could ever be pushed. For a number that comes from outside
    /// take `Queue::from(NonZeroUsize)`.
    #[track_caller]
    pub fn bounded(capacity: usize) -> Self {
        NonZeroUsize::new(capacity)
            .expect("a queue with room for nought takes nothing in: give one or more")
            .into()
    }

    /// A queue that grows as long as more is pushed than popped.
    pub fn unbounded() -> Self {
        NonZeroUsize::MAX.into()
    }

    /// Pushes an item, waiting for room if need be.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped push either has happened or takes its item with it.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item if the queue is closed, or is while this waits.
    pub fn push(&self, item: T) -> Push<'_, T> {
        self.channel.push(item)
    }

    /// Pushes an item if there is room and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TryPushError`] with the item: `Closed` if the queue is closed, full or not, else `Full`.
    pub fn try_push(&self, item: T) -> Result<(), TryPushError<T>> {
        self.channel.try_push(item)
    }

    /// As [`push`](Self::push) for a thread outside async code, which sleeps while it waits.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item.
    pub fn push_blocking(&self, item: T) -> Result<(), Closed<T>> {
        self.channel.push_blocking(item)
    }

    /// Pops the oldest item, waiting for one if need be.
    ///
    /// Gives `None` when the queue is closed and nothing is left.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped pop takes nothing. What it was given already goes to the next one.
    pub fn pop(&self) -> Pop<'_, T> {
        self.channel.pop()
    }

    /// Pops the oldest item if there is one; nobody waits for it then.
    ///
    /// # Errors
    ///
    /// [`TryPopError`]: `Closed` if nothing can come any more, else `Empty`.
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        self.channel.try_pop()
    }

    /// As [`pop`](Self::pop) for a thread outside async code, which sleeps while it waits.
    pub fn pop_blocking(&self) -> Option<T> {
        self.channel.pop_blocking()
    }

    /// Pops all that is stored and gives the newest, waiting for one item if need be.
    ///
    /// The older ones are dropped. Gives `None` when the queue is closed and nothing is left. What
    /// waits to be pushed is not taken; it moves in afterwards.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait takes nothing.
    pub fn pop_latest(&self) -> PopLatest<'_, T> {
        self.channel.pop_latest()
    }

    /// As [`pop_latest`](Self::pop_latest) without waiting.
    ///
    /// # Errors
    ///
    /// [`TryPopError`]: `Closed` if nothing can come any more, else `Empty`.
    pub fn try_pop_latest(&self) -> Result<T, TryPopError> {
        self.channel.try_pop_latest()
    }

    /// Pops up to `max` items at once, waiting for the first if need be.
    ///
    /// The result is empty when the queue is closed and nothing is left.
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
        self.channel.pop_batch(max)
    }

    /// As [`pop_batch`](Self::pop_batch) without waiting.
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
        self.channel.try_pop_batch(max)
    }

    /// Takes all that is stored, the oldest first. What waits to be pushed moves in afterwards.
    pub fn drain(&self) -> VecDeque<T> {
        self.channel.drain()
    }

    /// Closes the queue: nothing can be pushed any more, what is inside can be popped.
    ///
    /// Pushes that wait get their items back, pops that wait for nothing end.
    pub fn close(&self) {
        self.channel.close();
    }

    /// Closes the queue and takes all that is stored, the oldest first.
    pub fn close_now(&self) -> VecDeque<T> {
        self.channel.close_now()
    }

    /// Waits until the queue is closed. There may be items inside then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub fn closed(&self) -> WaitClosed<'_, T> {
        self.channel.closed()
    }

    /// Whether the queue is closed. There may be items inside.
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    /// How many items are inside. What was given to a pop that waited for it is not.
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Whether nothing is inside.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room. Never so if unbounded.
    pub fn is_full(&self) -> bool {
        self.channel.is_full()
    }

    /// How many items it has room for; `None` if unbounded.
    pub fn capacity(&self) -> Option<usize> {
        self.channel.capacity()
    }

    /// A handle that pushes; the drop of the last one closes the queue.
    pub fn sender(&self) -> Sender<T> {
        Sender::new(self.channel.clone())
    }

    /// A handle that pops; the drop of the last one closes the queue.
    pub fn receiver(&self) -> Receiver<T> {
        Receiver::new(self.channel.clone())
    }

    /// The first of each half.
    ///
    /// # Examples
    ///
    /// ```
    /// use untethered::Queue;
    ///
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = Queue::bounded(8).into_halves();
    /// sender.push("last").await.unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.pop().await, Some("last"));
    /// assert_eq!(receiver.pop().await, None);
    /// # });
    /// ```
    pub fn into_halves(self) -> (Sender<T>, Receiver<T>) {
        (self.sender(), self.receiver())
    }

    /// A stream of the items, which ends when the queue is closed and nothing is left.
    ///
    /// Several streams and pops share the items.
    pub fn stream(&self) -> QueueStream<T> {
        QueueStream::new(self.clone())
    }

    /// A sink that pushes.
    pub fn sink(&self) -> QueueSink<T> {
        QueueSink::new(self.clone())
    }
}

impl<T> From<NonZeroUsize> for Queue<T> {
    /// A queue with room for so many items; the biggest number means unbounded.
    fn from(capacity: NonZeroUsize) -> Self {
        let channel = Channel::new(capacity);
        channel.add_handle(Kind::Queue);
        Self {
            channel: Arc::new(channel),
        }
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        self.channel.add_handle(Kind::Queue);
        Self {
            channel: self.channel.clone(),
        }
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        self.channel.remove_handle(Kind::Queue);
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel.debug("Queue", f)
    }
}
