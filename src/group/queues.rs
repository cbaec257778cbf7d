//! All queues of a group, and in which order drivers take from them.

use std::collections::VecDeque;
use std::mem;
use std::sync::OnceLock;

use super::executor::MOST;
use super::queue::{Place, Queue};
use crate::primitives::atomic::Ordering;
use crate::runtime::Runtime;

// In this order: what is written all the time lies behind what is only read.
#[repr(C)]
pub(super) struct Queues<J> {
    pub(super) runtime: Runtime,
    /// Whether the runtime chooses which child runs next, and reports on them.
    pub(super) watched: bool,
    /// How many drivers there may be. `None`: as many as the runtime says.
    most: Option<usize>,
    others: OnceLock<Box<[Place<J>]>>,
    /// What was made ready elsewhere than in a driver.
    pub(super) outside: Queue<J>,
    /// The places of the first drivers. Few groups need others.
    first: [Place<J>; FIRST],
}

/// How many drivers have their places inside.
const FIRST: usize = 2;
/// Every so often what was woken from outside goes first, or children that keep each other busy
/// would starve it.
const OUTSIDE_EVERY: u32 = 32;
/// How many jobs one driver takes from another at most.
const LOOT: usize = 32;

impl<J> Queues<J> {
    pub(super) fn new(runtime: Runtime, most: Option<usize>) -> Self {
        Self {
            watched: runtime.watches_groups(),
            runtime,
            most,
            others: OnceLock::new(),
            outside: Queue::new(),
            first: std::array::from_fn(|_| Place::new()),
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
            .unwrap_or_else(|| self.runtime.most_drivers().min(MOST))
    }

    #[inline]
    pub(super) fn place(&self, index: usize) -> &Place<J> {
        match self.first.get(index) {
            Some(place) => place,
            None => {
                let others = self
                    .others
                    .get_or_init(|| (FIRST..self.most()).map(|_| Place::new()).collect());
                &others[index - FIRST]
            }
        }
    }

    /// That for outside, then those of the drivers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Queue<J>> {
        let others = self.others.get().map_or(&[][..], |others| others);
        let places = self.first.iter().chain(others);
        std::iter::once(&self.outside).chain(places.map(|place| &place.queue))
    }

    /// Whether driver `index` would leave something behind when it takes one.
    pub(super) fn has_two(&self, index: usize) -> bool {
        let ready = |queue: &Queue<J>| queue.len.load(Ordering::Relaxed);
        ready(&self.outside) + ready(&self.place(index).queue) > 1
    }

    /// The next job for driver `index` that no other driver has, and whether it leaves more behind.
    /// `turn` counts them.
    #[inline]
    pub(super) fn take(&self, index: usize, turn: u32) -> Option<(J, bool)> {
        if turn % OUTSIDE_EVERY == 0 {
            if let Some(taken) = self.outside.pop(&self.runtime) {
                return Some(taken);
            }
        }
        let own = &self.place(index).queue;
        if self.watched {
            // So that the choice is among all that are ready.
            self.fetch_outside(own);
        }
        if let Some(taken) = own.pop(&self.runtime) {
            return Some(taken);
        }
        // A single one need not go through our queue.
        if self.outside.len.load(Ordering::Relaxed) > 1 {
            self.fetch_outside(own);
            return own.pop(&self.runtime);
        }
        self.outside.pop(&self.runtime)
    }

    /// Moves all that came from outside to the queue `own`, where others can take from it.
    fn fetch_outside(&self, own: &Queue<J>) {
        if self.outside.is_empty_hint() {
            return;
        }
        let mut jobs = self.outside.jobs.lock();
        if jobs.is_empty() {
            return;
        }
        // Always in this order. The two storages change places, so that neither is lost.
        let mut own_jobs = own.jobs.lock();
        if own_jobs.is_empty() {
            mem::swap(&mut *jobs, &mut *own_jobs);
        } else {
            own_jobs.append(&mut jobs);
        }
        self.outside.note(&jobs);
        own.note(&own_jobs);
    }

    /// Takes half of what another driver has queued for driver `index`: the first to be run, the
    /// others to its queue; says whether there are others.
    pub(super) fn rob_another(&self, index: usize) -> Option<(J, bool)> {
        for (other, queue) in self.iter().skip(1).enumerate() {
            if other == index || queue.is_empty_hint() {
                continue;
            }
            let mut jobs = queue.jobs.lock();
            let count = jobs.len().div_ceil(2).min(LOOT);
            let Some(first) = jobs.pop_front() else {
                continue;
            };
            let others: VecDeque<J> = jobs.drain(..count - 1).collect();
            queue.note(&jobs);
            drop(jobs);
            let more = !others.is_empty();
            if more {
                let own = &self.place(index).queue;
                let mut jobs = own.jobs.lock();
                jobs.extend(others);
                own.note(&jobs);
            }
            return Some((first, more));
        }
        None
    }

    /// Hands what driver `index` had queued to all.
    pub(super) fn give_up(&self, index: usize) {
        let own = &self.place(index).queue;
        let mut own_jobs = own.jobs.lock();
        let jobs = mem::take(&mut *own_jobs);
        own.note(&own_jobs);
        drop(own_jobs);
        let mut outside = self.outside.jobs.lock();
        outside.extend(jobs);
        self.outside.note(&outside);
    }
}
