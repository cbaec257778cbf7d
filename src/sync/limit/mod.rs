mod acquire;
mod permit;
mod slots;

pub use self::acquire::{Acquire, AcquireOwned};
pub use self::permit::{OwnedPermit, Permit};

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use self::acquire::Wait;
use self::permit::Slot;
use self::slots::Slots;

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
        self.slots.set_total(total_slots(total));
    }

    /// How many slots there are. A parent may have fewer.
    pub fn total(&self) -> usize {
        self.slots.total()
    }

    /// How many slots are free. A parent may have fewer.
    pub fn available(&self) -> usize {
        self.slots.free()
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
        self.slots.fmt(f)
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
