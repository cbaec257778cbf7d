//! The wakers that waits give up.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use untethered::group::Group;
use untethered::sim::Sim;
use untethered::sync::{Event, Limit, Once, RateLimit};
use untethered::{CancellationToken, Queue};

use crate::polled::Polled;

/// The last of its wakers panics when it is dropped.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Bad {
    fn drop(&mut self) {
        panic!("a waker that panics when it is dropped");
    }
}

/// Polls with a waker that only the wait has afterwards.
fn poll_badly<F: Future>(wait: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    let bad = Arc::new(Bad);
    let waker = Waker::from(bad.clone());
    let poll = wait.as_mut().poll(&mut Context::from_waker(&waker));
    drop(waker);
    if Arc::strong_count(&bad) == 1 {
        // Nobody kept it: this one must not panic.
        std::mem::forget(bad);
    }
    poll
}

/// The wait gives up one waker when it is polled with another, and one when it is dropped.
fn check<F: Future>(wait: F) {
    let mut wait = Box::pin(wait);
    for _ in 0..3 {
        assert!(poll_badly(&mut wait).is_pending());
    }
    drop(wait);
}

// Q7
#[test]
fn a_waker_that_panics_when_it_is_dropped_harms_no_wait() {
    let sim = Sim::new();
    let rt = sim.runtime();
    check(Event::new().wait());
    check(CancellationToken::new().cancelled());

    let limit = Limit::new(1);
    let _held = limit.try_acquire();
    check(limit.acquire());
    check(limit.child(1).acquire());

    let rate = RateLimit::new(1, Duration::MAX);
    assert!(rate.try_acquire(&rt));
    check(rate.acquire(&rt));

    let once = Once::new();
    let mut load = Box::pin(once.load(pending::<i32>));
    assert!(poll_badly(&mut load).is_pending());
    check(once.load(pending::<i32>));

    let group = Group::builder(&rt).build();
    check(group.spawn(pending::<()>()));
    check(group.closing());
    check(group.closed());

    let queue = Queue::bounded(1);
    check(queue.pop());
    check(queue.closed());
    queue.try_push(1).unwrap();
    check(queue.push(2));
}

/// A waker that uses what woke it.
struct Uses<F>(F);

impl<F: Fn() + Send + Sync + 'static> Uses<F> {
    fn waker(use_it: F) -> Waker {
        Waker::from(Arc::new(Self(use_it)))
    }
}

impl<F: Fn() + Send + Sync + 'static> Wake for Uses<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

// S5
#[test]
fn wakers_may_use_the_limit() {
    let limit = Limit::new(2);
    let (uses, woken) = (limit.clone(), Arc::new(AtomicUsize::new(0)));
    let count = woken.clone();
    let waker = Uses::waker(move || {
        uses.set_total(uses.total());
        drop(uses.try_acquire());
        count.fetch_add(1, SeqCst);
    });
    let mut cx = Context::from_waker(&waker);

    let held = [limit.try_acquire(), limit.try_acquire()];
    let mut wait = Box::pin(limit.acquire());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    drop(held);
    assert!(wait.as_mut().poll(&mut cx).is_ready());

    let held = limit.try_acquire_many(2);
    let mut wait = Box::pin(limit.acquire());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    limit.set_total(3);
    assert!(wait.as_mut().poll(&mut cx).is_ready());
    limit.set_total(2);
    drop(held);

    let held = limit.try_acquire();
    let mut heavy = Box::pin(limit.acquire_many(2));
    assert!(heavy.as_mut().poll(&mut cx).is_pending());
    let mut wait = Box::pin(limit.acquire());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    drop(heavy);
    assert!(wait.as_mut().poll(&mut cx).is_ready());
    drop(held);
    assert_eq!(woken.load(SeqCst), 3);
}

// O5
#[test]
fn wakers_may_use_the_value_they_wait_for() {
    let once = Arc::new(Once::new());
    let (uses, woken) = (once.clone(), Arc::new(AtomicUsize::new(0)));
    let count = woken.clone();
    let waker = Uses::waker(move || {
        drop(uses.get());
        count.fetch_add(1, SeqCst);
    });
    let mut cx = Context::from_waker(&waker);

    let mut dropped = Polled::waiting(once.load(pending::<i32>));
    let loaded = Event::new();
    let mut next = Box::pin(once.load(|| async {
        loaded.wait().await;
        7
    }));
    assert!(next.as_mut().poll(&mut cx).is_pending());
    assert!(dropped.poll().is_pending());
    drop(dropped);
    assert_eq!(woken.load(SeqCst), 1);

    assert!(next.as_mut().poll(&mut cx).is_pending());
    let mut last = Box::pin(once.load(pending::<i32>));
    assert!(last.as_mut().poll(&mut cx).is_pending());
    loaded.set();
    assert!(next.as_mut().poll(&mut cx).is_ready());
    assert!(last.as_mut().poll(&mut cx).is_ready());
    assert_eq!(woken.load(SeqCst), 3);
}
