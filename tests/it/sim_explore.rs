//! Exploration: what it decides, what it finds, how it shrinks and replays.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use untethered::group::Group;
use untethered::sim::{Explored, Faults, Order, Schedule, Sim, explore, yield_now};
use untethered::sync::{Event, RateLimit};
use untethered::time::timeout;

use crate::support::{Log, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// The names of three tasks in the order in which they run.
fn run_three(sim: &Sim) -> Vec<String> {
    let log = Log::default();
    for name in ["a", "b", "c"] {
        let log = log.clone();
        sim.runtime().spawn(async move { log.push(name) }).detach();
    }
    sim.run_until_idle();
    log.take()
}

// D2
#[test]
fn exhaustive_runs_every_order_and_none_twice() {
    let mut seen = Vec::new();
    let explored = explore(|sim| seen.push(run_three(sim))).exhaustive(9).run();
    assert!(explored.is_complete());
    assert_eq!(explored.schedules(), 6);
    assert_eq!(seen[0], ["a", "b", "c"]);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 6);
    let text = explored.to_string();
    assert_eq!(text, "6 schedules, which is all there are");
    // Where time can not move, nothing is put off until it has.
    let late = explore(|sim| drop(run_three(sim))).exhaustive(9);
    let late = late.faults(Faults::none().delayed_wakes()).run();
    assert_eq!(late, explored);
}

// D2
#[test]
fn a_report_says_what_was_left_out() {
    let runs = |runs: usize, length: usize, seeds: u64| -> Explored {
        let scenario = |sim: &Sim| drop(run_three(sim));
        explore(scenario)
            .exhaustive(length)
            .seeds(seeds)
            .most_runs(runs)
            .run()
    };
    // FIFO; three that differ once; two that differ twice.
    let one = runs(100, 1, 7);
    assert_eq!(
        (one.schedules(), one.exhausted(), one.is_complete()),
        (4 + 7, 1, false)
    );
    let cut = runs(5, 9, 7);
    assert_eq!(
        (cut.schedules(), cut.exhausted(), cut.is_complete()),
        (5, 1, false)
    );
    let cut = runs(3, 9, 7);
    assert_eq!(
        (cut.schedules(), cut.exhausted(), cut.is_complete()),
        (3, 0, false)
    );
    let only = runs(1, 9, 7);
    assert_eq!(
        (only.schedules(), only.exhausted(), only.is_complete()),
        (1, 0, false)
    );
    assert!(runs(100, 2, 7).is_complete());
    let refused = panic_text(|| explore(|_| ()).most_runs(0));
    assert_eq!(refused, "an exploration without a run finds nothing");
}

#[test]
fn random_runs_see_every_order() {
    let mut seen = HashSet::new();
    explore(|sim| seen.extend([run_three(sim)]))
        .seeds(100)
        .run();
    assert_eq!(seen.len(), 6);
}

#[test]
fn the_tasks_of_a_group_are_reordered_as_well() {
    let mut seen = HashSet::new();
    let explored = explore(|sim| {
        let log = Log::default();
        let group = Group::builder(&sim.runtime()).build();
        for name in ["a", "b", "c"] {
            let log = log.clone();
            group.spawn(async move { log.push(name) });
        }
        sim.block_on(group.join()).unwrap();
        seen.insert(log.take());
    })
    .exhaustive(2)
    .seeds(0)
    .run();
    assert_eq!(explored.exhausted(), 2);
    assert_eq!(seen.len(), 6);
}

/// Fails if `c` runs before `a` and `a` before `b`.
fn picky(sim: &Sim) {
    assert_ne!(run_three(sim), ["c", "a", "b"], "out of order");
}

// D2
#[test]
fn what_is_found_shrinks_and_is_seen_again() {
    // Long before, so that there is much to leave out.
    let long = |sim: &Sim| {
        let rt = sim.runtime();
        for _ in 0..6 {
            rt.spawn(async {
                yield_now().await;
                yield_now().await;
            })
            .detach();
        }
        sim.run_until_idle();
        picky(sim);
    };
    let failure = explore(long).try_run().unwrap_err();
    assert_eq!(failure.schedule().len(), 1, "{failure}");
    let text = failure.to_string();
    let replay = failure.schedule().to_string();
    for expected in [
        "out of order",
        "panicked at tests/it/sim_explore.rs:",
        ", by a schedule with 1 entry, shrunk from ",
        &format!("\n  {replay}: task 8, spawned at tests/it/sim_explore.rs:"),
        " runs before task 6, spawned at ",
        &format!("put `.replay(\"{replay}\")` in the place of `.run()`"),
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let again = panic_text(|| explore(long).replay(&replay));
    assert!(again.contains("out of order"), "{again}");
    // In another it does not fail.
    explore(long).replay("");
    explore(picky).replay("3:run1 9999:run7");

    let all = explore(picky).exhaustive(2).try_run().unwrap_err();
    assert_eq!(all.schedule().to_string(), "3:run2");
    assert_eq!(all.run(), 3);
    let text = panic_text(|| explore(picky).exhaustive(2).run());
    assert_eq!(text, all.to_string());
}

// D2
#[test]
fn what_does_not_repeat_is_said() {
    let mut runs = 0;
    let failure = explore(|_| {
        runs += 1;
        assert!(runs != 1, "only once");
    })
    .try_run()
    .unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("only once"), "{text}");
    assert!(
        text.ends_with("what ran depends on more than its `Sim`"),
        "{text}"
    );
}

// D2
#[test]
fn a_schedule_that_has_passed_is_not_blamed() {
    // Fails from the 21st run on, however the tasks are ordered.
    let runs = Cell::new(0);
    let wears_out = |sim: &Sim| {
        run_three(sim);
        runs.set(runs.get() + 1);
        assert!(runs.get() <= 20, "worn out");
    };
    let failure = explore(wears_out).try_run().unwrap_err();
    assert_eq!((failure.run(), failure.passed_in()), (21, Some(1)));
    // Of three tasks a random order is soon one that was there before.
    let text = failure.to_string();
    assert!(text.starts_with("worn out\n"), "{text}");
    assert!(!text.contains("replay"), "{text}");
    assert!(
        text.ends_with(
            ": something outlives a run; make limits, queues and counters inside the scenario"
        ),
        "{text}"
    );

    // One that is met while it shrinks.
    runs.set(0);
    let wears_out = |sim: &Sim| {
        for _ in 0..30 {
            sim.runtime().spawn(yield_now()).detach();
        }
        wears_out(sim);
    };
    let failure = explore(wears_out).try_run().unwrap_err();
    let text = failure.to_string();
    assert_eq!(failure.passed_in(), Some(1), "{text}");
    assert!(failure.schedule().len() > 1, "{text}");
    for expected in [
        format!(
            "in run 21, by a schedule with {} entries, `{}`\n  ",
            failure.schedule().len(),
            failure.schedule()
        ),
        "\nshrunk further it is a schedule that passed in run 1: something outlives a run"
            .to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} in {text}");
    }

    // A limit that all runs share: only so many start in ten seconds of any of them.
    let rate = RateLimit::new(6, 10 * SECOND);
    let failure = explore(|sim| {
        let rt = sim.runtime();
        let starts = [0, 1].map(|_| {
            let (rt, rate) = (rt.clone(), rate.clone());
            sim.runtime().spawn(async move { rate.acquire(&rt).await })
        });
        sim.block_on(async {
            for start in starts {
                start.await.unwrap();
            }
        });
        assert!(sim.elapsed() <= SECOND, "late");
    });
    let failure = failure.try_run().unwrap_err();
    assert!(failure.passed_in().is_some(), "{failure}");
}

// D2
#[test]
fn what_is_left_and_what_nobody_sees_is_a_failure() {
    let leaving = |sim: &Sim| sim.runtime().spawn(pending::<()>()).detach();
    let left = explore(leaving).try_run().unwrap_err();
    assert!(
        left.message()
            .starts_with("tasks left: 1, timers left: 0\n  task 0"),
        "{left}"
    );
    explore(leaving).allow_leaks().run();
    explore(leaving).allow_leaks().replay("");
    assert!(panic_text(|| explore(leaving).replay("")).starts_with("tasks left: 1"));

    let unseen = |sim: &Sim| sim.runtime().spawn(async { panic!("in vain") }).detach();
    let failure = explore(unseen).try_run().unwrap_err();
    assert!(
        failure
            .message()
            .starts_with("a task that nobody waits for panicked: in vain\n  panicked at"),
        "{failure}"
    );
    assert!(panic_text(|| explore(unseen).replay("")).ends_with("in vain"));
    // Unless the scenario sees to it.
    let seen = |sim: &Sim| {
        let rt = sim.runtime().on_unobserved(|_| {});
        rt.spawn(async { panic!("seen") }).detach();
    };
    explore(seen).run();
    let payload = explore(|_| std::panic::panic_any(7_u8))
        .try_run()
        .unwrap_err();
    assert!(
        payload.message().starts_with("a panic without a message"),
        "{payload}"
    );
}

#[test]
fn a_livelock_ends_a_run() {
    let endless = |sim: &Sim| {
        sim.poll_limit(100);
        sim.block_on(async {
            loop {
                yield_now().await;
            }
        })
    };
    let failure = explore(endless).try_run().unwrap_err();
    assert!(
        failure.message().starts_with("livelock at 0ns: 100 polls"),
        "{failure}"
    );

    // Without a limit of its own, which is lower than elsewhere, as there are many runs.
    let restless = |sim: &Sim| {
        let rt = sim.runtime();
        sim.block_on(async {
            loop {
                rt.sleep(Duration::from_secs(1)).await;
            }
        })
    };
    let failure = explore(restless).try_run().unwrap_err();
    let text = failure.message();
    assert!(
        text.starts_with("livelock at 100000s: time has moved 100000 times"),
        "{failure}"
    );
}

/// How often a scenario was seen to do what it counts, in all schedules of length one.
fn counted(faults: Faults, scenario: impl Fn(&Sim) -> bool) -> (usize, usize) {
    let count = Cell::new(0);
    let explored = explore(|sim| count.set(count.get() + usize::from(scenario(sim))))
        .exhaustive(1)
        .seeds(0)
        .faults(faults)
        .run();
    (count.get(), explored.schedules())
}

// D3
#[test]
fn each_fault_happens_when_asked_for_and_else_never() {
    let woken = |sim: &Sim| {
        let rt = sim.runtime();
        let polls = Cell::new(0);
        sim.block_on(async {
            let mut sleep = std::pin::pin!(rt.sleep(SECOND));
            std::future::poll_fn(|cx| {
                polls.set(polls.get() + 1);
                sleep.as_mut().poll(cx)
            })
            .await;
        });
        polls.get() > 2
    };
    let refused = |sim: &Sim| {
        let rt = sim.runtime();
        let (task, work) = (rt.spawn(async {}), rt.spawn_blocking(|| ()));
        sim.block_on(async { task.await.is_err() | work.await.is_err() })
    };
    let late = |sim: &Sim| {
        let rt = sim.runtime();
        let task = rt.spawn(yield_now());
        sim.block_on(async { timeout(&rt, SECOND, task).await.is_err() })
    };
    let jumped = |sim: &Sim| {
        let rt = sim.runtime();
        sim.block_on(rt.sleep(SECOND));
        sim.elapsed() > SECOND
    };
    let none = Faults::none();
    assert_eq!(counted(none, woken).0, 0);
    assert_eq!(counted(none, refused).0, 0);
    assert_eq!(counted(none, late).0, 0);
    assert_eq!(counted(none, jumped).0, 0);
    assert!(counted(none.spurious_wakes(), woken).0 > 0);
    assert_eq!(counted(none.refused_spawns(), refused).0, 2);
    assert!(counted(none.delayed_wakes(), late).0 > 0);
    assert!(counted(none.clock_jumps(), jumped).0 > 0);
    assert_eq!(counted(none.delayed_wakes(), woken).0, 0);
}

// D3
#[test]
fn what_is_put_off_runs_even_if_time_does_not_move() {
    // A timer that is gone before time could move.
    let scenario = |sim: &Sim| {
        let rt = sim.runtime();
        let mut sleep = Some(Box::pin(rt.sleep(SECOND)));
        let task = rt.spawn(async {});
        sim.block_on(async {
            let armed = futures_lite::future::poll_once(sleep.as_mut().unwrap());
            assert!(armed.await.is_none());
            yield_now().await;
            sleep = None;
            task.await.unwrap();
        });
        sim.auto_advance(false);
        let task = rt.spawn(async {});
        sim.block_on(task).unwrap();
    };
    let faults = Faults::none().delayed_wakes();
    let explored = explore(scenario).exhaustive(2).faults(faults).run();
    assert!(explored.schedules() > 20, "{explored}");
    // By hand as well.
    let by_hand = |sim: &Sim| {
        let rt = sim.runtime();
        let done = Arc::new(AtomicUsize::new(0));
        for seconds in [1, 2] {
            let (sleep, done) = (rt.sleep(seconds * SECOND), done.clone());
            rt.spawn(async move {
                sleep.await;
                done.fetch_add(1, SeqCst);
            })
            .detach();
        }
        sim.advance(2 * SECOND);
        assert_eq!((done.load(SeqCst), sim.elapsed()), (2, 2 * SECOND));
    };
    explore(by_hand).exhaustive(2).faults(faults).run();
}

// D3
#[test]
fn what_is_put_off_runs_while_another_thread_waits_for_it() {
    let scenario = |sim: &Sim| {
        let rt = sim.runtime();
        let timer = rt.spawn(rt.sleep(SECOND));
        let (tell, told) = std::sync::mpsc::channel();
        let task = rt.spawn(async move { tell.send(()).unwrap() });
        let event = Arc::new(Event::new());
        let (work, setter) = (sim.outside_work(), event.clone());
        let thread = std::thread::spawn(move || {
            told.recv().unwrap();
            setter.set();
            drop(work);
        });
        sim.block_on(async {
            event.wait().await;
            task.await.unwrap();
            timer.await.unwrap();
        });
        thread.join().unwrap();
    };
    let faults = Faults::none().delayed_wakes();
    let explored = explore(scenario)
        .exhaustive(1)
        .seeds(0)
        .faults(faults)
        .run();
    assert!(explored.schedules() > 5, "{explored}");
}

// D3
#[test]
fn a_drop_comes_at_every_moment() {
    let polls_seen = RefCell::new(HashSet::new());
    let dropped = Cell::new(0);
    let explored = explore(|sim| {
        let rt = sim.runtime();
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = polls.clone();
        let sleeper = rt.clone();
        let task = rt.spawn(sim.may_drop(async move {
            for _ in 0..3 {
                counter.fetch_add(1, SeqCst);
                sleeper.sleep(SECOND).await;
            }
            counter.fetch_add(1, SeqCst);
        }));
        let output = sim.block_on(task).unwrap();
        assert_eq!(output.is_some(), polls.load(SeqCst) == 4);
        dropped.set(dropped.get() + usize::from(output.is_none()));
        polls_seen.borrow_mut().insert(polls.load(SeqCst));
    })
    .exhaustive(1)
    .seeds(0)
    .run();
    assert_eq!(*polls_seen.borrow(), HashSet::from([0, 1, 2, 3, 4]));
    assert!(dropped.get() > 6, "{explored}");
}

#[test]
fn nothing_is_dropped_where_nobody_explores() {
    for order in [
        Order::Fifo,
        Order::Lifo,
        Order::Seeded(1),
        Order::Adversarial(1),
    ] {
        let sim = Sim::with_order(order);
        let inside = sim.reference();
        let output = sim.block_on(sim.may_drop(async {
            yield_now().await;
            inside.may_drop(std::future::ready(1)).await
        }));
        assert_eq!(output, Some(Some(1)));
    }
}

#[test]
fn a_dropped_future_is_gone_before_its_none_is_seen() {
    explore(|sim| {
        let log = Log::default();
        let guard = log.on_drop("gone");
        let future = async move {
            let _guard = guard;
            yield_now().await;
        };
        sim.block_on(async {
            let mut future = std::pin::pin!(sim.may_drop(future));
            future.as_mut().await;
            assert_eq!(log.take(), ["gone"]);
        });
    })
    .exhaustive(2)
    .run();
}

// D3
#[test]
fn a_future_is_dropped_as_soon_as_it_was_decided_and_no_longer_once_it_is_done() {
    let seen = RefCell::new(HashSet::new());
    explore(|sim| {
        let rt = sim.runtime();
        let polled = Cell::new(false);
        let may_drop = sim.may_drop(async {
            polled.set(true);
            rt.sleep(SECOND).await;
        });
        sim.block_on(may_drop);
        seen.borrow_mut().insert((polled.get(), sim.elapsed()));
    })
    .exhaustive(1)
    .run();
    let dropped = [
        (false, Duration::ZERO),
        (true, Duration::ZERO),
        (true, SECOND),
    ];
    assert_eq!(*seen.borrow(), HashSet::from(dropped));

    let explored = explore(|sim| {
        sim.block_on(sim.may_drop(async {}));
        // One that is never polled is not on the list for ever either.
        drop(sim.may_drop(async {}));
        sim.block_on(yield_now());
    })
    .exhaustive(9)
    .run();
    assert_eq!(explored.to_string(), "2 schedules, which is all there are");
}

// D3
#[test]
fn what_is_put_off_runs_once_time_has_moved() {
    let seen = RefCell::new(HashSet::new());
    explore(|sim| {
        let (rt, inside) = (sim.runtime(), sim.reference());
        let timers = [1, 2].map(|seconds| rt.spawn(rt.sleep(seconds * SECOND)));
        let task = rt.spawn(async move {
            yield_now().await;
            inside.elapsed()
        });
        seen.borrow_mut().insert(sim.block_on(task).unwrap());
        sim.block_on(async {
            for timer in timers {
                timer.await.unwrap();
            }
        });
    })
    .exhaustive(1)
    .seeds(0)
    .faults(Faults::none().delayed_wakes())
    .run();
    assert_eq!(*seen.borrow(), HashSet::from([Duration::ZERO, SECOND]));
}

// D2
#[test]
fn a_schedule_is_read_as_it_was_printed() {
    let text = "0:refuse 3:run1 4:drop0 7:wake12 8:hold0 900:jump";
    let schedule: Schedule = text.parse().unwrap();
    assert_eq!(schedule.to_string(), text);
    assert_eq!(schedule.len(), 6);
    let empty: Schedule = " \n".parse().unwrap();
    assert!(empty.is_empty() && empty == Schedule::default());
    for (bad, why) in [
        (
            "run1",
            "a decision and what was decided have a colon between",
        ),
        ("x:run1", "no number of a decision"),
        ("1:run", "no number of what is meant"),
        ("1:run99999999999999999999", "no number of what is meant"),
        ("1:run1x", "no number of what is meant"),
        ("1:jump1", "a number where none belongs"),
        ("1:", "none of run, drop, wake, hold, jump, refuse"),
        ("1:Run1", "none of run, drop, wake, hold, jump, refuse"),
    ] {
        let error = bad.parse::<Schedule>().unwrap_err();
        assert_eq!(error.to_string(), format!("entry 1, `{bad}`: {why}"));
    }
    let error = "5:run1 5:jump".parse::<Schedule>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry 2, `5:jump`: decisions are in rising order"
    );
    let error = panic_text(|| explore(|_| ()).replay("1:walk"));
    assert!(
        error.starts_with("no schedule: entry 1, `1:walk`"),
        "{error}"
    );
}

// D1
#[test]
fn what_a_group_leaves_is_named_by_its_path() {
    let leaving = |sim: &Sim| {
        let group = Group::builder(&sim.runtime()).name("ingest").build();
        let below = group.subgroup("db").unwrap();
        below.task("reader").spawn(pending::<()>());
        below.detach();
        group.detach();
    };
    let left = explore(leaving).try_run().unwrap_err();
    let line = "\n    ingest/db/reader, spawned at tests/it/sim_explore.rs:";
    assert!(left.message().contains(line), "{left}");
}

// D2
#[test]
fn what_is_not_possible_does_nothing() {
    let in_order = |sim: &Sim| assert_eq!(run_three(sim), ["a", "b", "c"]);
    explore(in_order).replay("0:jump 1:run1 3:run3 4:drop0 5:wake9 6:hold0 7:refuse");
}

// D3
#[test]
fn a_random_run_drops_few_futures_or_none() {
    let mut seen = HashSet::new();
    explore(|sim| {
        let rt = sim.runtime();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                rt.spawn(sim.may_drop(async {
                    for _ in 0..10 {
                        yield_now().await;
                    }
                }))
            })
            .collect();
        let mut dropped = 0;
        sim.block_on(async {
            for task in tasks {
                dropped += usize::from(task.await.unwrap().is_none());
            }
        });
        seen.insert(dropped);
    })
    .seeds(100)
    .run();
    assert_eq!(seen, HashSet::from([0, 1, 2, 3, 4]));
}
