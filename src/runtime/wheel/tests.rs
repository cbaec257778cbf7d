//! A wheel does what a sorted map does, and leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Wake;

use super::*;

/// Writes its number down when it is woken.
struct Writes(u64, Arc<Mutex<Vec<u64>>>);

impl Wake for Writes {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// A wheel, and a sorted map that does the same.
#[derive(Default)]
struct Pair {
    wheel: Option<Wheel>,
    model: BTreeMap<(Nanos, u64), ()>,
    keys: BTreeMap<u64, (Nanos, Key)>,
    made: u64,
    now: Nanos,
    woken: Arc<Mutex<Vec<u64>>>,
    fired: usize,
    removed: usize,
}

impl Pair {
    fn wheel(&mut self) -> &mut Wheel {
        self.wheel.get_or_insert_with(Wheel::new)
    }

    fn insert(&mut self, deadline: Nanos) {
        let number = self.made;
        self.made += 1;
        let waker = Arc::new(Writes(number, self.woken.clone())).into();
        let key = self.wheel().insert(deadline, waker);
        self.model.insert((deadline, number), ());
        self.keys.insert(number, (deadline, key));
    }

    fn remove(&mut self, number: u64) {
        let (deadline, key) = self.keys.remove(&number).unwrap();
        let left = self.model.remove(&(deadline, number)).is_some();
        assert_eq!(self.wheel().remove(key).is_some(), left);
        self.removed += usize::from(left);
    }

    /// Goes to `now` and fires at most so many.
    fn advance(&mut self, now: Nanos, most: usize) {
        self.now = now;
        for _ in 0..most {
            let expected = self
                .model
                .first_key_value()
                .map(|(key, ())| *key)
                .filter(|(deadline, _)| *deadline <= now);
            let waker = self.wheel().fire(now);
            assert_eq!(waker.is_some(), expected.is_some());
            let (Some(waker), Some(expected)) = (waker, expected) else {
                break;
            };
            waker.wake();
            assert_eq!(self.woken.lock().unwrap().pop(), Some(expected.1));
            self.model.remove(&expected);
            self.fired += 1;
            let key = &self.keys[&expected.1].1;
            assert!(self.wheel.as_mut().unwrap().waker_mut(key).is_none());
        }
        self.check();
    }

    fn check(&mut self) {
        let first = self.model.first_key_value().map(|((at, _), ())| *at);
        let now = self.now;
        let wheel = self.wheel();
        let next = wheel.next();
        assert_eq!(next.is_some(), first.is_some());
        assert!(next <= first, "it would be late");
        assert!(next.is_none_or(|next| next > now) || first <= Some(now));
        assert_eq!(wheel.len(), self.keys.len());
    }
}

fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Lengths of all magnitudes, so that all levels are used and left.
fn length(random: &mut impl FnMut(u64) -> u64) -> u64 {
    let bits = 1 + random(50);
    random(1 << bits)
}

#[test]
fn a_wheel_is_a_sorted_map() {
    let (mut fired, mut removed) = (0, 0);
    for seed in 0..300 {
        let mut random = random(seed);
        let mut pair = Pair::default();
        for _ in 0..200 {
            match random(8) {
                0..4 => {
                    let deadline = pair.now + length(&mut random);
                    pair.insert(deadline);
                    // The same moment twice, the past, and what never comes.
                    match random(8) {
                        0 => pair.insert(deadline),
                        1 => pair.insert(pair.now.saturating_sub(random(1 << 30))),
                        2 => pair.insert(Nanos::MAX - random(3)),
                        _ => {}
                    }
                }
                4..6 if !pair.keys.is_empty() => {
                    let nth = random(pair.keys.len() as u64) as usize;
                    let number = *pair.keys.keys().nth(nth).unwrap();
                    pair.remove(number);
                }
                6 => {
                    let next = pair.wheel().next();
                    let now = next.filter(|next| *next < 1 << 60).unwrap_or(0);
                    pair.advance(now.max(pair.now), usize::MAX);
                }
                _ => {
                    let now = pair.now + length(&mut random);
                    pair.advance(now, 1 + random(5) as usize);
                }
            }
            pair.check();
        }
        pair.advance(Nanos::MAX, usize::MAX);
        assert!(pair.model.is_empty());
        fired += pair.fired;
        removed += pair.removed;
    }
    assert!(fired > 10_000 && removed > 3_000, "{fired}, {removed}");
}

/// Alone in the wheel, a timer has its thread wake once, however far it is.
#[test]
fn a_far_timer_is_looked_at_once() {
    for bits in 0..Nanos::BITS {
        let mut pair = Pair::default();
        let deadline = 1 << bits;
        pair.insert(deadline);
        assert_eq!(pair.wheel().next(), Some(deadline));
        pair.advance(deadline - 1, 1);
        assert_eq!(pair.fired, 0);
        assert_eq!(pair.wheel().next(), Some(deadline));
        pair.advance(deadline, 1);
        assert_eq!(pair.fired, 1);
    }
}

#[test]
fn timers_that_are_removed_leave_nothing() {
    let mut wheel = Wheel::new();
    let mut random = random(7);
    for _ in 0..3 {
        let keys: Vec<_> = (0..100_000)
            .map(|_| wheel.insert(length(&mut random), Waker::noop().clone()))
            .collect();
        for key in keys {
            assert!(wheel.remove(key).is_some());
        }
        assert_eq!(wheel.next(), None);
        assert!(wheel.entries.capacity() <= KEPT && wheel.open.is_empty());
        for level in &*wheel.levels {
            assert_eq!(level.occupied, 0);
            let room = level.slots.iter().map(|slot| slot.timers.capacity());
            assert!(room.max() <= Some(KEPT));
        }
    }
}
