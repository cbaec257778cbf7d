use crate::primitives::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a session has done so far. From [`FanOut::stats`](super::FanOut::stats).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that have a slot.
    pub running: usize,
    /// Requests that were answered.
    pub done: usize,
    /// Requests that were not: every [`FetchError`](super::FetchError).
    pub failed: usize,
    /// Attempts that were followed by another one.
    pub retries: usize,
    /// Requests that were sent once more [beside](super::Hedge) themselves.
    pub hedges: usize,
    /// Requests that were given the answer of an [equal](super::FanOut::dedupe) one. They are in
    /// `done` and `failed`, but not in `bytes`.
    pub shared: usize,
    /// The length of all bodies that were read to their end.
    pub bytes: u64,
}

/// What is counted for [`Stats`].
#[derive(Default)]
pub(super) struct Counters {
    done: AtomicUsize,
    failed: AtomicUsize,
    retries: AtomicUsize,
    hedges: AtomicUsize,
    shared: AtomicUsize,
    bytes: AtomicU64,
}

impl Counters {
    /// `bytes` is the length of the body, `None` for a failure.
    pub(super) fn ended(&self, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            None => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn tried_again(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hedged(&self) {
        self.hedges.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn shared(&self) {
        self.shared.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self, running: usize) -> Stats {
        Stats {
            running,
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            hedges: self.hedges.load(Ordering::Relaxed),
            shared: self.shared.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
