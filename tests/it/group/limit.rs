use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use untethered::group::Group;
use untethered::sim::{Sim, explore_orders, yield_now};
use untethered::sync::Limit;

use super::Log;

#[test]
fn no_more_than_the_limit_run_at_once() {
    let mut full = 0;
    explore_orders(100, |sim| {
        let group = Group::builder(&sim.runtime()).limit(3).build();
        let inside = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        for index in 0..12 {
            let (inside, most) = (inside.clone(), most.clone());
            let handle = group.spawn(async move {
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..index % 4 {
                    yield_now().await;
                }
                inside.fetch_sub(1, Ordering::SeqCst);
            });
            if index % 5 == 4 {
                // While it waits for its turn.
                handle.cancel("not needed");
            }
        }
        assert_eq!(group.len(), 12);
        sim.block_on(group.join()).unwrap();
        assert!(most.load(Ordering::SeqCst) <= 3);
        full += usize::from(most.load(Ordering::SeqCst) == 3);
        assert_eq!(group.limit().unwrap().available(), 3);
    });
    assert!(full > 0);
}

#[test]
fn tasks_above_the_limit_begin_in_the_order_in_which_they_were_spawned() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).limit(1).build();
    let log = Log::default();
    for index in 0..5 {
        let log = log.clone();
        group.spawn(async move {
            log.add(index.to_string());
            yield_now().await;
        });
    }
    sim.block_on(group.join()).unwrap();
    assert_eq!(log.take(), ["0", "1", "2", "3", "4"]);
}

#[test]
fn try_spawn_gives_the_future_back() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).limit(1).build();
    let held = group.try_spawn(pending::<()>()).unwrap();
    let refused = group.try_spawn(async { 7 }).unwrap_err();
    assert!(refused.is_full() && !refused.is_closed());
    let future = refused.into_inner();
    held.abort();
    sim.run_until_idle();
    assert_eq!(sim.block_on(group.try_spawn(future).unwrap()).unwrap(), 7);
}

#[test]
fn a_limit_may_be_shared_and_resized() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let limit = Limit::new(1);
    let one = Group::builder(&rt).shared_limit(&limit).build();
    let two = Group::builder(&rt).shared_limit(&limit).build();
    one.spawn(pending::<()>());
    let waits = two.spawn(async {});
    sim.run_until_idle();
    assert!(!waits.is_finished());
    one.limit().unwrap().set_total(2);
    sim.block_on(waits).unwrap();
}

#[test]
fn spawn_when_free_waits_for_a_slot_and_ends_with_the_group() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).limit(1).build();
    let first = group.spawn(pending::<()>());
    sim.block_on(async {
        let mut second = Box::pin(group.spawn_when_free(async { 2 }));
        assert!(futures_lite::future::poll_once(&mut second).await.is_none());
        first.abort();
        assert_eq!(second.await.unwrap().await.unwrap(), 2);

        let _held = group.spawn(pending::<()>());
        let mut third = Box::pin(group.spawn_when_free(async { 3 }));
        assert!(futures_lite::future::poll_once(&mut third).await.is_none());
        // It does not wait for the slot of one that goes on.
        group.close();
        assert!(third.await.unwrap_err().is_closed());
        assert_eq!(group.len(), 1);
        group.cancel("over");
    });
    sim.run_until_idle();
    assert_eq!(group.limit().unwrap().available(), 1);
}

#[test]
fn a_task_that_waited_for_its_slot_says_where_it_was_started() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).limit(1).build();
    let line = line!() + 1;
    let started = group.spawn_when_free(pending::<()>());
    sim.block_on(started).unwrap();
    let tree = group.tree();
    let at = tree.tasks().next().unwrap().spawned_at;
    assert_eq!((at.file(), at.line()), (file!(), line));
}

#[test]
#[should_panic(expected = "a group with a limit of nought never runs a task")]
fn a_limit_of_nought_is_refused() {
    let _ = Group::builder(&Sim::new().runtime()).limit(0);
}
