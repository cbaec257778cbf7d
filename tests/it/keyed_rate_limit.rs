use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use untethered::sim::{Sim, explore_orders, yield_now};
use untethered::sync::KeyedRateLimit;

use crate::polled::{Polled, now};
use crate::support::panic_text;

const SECOND: Duration = Duration::from_secs(1);

// L1
#[test]
fn each_key_has_a_window_of_its_own() {
    explore_orders(50, |sim| {
        let rt = sim.runtime();
        let rate = KeyedRateLimit::new(2, SECOND);
        let tasks: Vec<_> = (0..12)
            .map(|index| {
                let (rate, rt) = (rate.clone(), rt.clone());
                rt.clone().spawn(async move {
                    if index % 2 == 0 {
                        yield_now().await;
                    }
                    rate.acquire(&rt, index % 3).await;
                    (index % 3, rt.now())
                })
            })
            .collect();
        let begin = sim.now();
        let mut starts = [const { Vec::new() }; 3];
        sim.block_on(async {
            for task in tasks {
                let (key, at) = task.await.unwrap();
                starts[key].push(at - begin);
            }
        });
        for mut starts in starts {
            starts.sort_unstable();
            assert_eq!(starts, [Duration::ZERO, Duration::ZERO, SECOND, SECOND]);
        }
    });
}

// L3
#[test]
fn idle_keys_are_freed() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = KeyedRateLimit::new(1, SECOND);
    assert!(rate.is_empty());
    for key in 0..20_000 {
        assert!(rate.try_acquire(&rt, key));
        if key % 100 == 0 {
            sim.advance(SECOND / 10);
            let held = rate.len();
            assert!(
                held <= 2 * 1100,
                "more than came within two periods: {held}"
            );
        }
    }
    rate.free_idle(&rt);
    assert!(!rate.is_empty(), "some are not idle yet");
    sim.advance(SECOND);
    rate.free_idle(&rt);
    assert!(rate.is_empty());
}

// L3
#[test]
fn a_key_in_use_is_kept() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = KeyedRateLimit::new(1, SECOND);
    now(rate.acquire(&rt, "busy"));
    let mut waits = Polled::waiting(rate.acquire(&rt, "busy"));
    let unpolled = rate.acquire(&rt, "about to be");
    sim.advance(10 * SECOND);
    rate.free_idle(&rt);
    assert_eq!(rate.len(), 2);
    assert!(!rate.try_acquire(&rt, "busy"), "somebody waits for it");
    waits.ready();
    now(unpolled);
    assert!(!rate.try_acquire(&rt, "about to be"));
}

// L3
#[test]
fn a_key_is_kept_as_long_as_its_last_start_counts() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = KeyedRateLimit::new(2, 2 * SECOND);
    assert!(rate.try_acquire(&rt, "key"));
    sim.advance(SECOND);
    assert!(rate.try_acquire(&rt, "key"));
    // The first is over, the second is not.
    sim.advance(SECOND);
    rate.free_idle(&rt);
    assert!(rate.try_acquire(&rt, "key"));
    assert!(!rate.try_acquire(&rt, "key"), "three within two seconds");
}

// L2
#[test]
fn the_rate_of_all_keys_can_be_changed() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = KeyedRateLimit::new(1, 60 * SECOND);
    for key in ["a", "b"] {
        assert!(rate.try_acquire(&rt, key));
    }
    let mut waits = Polled::waiting(rate.acquire(&rt, "a"));
    rate.set(2, 10 * SECOND);
    assert_eq!((rate.limit(), rate.period()), (2, 10 * SECOND));
    assert_eq!(waits.woken(), 1);
    waits.ready();
    assert!(rate.try_acquire(&rt, "b") && !rate.try_acquire(&rt, "b"));
    assert!(rate.try_acquire(&rt, "new") && rate.try_acquire(&rt, "new"));
    assert!(rate.try_set(0, SECOND).is_err());
    assert_eq!(rate.limit(), 2);
}

/// A key that uses its limit whenever it is hashed, compared or dropped, and has one hash only.
struct Nosy {
    name: u8,
    rate: KeyedRateLimit<Nosy>,
    used: Arc<AtomicUsize>,
}

impl Nosy {
    fn use_it(&self) {
        self.used.fetch_add(1, SeqCst);
        assert!(self.rate.len() < 10);
    }
}

impl Hash for Nosy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.use_it();
        7_u8.hash(state);
    }
}

impl PartialEq for Nosy {
    fn eq(&self, other: &Self) -> bool {
        self.use_it();
        self.name == other.name
    }
}

impl Eq for Nosy {}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.use_it();
    }
}

// L4
#[test]
fn keys_may_use_the_limit_and_share_a_hash() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = KeyedRateLimit::new(1, SECOND);
    let used = Arc::new(AtomicUsize::new(0));
    let key = |name| {
        let (rate, used) = (rate.clone(), used.clone());
        Nosy { name, rate, used }
    };
    for name in 0..4 {
        assert!(rate.try_acquire(&rt, key(name)));
        assert!(!rate.try_acquire(&rt, key(name)));
    }
    assert_eq!(rate.len(), 4);
    sim.advance(SECOND);
    assert!(rate.try_acquire(&rt, key(2)));
    rate.free_idle(&rt);
    assert_eq!(rate.len(), 4, "those with one hash go together");
    sim.advance(SECOND);
    rate.free_idle(&rt);
    assert!(rate.is_empty());
    assert!(used.load(SeqCst) > 20);
}

#[test]
fn nought_is_refused() {
    for text in [
        panic_text(|| KeyedRateLimit::<u8>::new(0, SECOND)),
        panic_text(|| KeyedRateLimit::<u8>::new(1, SECOND).set(0, SECOND)),
    ] {
        assert_eq!(text, "a rate limit of nought lets nobody start");
    }
    assert!(KeyedRateLimit::<u8>::try_new(1, Duration::ZERO).is_err());
}

#[test]
fn debug_shows_the_rate() {
    let rate = KeyedRateLimit::<u8>::new(3, SECOND);
    assert_eq!(
        format!("{rate:?}"),
        "KeyedRateLimit { limit: 3, period: 1s, .. }"
    );
    let sim = Sim::new();
    let rt = sim.runtime();
    assert_eq!(format!("{:?}", rate.acquire(&rt, 1)), "AcquireKey { .. }");
}
