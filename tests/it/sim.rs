use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use untethered::Runtime;
use untethered::group::Group;
use untethered::sim::{Sim, explore_orders, yield_now};

use crate::support::{Log, OnDrop, Wakes, panic_text};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn time_jumps_when_nothing_is_ready() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let first = rt.spawn({
            let rt = rt.clone();
            async move { rt.sleep(3600 * SECOND).await }
        });
        rt.sleep(SECOND).await;
        assert_eq!(sim.elapsed(), SECOND);
        first.await.unwrap();
    });
    assert_eq!(sim.elapsed(), 3600 * SECOND);
    sim.assert_empty();
}

#[test]
fn time_stands_still_while_anything_is_ready() {
    let sim = Sim::new();
    let rt = sim.runtime();
    rt.spawn({
        let rt = rt.clone();
        async move { rt.sleep(SECOND).await }
    })
    .detach();
    sim.block_on(async {
        for _ in 0..100 {
            yield_now().await;
        }
    });
    assert_eq!(sim.elapsed(), Duration::ZERO);
    sim.run_until_idle();
    assert_eq!((sim.elapsed(), sim.live_tasks()), (Duration::ZERO, 1));
}

#[test]
fn advance_stops_at_each_timer_on_its_way() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    for (name, seconds) in [("c", 3), ("a", 1), ("tie 1", 2), ("tie 2", 2), ("late", 5)] {
        let (rt, log) = (rt.clone(), log.clone());
        let start = sim.now();
        let sleep = rt.sleep(seconds * SECOND);
        let task = rt.clone().spawn(async move {
            sleep.await;
            log.push(format!("{name} at {:?}", rt.now() - start));
        });
        task.detach();
    }
    sim.advance(4 * SECOND);
    assert_eq!(
        log.take(),
        ["a at 1s", "tie 1 at 2s", "tie 2 at 2s", "c at 3s"]
    );
    assert_eq!((sim.elapsed(), sim.live_timers()), (4 * SECOND, 1));
    sim.advance(SECOND - Duration::from_nanos(1));
    assert_eq!(log.take(), [""; 0]);
    sim.advance(Duration::from_nanos(1));
    assert_eq!(log.take(), ["late at 5s"]);
    sim.assert_empty();
}

#[test]
fn advance_runs_timers_that_begin_on_its_way() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let ticks = Arc::new(AtomicUsize::new(0));
    let counter = ticks.clone();
    let ticker = rt.clone().spawn(async move {
        loop {
            rt.sleep(SECOND).await;
            counter.fetch_add(1, SeqCst);
        }
    });
    sim.advance(10 * SECOND);
    assert_eq!(ticks.load(SeqCst), 10);
    drop(ticker);
    sim.run_until_idle();
    sim.assert_empty();
}

#[test]
fn the_longest_sleep_never_ends_and_does_not_overflow() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let error = sim.try_block_on(rt.sleep(Duration::MAX)).unwrap_err();
    assert!(error.to_string().starts_with("deadlock at 0ns"), "{error}");
    sim.block_on(rt.sleep(Duration::from_secs(1 << 55)));
    assert_eq!(sim.elapsed(), Duration::from_secs(1 << 55));
    let error = panic_text(|| sim.advance(Duration::MAX));
    assert!(error.starts_with("a clock can not be moved by"), "{error}");
    // And it is still in order.
    sim.advance(SECOND);
}

#[test]
fn sleeps_are_reset_armed_or_not() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let mut sleep = pin!(rt.sleep(SECOND));
        sleep.as_mut().reset(2 * SECOND);
        assert!(
            futures_lite::future::poll_once(sleep.as_mut())
                .await
                .is_none()
        );
        assert_eq!(sim.live_timers(), 1);
        sleep.as_mut().reset(3 * SECOND);
        sleep.as_mut().await;
        assert_eq!(sim.elapsed(), 3 * SECOND);
        sleep.as_mut().reset_at(sim.now() + SECOND);
        assert!(!sleep.is_elapsed());
        sleep.await;
        assert_eq!(sim.elapsed(), 4 * SECOND);
        rt.sleep(Duration::ZERO).await;
        rt.sleep_until(sim.now() - SECOND).await;
        assert_eq!(sim.elapsed(), 4 * SECOND);
    });
    sim.assert_empty();
}

#[test]
fn a_deadlock_says_who_waits_for_what() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.auto_advance(false);
    let sleeper = rt.clone();
    let sleeping = rt.spawn(async move { sleeper.sleep(7 * SECOND).await });
    let line = line!() - 1;
    let done = rt.spawn(async {});
    let error = sim
        .try_block_on(async {
            done.await.unwrap();
            pending::<()>().await
        })
        .unwrap_err();
    let report = error.to_string();
    let lines: Vec<_> = report.lines().collect();
    let [head, first, second] = lines[..] else {
        panic!("{report}");
    };
    assert_eq!(head, "deadlock at 0ns: nothing is ready");
    let place = format!("tests/it/sim.rs:{line}:");
    assert!(first.starts_with("  task 0, spawned at"), "{first}");
    assert!(first.contains(&place), "{first}");
    assert!(
        first.ends_with(", polled once, waits for a timer at 7s"),
        "{first}"
    );
    assert!(
        second.starts_with("  main, started at tests/it/sim.rs"),
        "{second}"
    );
    assert!(second.contains("no timer gives"), "{second}");

    sim.advance(7 * SECOND);
    assert!(sleeping.is_finished());
}

#[test]
fn block_on_panics_with_the_report() {
    let sim = Sim::new();
    let report = panic_text(|| sim.block_on(pending::<()>()));
    assert!(report.contains("\n  main, started at "), "{report}");
    assert_eq!(sim.block_on(async { 1 }), 1);
}

#[test]
fn what_is_left_is_named() {
    let sim = Sim::new();
    let task = sim.runtime().spawn(pending::<()>());
    let report = panic_text(|| sim.assert_empty());
    assert!(
        report.starts_with("tasks left: 1, timers left: 0\n  task 0"),
        "{report}"
    );
    assert!(report.contains("never polled"), "{report}");
    drop(task);
    sim.run_until_idle();
    sim.assert_empty();
}

#[test]
fn block_on_takes_borrows_and_needs_no_send() {
    let sim = Sim::new();
    let cell = Rc::new(RefCell::new(Vec::new()));
    let text = String::from("borrowed");
    sim.block_on(async {
        yield_now().await;
        cell.borrow_mut().push(&text);
    });
    assert_eq!(*cell.borrow(), ["borrowed"]);
}

#[test]
fn block_on_returns_as_soon_as_its_future_is_done() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let mut task = None;
    sim.block_on(async { task = Some(rt.spawn(async {})) });
    let task = task.unwrap();
    assert!(!task.is_finished());
    sim.run_until_idle();
    assert!(task.is_finished());
}

#[test]
fn nothing_drives_a_sim_from_within() {
    let sim = Arc::new(Sim::new());
    let inner = sim.clone();
    let task = sim.runtime().spawn(async move { inner.run_until_idle() });
    let error = sim.block_on(task).unwrap_err();
    assert!(error.to_string().contains("running already"), "{error}");
    let error = panic_text(|| sim.block_on(async { sim.advance(SECOND) }));
    assert!(error.contains("running already"), "{error}");
    // Another one is free to run.
    let value = sim.block_on(async { Sim::new().block_on(async { 3 }) });
    assert_eq!(value, 3);
    sim.assert_empty();
}

#[test]
fn a_panic_of_the_main_future_leaves_the_sim_in_order() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let task = rt.spawn(async { 1 });
    let text = panic_text(|| sim.block_on(async { panic!("mine") }));
    assert_eq!(text, "mine");
    assert_eq!(sim.block_on(task).unwrap(), 1);
    sim.assert_empty();
}

#[test]
fn a_blocking_closure_is_a_step_of_its_own() {
    explore_orders(8, |sim| {
        let rt = sim.runtime();
        let thread = std::thread::current().id();
        let started = Arc::new(AtomicUsize::new(0));
        let flag = started.clone();
        let work = rt.spawn_blocking(move || {
            flag.store(1, SeqCst);
            std::thread::current().id()
        });
        assert_eq!(started.load(SeqCst), 0);
        let timer = rt.sleep(SECOND);
        sim.block_on(async {
            assert_eq!(work.await.unwrap(), thread);
            // It is never overtaken by a timer.
            assert_eq!(sim.elapsed(), Duration::ZERO);
            timer.await;
        });
    });
}

#[test]
fn dropping_a_sim_drops_what_it_holds_and_what_comes() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let spawned = Arc::new(Mutex::new(None));
    let late = OnDrop::new({
        let (rt, log, spawned) = (rt.clone(), log.clone(), spawned.clone());
        move || {
            log.push("first dropped");
            let guard = log.on_drop("second dropped");
            let task = rt.spawn(async move {
                let _guard = guard;
            });
            *spawned.lock().unwrap() = Some(task);
        }
    });
    let first = rt.spawn(async move {
        let _late = late;
        pending::<()>().await
    });
    let work = rt.spawn_blocking({
        let guard = log.on_drop("work dropped");
        move || drop(guard)
    });
    let mut sleep = pin!(rt.sleep(SECOND));
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    let now = rt.now();
    drop(sim);

    let mut events = log.take();
    events.sort();
    assert_eq!(events, ["first dropped", "second dropped", "work dropped"]);
    let after = rt.spawn(async {});
    let second = spawned.lock().unwrap().take().unwrap();
    for task in [after, second] {
        let error = futures_lite::future::block_on(task).unwrap_err();
        assert!(error.is_cancelled());
    }
    assert!(
        futures_lite::future::block_on(first)
            .unwrap_err()
            .is_cancelled()
    );
    assert!(
        futures_lite::future::block_on(work)
            .unwrap_err()
            .is_cancelled()
    );
    let late_work = rt.spawn_blocking(|| ());
    assert!(
        futures_lite::future::block_on(late_work)
            .unwrap_err()
            .is_cancelled()
    );
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    drop(waker);
    assert_eq!(
        Arc::strong_count(&wakes),
        1,
        "a sleep that never ends keeps no waker"
    );
    assert_eq!(wakes.count(), 0);
    assert_eq!(rt.now(), now);
}

/// Spawns the rest of a chain when dropped.
struct Chain {
    rt: Runtime,
    left: usize,
    ends: Arc<AtomicUsize>,
}

impl Drop for Chain {
    fn drop(&mut self) {
        if self.left == 0 {
            self.ends.fetch_add(1, SeqCst);
            return;
        }
        let next = Chain {
            rt: self.rt.clone(),
            left: self.left - 1,
            ends: self.ends.clone(),
        };
        self.rt.spawn(async move { drop(next) }).detach();
    }
}

#[test]
fn tasks_that_spawn_when_dropped_are_not_dropped_by_recursion() {
    let ends = Arc::new(AtomicUsize::new(0));
    let sim = Sim::new();
    let chain = |rt: &Runtime| Chain {
        rt: rt.clone(),
        left: 100_000,
        ends: ends.clone(),
    };
    let rt = sim.runtime();
    let held = chain(&rt);
    rt.spawn(async move {
        let _held = held;
        pending::<()>().await
    })
    .detach();
    drop(sim);
    assert_eq!(ends.load(SeqCst), 1);
    drop(chain(&rt));
    assert_eq!(ends.load(SeqCst), 2);
}

#[test]
fn a_waker_of_an_ended_task_wakes_nobody_else() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let ended = rt.spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    sim.run_until_idle();
    // The next task takes its place.
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = polls.clone();
    let own = Arc::new(Mutex::new(None::<Waker>));
    let slot = own.clone();
    let task = rt.spawn(poll_fn(move |cx| {
        *slot.lock().unwrap() = Some(cx.waker().clone());
        counter.fetch_add(1, SeqCst);
        Poll::<()>::Pending
    }));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(stale)) = pin!(ended).poll(&mut cx) else {
        panic!("the first task has not ended");
    };
    sim.run_until_idle();
    stale.wake_by_ref();
    sim.run_until_idle();
    assert_eq!(polls.load(SeqCst), 1);
    // Nor does it keep anybody from being woken.
    stale.wake_by_ref();
    own.lock().unwrap().take().unwrap().wake();
    sim.run_until_idle();
    assert_eq!(polls.load(SeqCst), 2);
    drop(sim);
    stale.wake();
    drop(task);
}

#[test]
fn a_wake_of_a_main_future_that_is_done_polls_nobody_else() {
    let sim = Sim::new();
    sim.block_on(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Ready(())
    }));
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = polls.clone();
    let task = sim.runtime().spawn(poll_fn(move |_| {
        counter.fetch_add(1, SeqCst);
        Poll::<()>::Pending
    }));
    sim.run_until_idle();
    assert_eq!(polls.load(SeqCst), 1);
    drop(task);
}

#[test]
fn a_timer_wakes_nobody_before_its_time() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let nano = Duration::from_nanos(1);
    let mut sleeps = [1, 2, 3].map(|nanos| Box::pin(rt.sleep(nanos * nano)));
    for sleep in &mut sleeps {
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
    for due in 1..=3 {
        sim.advance(nano);
        assert_eq!(wakes.count(), due);
    }
}

#[test]
fn timers_are_on_time_to_the_nanosecond() {
    explore_orders(4, |sim| {
        let rt = sim.runtime();
        let tasks: Vec<_> = (1..200_u64)
            .map(|number| {
                let rt = rt.clone();
                rt.clone().spawn(async move {
                    for step in 1..4 {
                        // Far apart and close together.
                        let nanos = Duration::from_nanos(number * number % 97 * step);
                        let deadline = rt.now() + nanos;
                        rt.sleep(nanos).await;
                        assert_eq!(rt.now(), deadline);
                    }
                })
            })
            .collect();
        sim.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(sim.elapsed(), Duration::from_nanos(96 * (1 + 2 + 3)));
        sim.assert_empty();
    });
}

#[test]
fn wakes_of_other_threads_count() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let flag = Arc::new(AtomicUsize::new(0));
    let stored = Arc::new(Mutex::new(None::<Waker>));
    let task = rt.spawn({
        let (flag, stored) = (flag.clone(), stored.clone());
        poll_fn(move |cx| {
            *stored.lock().unwrap() = Some(cx.waker().clone());
            match flag.load(SeqCst) {
                0 => Poll::Pending,
                value => Poll::Ready(value),
            }
        })
    });
    sim.run_until_idle();
    let waker = stored.lock().unwrap().take().unwrap();
    std::thread::spawn(move || {
        flag.store(7, SeqCst);
        waker.wake();
    })
    .join()
    .unwrap();
    assert_eq!(sim.block_on(task).unwrap(), 7);
}

#[test]
fn parallelism_is_what_the_test_says() {
    let sim = Sim::new();
    let rt = sim.runtime();
    assert_eq!(rt.parallelism().get(), 1);
    sim.parallelism(4);
    assert_eq!(rt.parallelism().get(), 4);
    let error = panic_text(|| sim.parallelism(0));
    assert!(error.contains("not nought"), "{error}");
}

#[test]
fn a_panic_of_a_task_stays_its_own() {
    explore_orders(4, |sim| {
        let rt = sim.runtime().on_unobserved(|_| {});
        let bad = rt.spawn(async { panic!("bad") });
        let good = rt.spawn(async { 1 });
        let result = catch_unwind(AssertUnwindSafe(|| sim.block_on(good)));
        assert_eq!(result.unwrap().unwrap(), 1);
        let error = sim.block_on(bad).unwrap_err();
        assert_eq!(error.to_string(), "task panicked: bad");
        sim.assert_empty();
    });
}

// D1
#[test]
fn a_deadlock_names_the_tasks_of_groups() {
    let sim = Sim::new();
    sim.parallelism(2);
    let group = Group::builder(&sim.runtime())
        .name("ingest")
        .limit(1)
        .build();
    let sub = group.subgroup("db").unwrap();
    sub.task("reader").spawn(std::future::pending::<()>());
    let line = line!() + 1;
    group.spawn(std::future::pending::<()>());
    group.task("queued").spawn(async {});
    sub.task("alone")
        .isolated()
        .spawn(std::future::pending::<()>());
    let error = sim.try_block_on(group.closed()).unwrap_err();
    assert!(!error.is_livelock());
    let text = error.to_string();
    for expected in [
        &format!("a task of ingest, spawned at tests/it/sim.rs:{line}:11, waits, polled once"),
        ", a driver of group `ingest`, polled ",
        "\n    ingest/queued, spawned at tests/it/sim.rs:",
        ", waits for a slot, never polled",
        "\n    ingest/db/reader, spawned at tests/it/sim.rs:",
        "\n    ingest/db/alone, spawned at tests/it/sim.rs:",
        ", isolated",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(text.matches("ingest/queued").count(), 1, "{text}");
}

// D1
#[test]
fn what_runs_for_ever_is_reported() {
    let sim = Sim::new();
    sim.poll_limit(1_000);
    let rt = sim.runtime();
    rt.spawn(async {
        loop {
            yield_now().await;
        }
    })
    .detach();
    let error = sim.try_block_on(std::future::pending::<()>()).unwrap_err();
    assert!(error.is_livelock());
    let text = error.to_string();
    let (head, tasks) = text.split_once('\n').unwrap();
    assert_eq!(head, "livelock at 0ns: 1000 polls, and time has not moved");
    assert!(tasks.contains(", polled 999 times, is ready"), "{text}");
    let text = panic_text(|| sim.run_until_idle());
    assert!(text.starts_with("livelock at 0ns"), "{text}");
    let text = panic_text(|| sim.advance(Duration::from_secs(1)));
    assert!(text.starts_with("livelock at 0ns"), "{text}");
}

// D1
#[test]
fn a_wait_beside_a_task_that_sleeps_again_and_again_is_reported() {
    let sim = Sim::new();
    sim.move_limit(50);
    let rt = sim.runtime();
    rt.spawn({
        let rt = rt.clone();
        async move {
            loop {
                rt.sleep(Duration::from_secs(10)).await;
            }
        }
    })
    .detach();
    let error = sim.try_block_on(std::future::pending::<()>()).unwrap_err();
    assert!(error.is_livelock());
    let text = error.to_string();
    let (head, tasks) = text.split_once('\n').unwrap();
    assert_eq!(
        head,
        "livelock at 500s: time has moved 50 times, and what is waited for is not done"
    );
    assert!(tasks.contains("polled 51 times"), "{text}");
    // Each wait has all of them, and a move by hand needs none.
    sim.block_on(rt.sleep(Duration::from_secs(400)));
    sim.advance(Duration::from_secs(10_000));
    assert_eq!(
        panic_text(|| sim.move_limit(0)),
        "time that may not move at all needs auto_advance(false)"
    );
}

// D1
#[test]
fn what_goes_on_for_long_is_no_livelock_as_long_as_time_moves() {
    let sim = Sim::new();
    sim.poll_limit(1_000);
    let rt = sim.runtime();
    for _ in 0..3 {
        sim.block_on(async {
            for _ in 0..10 {
                for _ in 0..300 {
                    yield_now().await;
                }
                rt.sleep(Duration::from_nanos(1)).await;
            }
            for _ in 0..900 {
                yield_now().await;
            }
        });
    }
    assert_eq!(
        panic_text(|| sim.poll_limit(0)),
        "a simulation that may not poll at all runs nothing"
    );
}

// D5
#[test]
fn a_task_moves_time_from_inside() {
    let sim = Sim::new();
    let (rt, inside) = (sim.runtime(), sim.reference());
    let log = Log::default();
    for seconds in [2, 1, 9] {
        let (sleep, log, inside) = (rt.sleep(seconds * SECOND), log.clone(), inside.clone());
        rt.spawn(async move {
            sleep.await;
            log.push(format!("{seconds} at {:?}", inside.elapsed()));
        })
        .detach();
    }
    sim.block_on(async {
        yield_now().await;
        inside.advance(3 * SECOND);
        assert_eq!((inside.elapsed(), inside.now()), (3 * SECOND, sim.now()));
        assert_eq!(log.take(), [""; 0]);
        yield_now().await;
        // In the order of their deadlines, and they see the later time.
        assert_eq!(log.take(), ["1 at 3s", "2 at 3s"]);
        sim.reference().advance(Duration::ZERO);
    });
    let error = panic_text(|| inside.advance(Duration::MAX));
    assert!(error.starts_with("a clock can not be moved by"), "{error}");
    sim.advance(6 * SECOND);
    assert_eq!(log.take(), ["9 at 9s"]);
    drop(sim);
    inside.advance(SECOND);
    assert_eq!(inside.elapsed(), 9 * SECOND);
}

// D5
#[test]
fn time_stands_still_while_others_work() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let event = Arc::new(untethered::sync::Event::new());
    let (begin, began) = std::sync::mpsc::channel::<()>();
    let (work, setter) = (sim.outside_work(), event.clone());
    let second_work = sim.outside_work();
    let thread = std::thread::spawn(move || {
        began.recv().unwrap();
        setter.set();
        drop((work, second_work));
    });
    let timer = rt.spawn({
        let rt = rt.clone();
        async move { rt.sleep(SECOND).await }
    });
    sim.block_on(async {
        begin.send(()).unwrap();
        event.wait().await;
        assert_eq!(sim.elapsed(), Duration::ZERO);
    });
    thread.join().unwrap();
    // Once nobody works any more, it moves.
    sim.block_on(timer).unwrap();
    assert_eq!(sim.elapsed(), SECOND);

    // Work that ends without a wake-up is no reason to wait on.
    let work = sim.outside_work();
    let thread = std::thread::spawn(move || drop(work));
    assert!(!sim.try_block_on(pending::<()>()).unwrap_err().is_livelock());
    thread.join().unwrap();
    let work = sim.outside_work();
    sim.outside_limit(Duration::ZERO);
    let text = panic_text(|| sim.block_on(pending::<()>()));
    let head = "deadlock at 1s: nothing is ready, and outside work has not ended in 0ns\n  main";
    assert!(text.starts_with(head), "{text}");
    drop(work);
}

#[test]
fn a_blocking_closure_runs_before_time_moves() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let inside = sim.reference();
    let work = rt.spawn_blocking(move || inside.elapsed());
    sim.block_on(rt.sleep(SECOND));
    assert_eq!(sim.block_on(work).unwrap(), Duration::ZERO);
}

// D5
#[test]
fn whoever_waits_for_others_is_woken_by_what_they_do() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let queue = untethered::Queue::bounded(1);
    let (begin, began) = std::sync::mpsc::channel::<Option<untethered::sim::OutsideWork>>();
    let sender = queue.clone();
    let thread = std::thread::spawn(move || {
        for work in began {
            match work {
                // To end is all it does.
                Some(work) => drop(work),
                None => sender.push_blocking(()).unwrap(),
            }
        }
    });
    // So often that the thread is late now and then, and has to wake who waits for it: otherwise
    // this would last for ever.
    sim.outside_limit(Duration::MAX);
    sim.block_on(async {
        let all = sim.outside_work();
        for _ in 0..300 {
            begin.send(None).unwrap();
            queue.pop().await.unwrap();
        }
        assert_eq!(sim.elapsed(), Duration::ZERO);
        drop(all);
        for _ in 0..300 {
            begin.send(Some(sim.outside_work())).unwrap();
            rt.sleep(SECOND).await;
        }
        assert_eq!(sim.elapsed(), 300 * SECOND);
    });
    drop(begin);
    thread.join().unwrap();
}
