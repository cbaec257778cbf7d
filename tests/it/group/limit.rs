use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use untethered::Queue;
use untethered::group::{BoxError, Group, OnCancel, OnFailure};
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

// G24
#[test]
fn a_slot_that_was_waited_for_is_the_tasks_whichever_spawn_comes() {
    let sim = Sim::new();
    let kept = OnFailure::collect(9);
    let group = Group::builder(&sim.runtime())
        .limit(1)
        .on_failure(kept)
        .build();
    let limit = group.limit().unwrap().clone();
    sim.block_on(async {
        let task = |name| group.task(name).when_free();
        let held = task("held").await.unwrap();
        assert_eq!((limit.available(), group.len()), (0, 0));
        // Not one that it has to wait for itself.
        let held = held.when_free().await.unwrap().if_free().unwrap();
        let refused = group.task("refused").if_free().unwrap_err();
        assert!(refused.is_full());
        drop(held);
        assert_eq!(
            refused
                .into_inner()
                .if_free()
                .unwrap()
                .spawn(async { 1 })
                .await
                .unwrap(),
            1
        );

        let two = task("2")
            .await
            .unwrap()
            .spawn_fallible(async { Ok::<_, BoxError>(2) });
        assert_eq!(two.await.unwrap(), 2);
        let three = task("3")
            .await
            .unwrap()
            .spawn_with(|cx| async move { cx.name().unwrap().to_owned() });
        assert_eq!(three.await.unwrap(), "3");
        let four = task("4").await.unwrap();
        let mut fifth = Box::pin(task("5"));
        assert!(futures_lite::future::poll_once(&mut fifth).await.is_none());
        let four = four.spawn_fallible_with(|_| async { Err::<(), _>("lost") });
        assert!(four.await.unwrap_err().is_failed());
        drop(fifth.await.unwrap());
        assert_eq!(limit.available(), 1);
        let error = group.join().await.unwrap_err();
        assert_eq!(error.failures()[0].to_string(), "group/4: lost");
    });
}

// G24
#[test]
fn a_wait_for_a_slot_ends_when_the_group_takes_no_more_from_there() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).limit(1).build();
    let way_in = group.reference();
    sim.block_on(async {
        let held = group.task("held").when_free().await.unwrap();
        let mut waits = Box::pin(group.task("waits").when_free());
        let mut other = Box::pin(way_in.spawn_when_free(async {}));
        assert!(futures_lite::future::poll_once(&mut waits).await.is_none());
        assert!(futures_lite::future::poll_once(&mut other).await.is_none());
        group.close();
        waits.await.unwrap_err();
        assert!(other.await.unwrap_err().is_closed());
        assert!(group.task("late").if_free().unwrap_err().is_closed());
        group.task("late").when_free().await.unwrap_err();
        // The slot is held; the group has closed since.
        assert!(held.spawn(async {}).await.unwrap_err().is_cancelled());
        assert_eq!(group.limit().unwrap().available(), 1);
    });
    let unlimited = Group::builder(&rt).build();
    sim.block_on(unlimited.task("t").when_free())
        .unwrap()
        .spawn(async {});
    unlimited.close();
    sim.block_on(unlimited.task("t").when_free()).unwrap_err();
}

// G24
#[test]
fn a_member_waits_for_a_slot_while_its_group_drains_and_not_once_it_is_cancelled() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).limit(2).build();
    let (release, released) = Queue::bounded(1).into_halves();
    group.spawn(async move { released.pop().await });
    let member = group.task("member").spawn_with(|cx| async move {
        let way_in = cx.group();
        let child = way_in.spawn_when_free(async { 7 }).await.unwrap();
        let named = cx.task("named").when_free();
        child.await.unwrap() + named.await.unwrap().spawn(async { 1 }).await.unwrap()
    });
    sim.run_until_idle();
    group.close();
    sim.run_until_idle();
    release.try_push(()).unwrap();
    assert_eq!(sim.block_on(member).unwrap(), 8);
    sim.block_on(group.closed()).unwrap();

    let group = Group::builder(&rt).limit(1).build();
    let task = group.task("finish").on_cancel(OnCancel::Finish);
    let member = task.spawn_with(|cx| async move {
        let refused = cx.group().spawn_when_free(async {}).await.unwrap_err();
        (
            refused.is_closed(),
            cx.task("late").when_free().await.is_err(),
        )
    });
    sim.run_until_idle();
    assert!(!member.is_finished());
    group.cancel("over");
    assert_eq!(sim.block_on(member).unwrap(), (true, true));
    assert_eq!(sim.elapsed(), Duration::ZERO);

    // A way in of a member that nobody of the group uses ends with the group.
    let limit = Limit::new(2);
    let group = Group::builder(&rt).shared_limit(&limit).build();
    let way_in = group.task("t").spawn_with(|cx| async move { cx.group() });
    let way_in = sim.block_on(way_in).unwrap();
    let _all = limit.try_acquire_many_owned(2).unwrap();
    let waits = rt.spawn(async move { way_in.spawn_when_free(async {}).await.is_err() });
    sim.run_until_idle();
    sim.block_on(group.join()).unwrap();
    assert!(sim.block_on(waits).unwrap());
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
