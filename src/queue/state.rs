use std::mem;
use std::num::NonZeroUsize;
use std::task::Waker;

use super::TryPushError;
use super::buffer::Buffer;
use super::handles::Handles;
use super::line::{Line, Ticket};
use crate::sync::{WaitList, Wakers};

/// What a queue is, and who gets what: all that the lock is around.
///
/// Whenever the lock is free: a pop queues only while nothing is stored, a push only while what is
/// stored fills the capacity. So nobody can pass those who wait.
pub(super) struct State<T> {
    pub(super) buffer: Buffer<T>,
    capacity: usize,
    /// Those who wait for an item. Who is not in here any more was served.
    pub(super) poppers: Line<Waker>,
    /// By the ticket of the pop that has not taken it yet.
    pub(super) given: Line<Given<T>>,
    /// How many were ever given.
    turn: u64,
    /// Those who wait for room. Who is not in here any more was let in.
    pub(super) pushers: Line<Pushing<T>>,
    /// How many tickets there were.
    tickets: u64,
    /// Pushes with a lower ticket were let in.
    pub(super) let_in: u64,
    pub(super) closed: bool,
    pub(super) close_waiters: WaitList,
    pub(super) handles: Handles,
}

/// An item on its way to a pop that waited for it.
pub(super) struct Given<T> {
    turn: u64,
    pub(super) item: T,
}

/// An item that waits for room.
pub(super) struct Pushing<T> {
    pub(super) waker: Waker,
    pub(super) item: T,
}

impl<T> State<T> {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            buffer: Buffer::new(),
            capacity: capacity.get(),
            poppers: Line::new(),
            given: Line::new(),
            turn: 0,
            pushers: Line::new(),
            tickets: 0,
            let_in: 0,
            closed: false,
            close_waiters: WaitList::new(),
            handles: Handles::default(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= self.capacity
    }

    /// Whether no pop can get anything any more.
    pub(super) fn is_drained(&self) -> bool {
        // What was given to somebody comes back if that one is dropped.
        self.closed && self.given.is_empty() && self.buffer.is_empty()
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(super) fn queue_push(&mut self, pushing: Pushing<T>) -> Ticket {
        let ticket = self.ticket();
        self.pushers.push(ticket, pushing);
        ticket
    }

    pub(super) fn queue_pop(&mut self, waker: Waker) -> Ticket {
        let ticket = self.ticket();
        self.poppers.push(ticket, waker);
        ticket
    }

    /// Gives the item to the first pop that waits, or stores it. Whom to wake, or the item.
    #[inline]
    pub(super) fn push(&mut self, item: T) -> Result<Option<Waker>, TryPushError<T>> {
        if self.closed {
            return Err(TryPushError::Closed(item));
        }
        if self.is_full() {
            return Err(TryPushError::Full(item));
        }
        if self.poppers.is_empty() {
            self.buffer.push(item);
            return Ok(None);
        }
        self.turn += 1;
        let turn = self.turn;
        Ok(self.give_on(Given { turn, item }))
    }

    /// Gives an item to the first pop that waits, or puts it back where it came from.
    pub(super) fn give_on(&mut self, given: Given<T>) -> Option<Waker> {
        if let Some((ticket, waker)) = self.poppers.pop() {
            self.given.push(ticket, given);
            return Some(waker);
        }
        self.buffer.put_back(given.turn, given.item);
        None
    }

    /// Whether nobody waits whose wait may be over because something was taken.
    pub(super) fn is_settled(&self) -> bool {
        if self.closed {
            self.poppers.is_empty()
        } else {
            self.pushers.is_empty()
        }
    }

    /// Fills free places from the pushes that wait; ends the pops that wait for nothing.
    pub(super) fn settle(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        if self.closed {
            self.end_pops(&mut wakers);
            return wakers;
        }
        while !self.is_full() {
            let Some((ticket, Pushing { waker, item })) = self.pushers.pop() else {
                break;
            };
            // There is something stored, so no pop waits for it.
            self.buffer.push(item);
            self.let_in = ticket.0 + 1;
            wakers.extend([waker]);
        }
        wakers
    }

    #[cold]
    fn end_pops(&mut self, wakers: &mut Wakers) {
        if self.is_drained() {
            while let Some((_, waker)) = self.poppers.pop() {
                wakers.extend([waker]);
            }
        }
    }

    pub(super) fn close(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        if self.closed {
            return wakers;
        }
        self.closed = true;
        // Their items stay, for them to fetch.
        let pushers = self.pushers.iter_mut();
        wakers
            .extend(pushers.map(|pushing| mem::replace(&mut pushing.waker, Waker::noop().clone())));
        while let Some(waker) = self.close_waiters.serve_first() {
            wakers.extend(waker);
        }
        wakers.append(self.settle());
        wakers
    }
}
