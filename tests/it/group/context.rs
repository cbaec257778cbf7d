use std::future::pending;
use std::time::Duration;

use untethered::group::{Group, OnCancel};
use untethered::sim::{Sim, yield_now};

use super::{Log, listening};

const SECOND: Duration = Duration::from_secs(1);

// G5
#[test]
fn a_shield_holds_the_drop_off_until_its_future_is_done() {
    for (policy, goes_on) in [(OnCancel::Drop, false), (OnCancel::Finish, true)] {
        let sim = Sim::new();
        let group = Group::builder(&sim.runtime()).build();
        let log = Log::default();
        let handle = group.task("t").on_cancel(policy).spawn_with({
            let log = log.clone();
            move |cx| async move {
                let outer = cx.shield(async {
                    cx.shield(cx.runtime().sleep(SECOND)).await;
                    log.add("inner over");
                    cx.runtime().sleep(SECOND).await;
                    5
                });
                let value = outer.await;
                assert!(cx.is_cancelled());
                log.add(format!("value {value}"));
                yield_now().await;
                log.add("went on");
            }
        });
        sim.run_until_idle();
        group.cancel("x");
        sim.block_on(group.closed()).unwrap();
        assert_eq!(sim.elapsed(), SECOND * 2);
        let expected: &[_] = if goes_on {
            &["inner over", "value 5", "went on"]
        } else {
            &["inner over", "value 5"]
        };
        assert_eq!(log.take(), expected);
        assert_eq!(sim.block_on(handle).is_ok(), goes_on);
    }
}

#[test]
fn a_task_that_returns_right_after_its_shield_keeps_its_value() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let handle = group.task("t").spawn_with(|cx| async move {
        cx.shield(async {
            cx.runtime().sleep(SECOND).await;
            6
        })
        .await
    });
    sim.run_until_idle();
    group.cancel("x");
    assert_eq!(sim.block_on(handle).unwrap(), 6);
}

#[test]
fn a_shield_that_does_not_end_is_cut_off_and_named() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .name("g")
        .hard_limit(SECOND * 4)
        .build();
    group
        .task("stubborn")
        .spawn_with(|cx| async move { cx.shield(pending::<()>()).await });
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND * 30));
    assert_eq!(sim.elapsed(), SECOND * 4);
    assert_eq!(report.overrun, ["g/stubborn"]);
    assert!(group.is_closed());
}

// G5
#[test]
fn shields_inside_and_after_one_another_share_one_budget() {
    for (limit, inside) in [(4, true), (4, false), (7, true), (7, false)] {
        let sim = Sim::new();
        let group = Group::builder(&sim.runtime())
            .name("g")
            .hard_limit(SECOND * limit)
            .build();
        let handle = group.task("t").spawn_with(move |cx| async move {
            let rest = || cx.runtime().sleep(SECOND * 3);
            let first = cx.shield(async {
                rest().await;
                if inside {
                    cx.shield(rest()).await;
                }
            });
            first.await;
            if !inside {
                cx.shield(rest()).await;
            }
        });
        sim.run_until_idle();
        let report = sim.block_on(group.shutdown(SECOND * 30));
        assert_eq!(sim.elapsed(), SECOND * limit.min(6));
        assert_eq!(report.overrun.is_empty(), limit > 6, "{report}");
        assert_eq!(sim.block_on(handle).is_ok(), limit > 6);
    }
}

#[test]
fn a_shield_covers_a_group_made_inside_and_a_deadline_works_through_it() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let log = Log::default();
    let inner_log = log.clone();
    group.task("t").spawn_with(|cx| async move {
        let log = inner_log;
        cx.shield(async {
            let inner = Group::builder(&cx).build();
            let rt = cx.runtime().clone();
            let first = inner.spawn(async move { rt.sleep(SECOND).await });
            log.add(format!("first {}", first.await.is_ok()));
            let timed = Group::builder(&cx).deadline(SECOND).build();
            let second = timed.spawn(pending::<()>());
            log.add(format!("second {}", second.await.unwrap_err()));
            // Left to the end of the shield.
            let held = inner.spawn(pending::<()>());
            log.add("made");
            inner.detach();
            drop(held);
        })
        .await;
        pending::<()>().await
    });
    sim.run_until_idle();
    group.cancel("x");
    sim.block_on(group.closed()).unwrap();
    assert_eq!(
        log.take(),
        ["first true", "second task was cancelled: deadline", "made"]
    );
    assert_eq!(sim.elapsed(), SECOND * 2);
}

#[test]
fn a_clean_up_survives_the_drop_of_its_task_last_one_first() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let log = Log::default();
    let handle = group.task("t").spawn_with({
        let log = log.clone();
        move |cx| async move {
            let gone = log.on_drop("future dropped");
            for name in ["first", "second"] {
                let (rt, log) = (cx.runtime().clone(), log.clone());
                cx.on_exit(async move {
                    rt.sleep(SECOND).await;
                    log.add(name);
                });
            }
            pending::<()>().await;
            drop(gone);
        }
    });
    sim.run_until_idle();
    group.cancel("x");
    sim.run_until_idle();
    assert_eq!(log.take(), ["future dropped"]);
    assert!(!handle.is_finished() && !group.is_closed());
    sim.block_on(group.closed()).unwrap();
    assert_eq!(log.take(), ["second", "first"]);
    assert_eq!(sim.elapsed(), SECOND * 2);
}

#[test]
fn a_clean_up_runs_after_a_good_end_and_after_a_panic_too() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt).build();
    let log = Log::default();
    for panics in [false, true] {
        let log = log.clone();
        let handle = group.task("t").spawn_with(move |cx| async move {
            cx.on_exit(async move { log.add("cleaned up") });
            cx.on_exit(async { panic!("a clean-up") });
            assert!(!panics, "the task");
        });
        assert_eq!(sim.block_on(handle).is_err(), panics);
    }
    assert_eq!(log.take(), ["cleaned up", "cleaned up"]);
    let expected = "a task that nobody waits for panicked: a clean-up";
    assert_eq!(heard.take(), [expected, expected]);
}

#[test]
fn a_clean_up_over_its_budget_is_dropped_and_named() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .name("g")
        .hard_limit(SECOND * 2)
        .build();
    let log = Log::default();
    group.task("slow").spawn_with({
        let log = log.clone();
        move |cx| async move {
            let unrun = log.on_drop("never came to this one");
            cx.on_exit(async move { drop(unrun) });
            let cut = log.on_drop("cut off");
            cx.on_exit(async move {
                let _cut = cut;
                pending::<()>().await
            });
            pending::<()>().await
        }
    });
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND * 30));
    assert_eq!(report.overrun, ["g/slow"]);
    assert_eq!(sim.elapsed(), SECOND * 2);
    assert_eq!(log.take(), ["cut off", "never came to this one"]);
}

#[test]
fn a_report_names_what_was_cut_off_since_it_began_and_counts_the_rest() {
    let cleans_for_ever = |group: &Group, name: String| {
        group.task(name).spawn_with(|cx| async move {
            cx.on_exit(pending());
            pending::<()>().await
        })
    };
    // As many as names are kept, and more; in the group, or below it.
    for before in [0, 1, 64, 65, 200] {
        for below in [false, true] {
            let sim = Sim::new();
            let group = Group::builder(&sim.runtime())
                .name("g")
                .hard_limit(SECOND)
                .build();
            let sub = group.subgroup("s").unwrap();
            let early = if below { &sub } else { &group };
            for index in 0..before {
                let task = cleans_for_ever(early, index.to_string());
                sim.run_until_idle();
                task.cancel("x");
                sim.block_on(task).unwrap_err();
            }
            cleans_for_ever(&group, "late".to_owned());
            sim.run_until_idle();
            let report = sim.block_on(group.shutdown(SECOND * 30));
            assert!(!report.is_clean());
            let text = report.to_string();
            let (named, counted) = ("cut off: g/late", "and 1 more cut off");
            assert!(
                text.ends_with(named) || text.ends_with(counted),
                "{before}: {text}"
            );
            if before < 64 {
                assert_eq!(report.overrun, ["g/late"]);
            }
        }
    }
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).hard_limit(SECOND).build();
    for index in 0..70 {
        cleans_for_ever(&group, index.to_string());
    }
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND * 30));
    assert_eq!(report.overrun.len(), 64);
    assert!(report.to_string().ends_with(", and 6 more cut off"));
}

#[test]
fn uncancellable_work_over_its_budget_is_dropped_and_counted() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .hard_limit(SECOND * 2)
        .build();
    let log = Log::default();
    group.task("t").spawn_with({
        let log = log.clone();
        move |cx| async move {
            let gone = log.on_drop("work dropped");
            let work = cx.uncancellable(async move {
                let _gone = gone;
                pending::<()>().await
            });
            log.add(format!("{}", work.await.unwrap_err()));
        }
    });
    sim.run_until_idle();
    let report = sim.block_on(group.shutdown(SECOND * 30));
    assert_eq!(sim.elapsed(), SECOND * 2);
    assert_eq!((report.cancelled, report.aborted), (1, 1));
    assert!(!report.is_clean());
    assert_eq!(log.take(), ["work dropped"]);
}

#[test]
fn uncancellable_work_outlives_its_caller_and_holds_the_group() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let log = Log::default();
    group.task("t").spawn_with({
        let log = log.clone();
        move |cx| async move {
            let gone = log.on_drop("caller dropped");
            let rt = cx.runtime().clone();
            let inner = log.clone();
            let work = cx.uncancellable(async move {
                rt.sleep(SECOND).await;
                inner.add("work done");
            });
            work.await.unwrap();
            drop(gone);
        }
    });
    sim.run_until_idle();
    group.cancel("x");
    sim.block_on(group.closed()).unwrap();
    assert_eq!(log.take(), ["caller dropped", "work done"]);
    assert_eq!(sim.elapsed(), SECOND);
}

#[test]
fn uncancellable_work_may_begin_in_the_clean_up_of_a_cancelled_task() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let handle = group
        .task("t")
        .on_cancel(OnCancel::Finish)
        .spawn_with(|cx| async move {
            cx.token().cancelled().await;
            cx.uncancellable(async { 9 }).await.unwrap()
        });
    group.cancel("x");
    assert_eq!(sim.block_on(handle).unwrap(), 9);
}

#[test]
fn a_task_ends_itself_as_cancelled() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt).build();
    let handle = group.task("t").spawn_fallible_with(|cx| async move {
        cx.cancel("had enough").await;
        Err::<(), _>("not reached")
    });
    let error = sim.block_on(handle).unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.reason().unwrap().as_str(), "had enough");
    assert!(heard.take().is_empty());
}

#[test]
fn a_context_knows_its_names() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).name("outer").build();
    let sub = group.subgroup("inner").unwrap();
    let handle = sub
        .task("worker")
        .spawn_with(|cx| async move { (cx.name().map(str::to_owned), format!("{cx:?}")) });
    assert_eq!(handle.name().as_deref(), Some("worker"));
    let (name, debug) = sim.block_on(handle).unwrap();
    assert_eq!(name.as_deref(), Some("worker"));
    assert!(debug.contains("outer/inner/worker"), "{debug}");
    assert_eq!(sub.path(), "outer/inner");
}
