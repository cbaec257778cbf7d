//! Entries by hash, and the stored ones in the order of their use and of their age.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

/// Keys with what is stored or loaded for them. Lives inside the lock of its memo, so it compares
/// no keys: it gives out who has the same hash, one after the other.
pub(super) struct Table<K, R, A> {
    /// The first entry with a hash; the others follow it.
    buckets: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    entries: Slab<Entry<K, R, A>>,
    /// First and last of each order.
    ends: [Option<(usize, usize)>; 2],
    stored: usize,
    /// How many there ever were.
    added: u64,
}

pub(super) struct Entry<K, R, A> {
    number: u64,
    hash: u64,
    key: Arc<K>,
    /// Another with the same hash.
    next: Option<usize>,
    content: Content<R, A>,
    /// Its neighbours in each order, once it is stored.
    links: [Links; 2],
}

pub(super) enum Content<R, A> {
    /// Somebody loads it.
    Running(R),
    Stored {
        answer: A,
        /// From when on it is forgotten.
        until: Option<Instant>,
    },
}

/// Which entry, of all there ever were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    key: usize,
    pub(super) number: u64,
}

#[derive(Default)]
struct Links {
    before: Option<usize>,
    after: Option<usize>,
}

/// The one whose last use is longest ago goes first.
const USE: usize = 0;
/// The one stored first goes first.
const AGE: usize = 1;

/// How big an empty table may stay.
const KEPT: usize = 64;

impl<K, R, A> Table<K, R, A> {
    pub(super) fn new() -> Self {
        Self {
            buckets: HashMap::default(),
            entries: Slab::new(),
            ends: [None; 2],
            stored: 0,
            added: 0,
        }
    }

    /// How many are stored.
    pub(super) fn stored(&self) -> usize {
        self.stored
    }

    /// The first entry with this hash that is not among those seen, and its key.
    pub(super) fn unseen(&self, hash: u64, seen: &[u64]) -> Option<(Place, Arc<K>)> {
        let mut next = self.buckets.get(&hash).copied();
        while let Some(key) = next {
            let entry = &self.entries[key];
            if !seen.contains(&entry.number) {
                let number = entry.number;
                return Some((Place { key, number }, entry.key.clone()));
            }
            next = entry.next;
        }
        None
    }

    /// What an entry holds, if it is still there.
    pub(super) fn get(&self, place: Place) -> Option<&Content<R, A>> {
        match self.entries.get(place.key) {
            Some(entry) if entry.number == place.number => Some(&entry.content),
            _ => None,
        }
    }

    /// Adds an entry that somebody loads. Nobody has looked up its hash and found its key.
    pub(super) fn add(&mut self, hash: u64, key: Arc<K>, run: R) -> Place {
        self.added += 1;
        let number = self.added;
        let next = self.buckets.get(&hash).copied();
        let key = self.entries.insert(Entry {
            number,
            hash,
            key,
            next,
            content: Content::Running(run),
            links: Default::default(),
        });
        self.buckets.insert(hash, key);
        Place { key, number }
    }

    /// Stores the answer of an entry that is loaded, as the one used last. Gives what it held.
    #[must_use = "drop it outside the lock"]
    pub(super) fn store(
        &mut self,
        place: Place,
        answer: A,
        until: Option<Instant>,
    ) -> Content<R, A> {
        self.stored += 1;
        self.link::<USE>(place.key);
        self.link::<AGE>(place.key);
        let stored = Content::Stored { answer, until };
        std::mem::replace(&mut self.entries[place.key].content, stored)
    }

    /// Makes a stored entry the one used last.
    pub(super) fn touch(&mut self, place: Place) {
        self.unlink::<USE>(place.key);
        self.link::<USE>(place.key);
    }

    /// Takes out an entry that is there.
    #[must_use = "drop it outside the lock"]
    pub(super) fn remove(&mut self, place: Place) -> Entry<K, R, A> {
        self.take(place.key)
    }

    /// Takes out the stored entry whose last use is longest ago.
    #[must_use = "drop it outside the lock"]
    pub(super) fn remove_least_used(&mut self) -> Option<Entry<K, R, A>> {
        let (first, _) = self.ends[USE]?;
        Some(self.take(first))
    }

    /// Takes out the entry that was stored first, if its time is over.
    #[must_use = "drop it outside the lock"]
    pub(super) fn remove_expired(&mut self, now: Instant) -> Option<Entry<K, R, A>> {
        let (first, _) = self.ends[AGE]?;
        match self.entries[first].content {
            Content::Stored {
                until: Some(until), ..
            } if until <= now => Some(self.take(first)),
            _ => None,
        }
    }

    /// Takes out all entries.
    #[must_use = "drop it outside the lock"]
    pub(super) fn take_all(&mut self) -> Self {
        let mut empty = Self::new();
        // No entry to come is taken for one there was.
        empty.added = self.added;
        std::mem::replace(self, empty)
    }

    fn take(&mut self, key: usize) -> Entry<K, R, A> {
        if let Content::Stored { .. } = self.entries[key].content {
            self.stored -= 1;
            self.unlink::<USE>(key);
            self.unlink::<AGE>(key);
        }
        let entry = self.entries.remove(key);
        self.leave_bucket(&entry, key);
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            self.entries = Slab::new();
            self.buckets = HashMap::default();
        }
        entry
    }

    fn leave_bucket(&mut self, entry: &Entry<K, R, A>, key: usize) {
        let mut before = self.buckets[&entry.hash];
        if before == key {
            match entry.next {
                Some(next) => self.buckets.insert(entry.hash, next),
                None => self.buckets.remove(&entry.hash),
            };
            return;
        }
        while let Some(next) = self.entries[before].next {
            if next == key {
                self.entries[before].next = entry.next;
                return;
            }
            before = next;
        }
    }

    /// Puts an entry last.
    fn link<const ORDER: usize>(&mut self, key: usize) {
        let before = self.ends[ORDER].map(|(_, last)| last);
        self.entries[key].links[ORDER] = Links {
            before,
            after: None,
        };
        if let Some(before) = before {
            self.entries[before].links[ORDER].after = Some(key);
        }
        self.ends[ORDER] = Some((self.ends[ORDER].map_or(key, |(first, _)| first), key));
    }

    fn unlink<const ORDER: usize>(&mut self, key: usize) {
        let Links { before, after } = std::mem::take(&mut self.entries[key].links[ORDER]);
        if let Some(before) = before {
            self.entries[before].links[ORDER].after = after;
        }
        if let Some(after) = after {
            self.entries[after].links[ORDER].before = before;
        }
        self.ends[ORDER] = self.ends[ORDER].and_then(|(first, last)| {
            let first = if first == key { after } else { Some(first) };
            let last = if last == key { before } else { Some(last) };
            first.zip(last)
        });
    }
}

/// Takes a hash for what it is.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("the keys are numbers");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
