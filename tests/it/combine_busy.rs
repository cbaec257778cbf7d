//! What a poll of many futures does where some are always ready.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::stream;
use untethered::combine::{Until, WaitSet, quorum, wait};
use untethered::sim::{Sim, yield_now};
use untethered::stream::first_where;

// F1
#[test]
fn a_search_that_finds_nothing_gives_way() {
    let mut search = pin!(first_where(stream::repeat(1), async |n| *n == 2));
    let mut cx = Context::from_waker(Waker::noop());
    // Without giving way this poll would not return.
    assert!(search.as_mut().poll(&mut cx).is_pending());
}

/// Wakes itself `times`, then is done.
async fn busy(times: usize, polls: &Cell<usize>) -> Result<(), ()> {
    for _ in 0..times {
        polls.set(polls.get() + 1);
        yield_now().await;
    }
    polls.set(polls.get() + 1);
    Ok(())
}

/// As [`busy`], once a runtime that gives each poll of a task so many polls has some left.
async fn limited(left: &Cell<usize>, polls: &Cell<usize>) -> Result<(), ()> {
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        match left.get().checked_sub(1) {
            Some(less) => {
                left.set(less);
                Poll::Ready(())
            }
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await;
    Ok(())
}

// F1
#[test]
fn a_spent_budget_of_the_host_costs_a_quorum_little() {
    const MANY: usize = 10_000;
    let (left, polls) = (Cell::new(0), Cell::new(0));
    let mut votes = pin!(quorum(MANY, (0..MANY).map(|_| limited(&left, &polls))));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        left.set(128);
        if votes.as_mut().poll(&mut cx).is_ready() {
            break;
        }
    }
    // Going on to everybody each time would take 400,000.
    assert!(polls.get() < 2 * MANY, "{} polls", polls.get());
}

// F1
#[test]
fn in_a_big_wait_those_that_are_always_busy_hold_up_nobody() {
    let polls = Cell::new(0);
    let times = |index| if index < 99 { 1000 } else { 3 };
    let mut set = WaitSet::new((0..100).map(|index| busy(times(index), &polls)));
    let done = futures_lite::future::block_on(wait(&mut set, Until::First)).unwrap();
    assert_eq!(done[0].0, 99);
    assert!(polls.get() < 1000, "{} polls", polls.get());
}

// T2
#[test]
fn at_its_deadline_a_wait_takes_all_that_is_ready() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        // The first ones keep the pass from its end.
        let job = |index: u32| {
            let rt = rt.clone();
            async move {
                if index < 20 {
                    loop {
                        yield_now().await;
                    }
                }
                rt.sleep(Duration::ZERO).await;
                index
            }
        };
        let mut set = WaitSet::new((0..200).map(job));
        let done = wait(&mut set, Until::All).timeout(&rt, Duration::ZERO);
        assert_eq!(done.await.unwrap().len(), 180);
        assert_eq!(set.len(), 20);
    });
}
