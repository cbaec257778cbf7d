//! Locks and atomics, from `std` or, under `--cfg untethered_loom`, from the model checker.
//!
//! Everything in the crate that synchronises threads takes them from here.

#[cfg(not(untethered_loom))]
mod from {
    pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
    pub(crate) use std::thread;
    #[cfg(any(feature = "sim", feature = "threads"))]
    pub(crate) use std::thread::park_timeout;
}

#[cfg(untethered_loom)]
mod from {
    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
    pub(crate) use loom::thread;

    /// In a model no time goes by.
    #[cfg(any(feature = "sim", feature = "threads", test))]
    pub(crate) fn park_timeout(_longest: std::time::Duration) {
        thread::park();
    }
}

#[cfg(any(feature = "sim", feature = "threads", all(test, untethered_loom)))]
pub(crate) use from::park_timeout;
pub(crate) use from::{MutexGuard, atomic, thread};

/// How often a waiting thread spins before it looks at the lock again: at first, and at most.
#[cfg(not(untethered_loom))]
const SHORTEST_PAUSE: u32 = 4;
#[cfg(not(untethered_loom))]
const LONGEST_PAUSE: u32 = 4096;

/// A value for each thread, also where the model checker plays the threads.
macro_rules! per_thread {
    ($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(not(untethered_loom))]
        std::thread_local! {
            $(#[$meta])* static $name: $type = const { $value };
        }
        #[cfg(untethered_loom)]
        loom::thread_local! {
            $(#[$meta])* static $name: $type = $value;
        }
    };
}

pub(crate) use per_thread;

/// A lock that a panic does not poison: no user code runs while one of ours is held, so
/// a panic can not leave the data half-changed.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(from::Mutex<T>);

impl<T> Mutex<T> {
    #[cfg(not(untethered_loom))]
    pub(crate) const fn new(value: T) -> Self {
        Self(from::Mutex::new(value))
    }

    #[cfg(untethered_loom)]
    pub(crate) fn new(value: T) -> Self {
        Self(from::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The data; the lock is not taken.
    #[cfg(any(
        feature = "hyper-tokio",
        feature = "isahc",
        feature = "reqwest",
        feature = "surf"
    ))]
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

/// A lock for what many threads take often and hold for a few instructions.
///
/// Who finds it taken spins instead of asking the system to suspend the thread. The pauses double
/// up to a bound, then the thread lets others run, so that a holder that was suspended can go on.
/// Releasing it is a store, where the lock above has to ask whether somebody sleeps.
#[cfg(not(untethered_loom))]
#[derive(Debug)]
pub(crate) struct SpinLock<T>(try_lock::TryLock<T>);

#[cfg(not(untethered_loom))]
impl<T> SpinLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(try_lock::TryLock::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> try_lock::Locked<'_, T> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            // One place to take it, so that the compiler knows how the guard will release it.
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
            pause = rest(pause);
        }
    }
}

/// Waits a while. How long the next pause is to be.
#[cfg(not(untethered_loom))]
#[cold]
fn rest(pause: u32) -> u32 {
    if pause > LONGEST_PAUSE {
        thread::yield_now();
        return pause;
    }
    for _ in 0..pause {
        std::hint::spin_loop();
    }
    pause * 2
}

/// The model checker has no notion of time to spin for.
#[cfg(untethered_loom)]
pub(crate) type SpinLock<T> = Mutex<T>;
