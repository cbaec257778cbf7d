use std::pin::pin;
use std::task::{Context, Waker};

use untethered::Queue;

use crate::counter::count;

const MANY: usize = 100_000;

// Q5
#[test]
fn waits_that_are_dropped_leave_nothing() {
    let mut cx = Context::from_waker(Waker::noop());
    let full = Queue::bounded(1);
    full.try_push(0).unwrap();
    let empty = Queue::<usize>::bounded(1);
    let (all_at_once, ()) = count(|| {
        let mut pushes = Vec::new();
        let mut pops = Vec::new();
        for item in 0..MANY {
            pushes.push(Box::pin(full.push(item)));
            assert!(pushes[item].as_mut().poll(&mut cx).is_pending());
            pops.push(Box::pin(empty.pop()));
            assert!(pops[item].as_mut().poll(&mut cx).is_pending());
        }
    });
    assert_eq!(all_at_once.kept, 0);

    let mut wait = || {
        let mut push = pin!(full.push(1));
        assert!(push.as_mut().poll(&mut cx).is_pending());
        let mut pop = pin!(empty.pop());
        assert!(pop.as_mut().poll(&mut cx).is_pending());
        let mut closed = pin!(empty.closed());
        assert!(closed.as_mut().poll(&mut cx).is_pending());
    };
    wait();
    let (one_by_one, ()) = count(|| (0..MANY).for_each(|_| wait()));
    assert_eq!((one_by_one.allocations, one_by_one.kept), (0, 0));
}

// Q5
#[test]
fn waits_that_overlap_behind_one_that_stays_leave_nothing() {
    let mut cx = Context::from_waker(Waker::noop());
    let full = Queue::bounded(1);
    full.try_push(0).unwrap();
    let empty = Queue::<usize>::bounded(1);
    let mut stays = (pin!(full.push(1)), pin!(empty.pop()));
    assert!(stays.0.as_mut().poll(&mut cx).is_pending());
    assert!(stays.1.as_mut().poll(&mut cx).is_pending());
    let mut last = None;
    let mut overlap = |cx: &mut Context<'_>| {
        let mut next = (Box::pin(full.push(2)), Box::pin(empty.pop()));
        assert!(next.0.as_mut().poll(cx).is_pending());
        assert!(next.1.as_mut().poll(cx).is_pending());
        last = Some(next);
    };
    // Until the list is as big as it gets.
    (0..1_000).for_each(|_| overlap(&mut cx));
    let (counts, ()) = count(|| (0..MANY).for_each(|_| overlap(&mut cx)));
    // The boxes of this test are all.
    assert_eq!((counts.allocations, counts.kept), (2 * MANY as u64, 0));
}

// Q5
#[test]
fn pops_that_are_dropped_with_an_item_leave_nothing_else() {
    let mut cx = Context::from_waker(Waker::noop());
    let queue = Queue::unbounded();
    let mut round = || {
        let mut pop = Box::pin(queue.pop());
        assert!(pop.as_mut().poll(&mut cx).is_pending());
        queue.try_push(7).unwrap();
        drop(pop);
        assert_eq!(queue.try_pop(), Ok(7));
    };
    round();
    let (counts, ()) = count(|| (0..MANY).for_each(|_| round()));
    assert_eq!(counts.kept, 0);
}

// Q5
#[test]
fn items_that_are_handed_over_allocate_nothing() {
    let mut cx = Context::from_waker(Waker::noop());
    let queue = Queue::bounded(2);
    let mut round = || {
        for item in 0..2 {
            assert!(pin!(queue.push(item)).poll(&mut cx).is_ready());
        }
        let mut third = pin!(queue.push(2));
        assert!(third.as_mut().poll(&mut cx).is_pending());
        for _ in 0..3 {
            assert!(pin!(queue.pop()).poll(&mut cx).is_ready());
        }
        assert!(third.as_mut().poll(&mut cx).is_ready());
        let mut pop = pin!(queue.pop());
        assert!(pop.as_mut().poll(&mut cx).is_pending());
        queue.try_push(3).unwrap();
        assert!(pop.as_mut().poll(&mut cx).is_ready());
    };
    round();
    let (counts, ()) = count(|| (0..MANY).for_each(|_| round()));
    assert_eq!((counts.allocations, counts.kept), (0, 0));
}

// Q5
#[test]
fn the_room_of_a_burst_is_given_back() {
    let queue = Queue::unbounded();
    queue.try_push(0).unwrap();
    queue.try_pop().unwrap();
    let (counts, ()) = count(|| {
        for item in 0..MANY {
            queue.try_push(item).unwrap();
        }
        while queue.try_pop().is_ok() {}
    });
    assert!(counts.kept <= 0, "{counts:?}");
}

// Q5
#[test]
fn batches_of_waits_that_overlap_leave_nothing() {
    const BATCH: usize = 200;
    let mut cx = Context::from_waker(Waker::noop());
    let queue = Queue::<usize>::bounded(1);
    let mut stays = pin!(queue.pop());
    assert!(stays.as_mut().poll(&mut cx).is_pending());
    let mut last = Vec::new();
    let mut overlap = |cx: &mut Context<'_>| {
        let mut next: Vec<_> = (0..BATCH).map(|_| Box::pin(queue.pop())).collect();
        for pop in &mut next {
            assert!(pop.as_mut().poll(cx).is_pending());
        }
        last = next;
    };
    // Until the line is as long as it gets.
    (0..20).for_each(|_| overlap(&mut cx));
    let (counts, ()) = count(|| (0..200).for_each(|_| overlap(&mut cx)));
    assert_eq!(counts.kept, 0);
}
