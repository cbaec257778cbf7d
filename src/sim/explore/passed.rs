use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::sim::Schedule;

/// In which run a schedule has passed.
///
/// Keeps hashes alone, for there may be a hundred thousand schedules of a thousand entries.
#[derive(Default)]
pub(super) struct Passed {
    runs: HashMap<u64, usize>,
    hasher: RandomState,
}

impl Passed {
    pub(super) fn add(&mut self, schedule: &Schedule, run: usize) {
        let hash = self.hasher.hash_one(schedule);
        self.runs.entry(hash).or_insert(run);
    }

    pub(super) fn run_of(&self, schedule: &Schedule) -> Option<usize> {
        let hash = self.hasher.hash_one(schedule);
        self.runs.get(&hash).copied()
    }
}
