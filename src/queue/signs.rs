use super::line::Ticket;
use super::state::State;
use crate::primitives::atomic::{AtomicU64, Ordering};

/// What can be seen without the lock, as it was when somebody held it last.
///
/// Apart from what changes with every item and written only if something changed here, so that a
/// look does not disturb whoever has the lock.
#[repr(align(128))]
pub(super) struct Signs {
    /// The lowest bits are `EMPTY` and `FULL`. The others count tickets: pushes with a lower one
    /// than that were let in.
    word: AtomicU64,
}

const EMPTY: u64 = 1;
const FULL: u64 = 2;
/// How far left the tickets stand.
const TICKETS: u32 = 2;

impl Signs {
    /// Of a queue that holds nothing yet.
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU64::new(EMPTY),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.word.load(Ordering::Relaxed) & EMPTY != 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.word.load(Ordering::Relaxed) & FULL != 0
    }

    pub(super) fn is_let_in(&self, ticket: Ticket) -> bool {
        // Pairs with the release in `show`: whose push is over sees what was done before the pop
        // that made room.
        self.word.load(Ordering::Acquire) >> TICKETS > ticket.0
    }

    /// To be called before the lock is released, with what has become of the state.
    #[inline]
    pub(super) fn show<T>(&self, state: &State<T>) {
        let empty = u64::from(state.buffer.is_empty()) * EMPTY;
        let full = u64::from(state.is_full()) * FULL;
        let word = state.let_in << TICKETS | full | empty;
        if self.word.load(Ordering::Relaxed) != word {
            self.word.store(word, Ordering::Release);
        }
    }
}
