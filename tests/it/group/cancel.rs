use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use untethered::group::{Group, OnCancel};
use untethered::sim::{Sim, explore_orders, yield_now};

use super::{Forever, Log};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_reason_counts_and_reaches_every_task() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let sub = group.subgroup("sub").unwrap();
    let top = group.spawn(pending::<()>());
    let below = sub.spawn(pending::<()>());
    sim.run_until_idle();
    group.cancel("config reload");
    group.cancel("too late");
    assert_eq!(group.token().reason().unwrap().as_str(), "config reload");
    for handle in [top, below] {
        let error = sim.block_on(handle).unwrap_err();
        assert_eq!(error.reason().unwrap().as_str(), "config reload");
    }
    assert_eq!(sub.reason().unwrap().as_str(), "config reload");
}

#[test]
fn a_subgroup_is_cancelled_without_its_parent() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let sub = group.subgroup("sub").unwrap();
    sub.spawn(pending::<()>());
    sub.cancel("alone");
    sim.block_on(sub.closed()).unwrap();
    assert!(!group.is_closing());
    assert_eq!(sim.block_on(group.spawn(async { 1 })).unwrap(), 1);
}

#[test]
fn tasks_of_subgroups_are_stopped_first() {
    let sim = Sim::new();
    let log = Log::default();
    let group = Group::builder(&sim.runtime()).build();
    let sub = group.subgroup("sub").unwrap();
    for (owner, name) in [(&group, "parent"), (&sub, "child")] {
        let gone = log.on_drop(name);
        owner.spawn(async move {
            let _gone = gone;
            pending::<()>().await
        });
    }
    sim.run_until_idle();
    group.cancel("x");
    sim.run_until_idle();
    assert_eq!(log.take(), ["child", "parent"]);
}

// G2
#[test]
fn a_dropped_group_polls_nothing_any_more() {
    explore_orders(50, |sim| {
        let polls = Arc::new(AtomicUsize::new(0));
        let group = Group::builder(&sim.runtime()).build();
        for _ in 0..5 {
            group.spawn(Forever(polls.clone()));
        }
        sim.block_on(async {
            yield_now().await;
            yield_now().await;
        });
        let before = polls.load(Ordering::SeqCst);
        drop(group);
        sim.run_until_idle();
        assert_eq!(polls.load(Ordering::SeqCst), before);
        assert_eq!(sim.live_tasks(), 0);
    });
}

#[test]
fn cancelled_before_the_first_poll_only_those_with_a_grace_run() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let log = Log::default();
    for (name, policy) in [
        ("drop", OnCancel::Drop),
        ("grace", OnCancel::Grace(SECOND)),
        ("none", OnCancel::Grace(Duration::ZERO)),
        ("finish", OnCancel::Finish),
    ] {
        let log = log.clone();
        let gone = log.on_drop("gone");
        group
            .task(name)
            .on_cancel(policy)
            .spawn_with(move |cx| async move {
                let _gone = gone;
                assert!(cx.is_cancelled());
                log.add(name);
            });
    }
    group.cancel("at once");
    sim.block_on(group.closed()).unwrap();
    let mut log = log.take();
    log.sort();
    assert_eq!(
        log,
        ["finish", "gone", "gone", "gone", "gone", "grace", "none"]
    );
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

// G20
#[test]
fn a_task_with_a_grace_is_polled_unless_it_waits_for_a_slot_for_all_of_it() {
    // How long the task that has the slot keeps it, and how often the other is polled.
    for (held, polled) in [(2, 1), (4, 0)] {
        let sim = Sim::new();
        let rt = sim.runtime();
        let group = Group::builder(&rt).limit(1).build();
        let first = OnCancel::Grace(SECOND * held);
        group.task("first").on_cancel(first).spawn(pending::<()>());
        let polls = Arc::new(AtomicUsize::new(0));
        let second = group
            .task("second")
            .on_cancel(OnCancel::Grace(SECOND * 3))
            .spawn(Forever(polls.clone()));
        sim.run_until_idle();
        group.cancel("x");
        sim.advance(SECOND * 3 - Duration::from_millis(1));
        assert!(!second.is_finished());
        sim.advance(Duration::from_millis(1));
        assert!(second.is_finished());
        assert_eq!(polls.load(Ordering::SeqCst), polled);
    }
}

#[test]
fn a_grace_ends_with_a_drop() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .hard_limit(SECOND * 7)
        .build();
    let log = Log::default();
    for (name, policy) in [
        ("grace", OnCancel::Grace(SECOND * 3)),
        ("finish", OnCancel::Finish),
        ("drop", OnCancel::Drop),
    ] {
        let gone = log.on_drop(name);
        group.task(name).on_cancel(policy).spawn(async move {
            let _gone = gone;
            pending::<()>().await
        });
    }
    sim.run_until_idle();
    group.cancel("x");
    sim.run_until_idle();
    assert_eq!(log.take(), ["drop"]);
    sim.advance(SECOND * 3);
    assert_eq!(log.take(), ["grace"]);
    assert!(!group.is_closed());
    sim.advance(SECOND * 4);
    assert_eq!(log.take(), ["finish"]);
    assert!(group.is_closed());
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
}

#[test]
fn a_task_that_uses_its_grace_keeps_its_value() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).build();
    let handle = group
        .task("t")
        .on_cancel(OnCancel::Grace(SECOND))
        .spawn_with(|cx| async move {
            cx.token().cancelled().await;
            cx.runtime().sleep(SECOND / 2).await;
            cx.token().reason().unwrap().to_string()
        });
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND * 10));
    assert_eq!(
        (report.finished, report.cancelled, report.aborted),
        (1, 0, 0)
    );
    assert_eq!(sim.block_on(handle).unwrap(), "shutdown");
    assert_eq!(sim.elapsed(), SECOND / 2);
}

#[test]
fn shutdown_cancels_waits_aborts_and_reports() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).name("g").build();
    group
        .task("deaf")
        .on_cancel(OnCancel::Grace(SECOND * 60))
        .spawn(pending::<()>());
    group.spawn(pending::<()>());
    group
        .task("polite")
        .on_cancel(OnCancel::Finish)
        .spawn_with(|cx| async move {
            cx.token().cancelled().await;
        });
    group.spawn(async {});
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND * 2));
    assert_eq!(
        (report.finished, report.cancelled, report.aborted),
        (1, 1, 1)
    );
    assert!(report.stuck.is_empty() && !report.is_clean());
    assert_eq!(sim.elapsed(), SECOND * 2);
    assert!(group.is_closed());
    // Again, after the end.
    let report = sim.block_on(group.shutdown(SECOND));
    assert!(report.is_clean());
    assert_eq!(report.finished, 0);
}

// G23
#[test]
fn a_report_counts_the_tasks_of_all_subgroups() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).name("g").build();
    let below = group.subgroup("below").unwrap();
    let lowest = below.subgroup("lowest").unwrap();
    for group in [&group, &below, &lowest] {
        group.spawn(pending::<()>());
        group
            .task("polite")
            .on_cancel(OnCancel::Finish)
            .spawn_with(|cx| async move { cx.token().cancelled().await });
    }
    // What ended before does not count, wherever it was.
    lowest.spawn(async {});
    drop(below.subgroup("over").unwrap());
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND));
    assert_eq!((report.finished, report.cancelled), (3, 3), "{report}");
}

#[test]
fn a_dropped_shutdown_leaves_the_cancel_in_force() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let handle = group.spawn(pending::<()>());
    sim.block_on(async {
        let mut shutdown = Box::pin(group.shutdown(SECOND));
        assert!(
            futures_lite::future::poll_once(&mut shutdown)
                .await
                .is_none()
        );
        drop(shutdown);
        assert!(handle.await.is_err());
    });
    assert!(group.is_closed());
}

#[test]
fn what_is_cancelled_alone_leaves_its_siblings_be() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let first = group.spawn(pending::<()>());
    let second = group
        .task("second")
        .on_cancel(OnCancel::Grace(SECOND))
        .spawn_with(|cx| async move {
            cx.token().cancelled().await;
            cx.token().reason().unwrap().to_string()
        });
    let third = group.spawn(async {
        yield_now().await;
        3
    });
    first.cancel("one");
    first.cancel("not this");
    second.cancel("two");
    let error = sim.block_on(first).unwrap_err();
    assert_eq!(error.reason().unwrap().as_str(), "one");
    assert_eq!(sim.block_on(second).unwrap(), "two");
    assert_eq!(sim.block_on(third).unwrap(), 3);
    assert!(!group.is_closing());
}

#[test]
fn an_abort_takes_no_grace() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let alone = group
        .task("alone")
        .on_cancel(OnCancel::Finish)
        .spawn(pending::<()>());
    group
        .task("all")
        .on_cancel(OnCancel::Grace(SECOND * 100))
        .spawn(pending::<()>());
    sim.run_until_idle();
    alone.abort();
    assert!(sim.block_on(alone).unwrap_err().is_cancelled());
    group.cancel("first politely");
    sim.run_until_idle();
    assert_eq!(group.len(), 1);
    group.abort();
    sim.block_on(group.closed()).unwrap();
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

#[test]
fn a_deadline_cancels_the_group_and_leaves_no_timer_behind() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).deadline(SECOND * 3).build();
    let handle = group.spawn(pending::<()>());
    let error = sim.block_on(handle).unwrap_err();
    assert_eq!(error.reason().unwrap().as_str(), "deadline");
    assert_eq!(sim.elapsed(), SECOND * 3);

    let early = Group::builder(&rt).deadline(SECOND * 1000).build();
    sim.block_on(early.join()).unwrap();
    sim.run_until_idle();
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
    let never = Group::builder(&rt).deadline(Duration::MAX).build();
    assert_eq!(sim.block_on(never.spawn(async { 1 })).unwrap(), 1);
}

#[test]
fn each_task_of_an_isolated_group_is_one_of_the_runtime() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).isolated().build();
    for _ in 0..3 {
        group.spawn(pending::<()>());
    }
    group.task("polite").spawn_with(|cx| async move {
        cx.shield(pending::<()>()).await;
    });
    sim.run_until_idle();
    assert_eq!((sim.live_tasks(), group.len()), (4, 4));
    group.abort();
    sim.block_on(group.closed()).unwrap();
    sim.run_until_idle();
    assert_eq!(sim.live_tasks(), 0);
}

#[test]
fn isolated_tasks_are_cancelled_and_counted_like_all_others() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let one = group.task("one").isolated().spawn(pending::<()>());
    let two = group.task("two").isolated().spawn(async {
        yield_now().await;
        2
    });
    sim.run_until_idle();
    assert_eq!(sim.live_tasks(), 1, "that of the one that waits");
    assert_eq!(group.len(), 1);
    group.cancel("x");
    assert!(sim.block_on(one).is_err());
    assert_eq!(sim.block_on(two).unwrap(), 2);
    sim.block_on(group.closed()).unwrap();
    sim.run_until_idle();
    assert_eq!(sim.live_tasks(), 0);
}
