use std::pin::pin;
use std::task::{Context, Waker};

use untethered::CancellationToken;

use crate::counter::count;

const MANY: usize = 100_000;

#[test]
fn waiters_that_are_dropped_leave_nothing() {
    let token = CancellationToken::new();
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = || {
        let mut wait = Box::pin(token.cancelled());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        wait
    };
    // All of them at once.
    let (alone, ()) = count(|| {
        let waits: Vec<_> = (0..MANY).map(|_| wait()).collect();
        drop(waits);
    });
    assert_eq!(alone.kept, 0);

    // One after the other, beside one that stays.
    let stays = wait();
    let (beside, ()) = count(|| (0..MANY).for_each(|_| drop(wait())));
    assert_eq!(beside.kept, 0, "once grown, the list is big enough for two");
    drop(stays);
}

#[test]
fn a_wait_allocates_nothing_once_the_list_has_grown() {
    let token = CancellationToken::new();
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = || {
        let mut wait = pin!(token.cancelled());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    };
    wait();
    let (counts, ()) = count(|| (0..MANY).for_each(|_| wait()));
    assert_eq!((counts.allocations, counts.kept), (0, 0));
}

#[test]
fn children_that_are_dropped_leave_nothing() {
    let root = CancellationToken::new();
    let (counts, ()) = count(|| {
        let children: Vec<_> = (0..MANY).map(|_| root.child_token()).collect();
        drop(children);
    });
    assert_eq!(counts.kept, 0);

    let (counts, ()) = count(|| {
        let token = CancellationToken::new();
        let children: Vec<_> = (0..MANY).map(|_| token.child_token()).collect();
        token.cancel("now");
        assert!(children.iter().all(CancellationToken::is_cancelled));
    });
    assert_eq!(counts.kept, 0);
    assert!(!root.is_cancelled());
}

#[test]
fn asking_allocates_nothing() {
    let token = CancellationToken::new();
    let child = token.child_token();
    token.cancel("now");
    let (counts, ()) = count(|| {
        assert!(child.is_cancelled());
        assert_eq!(child.reason().unwrap().as_str(), "now");
        drop(child.clone());
        token.cancel("again");
    });
    assert_eq!(counts.allocations, 0);
}
