//! What an async function gave for a key, kept.
//!
//! A [`Memo`] loads a value when it is asked for and keeps it: so many of them, those used last,
//! for so long. Whoever asks for a key that is being loaded waits for that load.
//!
//! # One load
//!
//! The load belongs to all who wait for it. Whichever of them is polled drives it, so one who is
//! not polled holds nobody up, and one who is dropped takes nothing from the others. When the
//! last one is dropped, the load is dropped too and its key is free.
//!
//! An error goes to everybody who waits for that load and is not kept, unless
//! [`keep_errors`](Builder::keep_errors) says so. A panic goes on in the task whose function the load
//! is, or, if that was dropped, in the one that polled it; the next who waits begins another load,
//! with its own function.
//!
//! A load must not ask for its own key: it would wait for itself. It is sent to whichever thread
//! polls it, so its future is `Send` and borrows nothing; the function that makes it may borrow.
//!
//! # Order
//!
//! A value is used when it is stored and each time it is asked for. Where a value more than the
//! capacity is stored, the one goes whose last use is longest ago. Keys that are being loaded do
//! not count: those who wait for them hold them.
//!
//! A value lives from the end of its load; asking for it does not make it live longer. Values whose time is
//! over are freed when something is stored, or when they are asked for.
//!
//! # Keys
//!
//! As in a `HashMap`, keys that are equal must have the same hash and must not change in that while they are
//! inside; else values are not found. They are hashed and compared, and values and keys dropped,
//! while no lock is held, so all that may use the memo.
//!
//! # Examples
//!
//! ```
//! use untethered::memo::Memo;
//!
//! async fn length_of(page: &'static str) -> usize {
//!     page.len() // imagine a request
//! }
//!
//! # futures_lite::future::block_on(async {
//! let lengths = Memo::new(100);
//! for page in ["a", "bcd", "a"] {
//!     let length = lengths.load(page, || length_of(page)).await.unwrap();
//!     assert_eq!(*length, page.len());
//! }
//! assert_eq!((lengths.stats().hits, lengths.stats().loads), (1, 2));
//! # });
//! ```

mod asker;
mod builder;
mod inner;
mod load;
mod load_error;
mod run;
mod stats;
mod table;
mod wait;

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;

use self::inner::Inner;

pub use self::builder::Builder;
pub use self::load::{Load, TryLoad};
pub use self::load_error::LoadError;
pub use self::stats::Stats;

/// A cache of what is loaded by async functions. For loads that may fail, `E` is the error.
///
/// Clones are the same memo. Values are given out in an [`Arc`]. Dropping the last clone drops
/// what is stored. See the [module](self) for what holds.
pub struct Memo<K, V, E = Infallible> {
    inner: Arc<Inner<K, V, E>>,
}

impl<K, V, E> Memo<K, V, E> {
    /// A memo that keeps `capacity` values.
    ///
    /// # Panics
    ///
    /// If `capacity` is nought: it would keep nothing. For a number that comes from outside take
    /// `Memo::from(NonZeroUsize)`.
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Memo::builder().capacity(capacity).build()
    }

    /// A memo that keeps every value.
    pub fn unbounded() -> Self {
        Memo::builder().unbounded().build()
    }

    /// How many values are stored. Those whose time is over count until they are freed.
    pub fn len(&self) -> usize {
        self.inner.state.lock().table.stored()
    }

    /// Whether no value is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values it keeps; `None` if unbounded.
    pub fn capacity(&self) -> Option<usize> {
        self.inner.capacity.map(NonZeroUsize::get)
    }

    /// How often what happened, since the memo was made.
    pub fn stats(&self) -> Stats {
        self.inner.state.lock().stats
    }

    /// Forgets every value. Counts stay as they are.
    ///
    /// Loads that run meanwhile began before: they go on for those who wait for them, and their
    /// values are not kept.
    pub fn clear(&self) {
        let mut state = self.inner.state.lock();
        let removed = state.table.take_all();
        drop(state);
        drop(removed);
    }

    /// Forgets every value and loads nothing more: who asks from now on gets
    /// [`LoadError::Closed`].
    ///
    /// Loads that run meanwhile go on for those who wait for them.
    pub fn close(&self) {
        self.inner.state.lock().closed = true;
        self.clear();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.state.lock().closed
    }
}

impl Memo<(), ()> {
    /// Settings for a new memo.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<K, V> Memo<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Gives the value of `key`; loads it first with `load` if it is not stored and nobody loads
    /// it.
    ///
    /// `load` is called when the returned future is polled, if at all. For a load that may fail
    /// take [`try_load`](Self::try_load).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a load that others wait for goes on without it; else the load is dropped.
    ///
    /// # Errors
    ///
    /// [`LoadError::Closed`] if the memo is closed.
    ///
    /// # Panics
    ///
    /// If `load` or its future does, as the [module](self) says.
    pub fn load<F, L>(&self, key: K, load: F) -> Load<'_, K, V, F>
    where
        F: FnOnce() -> L,
        L: Future<Output = V> + Send + 'static,
    {
        Load::new(self, key, load)
    }
}

impl<K, V, E> Memo<K, V, E>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// As [`load`](Self::load), with a function that may fail.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a load that others wait for goes on without it; else the load is dropped.
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`] with what the load failed with, the same for all who wait for it;
    /// [`LoadError::Closed`] if the memo is closed.
    ///
    /// # Panics
    ///
    /// If `load` or its future does, as the [module](self) says.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use untethered::memo::{LoadError, Memo};
    ///
    /// # futures_lite::future::block_on(async {
    /// let ports: Memo<&str, u16, ParseIntError> = Memo::new(10);
    /// let failed = ports.try_load("http", || async { "eighty".parse() }).await;
    /// assert!(matches!(failed, Err(LoadError::Failed(_))));
    /// let port = ports.try_load("http", || async { "80".parse() }).await.unwrap();
    /// assert_eq!(*port, 80);
    /// # });
    /// ```
    pub fn try_load<F, L>(&self, key: K, load: F) -> TryLoad<'_, K, V, E, F>
    where
        F: FnOnce() -> L,
        L: Future<Output = Result<V, E>> + Send + 'static,
    {
        TryLoad::new(self, key, load)
    }
}

impl<K: Hash + Eq, V, E> Memo<K, V, E> {
    /// The value of `key`, if it is stored. A use of it.
    ///
    /// Nothing for a key that is being loaded, or whose error is kept.
    pub fn get<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let now = self.inner.now();
        let (mut state, place) = self.inner.find(self.inner.hash(key), key);
        let answer = place.and_then(|place| state.stored(place, now));
        match answer {
            Some(_) => state.stats.hits += 1,
            None => state.stats.misses += 1,
        }
        drop(state);
        answer.and_then(Result::ok)
    }

    /// Whether something is stored for `key`. No use of it, and not counted.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let now = self.inner.now();
        let (state, place) = self.inner.find(self.inner.hash(key), key);
        place.is_some_and(|place| state.is_live(place, now))
    }

    /// Forgets what is stored for `key`; whether there was anything.
    ///
    /// A load that runs meanwhile began before: it goes on for those who wait for it, and its value is not kept. Who
    /// asks from now on begins another.
    pub fn invalidate<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let now = self.inner.now();
        let (mut state, place) = self.inner.find(self.inner.hash(key), key);
        let live = place.is_some_and(|place| state.is_live(place, now));
        let removed = place.map(|place| state.table.remove(place));
        drop(state);
        drop(removed);
        live
    }
}

impl<K, V, E> From<NonZeroUsize> for Memo<K, V, E> {
    /// A memo that keeps so many values.
    fn from(capacity: NonZeroUsize) -> Self {
        Memo::new(capacity.get())
    }
}

impl<K, V, E> Clone for Memo<K, V, E> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<K, V, E> fmt::Debug for Memo<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
