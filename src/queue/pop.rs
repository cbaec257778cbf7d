use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::blocking::block_on;
use super::buffer::Buffer;
use super::channel::Channel;
use super::line::Ticket;

/// A wait for an item. Dropped, it passes on what it was given.
struct Wait<'a, T> {
    channel: &'a Channel<T>,
    place: Option<Ticket>,
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.place.take() {
            self.channel.leave_pop(ticket);
        }
    }
}

impl<T> Channel<T> {
    pub(super) fn pop(&self) -> Pop<'_, T> {
        Pop { wait: self.wait() }
    }

    pub(super) fn try_pop(&self) -> Result<T, TryPopError> {
        self.try_take(|_, item| item)
    }

    pub(super) fn pop_blocking(&self) -> Option<T> {
        match self.try_pop() {
            Ok(item) => Some(item),
            Err(TryPopError::Closed) => None,
            Err(TryPopError::Empty) => block_on(self.pop()),
        }
    }

    pub(super) fn pop_latest(&self) -> PopLatest<'_, T> {
        PopLatest { wait: self.wait() }
    }

    pub(super) fn try_pop_latest(&self) -> Result<T, TryPopError> {
        self.try_take(Latest::take).map(Latest::into_item)
    }

    #[track_caller]
    pub(super) fn pop_batch(&self, max: usize) -> PopBatch<'_, T> {
        PopBatch {
            wait: self.wait(),
            max: batch_size(max),
        }
    }

    #[track_caller]
    pub(super) fn try_pop_batch(&self, max: usize) -> Result<Vec<T>, TryPopError> {
        self.try_take(batch(batch_size(max)))
    }

    fn wait(&self) -> Wait<'_, T> {
        Wait {
            channel: self,
            place: None,
        }
    }
}

#[track_caller]
fn batch_size(max: usize) -> NonZeroUsize {
    NonZeroUsize::new(max).expect("a batch of nought takes nothing: give one or more")
}

/// The future of [`Queue::pop`](super::Queue::pop).
#[must_use = "futures do nothing unless awaited"]
pub struct Pop<'a, T> {
    wait: Wait<'a, T>,
}

impl<T> Future for Pop<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let wait = &mut self.wait;
        wait.channel.poll_take(&mut wait.place, cx, |_, item| item)
    }
}

/// The future of [`Queue::pop_latest`](super::Queue::pop_latest).
#[must_use = "futures do nothing unless awaited"]
pub struct PopLatest<'a, T> {
    wait: Wait<'a, T>,
}

impl<T> Future for PopLatest<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let wait = &mut self.wait;
        let taken = wait.channel.poll_take(&mut wait.place, cx, Latest::take);
        taken.map(|taken| taken.map(Latest::into_item))
    }
}

/// What `pop_latest` takes under the lock, to be sorted out after it.
struct Latest<T> {
    first: T,
    others: VecDeque<T>,
}

impl<T> Latest<T> {
    fn take(buffer: &mut Buffer<T>, first: T) -> Self {
        Self {
            first,
            others: buffer.take_all(),
        }
    }

    /// Drops all but the latest.
    fn into_item(mut self) -> T {
        self.others.pop_back().unwrap_or(self.first)
    }
}

/// The future of [`Queue::pop_batch`](super::Queue::pop_batch).
#[must_use = "futures do nothing unless awaited"]
pub struct PopBatch<'a, T> {
    wait: Wait<'a, T>,
    max: NonZeroUsize,
}

impl<T> Future for PopBatch<'_, T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        let this = &mut *self;
        let wait = &mut this.wait;
        let taken = wait.channel.poll_take(&mut wait.place, cx, batch(this.max));
        taken.map(Option::unwrap_or_default)
    }
}

/// Takes up to `max` items, the first of which it is given.
fn batch<T>(max: NonZeroUsize) -> impl Fn(&mut Buffer<T>, T) -> Vec<T> {
    move |buffer, first| {
        let mut batch = Vec::with_capacity(max.get().min(buffer.len() + 1));
        batch.push(first);
        buffer.pop_into(&mut batch, max.get());
        batch
    }
}

impl<T> fmt::Debug for Pop<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pop").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for PopLatest<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PopLatest").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for PopBatch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PopBatch").finish_non_exhaustive()
    }
}

/// The error of [`Queue::try_pop`](super::Queue::try_pop) and its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryPopError {
    /// Nothing is stored now.
    Empty,
    /// The queue is closed and nothing is left.
    Closed,
}

impl TryPopError {
    /// Whether something may still come.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether nothing can come any more.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

impl fmt::Display for TryPopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the queue is empty",
            Self::Closed => "the queue is closed and empty",
        })
    }
}

impl std::error::Error for TryPopError {}
