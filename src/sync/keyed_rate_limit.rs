use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::iter::successors;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::InvalidRate;
use super::rate_limit::{Rate, Wait, Window};
use crate::primitives::Mutex;
use crate::runtime::Runtime;

/// A [`RateLimit`](super::RateLimit) for each key: at most n starts of one key in any interval of
/// the period.
///
/// A key whose starts are all longer ago than the period, and for which nobody waits, is idle: it
/// is freed when a new key comes, with all others that are idle, but at most once a period. So
/// memory holds no more keys than were used within two periods. Clones share the limits.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::sync::KeyedRateLimit;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let rate = KeyedRateLimit::new(1, Duration::from_secs(1));
/// sim.block_on(async {
///     rate.acquire(&rt, "a.example").await;
///     rate.acquire(&rt, "b.example").await;
/// });
/// assert_eq!(sim.elapsed(), Duration::ZERO);
/// assert!(!rate.try_acquire(&rt, "a.example"));
/// # }
/// ```
pub struct KeyedRateLimit<K> {
    keys: Arc<Keys<K>>,
}

struct Keys<K> {
    hasher: RandomState,
    state: Mutex<State<K>>,
}

struct State<K> {
    rate: Rate,
    /// By the hash of the key: comparing keys runs foreign code, which must not happen while the
    /// lock is held.
    chains: HashMap<u64, Arc<Entry<K>>>,
    /// When idle keys were last looked for.
    swept: Option<Instant>,
}

struct Entry<K> {
    key: K,
    window: Window,
    /// Another key with the same hash.
    next: Option<Arc<Entry<K>>>,
}

impl<K: Hash + Eq> KeyedRateLimit<K> {
    /// At most `limit` starts of each key in any interval of `period`.
    ///
    /// # Panics
    ///
    /// If `limit` or `period` is nought. For numbers that come from outside take
    /// [`try_new`](Self::try_new).
    #[track_caller]
    pub fn new(limit: usize, period: Duration) -> Self {
        match Self::try_new(limit, period) {
            Ok(rate) => rate,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`new`](Self::new), for numbers that come from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidRate`] if `limit` or `period` is nought.
    pub fn try_new(limit: usize, period: Duration) -> Result<Self, InvalidRate> {
        Ok(Self {
            keys: Arc::new(Keys {
                hasher: RandomState::new(),
                state: Mutex::new(State {
                    rate: Rate::new(limit, period)?,
                    chains: HashMap::new(),
                    swept: None,
                }),
            }),
        })
    }

    /// Changes the rate of every key, for those who wait too.
    ///
    /// # Panics
    ///
    /// If `limit` or `period` is nought. For numbers that come from outside take
    /// [`try_set`](Self::try_set).
    #[track_caller]
    pub fn set(&self, limit: usize, period: Duration) {
        if let Err(error) = self.try_set(limit, period) {
            panic!("{error}");
        }
    }

    /// As [`set`](Self::set), for numbers that come from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidRate`] if `limit` or `period` is nought; the rate stays as it was.
    pub fn try_set(&self, limit: usize, period: Duration) -> Result<(), InvalidRate> {
        let rate = Rate::new(limit, period)?;
        let mut state = self.keys.state.lock();
        state.rate = rate;
        let chains: Vec<_> = state.chains.values().cloned().collect();
        drop(state);
        for entry in chains.iter().flat_map(Entry::chain) {
            entry.window.set(rate);
        }
        Ok(())
    }

    /// Waits until one more of `key` may start.
    ///
    /// The start counts from the moment at which the wait is over, by the clock of `rt`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait uses up nothing and lets the next one move up.
    pub fn acquire<'a>(&self, rt: &'a Runtime, key: K) -> AcquireKey<'a, K> {
        AcquireKey {
            rt,
            wait: Wait::new(Held(self.keys.entry(rt, key))),
        }
    }

    /// Whether one more of `key` may start now, in which case it counts. Passes nobody who waits.
    pub fn try_acquire(&self, rt: &Runtime, key: K) -> bool {
        self.keys.entry(rt, key).window.try_start(rt)
    }

    /// Frees all keys that are idle, however recently that was done.
    pub fn free_idle(&self, rt: &Runtime) {
        let now = rt.now();
        let idle = self.keys.state.lock().sweep(now);
        drop(idle);
    }

    /// How many keys are held in memory.
    pub fn len(&self) -> usize {
        let state = self.keys.state.lock();
        state.chains.values().flat_map(Entry::chain).count()
    }

    /// Whether no key is held in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of one key may start in a period.
    pub fn limit(&self) -> usize {
        self.keys.state.lock().rate.limit.get()
    }

    /// The period.
    pub fn period(&self) -> Duration {
        self.keys.state.lock().rate.period
    }
}

impl<K> Clone for KeyedRateLimit<K> {
    fn clone(&self) -> Self {
        Self {
            keys: self.keys.clone(),
        }
    }
}

impl<K> fmt::Debug for KeyedRateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.keys.state.lock().rate;
        f.debug_struct("KeyedRateLimit")
            .field("limit", &rate.limit)
            .field("period", &rate.period)
            .finish_non_exhaustive()
    }
}

impl<K> Entry<K> {
    /// All with the same hash.
    fn chain(first: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        successors(Some(first), |entry| entry.next.as_ref())
    }
}

/// The window of an entry, which it keeps from being freed.
struct Held<K>(Arc<Entry<K>>);

impl<K> AsRef<Window> for Held<K> {
    fn as_ref(&self) -> &Window {
        &self.0.window
    }
}

impl<K: Hash + Eq> Keys<K> {
    /// The entry of `key`, made if there is none.
    fn entry(&self, rt: &Runtime, key: K) -> Arc<Entry<K>> {
        let hash = self.hasher.hash_one(&key);
        // What was looked through without finding it.
        let mut seen = None;
        loop {
            let now = seen.is_some().then(|| rt.now());
            let mut state = self.state.lock();
            let present = state.chains.get(&hash).cloned();
            match (&seen, now) {
                (Some(seen), Some(now)) if same(seen, &present) => {
                    let idle = state.sweep_if_due(now);
                    let entry = Arc::new(Entry {
                        key,
                        window: Window::new(state.rate),
                        next: present,
                    });
                    state.chains.insert(hash, entry.clone());
                    drop(state);
                    drop(idle);
                    return entry;
                }
                _ => drop(state),
            }
            let mut chain = present.iter().flat_map(Entry::chain);
            if let Some(entry) = chain.find(|entry| entry.key == key) {
                return entry.clone();
            }
            drop(chain);
            seen = Some(present);
        }
    }
}

fn same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl<K> State<K> {
    /// As `sweep`, if that was not done for a period.
    #[must_use = "drop them outside the lock"]
    fn sweep_if_due(&mut self, now: Instant) -> Vec<Arc<Entry<K>>> {
        let swept = *self.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) < self.rate.period {
            return Vec::new();
        }
        self.sweep(now)
    }

    /// Takes out the keys that are idle. Whoever uses one holds its entry, or its chain.
    #[must_use = "drop them outside the lock"]
    fn sweep(&mut self, now: Instant) -> Vec<Arc<Entry<K>>> {
        self.swept = Some(now);
        let mut idle = Vec::new();
        self.chains.retain(|_, first| {
            let held = Entry::chain(first)
                .any(|entry| Arc::strong_count(entry) > 1 || !entry.window.is_idle(now));
            if !held {
                idle.push(first.clone());
            }
            held
        });
        self.chains.shrink_to(2 * self.chains.len());
        idle
    }
}

/// The future of [`KeyedRateLimit::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireKey<'a, K> {
    rt: &'a Runtime,
    wait: Wait<Held<K>>,
}

impl<K> Future for AcquireKey<'_, K> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.wait.poll(this.rt, cx)
    }
}

impl<K> fmt::Debug for AcquireKey<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireKey").finish_non_exhaustive()
    }
}
