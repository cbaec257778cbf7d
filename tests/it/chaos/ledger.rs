//! Where every job is, and what became of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// With its producer, who may drop it with a push that did not happen.
    Made,
    /// In a queue, from where nothing may be lost.
    Queued,
    /// With a worker, who may be dropped with it.
    Work,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    pub(super) made: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    /// Given back by a queue: full, closed, or drained at the end.
    pub(super) returned: u64,
    pub(super) dropped: HashMap<Stage, u64>,
    open: HashMap<u64, Stage>,
}

impl Books {
    pub(super) fn dropped(&self, stage: Stage) -> u64 {
        self.dropped.get(&stage).copied().unwrap_or_default()
    }

    /// What is wrong with them.
    pub(super) fn error(&self) -> Option<String> {
        let dropped: u64 = self.dropped.values().sum();
        let closed = self.done + self.failed + self.returned + dropped;
        let balanced = self.made == closed + u64::try_from(self.open.len()).unwrap();
        (!balanced || self.dropped(Stage::Queued) > 0).then(|| format!("{self:?}"))
    }

    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Books>>);

impl Ledger {
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    pub(super) fn job(&self) -> Job {
        let mut books = self.books();
        let id = books.made;
        books.made += 1;
        books.open.insert(id, Stage::Made);
        Job {
            id,
            ledger: self.clone(),
        }
    }

    /// Says that the push of `id` is over. A worker may have it already.
    pub(super) fn pushed(&self, id: u64) {
        if let Some(stage @ Stage::Made) = self.books().open.get_mut(&id) {
            *stage = Stage::Queued;
        }
    }
}

/// Closed exactly once, by what became of it or by its drop.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: u64,
    ledger: Ledger,
}

impl Job {
    pub(super) fn at(&self, stage: Stage) {
        *self.ledger.books().open.get_mut(&self.id).unwrap() = stage;
    }

    pub(super) fn done(self) {
        self.close(|books| books.done += 1);
    }

    pub(super) fn failed(self) {
        self.close(|books| books.failed += 1);
    }

    pub(super) fn returned(self) {
        self.close(|books| books.returned += 1);
    }

    fn close(self, count: impl FnOnce(&mut Books)) {
        let mut books = self.ledger.books();
        books.open.remove(&self.id).expect("it is closed once");
        count(&mut books);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut books = self.ledger.books();
        if let Some(stage) = books.open.remove(&self.id) {
            *books.dropped.entry(stage).or_default() += 1;
        }
    }
}
