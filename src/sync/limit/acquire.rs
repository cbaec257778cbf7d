use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::permit::{OwnedPermit, Permit, Slot};
use super::slots::Slots;
use crate::sync::Key;

/// The future of [`Limit::acquire`](super::Limit::acquire) and
/// [`Limit::acquire_many`](super::Limit::acquire_many).
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a> {
    pub(super) wait: Wait<&'a Arc<Slots>>,
}

/// The future of [`Limit::acquire_owned`](super::Limit::acquire_owned) and
/// [`Limit::acquire_many_owned`](super::Limit::acquire_many_owned).
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireOwned {
    pub(super) wait: Wait<Arc<Slots>>,
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

/// One wait for slots: of one level after the other.
pub(super) struct Wait<S: AsRef<Slots>> {
    slots: S,
    weight: usize,
    /// Of how many levels they are taken.
    taken: usize,
    /// Among those who wait at the level after these.
    place: Option<Key>,
}

impl<S: AsRef<Slots> + Clone> Wait<S> {
    pub(super) fn new(slots: S, weight: usize) -> Self {
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
