use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::DerefMut;
use std::task::{Context, Poll, Waker, ready};

use super::buffer::Buffer;
use super::handles::Kind;
use super::line::{Ticket, renew};
use super::signs::Signs;
use super::state::{Pushing, State};
use super::{Closed, TryPopError, TryPushError};
use crate::primitives::SpinLock;
use crate::sync::{Key, NeedsClone, wake, wake_all};
use crate::task::discard;

/// What the handles of a queue share: one short lock around the items and those who wait.
pub(super) struct Channel<T> {
    state: SpinLock<State<T>>,
    /// `usize::MAX` if unbounded.
    capacity: usize,
    signs: Signs,
}

impl<T> Channel<T> {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            state: SpinLock::new(State::new(capacity)),
            capacity: capacity.get(),
            signs: Signs::new(),
        }
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        (self.capacity != usize::MAX).then_some(self.capacity)
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().buffer.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.state.lock().is_full()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    #[inline]
    pub(super) fn try_push(&self, item: T) -> Result<(), TryPushError<T>> {
        let mut state = self.state.lock();
        let pushed = state.push(item);
        self.signs.show(&state);
        drop(state);
        if let Some(waker) = pushed? {
            wake(waker);
        }
        Ok(())
    }

    /// Pushes an item, or lets it wait in a place, for which nobody is woken yet.
    pub(super) fn start_push(&self, item: T) -> Result<Option<Ticket>, Closed<T>> {
        let mut state = self.state.lock();
        let (woken, place) = match state.push(item) {
            Ok(woken) => (woken, None),
            Err(TryPushError::Closed(item)) => return Err(Closed(item)),
            Err(TryPushError::Full(item)) => {
                // To clone this one runs nobody's code.
                let waker = Waker::noop().clone();
                (None, Some(state.queue_push(Pushing { waker, item })))
            }
        };
        self.signs.show(&state);
        drop(state);
        wake_all(woken);
        Ok(place)
    }

    /// Drives a push. Its item is in `item` before it waits, and in the place while it does.
    #[inline]
    pub(super) fn poll_push(
        &self,
        item: &mut Option<T>,
        place: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed<T>>> {
        if let Some(ticket) = *place {
            let pushed = ready!(self.poll_push_waiting(ticket, cx));
            *place = None;
            return Poll::Ready(pushed);
        }
        // The waker is cloned before the lock is taken where it will be needed, by all appearances.
        if !self.signs.is_full() {
            let first = item.take().expect("a push was polled after it was ready");
            match self.try_push(first) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TryPushError::Closed(back)) => return Poll::Ready(Err(Closed(back))),
                Err(TryPushError::Full(back)) => *item = Some(back),
            }
        }
        self.push_or_queue(item, place, cx)
    }

    #[inline(never)]
    fn push_or_queue(
        &self,
        item: &mut Option<T>,
        place: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed<T>>> {
        let waker = cx.waker().clone();
        let item = item.take().expect("a push was polled after it was ready");
        let mut state = self.state.lock();
        let pushed = match state.push(item) {
            Ok(woken) => Ok(woken),
            Err(TryPushError::Closed(item)) => Err(Closed(item)),
            Err(TryPushError::Full(item)) => {
                *place = Some(state.queue_push(Pushing { waker, item }));
                return Poll::Pending;
            }
        };
        self.signs.show(&state);
        drop(state);
        discard(waker);
        wake_all(pushed?);
        Poll::Ready(Ok(()))
    }

    #[inline(never)]
    fn poll_push_waiting(
        &self,
        ticket: Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed<T>>> {
        if self.signs.is_let_in(ticket) {
            return Poll::Ready(Ok(()));
        }
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if state.closed {
                let refused = state.pushers.remove(ticket);
                drop(state);
                discard(spare);
                return Poll::Ready(match refused {
                    Some(Pushing { waker, item }) => {
                        discard(waker);
                        Err(Closed(item))
                    }
                    None => Ok(()),
                });
            }
            let Some(waiting) = state.pushers.get_mut(ticket) else {
                drop(state);
                discard(spare);
                return Poll::Ready(Ok(()));
            };
            let renewed = renew(&mut waiting.waker, cx.waker(), &mut spare);
            drop(state);
            match renewed {
                Ok(old) => {
                    discard((old, spare));
                    return Poll::Pending;
                }
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// Gives up the place of a push. Gives its item if that was not pushed.
    pub(super) fn leave_push(&self, ticket: Ticket) -> Option<T> {
        if self.signs.is_let_in(ticket) {
            return None;
        }
        let left = self.state.lock().pushers.remove(ticket);
        let Pushing { waker, item } = left?;
        discard(waker);
        Some(item)
    }

    /// Pops an item, if there is one, and lets `more` look at it and at what else is stored.
    #[inline]
    pub(super) fn try_take<R>(
        &self,
        more: impl FnOnce(&mut Buffer<T>, T) -> R,
    ) -> Result<R, TryPopError> {
        let mut state = self.state.lock();
        let Some(item) = state.buffer.pop() else {
            return Err(if state.is_drained() {
                TryPopError::Closed
            } else {
                TryPopError::Empty
            });
        };
        let taken = more(&mut state.buffer, item);
        self.release(state);
        Ok(taken)
    }

    /// Drives a pop: as `try_take`, waiting for an item. `None` if the queue is closed and nothing
    /// is left.
    #[inline]
    pub(super) fn poll_take<R>(
        &self,
        place: &mut Option<Ticket>,
        cx: &mut Context<'_>,
        more: impl Fn(&mut Buffer<T>, T) -> R,
    ) -> Poll<Option<R>> {
        if let Some(ticket) = *place {
            let taken = ready!(self.poll_take_waiting(ticket, cx, more));
            *place = None;
            return Poll::Ready(taken);
        }
        // As in `poll_push`.
        if !self.signs.is_empty() {
            match self.try_take(&more) {
                Ok(taken) => return Poll::Ready(Some(taken)),
                Err(TryPopError::Closed) => return Poll::Ready(None),
                Err(TryPopError::Empty) => {}
            }
        }
        self.take_or_queue(place, cx, more)
    }

    #[inline(never)]
    fn take_or_queue<R>(
        &self,
        place: &mut Option<Ticket>,
        cx: &mut Context<'_>,
        more: impl Fn(&mut Buffer<T>, T) -> R,
    ) -> Poll<Option<R>> {
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        let taken = match state.buffer.pop() {
            Some(item) => Some(more(&mut state.buffer, item)),
            None if state.is_drained() => None,
            None => {
                *place = Some(state.queue_pop(waker));
                return Poll::Pending;
            }
        };
        self.release(state);
        discard(waker);
        Poll::Ready(taken)
    }

    #[inline(never)]
    fn poll_take_waiting<R>(
        &self,
        ticket: Ticket,
        cx: &mut Context<'_>,
        more: impl Fn(&mut Buffer<T>, T) -> R,
    ) -> Poll<Option<R>> {
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if let Some(known) = state.poppers.get_mut(ticket) {
                let renewed = renew(known, cx.waker(), &mut spare);
                drop(state);
                match renewed {
                    Ok(old) => {
                        discard((old, spare));
                        return Poll::Pending;
                    }
                    Err(NeedsClone) => spare = Some(cx.waker().clone()),
                }
                continue;
            }
            let given = state.given.remove(ticket);
            let taken = given.map(|given| more(&mut state.buffer, given.item));
            self.release(state);
            discard(spare);
            return Poll::Ready(taken);
        }
    }

    /// Gives up the place of a pop; an item that was given to it goes on.
    pub(super) fn leave_pop(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        let waker = state.poppers.remove(ticket);
        let given = state.given.remove(ticket);
        let next = given.and_then(|given| state.give_on(given));
        self.signs.show(&state);
        drop(state);
        wake_all(next);
        discard(waker);
    }

    /// Takes all that is stored.
    pub(super) fn drain(&self) -> VecDeque<T> {
        let mut state = self.state.lock();
        let items = state.buffer.take_all();
        self.release(state);
        items
    }

    /// Releases the lock, to be called wherever something was taken: lets in who waits, and wakes.
    #[inline]
    fn release(&self, mut state: impl DerefMut<Target = State<T>>) {
        if state.is_settled() {
            self.signs.show(&state);
            return;
        }
        let wakers = state.settle();
        self.signs.show(&state);
        drop(state);
        wakers.wake();
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        let wakers = state.close();
        self.signs.show(&state);
        drop(state);
        wakers.wake();
    }

    /// Closes, and takes all that is stored.
    pub(super) fn close_now(&self) -> VecDeque<T> {
        let mut state = self.state.lock();
        let items = state.buffer.take_all();
        let wakers = state.close();
        self.signs.show(&state);
        drop(state);
        wakers.wake();
        items
    }

    /// Waits until the queue is closed.
    pub(super) fn poll_closed(&self, place: &mut Option<Key>, cx: &mut Context<'_>) -> Poll<()> {
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if state.closed {
                let removed = place
                    .take()
                    .map(|key| state.close_waiters.remove(key).waker);
                drop(state);
                discard((removed, spare));
                return Poll::Ready(());
            }
            let waits = &mut state.close_waiters;
            let queued = waits.queue(place, cx.waker(), &mut spare, || ());
            drop(state);
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }

    pub(super) fn leave_closed(&self, key: Key) {
        let removed = self.state.lock().close_waiters.remove(key);
        discard(removed.waker);
    }

    pub(super) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish()
    }

    pub(super) fn add_handle(&self, kind: Kind) {
        self.state.lock().handles.add(kind);
    }

    /// Closes if that was the last handle of a kind that matters. What nobody can pop any more is
    /// dropped.
    pub(super) fn remove_handle(&self, kind: Kind) {
        let mut state = self.state.lock();
        if !state.handles.remove(kind) {
            return;
        }
        let unreachable = if state.handles.nobody_pops() {
            state.buffer.take_all()
        } else {
            VecDeque::new()
        };
        let wakers = state.close();
        self.signs.show(&state);
        drop(state);
        wakers.wake();
        drop(unreachable);
    }
}
