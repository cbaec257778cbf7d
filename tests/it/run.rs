//! Mains on a simulation, with signals sent by hand.

use std::future::{pending, poll_fn};
use std::process::ExitCode;
use std::sync::Mutex;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use untethered::group::OnCancel;
use untethered::run::Run;
use untethered::runtime::{BoxFuture, Sleeper, Spawner, Unobserved};
use untethered::signal::{SecondSignal, ShutdownSignals, Signal, Source};
use untethered::sim::{Order, Sim, drop_at_every_poll, yield_now};
use untethered::{Runtime, block_on, run, run_with};

use crate::support::{Drops, Log, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// Signals sent by hand, and a main that they stop.
fn by_hand(sim: &Sim, second: SecondSignal) -> (Source, Run) {
    let (source, signals) = ShutdownSignals::builder().on_second(second).manual();
    (source, Run::on(&sim.runtime()).signals(signals))
}

/// Sends `signal` after so many seconds.
fn send_after(rt: &Runtime, seconds: u32, source: &Source, signal: Signal) {
    let (sleep, source) = (rt.sleep(SECOND * seconds), source.clone());
    rt.spawn(async move {
        sleep.await;
        source.send(signal);
    })
    .detach();
}

fn left_nothing(sim: &Sim) {
    // What runs the tasks of a group is itself a task, and ends after them.
    sim.run_until_idle();
    sim.assert_empty();
}

// N1
#[test]
fn the_first_signal_drops_a_main_that_does_not_listen() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (source, main) = by_hand(&sim, SecondSignal::Ignore);
    send_after(&rt, 1, &source, Signal::Terminate);
    let log = Log::default();
    let guard = log.on_drop("dropped");
    let stopped = rt.block_on(main.main(async {
        pending::<()>().await;
        drop(guard);
    }));
    let error = stopped.unwrap_err();
    assert_eq!(log.take(), ["dropped"]);
    assert_eq!(error.signal(), Some(Signal::Terminate));
    assert!(error.is_cancelled());
    assert_eq!(error.to_string(), "stopped: SIGTERM");
    assert_eq!(error.second_signal(), None);
    assert_eq!(sim.elapsed(), SECOND);
    left_nothing(&sim);
}

#[test]
fn a_value_that_is_ready_beats_the_signal() {
    let sim = Sim::new();
    let (source, main) = by_hand(&sim, SecondSignal::Escalate);
    source.send(Signal::Interrupt);
    source.send(Signal::Interrupt);
    assert_eq!(sim.block_on(main.main(async { 7 })).unwrap(), 7);
    let (source, main) = by_hand(&sim, SecondSignal::Escalate);
    source.send(Signal::Interrupt);
    source.send(Signal::Interrupt);
    assert_eq!(sim.block_on(main.main_with(|_| async { 7 })).unwrap(), 7);
}

// N2
#[test]
fn the_first_signal_asks_once_clean_up_finishes_and_the_value_comes_back() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (source, main) = by_hand(&sim, SecondSignal::Ignore);
    for seconds in 1..5 {
        send_after(&rt, seconds, &source, Signal::Interrupt);
    }
    let log = Log::default();
    let value = rt.block_on(main.main_with(|cx| {
        let log = log.clone();
        async move {
            cx.token().cancelled().await;
            assert!(cx.is_cancelled());
            log.push(cx.token().reason().unwrap().to_string());
            cx.runtime().sleep(SECOND * 10).await;
            log.push("cleaned up");
            7
        }
    }));
    assert_eq!(value.unwrap(), 7);
    assert_eq!(log.take(), ["SIGINT", "cleaned up"]);
    assert_eq!(sim.elapsed(), SECOND * 11);
    left_nothing(&sim);
}

// N3
#[test]
fn tasks_that_main_has_left_are_cancelled_after_it_and_waited_for() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (source, main) = by_hand(&sim, SecondSignal::Ignore);
    send_after(&rt, 1, &source, Signal::Interrupt);
    let log = Log::default();
    let done = rt.block_on(main.main_with(|cx| {
        let log = log.clone();
        async move {
            let guard = log.on_drop("task dropped");
            cx.spawn(async move {
                pending::<()>().await;
                drop(guard);
            });
            let told = log.clone();
            let graceful = cx
                .group()
                .task("graceful")
                .on_cancel(OnCancel::Grace(SECOND * 3));
            graceful.spawn_with(|task| async move {
                task.token().cancelled().await;
                task.runtime().sleep(SECOND * 2).await;
                told.push("task cleaned up");
            });
            cx.token().cancelled().await;
            cx.runtime().sleep(SECOND).await;
            log.push("main is done");
        }
    }));
    done.unwrap();
    assert_eq!(
        log.take(),
        ["main is done", "task dropped", "task cleaned up"]
    );
    assert_eq!(sim.elapsed(), SECOND * 4);
    left_nothing(&sim);
}

// N3
#[test]
fn tasks_are_waited_for_after_a_panic_too_and_dropped_when_their_time_is_over() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let drops = Drops::default();
    let text = panic_text(|| {
        let main = Run::on(&rt).without_signals().grace(SECOND);
        rt.block_on(main.main_with(|cx| {
            let guard = drops.guard();
            let stubborn = cx
                .group()
                .task("stubborn")
                .on_cancel(OnCancel::Grace(SECOND * 60));
            stubborn.spawn(async move {
                pending::<()>().await;
                drop(guard);
            });
            async {
                yield_now().await;
                panic!("main")
            }
        }))
    });
    assert_eq!(text, "main");
    assert_eq!(drops.count(), 1);
    assert_eq!(sim.elapsed(), SECOND, "the grace of the settings");
    left_nothing(&sim);
    let early = panic_text(|| {
        let main = Run::on(&rt).without_signals();
        let bad = |_| -> std::future::Ready<()> { panic!("before the first poll") };
        rt.block_on(main.main_with(bad))
    });
    assert_eq!(early, "before the first poll");
}

#[test]
fn a_second_signal_drops_main_and_takes_the_grace_of_its_tasks_away() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (source, main) = by_hand(&sim, SecondSignal::Escalate);
    send_after(&rt, 1, &source, Signal::Terminate);
    send_after(&rt, 2, &source, Signal::Interrupt);
    let log = Log::default();
    let guards = [log.on_drop("main"), log.on_drop("task")];
    let stopped = rt.block_on(main.main_with(|cx| async move {
        let [main, task] = guards;
        let stubborn = cx
            .group()
            .task("stubborn")
            .on_cancel(OnCancel::Grace(SECOND * 60));
        stubborn.spawn(async move {
            pending::<()>().await;
            drop(task);
        });
        pending::<()>().await;
        drop(main);
    }));
    let error = stopped.unwrap_err();
    assert_eq!(
        error.signal(),
        Some(Signal::Terminate),
        "the first one stays"
    );
    assert_eq!(error.second_signal(), Some(Signal::Interrupt));
    assert_eq!(error.to_string(), "stopped: SIGTERM, cut off: SIGINT");
    assert_eq!(log.take(), ["main", "task"]);
    assert_eq!(sim.elapsed(), SECOND * 2);
    left_nothing(&sim);
}

// N2
#[test]
fn a_second_signal_may_cut_the_clean_up_short_and_the_value_comes_back() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (source, main) = by_hand(&sim, SecondSignal::Hurry);
    send_after(&rt, 1, &source, Signal::Terminate);
    send_after(&rt, 2, &source, Signal::Interrupt);
    send_after(&rt, 3, &source, Signal::Interrupt);
    let log = Log::default();
    let value = rt.block_on(main.grace(SECOND * 60).main_with(|cx| {
        let log = log.clone();
        async move {
            let stubborn = cx.group().task("stubborn");
            let stubborn = stubborn.on_cancel(OnCancel::Grace(SECOND * 60));
            let guard = log.on_drop("task");
            stubborn.spawn(async move {
                pending::<()>().await;
                drop(guard);
            });
            cx.token().cancelled().await;
            assert!(!cx.second_token().is_cancelled());
            let drain = cx.runtime().sleep(SECOND * 60);
            let drained = cx.second_token().run_until_cancelled(drain).await;
            assert_eq!(drained, None);
            log.push(cx.second_token().reason().unwrap().to_string());
            // What it still awaits is not dropped, by a third signal neither.
            cx.runtime().sleep(SECOND * 2).await;
            log.push("told");
            7
        }
    }));
    assert_eq!(value.unwrap(), 7);
    assert_eq!(log.take(), ["SIGINT", "told", "task"]);
    assert_eq!(sim.elapsed(), SECOND * 4, "without the grace of the task");
    left_nothing(&sim);
}

#[test]
fn a_second_signal_while_tasks_are_waited_for_hurries_them() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (source, main) = by_hand(&sim, SecondSignal::Escalate);
    send_after(&rt, 1, &source, Signal::Interrupt);
    send_after(&rt, 3, &source, Signal::Interrupt);
    let done = rt.block_on(main.grace(SECOND * 60).main_with(|cx| async move {
        let stubborn = cx
            .group()
            .task("stubborn")
            .on_cancel(OnCancel::Grace(SECOND * 60));
        stubborn.spawn(pending::<()>());
        cx.token().cancelled().await;
        "done"
    }));
    assert_eq!(done.unwrap(), "done");
    assert_eq!(sim.elapsed(), SECOND * 3);
    left_nothing(&sim);
}

/// Keeps the tasks it is given and never polls them.
#[derive(Default)]
struct Lazy(Mutex<Vec<BoxFuture<'static, ()>>>);

impl Spawner for Lazy {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(task);
    }
}

/// The clock of another runtime.
struct ClockOf(Runtime);

impl Sleeper for ClockOf {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.0.sleep_until(deadline))
    }
}

// N3
#[test]
fn failures_of_tasks_and_tasks_that_are_stuck_go_to_the_hook_of_the_runtime() {
    let sim = Sim::new();
    let told = Log::default();
    let tell = told.clone();
    let hook = move |unobserved: Unobserved| tell.push(unobserved.to_string());
    let rt = sim.runtime().on_unobserved(hook.clone());
    let main = Run::on(&rt).without_signals().main_with(|cx| async move {
        let fails = cx.group().task("fails");
        fails
            .spawn_fallible(async { Err::<(), _>("no luck") })
            .ended()
            .await;
    });
    sim.block_on(main).unwrap();
    assert_eq!(told.take(), ["main/fails failed: no luck"]);
    let lazy = Runtime::new(Lazy::default(), ClockOf(sim.runtime())).on_unobserved(hook);
    let main = Run::on(&lazy).without_signals().grace(SECOND);
    let done = main.main_with(|cx| async move {
        let isolated = cx.group().task("stuck").isolated();
        isolated.spawn(pending::<()>());
    });
    sim.block_on(done).unwrap();
    assert_eq!(
        told.take(),
        ["main/stuck failed: it has not ended with the program's main"]
    );
    assert_eq!(sim.elapsed(), SECOND * 6, "the grace and the hard limit");
}

#[test]
fn a_main_dropped_at_any_poll_leaves_nothing() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let (source, main) = by_hand(sim, SecondSignal::Ignore);
        let drops = Drops::default();
        let guards = [drops.guard(), drops.guard()];
        let main = main.main_with(|cx| async move {
            let [main, task] = guards;
            cx.spawn(async move {
                pending::<()>().await;
                drop(task);
            });
            yield_now().await;
            source.send(Signal::Interrupt);
            cx.token().cancelled().await;
            yield_now().await;
            drop(main);
        });
        (main, move |sim: &Sim| {
            assert_eq!(drops.count(), 2);
            sim.assert_empty();
        })
    });
    assert!(polls >= 4, "{polls}");
}

#[test]
fn a_main_may_borrow_and_need_not_be_send() {
    let sim = Sim::new();
    let words = std::rc::Rc::new(["on", "loan"]);
    let main = Run::on(&sim.runtime()).without_signals();
    let length = main.main_with(|_| async {
        yield_now().await;
        words.len()
    });
    assert_eq!(sim.block_on(length).unwrap(), 2);
    assert_eq!(run(&sim.runtime(), async { words.len() }).unwrap(), 2);
    let with = run_with(&sim.runtime(), |cx| {
        let words = words.clone();
        async move { cx.spawn(async { 1 }).await.unwrap() + words.len() }
    });
    assert_eq!(with.unwrap(), 3);
}

#[test]
fn a_deadlock_of_a_main_is_told_at_the_line_of_the_caller() {
    let sim = Sim::new();
    let text = panic_text(|| sim.runtime().block_on(pending::<()>()));
    assert!(
        text.starts_with("deadlock at 0ns: nothing is ready"),
        "{text}"
    );
    let inside = panic_text(|| sim.block_on(async { sim.runtime().block_on(async {}) }));
    assert!(inside.contains("is running already"), "{inside}");
}

// K2
#[test]
fn a_call_within_a_block_on_takes_no_wake_up_of_the_one_around_it() {
    let mut polls = 0;
    block_on(poll_fn(|cx| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        // Uses up what the thread itself remembers of a wake-up.
        block_on(yield_now());
        thread::park_timeout(Duration::ZERO);
        Poll::Pending
    }));
    assert_eq!(polls, 2);
}

#[test]
fn what_stopped_a_main_is_its_exit_code() {
    use std::error::Error;

    let sim = Sim::new();
    for signal in [Signal::Interrupt, Signal::Quit] {
        let (source, main) = by_hand(&sim, SecondSignal::Ignore);
        source.send(signal);
        let error = sim.block_on(main.main(pending::<()>())).unwrap_err();
        // It can be compared by what it shows alone.
        let code = |code: ExitCode| format!("{code:?}");
        assert_eq!(code(error.exit_code()), code(signal.exit_code()));
        assert_ne!(code(error.exit_code()), code(ExitCode::FAILURE));
        assert!(error.source().is_none());
    }
}

#[test]
fn a_main_without_signals_runs_to_its_end() {
    let sim = Sim::new();
    let main = || Run::on(&sim.runtime()).without_signals();
    assert_eq!(sim.block_on(main().main(async { 7 })).unwrap(), 7);
    // One that panics before there is a future panics in who waits.
    let bad = |_| -> std::future::Ready<u8> { panic!("no main today") };
    let text = panic_text(|| sim.block_on(main().main_with(bad)));
    assert_eq!(text, "no main today");
}
