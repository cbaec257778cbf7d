use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::primitives::Mutex;
use crate::sync::{Key, NeedsClone, WaitList, Wakers};
use crate::task::discard;

/// What a limit and its permits share.
pub(super) struct Slots {
    state: Mutex<State>,
    parent: Option<Arc<Slots>>,
}

/// Somebody waits only while there is no room for the first who waits.
struct State {
    total: NonZeroUsize,
    /// More than `total` after that was lowered, or for one who takes more, alone.
    taken: usize,
    /// With how many slots each is to take.
    waiters: WaitList<usize>,
}

impl Slots {
    pub(super) fn new(total: NonZeroUsize, parent: Option<Arc<Self>>) -> Self {
        Self {
            state: Mutex::new(State {
                total,
                taken: 0,
                waiters: WaitList::new(),
            }),
            parent,
        }
    }

    pub(super) fn total(&self) -> usize {
        self.state.lock().total.get()
    }

    pub(super) fn free(&self) -> usize {
        let state = self.state.lock();
        state.total.get().saturating_sub(state.taken)
    }

    pub(super) fn set_total(&self, total: NonZeroUsize) {
        let mut state = self.state.lock();
        state.total = total;
        let wakers = state.serve();
        drop(state);
        wakers.wake();
    }

    /// These, their parent, and so on.
    pub(super) fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |slots| slots.parent.as_deref())
    }

    /// Takes slots of this level alone, if there is room and nobody waits.
    pub(super) fn try_take(&self, weight: usize) -> bool {
        self.state.lock().take(weight)
    }

    pub(super) fn give_back(&self, weight: usize) {
        let mut state = self.state.lock();
        state.taken -= weight;
        let wakers = state.serve();
        drop(state);
        wakers.wake();
    }

    /// Waits for slots of this level alone.
    pub(super) fn poll_take(
        &self,
        weight: usize,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            let served = place.take_if(|key| state.waiters.is_served(key));
            let removed = served.map(|key| state.waiters.remove(key));
            if removed.is_some() || (place.is_none() && state.take(weight)) {
                drop(state);
                discard((removed.and_then(|removed| removed.waker), spare));
                return Poll::Ready(());
            }
            let waits = &mut state.waiters;
            let queued = waits.queue(place, cx.waker(), &mut spare, || weight);
            drop(state);
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// Gives up a place in the queue of this level.
    pub(super) fn leave(&self, key: Key) {
        let mut state = self.state.lock();
        let removed = state.waiters.remove(key);
        if removed.served {
            state.taken -= removed.data;
        }
        // Also if it was not served: who is first now may ask for less.
        let wakers = state.serve();
        drop(state);
        wakers.wake();
        discard(removed.waker);
    }
}

impl State {
    fn has_room(&self, weight: usize) -> bool {
        self.taken == 0 || weight <= self.total.get().saturating_sub(self.taken)
    }

    /// Takes that many slots, if there is room and nobody waits.
    fn take(&mut self, weight: usize) -> bool {
        let room = self.waiters.is_empty() && self.has_room(weight);
        if room {
            self.taken += weight;
        }
        room
    }

    /// Lets in those who wait, as long as there is room for the first.
    fn serve(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        while let Some(&weight) = self.waiters.first() {
            if !self.has_room(weight) {
                break;
            }
            self.taken += weight;
            wakers.extend(self.waiters.serve_first_with().and_then(|(waker, _)| waker));
        }
        wakers
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (total, taken) = {
            let state = self.state.lock();
            (state.total, state.taken)
        };
        f.debug_struct("Limit")
            .field("total", &total)
            .field("taken", &taken)
            .finish_non_exhaustive()
    }
}
