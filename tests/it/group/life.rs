use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use untethered::group::{Group, OnCancel, OnFailure};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};

use super::{Census, Log, PanicsOnDrop, listening};
use crate::support::Wakes;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_handle_gives_the_output() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let handle = group.spawn(async {
        yield_now().await;
        42
    });
    assert!(!handle.is_finished());
    assert_eq!(sim.block_on(handle).unwrap(), 42);
    assert!(group.is_empty());
}

// G1
#[test]
fn no_task_outlives_closed_in_any_order() {
    explore_orders(200, |sim| {
        let rt = sim.runtime();
        let census = Census::default();
        let group = Group::builder(&rt).build();
        let sub = group.subgroup("sub").unwrap();
        for index in 0..12u32 {
            let alive = census.clone();
            let owner = if index % 3 == 0 { &sub } else { &group };
            let policy = match index % 4 {
                0 => OnCancel::Grace(Duration::from_secs(1)),
                1 => OnCancel::Finish,
                _ => OnCancel::Drop,
            };
            owner
                .task("t")
                .on_cancel(policy)
                .spawn_with(move |cx| async move {
                    let _alive = alive;
                    for _ in 0..index {
                        yield_now().await;
                    }
                    if index % 5 == 0 {
                        cx.token().cancelled().await;
                    }
                    if index == 7 {
                        panic!("one of them panics");
                    }
                });
        }
        sim.block_on(async {
            for _ in 0..5 {
                yield_now().await;
            }
            group.cancel("enough");
            group.closed().await.unwrap();
            assert_eq!(census.alive(), 0);
            assert!(sub.is_closed());
        });
    });
}

// G13
#[test]
fn an_empty_group_closes_synchronously() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let sub = group.subgroup("sub").unwrap();
    assert!(!group.is_closing());
    group.close();
    assert!(group.is_closing() && group.is_closed());
    assert!(sub.is_closing() && sub.is_closed());
    assert_eq!(sim.live_tasks(), 0);
}

#[test]
fn a_group_without_tasks_has_no_driver_and_one_with_a_task_has_one() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    assert_eq!(sim.live_tasks(), 0);
    let long = group.spawn(pending::<()>());
    let short = group.spawn(async {});
    sim.run_until_idle();
    assert!(short.is_finished());
    assert_eq!(sim.live_tasks(), 1);
    assert_eq!(sim.live_timers(), 0);
    long.abort();
    sim.run_until_idle();
    assert_eq!(sim.live_tasks(), 0);
}

#[test]
fn join_lets_tasks_finish_and_refuses_new_ones() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).build();
    let handle = group.spawn({
        let rt = rt.clone();
        async move { rt.sleep(Duration::from_secs(3)).await }
    });
    sim.block_on(group.join()).unwrap();
    assert_eq!(sim.elapsed(), Duration::from_secs(3));
    assert!(sim.block_on(handle).is_ok());
    let ran = Log::default();
    let late = group.spawn({
        let ran = ran.clone();
        async move { ran.add("ran") }
    });
    assert!(late.is_finished());
    assert!(sim.block_on(late).unwrap_err().is_cancelled());
    assert!(group.try_spawn(async {}).unwrap_err().is_closed());
    assert!(group.subgroup("late").is_err());
    assert!(Group::builder(&group).build().is_closed());
    assert!(ran.take().is_empty());
}

// G16
#[test]
fn members_spawn_while_the_group_drains_and_not_once_it_cancels() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).build();
    let log = Log::default();
    group.task("parent").spawn_with({
        let log = log.clone();
        move |cx| async move {
            yield_now().await;
            let inner = log.clone();
            let child = cx.spawn(async move { inner.add("child of a draining group") });
            child.await.unwrap();
            cx.group().spawn(async move { log.add("grandchild") });
        }
    });
    sim.block_on(group.join()).unwrap();
    assert_eq!(log.take(), ["child of a draining group", "grandchild"]);

    let group = Group::builder(&rt).build();
    let finish = group.task("finish").on_cancel(OnCancel::Finish);
    let refused = finish.spawn_with(|cx| async move {
        cx.token().cancelled().await;
        let ran = Log::default();
        let seen = ran.clone();
        let task = cx.task("late").on_cancel(OnCancel::Finish);
        let late = task.spawn(async move { seen.add("ran") });
        assert!(late.await.unwrap_err().is_cancelled() && ran.take().is_empty());
        let error = cx.spawn(async {}).await.unwrap_err();
        error.reason().unwrap().to_string()
    });
    sim.run_until_idle();
    group.cancel("over");
    assert_eq!(sim.block_on(refused).unwrap(), "over");
}

#[test]
fn a_way_in_from_a_member_ends_with_the_last_member() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let way_in = group.task("t").spawn_with(|cx| async move { cx.group() });
    let way_in = sim.block_on(way_in).unwrap();
    assert!(sim.block_on(way_in.spawn(async {})).is_ok());
    sim.block_on(group.join()).unwrap();
    assert!(sim.block_on(way_in.spawn(async {})).is_err());
}

// G15
#[test]
fn dropping_a_handle_cancels_nothing() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let log = Log::default();
    drop(group.spawn({
        let log = log.clone();
        async move {
            yield_now().await;
            log.add("ran to its end");
        }
    }));
    sim.block_on(group.join()).unwrap();
    assert_eq!(log.take(), ["ran to its end"]);
}

#[test]
fn dropping_a_group_cancels_and_detaching_it_does_not() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let census = Census::default();
    let group = Group::builder(&rt).build();
    let alive = census.clone();
    let handle = group.spawn(async move {
        let _alive = alive;
        pending::<()>().await
    });
    sim.run_until_idle();
    drop(group);
    assert_eq!(census.alive(), 1, "a drop does not wait");
    assert!(sim.block_on(handle).unwrap_err().is_cancelled());
    assert_eq!(census.alive(), 0);
    sim.run_until_idle();
    assert_eq!(sim.live_tasks(), 0);

    let group = Group::builder(&rt).build();
    let handle = group.spawn(async {
        yield_now().await;
        1
    });
    group.detach();
    assert_eq!(sim.block_on(handle).unwrap(), 1);
}

#[test]
fn a_parent_counts_a_detached_subgroup() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).build();
    let sub = group.subgroup("sub").unwrap();
    let naps = rt.clone();
    sub.spawn(async move { naps.sleep(Duration::from_secs(2)).await });
    sub.detach();
    sim.block_on(group.join()).unwrap();
    assert_eq!(sim.elapsed(), Duration::from_secs(2));
}

#[test]
fn closing_and_closed_take_any_number_of_waiters_that_may_be_dropped() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    group.spawn(pending::<()>());
    sim.run_until_idle();
    let (count, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut closing: Vec<_> = (0..3).map(|_| Box::pin(group.closing())).collect();
    let mut closed: Vec<_> = (0..3).map(|_| Box::pin(group.closed())).collect();
    for wait in &mut closing {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    for wait in &mut closed {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    closing.pop();
    closed.pop();
    group.cancel("now");
    assert_eq!(count.count(), 2, "those that wait for closing");
    for wait in &mut closing {
        assert!(wait.as_mut().poll(&mut cx).is_ready());
    }
    sim.run_until_idle();
    assert_eq!(count.count(), 4);
    for wait in &mut closed {
        assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    }
    // After the fact too.
    assert!(pin!(group.closed()).poll(&mut cx).is_ready());
    assert!(pin!(group.closing()).poll(&mut cx).is_ready());
}

// G9
#[test]
fn ten_thousand_nested_groups_close_cancel_and_drop_without_recursion() {
    let sim = Sim::new();
    let census = Census::default();
    let root = Group::builder(&sim.runtime()).build();
    let mut chain = vec![root.subgroup("0").unwrap()];
    for depth in 1..10_000 {
        let deepest = chain.last().unwrap().subgroup(format!("{depth}")).unwrap();
        chain.push(deepest);
    }
    let alive = census.clone();
    chain.last().unwrap().spawn(async move {
        let _alive = alive;
        pending::<()>().await
    });
    sim.run_until_idle();
    assert_eq!(root.len(), 1);
    root.cancel("all of it");
    assert!(chain.last().unwrap().is_closing());
    assert!(!root.is_closed());
    sim.run_until_idle();
    assert!(root.is_closed() && chain.iter().all(Group::is_closed));
    assert_eq!(census.alive(), 0);
    // The parents first, so that the last drop frees the whole chain.
    drop(root);
    for group in chain {
        drop(group);
    }
}

// G11
#[test]
fn a_member_that_waits_for_its_own_group_is_answered() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let way_in = group.reference();
    let asked = group.spawn({
        let way_in = way_in.clone();
        async move { way_in.closed().await }
    });
    assert!(sim.block_on(asked).unwrap().is_err());
    // A member of a subgroup holds the parent open just as well.
    let sub = group.subgroup("sub").unwrap();
    let asked = sub.spawn(async move { way_in.closed().await });
    assert!(sim.block_on(asked).unwrap().is_err());
    // A member of the parent may wait for the subgroup.
    let below = sub.reference();
    let asked = group.spawn(async move { below.closed().await });
    sub.close();
    assert!(sim.block_on(asked).unwrap().is_ok());
}

// G11
#[test]
fn a_member_may_close_or_cancel_its_group() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).build();
    let way_in = group.reference();
    let closer = group.spawn(async move {
        way_in.close();
        yield_now().await;
        "went on"
    });
    sim.block_on(group.closed()).unwrap();
    assert_eq!(sim.block_on(closer).unwrap(), "went on");

    let group = Group::builder(&rt).build();
    let way_in = group.reference();
    let returns = group.spawn(async move {
        way_in.cancel("by a member");
        "its value is kept"
    });
    let way_in = group.reference();
    let waits = group.spawn(async move {
        way_in.cancel("too late");
        pending::<()>().await
    });
    sim.block_on(group.closed()).unwrap();
    assert_eq!(sim.block_on(returns).unwrap(), "its value is kept");
    let error = sim.block_on(waits).unwrap_err();
    assert_eq!(error.reason().unwrap().as_str(), "by a member");
}

// G6
#[test]
fn a_runtime_that_ends_ends_its_groups_and_hangs_no_waiter() {
    let census = Census::default();
    let sim = Sim::new();
    let rt = sim.runtime();
    let parked = Group::builder(&rt).build();
    let alive = census.clone();
    let handle = parked.spawn(async move {
        let _alive = alive;
        pending::<()>().await
    });
    sim.run_until_idle();
    let queued = Group::builder(&rt).build();
    let sub = queued.subgroup("sub").unwrap();
    let alive = census.clone();
    let never_ran = sub.spawn(async move {
        let _alive = alive;
    });
    drop(sim);
    assert_eq!(census.alive(), 0);
    assert!(parked.is_closed() && queued.is_closed() && sub.is_closed());
    let other = Sim::new();
    for handle in [handle, never_ran] {
        let error = other.block_on(handle).unwrap_err();
        assert_eq!(error.reason().unwrap().as_str(), "its runtime is gone");
    }
    assert!(other.block_on(parked.closed()).is_ok());
    assert!(
        other
            .block_on(parked.spawn(async {}))
            .unwrap_err()
            .is_cancelled()
    );
    // One that is made on a runtime that has gone learns it from its first task.
    let late = Group::builder(&rt).build();
    assert!(other.block_on(late.spawn(async {})).is_err());
    assert!(late.is_closed());
}

// G4
#[test]
fn a_panic_of_a_task_its_destructor_or_its_output_stays_where_it_is() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt).build();
    let text = |error: untethered::task::JoinError| {
        let payload = error.into_panic().unwrap();
        payload.downcast_ref::<&str>().map_or_else(
            || payload.downcast_ref::<String>().unwrap().clone(),
            |text| text.to_string(),
        )
    };
    let in_poll = group.spawn(async { panic!("in poll") });
    let in_drop = group.spawn(async {
        let _guard = PanicsOnDrop("in drop");
        pending::<()>().await
    });
    let unread = group.spawn(async { panic!("unread") });
    drop(group.spawn(async { PanicsOnDrop("output") }));
    sim.run_until_idle();
    in_drop.cancel("now");
    sim.run_until_idle();
    let error: untethered::task::JoinError = sim.block_on(in_poll).unwrap_err();
    assert_eq!(text(error), "in poll");
    assert_eq!(text(sim.block_on(in_drop).unwrap_err()), "in drop");
    assert_eq!(
        heard.take(),
        ["a task that nobody waits for panicked: output"]
    );
    drop::<untethered::group::Handle<()>>(unread);
    assert_eq!(
        heard.take(),
        ["a task that nobody waits for panicked: unread"]
    );
    assert_eq!(sim.block_on(group.spawn(async { 1 })).unwrap(), 1);
    sim.block_on(group.join()).unwrap();
}

// G4
#[test]
fn a_waker_that_panics_harms_nobody() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("a waker");
        }
    }
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let handle = group.spawn(yield_now());
    let waker = std::sync::Arc::new(Panics).into();
    let mut cx = Context::from_waker(&waker);
    let mut handle = pin!(handle);
    let mut closed = pin!(group.closed());
    assert!(handle.as_mut().poll(&mut cx).is_pending());
    assert!(closed.as_mut().poll(&mut cx).is_pending());
    sim.block_on(group.join()).unwrap();
    assert!(handle.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn ended_leaves_the_result_in_the_handle() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let handle = group.spawn(async {
        yield_now().await;
        5
    });
    sim.block_on(async {
        let (first, second) = (handle.ended(), handle.ended());
        drop(handle.ended());
        first.await;
        second.await;
        handle.ended().await;
        assert!(handle.is_finished());
        assert_eq!(handle.await.unwrap(), 5);
    });
}

// G17
#[test]
fn a_wait_for_the_end_dropped_at_any_poll_leaves_the_group_closing() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(5)] {
        let polls = drop_at_every_poll(order, |sim| {
            let group = Group::builder(&sim.runtime()).build();
            let rt = sim.runtime();
            group.spawn(async move { rt.sleep(Duration::from_secs(1)).await });
            let way_in = group.reference();
            let join = async move {
                yield_now().await;
                group.shutdown(Duration::from_secs(10)).await;
            };
            (join, move |_: &Sim| assert!(way_in.is_closed()))
        });
        assert!(polls >= 2, "{polls}");
    }
}

// G10
#[test]
fn hooks_run_once_at_the_first_cancel_or_after_the_last_task() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let add = |what: &'static str| {
        let log = log.clone();
        async move {
            log.add(what);
            yield_now().await;
            what
        }
    };
    let group = Group::builder(&rt).build();
    let hook = group.on_closing(add("hook"));
    group.spawn(add("task"));
    sim.run_until_idle();
    assert!(!hook.is_finished());
    sim.block_on(group.join()).unwrap();
    assert_eq!(log.take(), ["task", "hook"]);
    assert_eq!(sim.block_on(hook).unwrap(), "hook");

    // Never lost: cancelled before anything was polled, and without any task at all.
    let group = Group::builder(&rt).build();
    group.spawn(add("task"));
    let hook = group.on_closing(add("hook"));
    group.cancel("at once");
    sim.block_on(group.closed()).unwrap();
    assert_eq!(log.take(), ["hook"]);
    assert!(sim.block_on(hook).is_ok());
    let group = Group::builder(&rt).build();
    group.on_closing(add("hook"));
    drop(group);
    sim.run_until_idle();
    assert_eq!(log.take(), ["hook"]);
    assert_eq!(sim.live_tasks(), 0);

    let group = Group::builder(&rt).build();
    group.close();
    assert!(sim.block_on(group.on_closing(add("too late"))).is_err());
    assert!(log.take().is_empty());
}

#[test]
fn on_done_gets_the_outcome_unless_the_group_is_cancelled_first() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let other = Group::builder(&sim.runtime()).build();
    let endless = other.spawn(pending::<()>());
    let told = group.on_done(endless, |outcome| async move { outcome.is_err() });
    let log = Log::default();
    let ran = log.clone();
    let unrun = group.on_done(pending::<()>(), move |()| async move { ran.add("ran") });
    sim.run_until_idle();
    other.cancel("x");
    assert!(sim.block_on(told).unwrap());
    group.cancel("y");
    assert!(sim.block_on(unrun).is_err());
    assert!(log.take().is_empty());
}

// G12
#[test]
fn a_million_spawns_leave_nothing_behind() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let census = Census::default();
    let group = Group::builder(&rt).limit(64).build();
    sim.block_on(async {
        for _ in 0..20_000 {
            let batch: Vec<_> = (0..50)
                .map(|_| {
                    let alive = census.clone();
                    group.spawn(async move { drop(alive) })
                })
                .collect();
            assert!(group.len() <= 50);
            for handle in batch {
                handle.await.unwrap();
            }
        }
    });
    assert_eq!(group.len(), 0);
    assert_eq!(census.alive(), 0);
}

// G10
#[test]
fn a_hook_is_taken_back_before_it_begins_and_stopped_after() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let census = Census::default();
    let hook = |turns: usize| {
        let alive = census.clone();
        async move {
            let _alive = alive;
            for _ in 0..turns {
                yield_now().await;
            }
        }
    };
    let group = Group::builder(&rt).build();
    let (kept, taken, aborted) = (
        group.on_closing(hook(0)),
        group.on_closing(hook(0)),
        group.on_closing(hook(0)),
    );
    let mut ended = pin!(taken.ended());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(ended.as_mut().poll(&mut cx).is_pending());
    taken.cancel("not needed");
    taken.cancel("too late");
    aborted.abort();
    assert!(ended.as_mut().poll(&mut cx).is_ready());
    assert!(taken.is_finished() && aborted.is_finished() && !kept.is_finished());
    assert_eq!(census.alive(), 1);
    let error = sim.block_on(taken).unwrap_err();
    assert_eq!(error.reason().unwrap().as_str(), "not needed");
    assert!(sim.block_on(aborted).unwrap_err().is_cancelled());
    let mut ended = pin!(kept.ended());
    assert!(ended.as_mut().poll(&mut cx).is_pending());
    sim.block_on(group.join()).unwrap();
    assert!(ended.as_mut().poll(&mut cx).is_ready());
    assert!(sim.block_on(kept).is_ok());

    // Once it runs it has the hard limit, as all that must finish, or none if it is aborted.
    let group = Group::builder(&rt).build();
    let slow = group.on_closing(hook(usize::MAX));
    group.cancel("now");
    sim.block_on(async {
        yield_now().await;
        yield_now().await;
        slow.abort();
        group.closed().await.unwrap();
        assert!(slow.await.unwrap_err().is_cancelled());
    });
    assert_eq!(census.alive(), 0);
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

// G4
#[test]
fn a_panic_of_a_hook_goes_to_its_handle_or_the_hook_of_the_runtime() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt).build();
    let held = group.on_closing(async { panic!("held") });
    drop(group.on_closing(async { panic!("dropped") }));
    let taken = group.on_closing({
        let guard = PanicsOnDrop("destructor");
        async move { drop(guard) }
    });
    taken.cancel("not needed");
    let ran = group.on_closing(async { 1 });
    sim.block_on(group.join()).unwrap();
    assert!(
        sim.block_on::<untethered::group::Handle<()>>(held)
            .unwrap_err()
            .is_panic()
    );
    assert_eq!(sim.block_on(ran).unwrap(), 1);
    assert!(sim.block_on(taken).unwrap_err().is_cancelled());
    let mut heard = heard.take();
    heard.sort();
    assert_eq!(
        heard,
        [
            "a task that nobody waits for panicked: destructor",
            "a task that nobody waits for panicked: dropped"
        ]
    );
}

// G6
#[test]
fn a_chain_of_tasks_that_wake_the_next_when_dropped_ends_with_its_runtime() {
    let sim = Sim::new();
    let census = Census::default();
    let group = Group::builder(&sim.runtime()).build();
    let mut before = untethered::CancellationToken::new();
    for _ in 0..50_000 {
        let token = untethered::CancellationToken::new();
        let (alive, guard) = (census.clone(), token.clone().drop_guard());
        group.spawn(async move {
            let _alive = (alive, guard);
            before.cancelled().await;
            pending::<()>().await
        });
        before = token;
    }
    sim.run_until_idle();
    drop(sim);
    assert!(group.is_closed());
    assert_eq!(census.alive(), 0);
}

// G9
#[test]
fn an_abort_that_a_shield_held_off_reaches_the_group_made_inside() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    group
        .task("t")
        .on_cancel(OnCancel::Finish)
        .spawn_with(|cx| async move {
            let inner = cx.shield(async {
                let inner = Group::builder(&cx).build();
                let deaf = inner.task("deaf").on_cancel(OnCancel::Finish);
                deaf.spawn(pending::<()>());
                yield_now().await;
                yield_now().await;
                inner
            });
            inner.await.closed().await.unwrap();
        });
    sim.block_on(async {
        yield_now().await;
        group.abort();
        group.closed().await.unwrap();
    });
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

#[test]
fn a_simulation_is_empty_as_soon_as_its_groups_are() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    for _ in 0..3 {
        group.spawn(pending::<()>());
    }
    sim.run_until_idle();
    let left = catch_unwind(AssertUnwindSafe(|| sim.assert_empty())).unwrap_err();
    let left = left.downcast_ref::<String>().unwrap();
    assert!(left.starts_with("tasks left: 1, timers left: 0"), "{left}");
    sim.block_on(group.shutdown(SECOND));
    sim.assert_empty();
}

#[test]
fn a_reference_knows_the_runtime() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    assert_eq!(group.reference().runtime().now(), sim.runtime().now());
}

#[test]
fn stats_count_each_task_once_whatever_became_of_it() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .on_failure(OnFailure::collect(8))
        .build();
    let below = group.subgroup("below").unwrap();
    below.spawn(async {});
    below.spawn(pending::<()>());
    group.spawn_fallible(async { Err::<(), _>("disk full") });
    group.spawn_fallible(async { panic!("no table") as Result<(), String> });
    drop(group.spawn(async { Err::<(), _>("the handle's") }));
    let deaf = group.task("deaf").on_cancel(OnCancel::Grace(SECOND));
    deaf.spawn(pending::<()>());
    let counted = |group: &Group| {
        let stats = group.stats();
        let ends = [
            stats.finished,
            stats.failed,
            stats.panicked,
            stats.cancelled,
            stats.aborted,
        ];
        (stats.spawned, stats.live, ends)
    };
    assert_eq!(counted(&group), (6, 6, [0; 5]));
    sim.run_until_idle();
    assert_eq!(counted(&group), (6, 2, [2, 2, 1, 0, 0]));
    below.cancel("enough");
    sim.run_until_idle();
    drop(below);
    assert_eq!(
        counted(&group),
        (6, 1, [2, 2, 1, 1, 0]),
        "those of an ended subgroup stay"
    );
    sim.block_on(group.shutdown(SECOND * 2));
    assert_eq!(counted(&group), (6, 0, [2, 2, 1, 1, 1]));
}

#[test]
fn hooks_are_no_tasks_of_the_report() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let hook = group.on_closing(async { "closing" });
    group.spawn(pending::<()>());
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND));
    assert_eq!((report.finished, report.cancelled), (0, 1));
    assert_eq!(sim.block_on(hook).unwrap(), "closing");
}
