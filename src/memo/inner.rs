use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Stats;
use super::run::Run;
use super::table::{Content, Place, Table};
use crate::primitives::{Mutex, MutexGuard};
use crate::runtime::Runtime;
use crate::task::discard;

pub(super) type Answer<V, E> = Result<Arc<V>, Arc<E>>;
pub(super) type RunOf<V, E> = Run<Result<V, E>, Answer<V, E>>;

/// What clones of a memo share.
pub(super) struct Inner<K, V, E> {
    pub(super) hasher: RandomState,
    pub(super) capacity: Option<NonZeroUsize>,
    pub(super) life: Option<(Runtime, Duration)>,
    pub(super) keep_errors: bool,
    pub(super) state: Mutex<State<K, V, E>>,
}

pub(super) struct State<K, V, E> {
    pub(super) table: Table<K, Arc<RunOf<V, E>>, Answer<V, E>>,
    pub(super) stats: Stats,
    pub(super) closed: bool,
}

impl<K: Hash + Eq, V, E> Inner<K, V, E> {
    pub(super) fn hash<Q>(&self, key: &Q) -> u64
    where
        Q: Hash + ?Sized,
    {
        self.hasher.hash_one(key)
    }

    /// The entry of `key`, and the lock that keeps it there.
    ///
    /// Keys are compared outside the lock. Once no entry with this hash is left that was not
    /// compared, there is none for `key`.
    pub(super) fn find<Q>(
        &self,
        hash: u64,
        key: &Q,
    ) -> (MutexGuard<'_, State<K, V, E>>, Option<Place>)
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let mut seen = Vec::new();
        loop {
            let state = self.state.lock();
            let Some((place, known)) = state.table.unseen(hash, &seen) else {
                return (state, None);
            };
            drop(state);
            let is_it = (*known).borrow() == key;
            drop(known);
            if !is_it {
                seen.push(place.number);
                continue;
            }
            let state = self.state.lock();
            if state.table.get(place).is_some() {
                return (state, Some(place));
            }
        }
    }
}

impl<K, V, E> Inner<K, V, E> {
    /// The present, where values have a time to live.
    pub(super) fn now(&self) -> Option<Instant> {
        self.life.as_ref().map(|(rt, _)| rt.now())
    }

    /// Stores what a run gave, unless that is stale by now.
    pub(super) fn finish(&self, place: Place, answer: &Answer<V, E>) {
        let now = self.now();
        let mut state = self.state.lock();
        if state.table.get(place).is_none() {
            return;
        }
        if answer.is_err() && !self.keep_errors {
            let removed = state.table.remove(place);
            drop(state);
            discard(removed);
            return;
        }
        let life = self.life.as_ref().map(|(_, life)| *life);
        let until = now.zip(life).and_then(|(now, life)| now.checked_add(life));
        let run = state.table.store(place, answer.clone(), until);
        let mut removed = Vec::new();
        if let Some(now) = now {
            removed.extend(std::iter::from_fn(|| state.table.remove_expired(now)));
        }
        if self
            .capacity
            .is_some_and(|most| state.table.stored() > most.get())
        {
            removed.extend(state.table.remove_least_used());
            state.stats.evictions += 1;
        }
        drop(state);
        discard(run);
        removed.into_iter().for_each(discard);
    }

    /// Frees the key of a run that ended without an answer.
    pub(super) fn abandon(&self, place: Place) {
        let mut state = self.state.lock();
        let removed = state
            .table
            .get(place)
            .is_some()
            .then(|| state.table.remove(place));
        drop(state);
        discard(removed);
    }

    /// One waits no more for a run. The last one ends it.
    pub(super) fn leave(&self, place: Place, run: &RunOf<V, E>) {
        let mut state = self.state.lock();
        let last = run.leave();
        let present = last && state.table.get(place).is_some();
        let removed = present.then(|| state.table.remove(place));
        drop(state);
        discard(removed);
        if last {
            run.cancel();
        }
    }
}

impl<K, V, E> State<K, V, E> {
    /// Whether something is stored whose time is not over.
    pub(super) fn is_live(&self, place: Place, now: Option<Instant>) -> bool {
        match self.table.get(place) {
            Some(Content::Stored { until, .. }) => match (until, now) {
                (Some(until), Some(now)) => now < *until,
                _ => true,
            },
            _ => false,
        }
    }

    /// What is stored, as the one used last.
    pub(super) fn stored(&mut self, place: Place, now: Option<Instant>) -> Option<Answer<V, E>> {
        if !self.is_live(place, now) {
            return None;
        }
        self.table.touch(place);
        match self.table.get(place) {
            Some(Content::Stored { answer, .. }) => Some(answer.clone()),
            _ => None,
        }
    }
}
