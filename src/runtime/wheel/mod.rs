//! Who waits for which moment: a hierarchical timer wheel.
//!
//! Scheme 7 of George Varghese and Tony Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
//! Each level has slots of 64 times the length of those below it. A timer waits in the highest
//! level in which its moment and the present one differ, and moves down as time goes on. The slot
//! that has come is kept sorted, so that timers fire in the exact order of their deadlines.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::task::Waker;

use slab::Slab;

/// Nanoseconds since the wheel began, enough for five centuries.
pub(super) type Nanos = u64;

/// Holds no clock and no lock, and runs no user code: wakers go in and come out.
///
/// A timer keeps the [`Key`] of its entry, and removes the entry when it has fired or is dropped.
pub(super) struct Wheel {
    entries: Slab<Entry>,
    /// Not in place: they are too big to be moved over a small stack.
    levels: Box<[Level]>,
    /// All whose slot was opened, by deadline.
    open: BTreeSet<Due>,
    /// The last slot that was opened, counted in slots of the lowest level. None is behind it.
    opened: u64,
    /// How many there ever were.
    made: u64,
}

/// The place of a timer in its wheel.
#[derive(Debug)]
pub(super) struct Key(usize);

struct Entry {
    /// `None` once it has fired.
    waker: Option<Waker>,
    deadline: Nanos,
    /// Timers of the same moment fire in the order in which they came.
    number: u64,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Slot { level: u8, slot: u8, index: usize },
    Open,
    Fired,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    deadline: Nanos,
    number: u64,
    key: usize,
}

struct Level {
    /// One bit for each slot that is not empty.
    occupied: u64,
    slots: [Slot; SLOTS],
}

struct Slot {
    timers: Vec<usize>,
    /// No timer in it is due before this. The one that was may have gone.
    earliest: Nanos,
}

/// A slot of the lowest level takes 2 to the power of 20 nanoseconds, about a millisecond.
const SLOT_BITS: u32 = 20;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
/// So many that they take all there is of [`Nanos`].
const LEVELS: usize = (Nanos::BITS - SLOT_BITS).div_ceil(LEVEL_BITS) as usize;
/// For how many timers the room is kept when all have gone.
const KEPT: usize = 64;

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            entries: Slab::new(),
            levels: (0..LEVELS).map(|_| Level::new()).collect(),
            open: BTreeSet::new(),
            opened: 0,
            made: 0,
        }
    }

    /// Adds a timer.
    pub(super) fn insert(&mut self, deadline: Nanos, waker: Waker) -> Key {
        let number = self.made;
        self.made += 1;
        let key = self.entries.insert(Entry {
            waker: Some(waker),
            deadline,
            number,
            place: Place::Open,
        });
        self.place(key);
        Key(key)
    }

    /// Whom the timer wakes. `None` once it has fired.
    pub(super) fn waker_mut(&mut self, key: &Key) -> Option<&mut Waker> {
        self.entries[key.0].waker.as_mut()
    }

    /// Removes a timer, fired or not. Its waker is to be dropped outside the lock.
    #[must_use = "drop it outside the lock"]
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        let Key(key) = key;
        let entry = self.entries.remove(key);
        match entry.place {
            Place::Slot { level, slot, index } => self.take_out(level, slot, index),
            Place::Open => {
                self.open.remove(&entry.due(key));
            }
            Place::Fired => {}
        }
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            self.entries = Slab::new();
        }
        entry.waker
    }

    /// Fires the first timer that is due by `now`, and gives whom to wake for it.
    pub(super) fn fire(&mut self, now: Nanos) -> Option<Waker> {
        // Once a later slot has come, all that is left in the open ones is due before it.
        while self.open.is_empty() {
            let present = now >> SLOT_BITS;
            let next = self.next_slot();
            let next = next.map(|(level, slot)| (level, slot, self.start_of(level, slot)));
            match next {
                Some((level, slot, start)) if start <= present => {
                    self.opened = start;
                    self.empty(level, slot);
                }
                _ => {
                    // What comes later than this is put where it has to be moved less often.
                    self.opened = self.opened.max(present);
                    return None;
                }
            }
        }
        if self.open.first()?.deadline > now {
            return None;
        }
        let first = self.open.pop_first()?;
        let entry = &mut self.entries[first.key];
        entry.place = Place::Fired;
        entry.waker.take()
    }

    /// When there may be something to fire next; not before. `None` if there are no timers.
    pub(super) fn next(&self) -> Option<Nanos> {
        if let Some(first) = self.open.first() {
            return Some(first.deadline);
        }
        let (level, slot) = self.next_slot()?;
        Some(self.levels[level].slots[slot].earliest)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first slot that is not empty. Lower levels come before higher ones: all that is in
    /// a level lies within the present slot of the next.
    fn next_slot(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// When a slot begins, counted in slots of the lowest level.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = LEVEL_BITS * level as u32;
        let above = self.opened >> shift >> LEVEL_BITS;
        ((above << LEVEL_BITS) | slot as u64) << shift
    }

    /// Moves the timers of a slot that has come to where they belong now.
    fn empty(&mut self, level: usize, slot: usize) {
        self.levels[level].occupied &= !(1 << slot);
        let mut timers = std::mem::take(&mut self.levels[level].slots[slot].timers);
        if level > 0 {
            for key in timers.drain(..) {
                self.place(key);
            }
        } else {
            // All at once: to sort them takes less than to find the place of each.
            let entries = &mut self.entries;
            self.open = BTreeSet::from_iter(timers.drain(..).map(|key| {
                let entry = &mut entries[key];
                entry.place = Place::Open;
                entry.due(key)
            }));
        }
        if timers.capacity() <= KEPT {
            self.levels[level].slots[slot].timers = timers;
        }
    }

    /// Puts a timer that is nowhere to where it belongs.
    fn place(&mut self, key: usize) {
        let entry = &mut self.entries[key];
        let time = entry.deadline >> SLOT_BITS;
        if time <= self.opened {
            entry.place = Place::Open;
            let due = entry.due(key);
            self.open.insert(due);
            return;
        }
        let level = (time ^ self.opened).ilog2() / LEVEL_BITS;
        let slot = (time >> (LEVEL_BITS * level)) as usize % SLOTS;
        let Level { occupied, slots } = &mut self.levels[level as usize];
        let Slot { timers, earliest } = &mut slots[slot];
        if timers.is_empty() || entry.deadline < *earliest {
            *earliest = entry.deadline;
        }
        entry.place = Place::Slot {
            level: level as u8,
            slot: slot as u8,
            index: timers.len(),
        };
        timers.push(key);
        *occupied |= 1 << slot;
    }

    /// Takes a timer out of its slot.
    fn take_out(&mut self, level: u8, slot: u8, index: usize) {
        let Level { occupied, slots } = &mut self.levels[usize::from(level)];
        let Slot { timers, .. } = &mut slots[usize::from(slot)];
        timers.swap_remove(index);
        if let Some(&moved) = timers.get(index) {
            self.entries[moved].place = Place::Slot { level, slot, index };
        } else if timers.is_empty() {
            *occupied &= !(1 << slot);
            if timers.capacity() > KEPT {
                *timers = Vec::new();
            }
        }
    }
}

impl Level {
    fn new() -> Self {
        Self {
            occupied: 0,
            slots: std::array::from_fn(|_| Slot {
                timers: Vec::new(),
                earliest: 0,
            }),
        }
    }
}

impl Entry {
    fn due(&self, key: usize) -> Due {
        Due {
            deadline: self.deadline,
            number: self.number,
            key,
        }
    }
}
