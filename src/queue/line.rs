use std::cmp::Ordering;
use std::collections::VecDeque;
use std::task::Waker;

use crate::sync::NeedsClone;

/// What is queued, the oldest first, each with a [`Ticket`] by which it is found.
///
/// A ring, because nearly all leave it at the front. What leaves elsewhere leaves a gap; gaps are
/// closed once they are more than half of it. The memory of a burst is given back when all have gone.
#[derive(Debug)]
pub(super) struct Line<E> {
    /// By ascending ticket. The first and the last are no gaps.
    places: VecDeque<Place<E>>,
    gaps: usize,
}

/// Who came earlier has a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(pub(super) u64);

#[derive(Debug)]
struct Place<E> {
    ticket: Ticket,
    /// `None` is a gap.
    entry: Option<E>,
}

/// How big an empty ring may stay, and how many gaps may.
const KEPT: usize = 64;

impl<E> Line<E> {
    pub(super) const fn new() -> Self {
        Self {
            places: VecDeque::new(),
            gaps: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Queues behind all others, whose tickets are lower.
    #[inline]
    pub(super) fn push(&mut self, ticket: Ticket, entry: E) {
        let entry = Some(entry);
        self.places.push_back(Place { ticket, entry });
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<(Ticket, E)> {
        let Place { ticket, entry } = self.places.pop_front()?;
        if self.gaps > 0 || self.places.capacity() > KEPT {
            self.tidy();
        }
        entry.map(|entry| (ticket, entry))
    }

    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut E> {
        if self.places.front()?.ticket > ticket {
            return None;
        }
        let index = self.index(ticket)?;
        self.places[index].entry.as_mut()
    }

    #[inline]
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<E> {
        match self.places.front()?.ticket.cmp(&ticket) {
            Ordering::Less => self.remove_inside(ticket),
            Ordering::Equal => self.pop().map(|(_, entry)| entry),
            Ordering::Greater => None,
        }
    }

    #[cold]
    fn remove_inside(&mut self, ticket: Ticket) -> Option<E> {
        let index = self.index(ticket)?;
        let entry = self.places[index].entry.take()?;
        self.gaps += 1;
        self.tidy();
        Some(entry)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut E> {
        self.places
            .iter_mut()
            .filter_map(|place| place.entry.as_mut())
    }

    fn index(&self, ticket: Ticket) -> Option<usize> {
        self.places
            .binary_search_by_key(&ticket, |place| place.ticket)
            .ok()
    }

    /// Frees what gaps take up, as far as need be.
    #[cold]
    fn tidy(&mut self) {
        let is_gap = |place: Option<&Place<E>>| place.is_some_and(|place| place.entry.is_none());
        while is_gap(self.places.front()) {
            self.places.pop_front();
            self.gaps -= 1;
        }
        while is_gap(self.places.back()) {
            self.places.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > KEPT && self.gaps > self.places.len() / 2 {
            self.places.retain(|place| place.entry.is_some());
            self.gaps = 0;
        }
        if self.places.is_empty() && self.places.capacity() > KEPT {
            self.places = VecDeque::new();
        }
    }
}

/// Makes `known` wake what `waker` does. The old one, to be dropped outside the lock.
///
/// Cloning a waker runs the executor's code, which must not happen while the lock is held: if a
/// clone is needed and not in `spare`, says so, to be called again with one.
pub(super) fn renew(
    known: &mut Waker,
    waker: &Waker,
    spare: &mut Option<Waker>,
) -> Result<Option<Waker>, NeedsClone> {
    if known.will_wake(waker) {
        return Ok(None);
    }
    let clone = spare.take().ok_or(NeedsClone)?;
    Ok(Some(std::mem::replace(known, clone)))
}
