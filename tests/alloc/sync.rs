use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use untethered::sim::Sim;
use untethered::sync::{Event, KeyedRateLimit, Limit, Once, RateLimit};

use crate::counter::count;

const MANY: usize = 100_000;

/// Polls a future that has to wait, and drops it.
macro_rules! give_up {
    ($future:expr) => {
        assert!(
            pin!($future)
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        )
    };
}

// E3 O4 S4
#[test]
fn waits_that_are_dropped_allocate_and_leave_nothing() {
    let event = Event::new();
    let limit = Limit::new(1);
    let child = limit.child(1);
    let held = limit.try_acquire();
    let once = Once::<u8>::new();
    let mut loading = pin!(once.load(std::future::pending));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(loading.as_mut().poll(&mut cx).is_pending());
    let wait = || {
        give_up!(event.wait());
        give_up!(limit.acquire_many(2));
        give_up!(child.acquire());
        give_up!(once.load(std::future::pending));
    };
    wait();
    let (counts, ()) = count(|| (0..MANY).for_each(|_| wait()));
    assert_eq!((counts.allocations, counts.kept), (0, 0));
    drop(held);
}

// E3
#[test]
fn an_event_that_is_set_and_cleared_allocates_nothing() {
    let event = Event::new();
    let mut cx = Context::from_waker(Waker::noop());
    let mut round = || {
        let mut wait = pin!(event.wait());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        event.set();
        assert!(wait.as_mut().poll(&mut cx).is_ready());
        event.clear();
    };
    round();
    let (counts, ()) = count(|| (0..MANY).for_each(|_| round()));
    assert_eq!((counts.allocations, counts.kept), (0, 0));
}

// E3
#[test]
fn many_who_waited_for_an_event_leave_nothing() {
    let event = Event::new();
    let mut cx = Context::from_waker(Waker::noop());
    let (counts, ()) = count(|| {
        let mut waits: Vec<_> = (0..MANY).map(|_| Box::pin(event.wait())).collect();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut cx).is_pending());
        }
        event.set();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut cx).is_ready());
        }
    });
    assert_eq!(counts.kept, 0);
}

// L3
#[test]
fn starts_and_keys_that_are_over_leave_nothing() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(2, Duration::from_secs(1));
    let keyed = KeyedRateLimit::new(1, Duration::from_secs(1));
    let mut round = |key: usize| {
        assert!(rate.try_acquire(&rt));
        assert!(keyed.try_acquire(&rt, key));
        sim.advance(Duration::from_secs(1));
        keyed.free_idle(&rt);
    };
    round(0);
    let (counts, ()) = count(|| (1..1000).for_each(&mut round));
    assert_eq!(counts.kept, 0);
    assert!(keyed.is_empty());
}
