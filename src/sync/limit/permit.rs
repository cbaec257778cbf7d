use std::fmt;
use std::sync::Arc;

use super::slots::Slots;

/// Slots of a [`Limit`](super::Limit), one or many. Dropping it gives them back.
#[must_use = "dropping a permit gives its slots back"]
pub struct Permit<'a> {
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) slot: Slot<&'a Arc<Slots>>,
}

/// Slots of a [`Limit`](super::Limit), one or many, that borrows nothing. Dropping it gives them back.
#[must_use = "dropping a permit gives its slots back"]
pub struct OwnedPermit {
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) slot: Slot<Arc<Slots>>,
}

/// Taken slots, of each level.
pub(super) struct Slot<S: AsRef<Slots>> {
    pub(super) slots: S,
    pub(super) weight: usize,
}

impl<S: AsRef<Slots>> Slot<S> {
    pub(super) fn try_take(slots: S, weight: usize) -> Option<Self> {
        for (level, at) in slots.as_ref().levels().enumerate() {
            if !at.try_take(weight) {
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
