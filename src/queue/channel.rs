use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};

use super::buffer::Buffer;
use super::{Closed, TryPopError, TryPushError};
use crate::primitives::SpinLock;
use crate::sync::{Key, NeedsClone, WaitList, Wakers, wake_all};
use crate::task::discard;

/// What the handles of a queue share: one short lock around the items and those who wait.
pub(super) struct Channel<T> {
    state: SpinLock<State<T>>,
    /// `usize::MAX` if unbounded.
    capacity: usize,
}

/// Whenever the lock is free: a pop queues only while nothing is stored, a push only while what is
/// stored fills the capacity. So nobody can pass those who wait.
struct State<T> {
    buffer: Buffer<T>,
    capacity: usize,
    poppers: WaitList<Option<Given<T>>>,
    /// With the item; it is taken out when it is pushed.
    pushers: WaitList<Option<T>>,
    /// Items that were given to a pop which has not taken them yet.
    given: usize,
    /// How many were ever given.
    turn: u64,
    closed: bool,
    close_waiters: WaitList,
    handles: Handles,
}

/// An item on its way to a pop that waited for it.
struct Given<T> {
    turn: u64,
    item: T,
}

/// How many handles there are of each kind.
#[derive(Default)]
struct Handles {
    queues: usize,
    senders: usize,
    receivers: usize,
}

/// The kinds of handles.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Queue,
    Sender,
    Receiver,
}

impl<T> Channel<T> {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            state: SpinLock::new(State {
                buffer: Buffer::new(),
                capacity: capacity.get(),
                poppers: WaitList::new(),
                pushers: WaitList::new(),
                given: 0,
                turn: 0,
                closed: false,
                close_waiters: WaitList::new(),
                handles: Handles::default(),
            }),
            capacity: capacity.get(),
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

    pub(super) fn try_push(&self, item: T) -> Result<(), TryPushError<T>> {
        let mut state = self.state.lock();
        let pushed = state.push(item);
        drop(state);
        wake_all(pushed?);
        Ok(())
    }

    /// Pushes an item, or lets it wait in a place, for which nobody is woken yet.
    pub(super) fn start_push(&self, item: T) -> Result<Option<Key>, Closed<T>> {
        let mut place = None;
        let mut state = self.state.lock();
        let woken = match state.push(item) {
            Ok(woken) => woken,
            Err(TryPushError::Closed(back)) => return Err(Closed(back)),
            Err(TryPushError::Full(back)) => {
                // To clone this one runs nobody's code.
                let (nobody, mut clone) = (Waker::noop(), Some(Waker::noop().clone()));
                let waits = &mut state.pushers;
                let queued = waits.queue(&mut place, nobody, &mut clone, || Some(back));
                drop(queued);
                None
            }
        };
        drop(state);
        wake_all(woken);
        Ok(place)
    }

    /// Drives a push. Its item is in `item` before it waits, and in the place while it does.
    pub(super) fn poll_push(
        &self,
        item: &mut Option<T>,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed<T>>> {
        if place.is_none() {
            let first = item.take().expect("a push was polled after it was ready");
            match self.try_push(first) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TryPushError::Closed(back)) => return Poll::Ready(Err(Closed(back))),
                Err(TryPushError::Full(back)) => *item = Some(back),
            }
        }
        self.poll_push_waiting(item, place, cx)
    }

    #[inline(never)]
    fn poll_push_waiting(
        &self,
        item: &mut Option<T>,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed<T>>> {
        let mut spare = place.is_none().then(|| cx.waker().clone());
        loop {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            if let Some(key) = place.take_if(|key| state.pushers.is_served(key)) {
                let removed = state.pushers.remove(key);
                drop(guard);
                discard((removed.waker, spare));
                return Poll::Ready(match removed.data {
                    None => Ok(()),
                    Some(item) => Err(Closed(item)),
                });
            }
            // Until it has a place the item is here, and there may be room by now.
            let pushed = match item.take().map(|item| state.push(item)) {
                Some(Ok(woken)) => Some(Ok(woken)),
                Some(Err(TryPushError::Closed(back))) => Some(Err(Closed(back))),
                Some(Err(TryPushError::Full(back))) => {
                    *item = Some(back);
                    None
                }
                None => None,
            };
            if let Some(pushed) = pushed {
                drop(guard);
                discard(spare);
                wake_all(pushed?);
                return Poll::Ready(Ok(()));
            }
            let waits = &mut state.pushers;
            let queued = waits.queue(place, cx.waker(), &mut spare, || item.take());
            drop(guard);
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// Gives up the place of a push, and its item with it if that was not pushed.
    pub(super) fn leave_push(&self, key: Key) {
        let removed = self.state.lock().pushers.remove(key);
        discard(removed.waker);
    }

    /// Pops an item, if there is one, and lets `more` look at it and at what else is stored.
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
        if state.pushers.is_empty() {
            return Ok(taken);
        }
        let wakers = state.settle();
        drop(state);
        wakers.wake();
        Ok(taken)
    }

    /// Drives a pop: as `try_take`, waiting for an item. `None` if the queue is closed and nothing
    /// is left.
    pub(super) fn poll_take<R>(
        &self,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
        more: impl Fn(&mut Buffer<T>, T) -> R,
    ) -> Poll<Option<R>> {
        if place.is_none() {
            match self.try_take(&more) {
                Ok(taken) => return Poll::Ready(Some(taken)),
                Err(TryPopError::Closed) => return Poll::Ready(None),
                Err(TryPopError::Empty) => {}
            }
        }
        self.poll_take_waiting(place, cx, more)
    }

    #[inline(never)]
    fn poll_take_waiting<R>(
        &self,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
        more: impl Fn(&mut Buffer<T>, T) -> R,
    ) -> Poll<Option<R>> {
        let mut spare = place.is_none().then(|| cx.waker().clone());
        loop {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            let served = place.take_if(|key| state.poppers.is_served(key));
            let removed = served.map(|key| state.poppers.remove(key));
            let (item, old) = match removed {
                Some(removed) => {
                    state.given -= usize::from(removed.data.is_some());
                    (removed.data.map(|given| given.item), removed.waker)
                }
                // Something may have come by now; while this waits it would have been given it.
                None => match state.buffer.pop() {
                    Some(item) => (Some(item), None),
                    None if state.is_drained() => (None, None),
                    None => {
                        let waits = &mut state.poppers;
                        let queued = waits.queue(place, cx.waker(), &mut spare, || None);
                        drop(guard);
                        match queued {
                            Ok(_) => return Poll::Pending,
                            Err(NeedsClone) => spare = Some(cx.waker().clone()),
                        }
                        continue;
                    }
                },
            };
            let taken = item.map(|item| more(&mut state.buffer, item));
            let wakers = state.settle();
            drop(guard);
            wakers.wake();
            discard((old, spare));
            return Poll::Ready(taken);
        }
    }

    /// Gives up the place of a pop; an item that was given to it goes on.
    pub(super) fn leave_pop(&self, key: Key) {
        let mut state = self.state.lock();
        let removed = state.poppers.remove(key);
        let next = removed.data.and_then(|given| state.give_on(given));
        drop(state);
        wake_all(next);
        discard(removed.waker);
    }

    /// Takes all that is stored.
    pub(super) fn drain(&self) -> VecDeque<T> {
        let mut state = self.state.lock();
        let items = state.buffer.take_all();
        let wakers = state.settle();
        drop(state);
        wakers.wake();
        items
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        let wakers = state.close();
        drop(state);
        wakers.wake();
    }

    /// Closes, and takes all that is stored.
    pub(super) fn close_now(&self) -> VecDeque<T> {
        let mut state = self.state.lock();
        let items = state.buffer.take_all();
        let wakers = state.close();
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
        *self.state.lock().handles.of(kind) += 1;
    }

    /// Closes if that was the last handle of a kind that matters. What nobody can pop any more is
    /// dropped.
    pub(super) fn remove_handle(&self, kind: Kind) {
        let mut state = self.state.lock();
        let handles = &mut state.handles;
        *handles.of(kind) -= 1;
        let no_queue = handles.queues == 0;
        let close = match kind {
            Kind::Queue => no_queue && (handles.senders == 0 || handles.receivers == 0),
            Kind::Sender => handles.senders == 0,
            Kind::Receiver => handles.receivers == 0,
        };
        if !close {
            return;
        }
        let unreachable = if no_queue && handles.receivers == 0 {
            state.buffer.take_all()
        } else {
            VecDeque::new()
        };
        let wakers = state.close();
        drop(state);
        wakers.wake();
        drop(unreachable);
    }
}

impl<T> State<T> {
    fn is_full(&self) -> bool {
        self.buffer.len() >= self.capacity
    }

    /// Whether no pop can get anything any more.
    fn is_drained(&self) -> bool {
        // What was given to somebody comes back if that one is dropped.
        self.closed && self.given == 0 && self.buffer.is_empty()
    }

    /// Gives the item to the first pop that waits, or stores it. Whom to wake, or the item.
    fn push(&mut self, item: T) -> Result<Option<Waker>, TryPushError<T>> {
        if self.closed {
            return Err(TryPushError::Closed(item));
        }
        if self.is_full() {
            return Err(TryPushError::Full(item));
        }
        let Some((waker, place)) = self.poppers.serve_first_with() else {
            self.buffer.push(item);
            return Ok(None);
        };
        self.given += 1;
        self.turn += 1;
        *place = Some(Given {
            turn: self.turn,
            item,
        });
        Ok(waker)
    }

    /// What a dropped pop was given goes to the next one, or back to where it came from.
    fn give_on(&mut self, given: Given<T>) -> Option<Waker> {
        if let Some((waker, place)) = self.poppers.serve_first_with() {
            *place = Some(given);
            return waker;
        }
        self.given -= 1;
        self.buffer.put_back(given.turn, given.item);
        None
    }

    /// Fills free places from the pushes that wait; ends the pops that wait for nothing. To be
    /// called wherever something was taken.
    fn settle(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        while !self.is_full() {
            let Some((waker, place)) = self.pushers.serve_first_with() else {
                break;
            };
            // There is something stored, so no pop waits for it.
            if let Some(item) = place.take() {
                self.buffer.push(item);
            }
            wakers.extend(waker);
        }
        if self.is_drained() {
            while let Some((waker, _)) = self.poppers.serve_first_with() {
                wakers.extend(waker);
            }
        }
        wakers
    }

    fn close(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        if self.closed {
            return wakers;
        }
        self.closed = true;
        while let Some((waker, _)) = self.pushers.serve_first_with() {
            wakers.extend(waker);
        }
        while let Some(waker) = self.close_waiters.serve_first() {
            wakers.extend(waker);
        }
        wakers.append(self.settle());
        wakers
    }
}

impl Handles {
    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Queue => &mut self.queues,
            Kind::Sender => &mut self.senders,
            Kind::Receiver => &mut self.receivers,
        }
    }
}
