use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Key, NeedsClone, WaitList, Wakers};
use crate::primitives::Mutex;
use crate::task::discard;

/// At most so many at once: slots, taken one at a time and given back by dropping the permit.
///
/// Strictly first come, first served: neither [`acquire`](Self::acquire) nor
/// [`try_acquire`](Self::try_acquire) passes somebody who waits. A slot that becomes free belongs
/// to the first waiter from that moment on; if that waiter is dropped before it runs, the next one
/// gets it. Clones share the slots. Needs no runtime.
///
/// A [weight](Self::acquire_many) takes several slots at once. A [child](Self::child) has slots of
/// its own within those of its parent.
///
/// # Examples
///
/// ```
/// use untethered::sync::Limit;
///
/// # futures_lite::future::block_on(async {
/// let limit = Limit::new(2);
/// let first = limit.acquire().await;
/// let second = limit.acquire().await;
/// assert!(limit.try_acquire().is_none());
/// drop(first);
/// assert!(limit.try_acquire().is_some());
/// # drop(second);
/// # });
/// ```
#[derive(Clone)]
pub struct Limit {
    slots: Arc<Slots>,
}

struct Slots {
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

impl Limit {
    /// A limit of `total` slots.
    ///
    /// # Panics
    ///
    /// If `total` is nought: nobody could ever get a slot. For a number that comes from outside
    /// take `Limit::from(NonZeroUsize)`.
    #[track_caller]
    pub fn new(total: usize) -> Self {
        total_slots(total).into()
    }

    /// A limit of `total` slots within this one.
    ///
    /// Each of its slots takes one here too. Whoever asks waits for its slot of the child first,
    /// so that nobody keeps a slot of the parent from other children while waiting. A task that
    /// holds slots of the parent and waits for more of a child may wait for itself, as with any
    /// limit taken twice.
    ///
    /// # Panics
    ///
    /// If `total` is nought. For a number that comes from outside take
    /// [`child_from`](Self::child_from).
    ///
    /// # Examples
    ///
    /// ```
    /// use untethered::sync::Limit;
    ///
    /// let all = Limit::new(3);
    /// let (a, b) = (all.child(2), all.child(2));
    /// let held = [a.try_acquire(), a.try_acquire(), b.try_acquire()];
    /// assert!(held.iter().all(|permit| permit.is_some()));
    /// assert!(b.try_acquire().is_none(), "b has a slot left, but all three are taken");
    /// ```
    #[track_caller]
    pub fn child(&self, total: usize) -> Self {
        self.child_from(total_slots(total))
    }

    /// As [`child`](Self::child), for a number that comes from outside.
    pub fn child_from(&self, total: NonZeroUsize) -> Self {
        Self {
            slots: Arc::new(Slots::new(total, Some(self.slots.clone()))),
        }
    }

    /// Waits for a slot.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait gives up its place in the queue, and a slot that was already
    /// its own goes to the next.
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire {
            wait: Wait::new(&self.slots, 1),
        }
    }

    /// As [`acquire`](Self::acquire), with a permit that borrows nothing.
    pub fn acquire_owned(&self) -> AcquireOwned {
        AcquireOwned {
            wait: Wait::new(self.slots.clone(), 1),
        }
    }

    /// Waits for `weight` slots at once.
    ///
    /// Nobody passes it meanwhile, however few they ask for. More than there are in all is let in
    /// when all are free, alone: it does not wait for ever, and everybody else waits for it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`acquire`](Self::acquire) is.
    ///
    /// # Panics
    ///
    /// If `weight` is nought.
    ///
    /// # Examples
    ///
    /// ```
    /// use untethered::sync::Limit;
    ///
    /// # futures_lite::future::block_on(async {
    /// let memory = Limit::new(1024);
    /// let small = memory.acquire_many(1000).await;
    /// assert!(memory.try_acquire_many(100).is_none());
    /// drop(small);
    /// let huge = memory.acquire_many(5000).await;
    /// assert_eq!(memory.available(), 0);
    /// # drop(huge);
    /// # });
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, weight: usize) -> Acquire<'_> {
        Acquire {
            wait: Wait::new(&self.slots, checked_weight(weight)),
        }
    }

    /// As [`acquire_many`](Self::acquire_many), with a permit that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`acquire`](Self::acquire) is.
    ///
    /// # Panics
    ///
    /// If `weight` is nought.
    #[track_caller]
    pub fn acquire_many_owned(&self, weight: usize) -> AcquireOwned {
        AcquireOwned {
            wait: Wait::new(self.slots.clone(), checked_weight(weight)),
        }
    }

    /// A slot, if one is free and nobody waits.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        Slot::try_take(&self.slots, 1).map(|slot| Permit { slot })
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that borrows nothing.
    pub fn try_acquire_owned(&self) -> Option<OwnedPermit> {
        Slot::try_take(self.slots.clone(), 1).map(|slot| OwnedPermit { slot })
    }

    /// `weight` slots, if that many are free and nobody waits.
    ///
    /// # Panics
    ///
    /// If `weight` is nought.
    #[track_caller]
    pub fn try_acquire_many(&self, weight: usize) -> Option<Permit<'_>> {
        Slot::try_take(&self.slots, checked_weight(weight)).map(|slot| Permit { slot })
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a permit that borrows nothing.
    ///
    /// # Panics
    ///
    /// If `weight` is nought.
    #[track_caller]
    pub fn try_acquire_many_owned(&self, weight: usize) -> Option<OwnedPermit> {
        Slot::try_take(self.slots.clone(), checked_weight(weight)).map(|slot| OwnedPermit { slot })
    }

    /// Changes the number of slots.
    ///
    /// More slots serve waiters at once. With fewer, permits that are out stay valid, and nobody
    /// is let in until enough of them were given back.
    ///
    /// # Panics
    ///
    /// If `total` is nought.
    #[track_caller]
    pub fn set_total(&self, total: usize) {
        let total = total_slots(total);
        let mut state = self.slots.state.lock();
        state.total = total;
        let wakers = state.serve();
        drop(state);
        wakers.wake();
    }

    /// How many slots there are. A parent may have fewer.
    pub fn total(&self) -> usize {
        self.slots.state.lock().total.get()
    }

    /// How many slots are free. A parent may have fewer.
    pub fn available(&self) -> usize {
        let state = self.slots.state.lock();
        state.total.get().saturating_sub(state.taken)
    }
}

impl From<NonZeroUsize> for Limit {
    fn from(total: NonZeroUsize) -> Self {
        Self {
            slots: Arc::new(Slots::new(total, None)),
        }
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.slots.state.lock();
        f.debug_struct("Limit")
            .field("total", &state.total)
            .field("taken", &state.taken)
            .finish_non_exhaustive()
    }
}

#[track_caller]
fn total_slots(total: usize) -> NonZeroUsize {
    NonZeroUsize::new(total).expect("a limit of nought lets nobody in: give one or more")
}

#[track_caller]
fn checked_weight(weight: usize) -> usize {
    assert!(
        weight > 0,
        "a weight of nought takes no slot: give one or more"
    );
    weight
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

impl Slots {
    fn new(total: NonZeroUsize, parent: Option<Arc<Self>>) -> Self {
        Self {
            state: Mutex::new(State {
                total,
                taken: 0,
                waiters: WaitList::new(),
            }),
            parent,
        }
    }

    /// These, their parent, and so on.
    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |slots| slots.parent.as_deref())
    }

    fn give_back(&self, weight: usize) {
        let mut state = self.state.lock();
        state.taken -= weight;
        let wakers = state.serve();
        drop(state);
        wakers.wake();
    }

    /// Waits for slots of this level alone.
    fn poll_take(&self, weight: usize, place: &mut Option<Key>, cx: &mut Context<'_>) -> Poll<()> {
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
    fn leave(&self, key: Key) {
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

/// Taken slots, of each level.
struct Slot<S: AsRef<Slots>> {
    slots: S,
    weight: usize,
}

impl<S: AsRef<Slots>> Slot<S> {
    fn try_take(slots: S, weight: usize) -> Option<Self> {
        for (level, at) in slots.as_ref().levels().enumerate() {
            if !at.state.lock().take(weight) {
                for taken in slots.as_ref().levels().take(level) {
                    taken.give_back(weight);
                }
                return None;
            }
        }
        Some(Self { slots, weight })
    }
}

impl<S: AsRef<Slots>> Drop for Slot<S> {
    fn drop(&mut self) {
        for level in self.slots.as_ref().levels() {
            level.give_back(self.weight);
        }
    }
}

/// One wait for slots: of one level after the other.
struct Wait<S: AsRef<Slots>> {
    slots: S,
    weight: usize,
    /// Of how many levels they are taken.
    taken: usize,
    /// Among those who wait at the level after these.
    place: Option<Key>,
}

impl<S: AsRef<Slots> + Clone> Wait<S> {
    fn new(slots: S, weight: usize) -> Self {
        Self {
            slots,
            weight,
            taken: 0,
            place: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Slot<S>> {
        for level in self.slots.as_ref().levels().skip(self.taken) {
            ready!(level.poll_take(self.weight, &mut self.place, cx));
            self.taken += 1;
        }
        // They belong to the permit from here on.
        self.taken = 0;
        Poll::Ready(Slot {
            slots: self.slots.clone(),
            weight: self.weight,
        })
    }
}

impl<S: AsRef<Slots>> Drop for Wait<S> {
    fn drop(&mut self) {
        let mut levels = self.slots.as_ref().levels();
        for level in levels.by_ref().take(self.taken) {
            level.give_back(self.weight);
        }
        if let (Some(key), Some(level)) = (self.place.take(), levels.next()) {
            level.leave(key);
        }
    }
}

/// The future of [`Limit::acquire`] and [`Limit::acquire_many`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a> {
    wait: Wait<&'a Arc<Slots>>,
}

/// The future of [`Limit::acquire_owned`] and [`Limit::acquire_many_owned`].
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireOwned {
    wait: Wait<Arc<Slots>>,
}

/// Slots of a [`Limit`], one or many. Dropping it gives them back.
#[must_use = "dropping a permit gives its slots back"]
pub struct Permit<'a> {
    #[expect(dead_code, reason = "held for its drop")]
    slot: Slot<&'a Arc<Slots>>,
}

/// Slots of a [`Limit`], one or many, that borrows nothing. Dropping it gives them back.
#[must_use = "dropping a permit gives its slots back"]
pub struct OwnedPermit {
    #[expect(dead_code, reason = "held for its drop")]
    slot: Slot<Arc<Slots>>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Permit<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        self.wait.poll(cx).map(|slot| Permit { slot })
    }
}

impl Future for AcquireOwned {
    type Output = OwnedPermit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OwnedPermit> {
        self.wait.poll(cx).map(|slot| OwnedPermit { slot })
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

impl fmt::Debug for AcquireOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireOwned").finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
