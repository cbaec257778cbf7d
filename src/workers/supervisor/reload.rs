use std::collections::BTreeSet;

use super::{Seat, Supervisor, Worker};
use crate::workers::{Notice, StopReason};

/// A reload: the new workers.
pub(super) struct Coming {
    generation: u64,
    not_ready: BTreeSet<usize>,
}

impl Supervisor {
    pub(super) fn is_coming(&self, generation: u64) -> bool {
        let coming = self.coming.as_ref();
        coming.is_some_and(|coming| coming.generation == generation)
    }

    pub(super) fn reload(&mut self) {
        if self.reason.is_none() {
            self.reload_again = true;
            self.reload_if_due();
        }
    }

    /// One reload after the other.
    pub(super) fn reload_if_due(&mut self) {
        if !self.reload_again || self.coming.is_some() {
            return;
        }
        self.reload_again = false;
        self.last_generation += 1;
        let generation = self.last_generation;
        self.coming = Some(Coming {
            generation,
            not_ready: (0..self.seats.len()).collect(),
        });
        self.notice(&Notice::Reloading);
        for index in 0..self.seats.len() {
            if self.is_coming(generation) {
                self.start(index, generation);
            }
        }
    }

    /// A worker is ready, or done already. Once that holds for all new ones they take over.
    pub(super) fn came_up(&mut self, index: usize, generation: u64) {
        let Some(coming) = &mut self.coming else {
            return;
        };
        if coming.generation != generation {
            return;
        }
        coming.not_ready.remove(&index);
        if !coming.not_ready.is_empty() {
            return;
        }
        self.coming = None;
        self.generation = generation;
        self.reloads += 1;
        for seat in &mut self.seats {
            let last = seat.last.take().filter(|end| end.generation == generation);
            *seat = Seat {
                last,
                ..Seat::default()
            };
        }
        self.notice(&Notice::Reloaded);
        for id in self.ids(|worker| worker.generation != generation && worker.asked.is_none()) {
            self.ask(id, &StopReason::Reload);
        }
    }

    pub(super) fn abandon_reload(&mut self) {
        let Some(coming) = self.coming.take() else {
            return;
        };
        self.notice(&Notice::ReloadAbandoned);
        let reason = StopReason::Asked("the reload was given up".into());
        let is_new = |worker: &Worker| worker.generation == coming.generation;
        for id in self.ids(|worker| is_new(worker) && worker.asked.is_none()) {
            self.ask(id, &reason);
        }
    }
}
