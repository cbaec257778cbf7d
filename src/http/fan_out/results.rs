use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;
use std::sync::OnceLock;

use super::{FetchError, Fetched};

/// All results of a [`FanOut::fetch_all`](super::FanOut::fetch_all), with their keys, in the
/// order of the input.
///
/// It is a slice of `(key, result)`, which [`get`](Self::get) looks into by key. A key that came
/// twice has two rows.
pub struct FetchResults<K> {
    rows: Vec<(K, Result<Fetched, FetchError>)>,
    index: OnceLock<Index>,
}

/// Places of rows by the hash of their keys, in order.
struct Index {
    hasher: RandomState,
    places: Vec<(u64, usize)>,
}

impl<K> FetchResults<K> {
    pub(super) fn new(rows: Vec<(K, Result<Fetched, FetchError>)>) -> Self {
        Self {
            rows,
            index: OnceLock::new(),
        }
    }

    /// The rows.
    pub fn into_vec(self) -> Vec<(K, Result<Fetched, FetchError>)> {
        self.rows
    }
}

impl<K: Hash + Eq> FetchResults<K> {
    /// The result of `key`, the first one if it came more than once.
    pub fn get<Q>(&self, key: &Q) -> Option<&Result<Fetched, FetchError>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.places(key).next()?;
        Some(&self.rows[place].1)
    }

    /// Every result of `key`, in the order of the input.
    pub fn get_all<'a, Q>(
        &'a self,
        key: &'a Q,
    ) -> impl Iterator<Item = &'a Result<Fetched, FetchError>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.places(key).map(|place| &self.rows[place].1)
    }

    fn places<Q>(&self, key: &Q) -> impl Iterator<Item = usize>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let index = self.index.get_or_init(|| Index::new(&self.rows));
        let places = index.places(key);
        places.filter(move |&place| self.rows[place].0.borrow() == key)
    }
}

impl Index {
    fn new<K: Hash, T>(rows: &[(K, T)]) -> Self {
        let hasher = RandomState::new();
        let hash = |(place, (key, _)): (usize, &(K, T))| (hasher.hash_one(key), place);
        let mut places: Vec<_> = rows.iter().enumerate().map(hash).collect();
        places.sort_unstable();
        Self { hasher, places }
    }

    fn places<Q: Hash + ?Sized>(&self, key: &Q) -> impl Iterator<Item = usize> {
        let hash = self.hasher.hash_one(key);
        let first = self.places.partition_point(|&(other, _)| other < hash);
        let same = self.places[first..].iter();
        same.take_while(move |(other, _)| *other == hash)
            .map(|&(_, place)| place)
    }
}

impl<K> Deref for FetchResults<K> {
    type Target = [(K, Result<Fetched, FetchError>)];

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<K> IntoIterator for FetchResults<K> {
    type Item = (K, Result<Fetched, FetchError>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl<'a, K> IntoIterator for &'a FetchResults<K> {
    type Item = &'a (K, Result<Fetched, FetchError>);
    type IntoIter = std::slice::Iter<'a, (K, Result<Fetched, FetchError>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl<K> fmt::Debug for FetchResults<K> {
    /// No keys: without keys of their own they are URLs, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let results = self.rows.iter().map(|(_, result)| result);
        f.debug_list().entries(results).finish()
    }
}
