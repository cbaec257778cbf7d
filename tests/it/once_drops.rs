//! When a load of a value is dropped.

use std::future::{poll_fn, ready};
use std::task::Poll;

use untethered::sync::Once;

use crate::polled::Polled;
use crate::support::Drops;

#[test]
fn a_load_is_dropped_before_its_value_is_seen() {
    let once = Once::new();
    let drops = Drops::default();
    let guard = drops.guard();
    let mut load = Polled::new(once.load(|| {
        poll_fn(move |_| {
            let _ = &guard;
            Poll::Ready(7)
        })
    }));
    assert_eq!(*load.ready(), 7);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_load_that_is_not_needed_is_dropped_before_the_value_is_seen() {
    let once = Once::new();
    assert_eq!(*Polled::new(once.load(|| ready(7))).ready(), 7);
    let drops = Drops::default();
    let guard = drops.guard();
    let mut load = Polled::new(once.load(move || {
        drop(guard);
        ready(8)
    }));
    assert_eq!(*load.ready(), 7);
    assert_eq!(drops.count(), 1);
}
