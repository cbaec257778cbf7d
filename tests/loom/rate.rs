//! Rate limits, while time stands still.

use std::time::Duration;

use loom::future::block_on;
use loom::thread;
use untethered::sync::{KeyedRateLimit, RateLimit};

use super::group::Hand;
use super::poll_and_drop;

const SECOND: Duration = Duration::from_secs(1);

// L1
#[test]
fn starts_beside_each_other_keep_the_rate() {
    loom::model(|| {
        let (_, rt) = Hand::new();
        let rate = RateLimit::new(1, SECOND);
        let other = thread::spawn({
            let (rate, rt) = (rate.clone(), rt.clone());
            move || rate.try_acquire(&rt)
        });
        let mine = rate.try_acquire(&rt);
        assert!(mine != other.join().unwrap());
    });
}

// L2
#[test]
fn a_higher_rate_beside_a_wait_lets_it_in() {
    super::bounded_model(|| {
        let (_, rt) = Hand::new();
        let rate = RateLimit::new(1, SECOND);
        assert!(rate.try_acquire(&rt));
        let impatient = thread::spawn({
            let (rate, rt) = (rate.clone(), rt.clone());
            move || poll_and_drop(rate.acquire(&rt))
        });
        let setter = thread::spawn({
            let rate = rate.clone();
            move || rate.set(3, SECOND)
        });
        block_on(rate.acquire(&rt));
        setter.join().unwrap();
        let third = impatient.join().unwrap();
        assert_eq!(rate.try_acquire(&rt), !third);
    });
}

// L1 L3
#[test]
fn a_key_that_is_in_use_beside_the_freeing_of_idle_ones_keeps_its_rate() {
    super::bounded_model(|| {
        let (_, rt) = Hand::new();
        let rate = KeyedRateLimit::new(1, SECOND);
        let frees = thread::spawn({
            let (rate, rt) = (rate.clone(), rt.clone());
            move || rate.free_idle(&rt)
        });
        let other = thread::spawn({
            let (rate, rt) = (rate.clone(), rt.clone());
            move || rate.try_acquire(&rt, 1)
        });
        let mine = rate.try_acquire(&rt, 1);
        assert!(mine != other.join().unwrap());
        frees.join().unwrap();
    });
}
