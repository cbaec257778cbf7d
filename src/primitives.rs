//! Locks and atomics, from `std` or, under `--cfg untethered_loom`, from the model checker.
//!
//! Everything in the crate that synchronises threads takes them from here.

#[cfg(not(untethered_loom))]
pub(crate) use std::sync::{MutexGuard, atomic};
#[cfg(not(untethered_loom))]
pub(crate) use std::thread_local;

#[cfg(untethered_loom)]
pub(crate) use loom::sync::{MutexGuard, atomic};
#[cfg(untethered_loom)]
pub(crate) use loom::thread_local;

#[cfg(untethered_loom)]
use loom::sync as imp;
#[cfg(not(untethered_loom))]
use std::sync as imp;

/// A lock that a panic does not poison: no user code runs while one of ours is held, so
/// a panic can not leave the data half-changed.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The data; the lock is not taken.
    #[cfg(feature = "surf")]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(feature = "surf")]
    pub(crate) fn into_inner(self) -> T {
        self.0
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
