//! Panics, lost outputs and closures that may block: whose they are and where they go.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use untethered::Task;
use untethered::sim::{Sim, explore_orders, yield_now};
use untethered::task::BlockingTask;

use crate::support::{Log, panic_text};
use crate::task::telling;

#[test]
fn a_panic_reaches_whoever_awaits_with_its_payload() {
    let sim = Sim::new();
    let log = Log::default();
    let rt = telling(&sim, &log);
    let text: Task<()> = rt.spawn(async { panic!("number {}", 7) });
    let error = sim.block_on(text).unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(error.panic_message(), Some("number 7"));
    assert_eq!(error.to_string(), "task panicked: number 7");
    assert_eq!(
        format!("{error:?}"),
        "JoinError(\"task panicked: number 7\")"
    );

    let number: Task<()> = rt.spawn(async { panic_any(7_u8) });
    let error = sim.block_on(number).unwrap_err();
    assert_eq!(error.panic_message(), None);
    assert_eq!(error.to_string(), "task panicked");
    assert_eq!(error.into_panic().unwrap().downcast_ref::<u8>(), Some(&7));

    let resumed: Task<()> = rt.spawn(async { panic!("again") });
    let error = sim.block_on(resumed).unwrap_err();
    assert_eq!(panic_text(|| error.resume_panic()), "again");

    let cancelled = rt.spawn(pending::<()>());
    cancelled.abort();
    let error = sim.block_on(cancelled).unwrap_err();
    let error = error.resume_panic().into_panic().unwrap_err();
    assert!(error.is_cancelled());

    assert_eq!(log.take(), [""; 0]);
    sim.assert_empty();
}

#[test]
fn a_panic_that_nobody_takes_goes_to_the_hook_once() {
    explore_orders(8, |sim| {
        let log = Log::default();
        let rt = telling(sim, &log);
        let bad = |text: &'static str| {
            rt.spawn(async move {
                yield_now().await;
                panic!("{text}")
            })
        };
        let told = |text: &str| format!("a task that nobody waits for panicked: {text}");

        let detached: Task<()> = bad("detached");
        detached.detach();
        sim.run_until_idle();
        assert_eq!(log.take(), [told("detached")]);

        let dropped: Task<()> = bad("dropped");
        sim.run_until_idle();
        assert_eq!(log.take(), [""; 0]);
        drop(dropped);
        assert_eq!(log.take(), [told("dropped")]);

        let taken: Task<()> = bad("taken");
        sim.block_on(taken).unwrap_err();
        assert_eq!(log.take(), [""; 0]);

        // Cancelling is no panic.
        drop(rt.spawn(pending::<()>()));
        sim.run_until_idle();
        assert_eq!(log.take(), [""; 0]);

        // What it panicked with can be looked at.
        let payloads = Arc::new(Mutex::new(Vec::new()));
        let sink = payloads.clone();
        let keeping = sim.runtime().on_unobserved(move |unobserved| {
            let message = unobserved.panic_message().map(str::to_owned);
            let payload = unobserved.into_panic().unwrap();
            sink.lock().unwrap().push((message, payload));
        });
        keeping.spawn(async { panic!("a text") }).detach();
        sim.run_until_idle();
        let (message, _) = payloads.lock().unwrap().pop().unwrap();
        assert_eq!(message.as_deref(), Some("a text"));
        keeping.spawn(async { panic_any(3_u8) }).detach();
        sim.run_until_idle();
        let (message, payload) = payloads.lock().unwrap().pop().unwrap();
        assert_eq!(message, None);
        assert_eq!(payload.downcast_ref::<u8>(), Some(&3));
        sim.assert_empty();
    });
}

#[test]
fn a_hook_that_panics_hurts_nobody() {
    let sim = Sim::new();
    let rt = sim.runtime().on_unobserved(|_| panic!("the hook too"));
    rt.spawn(async { panic!("first") }).detach();
    let good = rt.spawn(async { 1 });
    assert_eq!(sim.block_on(good).unwrap(), 1);
    sim.assert_empty();
}

/// Panics when it is dropped, with `self.1` as often again.
struct Bomb(Log, u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.push(format!("bomb {}", self.1));
        if self.1 > 0 {
            panic_any(Bomb(self.0.clone(), self.1 - 1));
        }
        panic!("last bomb");
    }
}

#[test]
fn a_panic_in_the_destructor_of_a_future_is_its_outcome() {
    explore_orders(4, |sim| {
        let log = Log::default();
        let rt = telling(sim, &log);
        let aborted = rt.spawn({
            let bomb = Bomb(log.clone(), 0);
            async move {
                let _bomb = bomb;
                pending::<()>().await
            }
        });
        sim.run_until_idle();
        aborted.abort();
        let error = sim.block_on(aborted).unwrap_err();
        assert_eq!(error.to_string(), "task panicked: last bomb");
        assert_eq!(log.take(), ["bomb 0"]);

        // Dropped by the handle's drop: nobody is left to take it.
        let dropped = rt.spawn({
            let bomb = Bomb(log.clone(), 0);
            async move {
                let _bomb = bomb;
                pending::<()>().await
            }
        });
        drop(dropped);
        sim.run_until_idle();
        let told = "a task that nobody waits for panicked: last bomb";
        assert_eq!(log.take(), ["bomb 0", told]);
        sim.assert_empty();
    });
}

/// Ready at once with a value; panics when it is dropped afterwards.
struct ReadyBomb<T>(Option<T>, &'static str);

impl<T: Unpin> Future for ReadyBomb<T> {
    type Output = T;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(
            self.0
                .take()
                .expect("the task was not to panic while it ran"),
        )
    }
}

impl<T> Drop for ReadyBomb<T> {
    fn drop(&mut self) {
        panic!("{}", self.1);
    }
}

#[test]
fn the_first_panic_is_the_outcome_and_the_second_is_told() {
    let sim = Sim::new();
    let log = Log::default();
    let rt = telling(&sim, &log);
    let both: Task<u8> = rt.spawn(ReadyBomb(None, "in drop"));
    let error = sim.block_on(both).unwrap_err();
    assert!(error.to_string().contains("was not to panic"), "{error}");
    let told = "a task that nobody waits for panicked: in drop";
    assert_eq!(log.take(), [told]);

    // The output is lost with the destructor's panic, and dropped.
    let value = rt.spawn(ReadyBomb(Some(log.on_drop("output dropped")), "in drop"));
    let Err(error) = sim.block_on(value) else {
        panic!("a destructor's panic was lost");
    };
    assert_eq!(error.to_string(), "task panicked: in drop");
    assert_eq!(log.take(), ["output dropped"]);

    // Three in one task.
    let value = rt.spawn(ReadyBomb(Some(Bomb(log.clone(), 0)), "in drop"));
    assert!(sim.block_on(value).is_err_and(|error| error.is_panic()));
    let told = "a task that nobody waits for panicked: last bomb";
    assert_eq!(log.take(), ["bomb 0", told]);
    sim.assert_empty();
}

#[test]
fn payloads_that_panic_when_dropped_unwind_into_nobody() {
    let sim = Sim::new();
    let log = Log::default();
    let sink = log.clone();
    let rt = sim.runtime().on_unobserved(move |_| sink.push("told"));
    let bomb = Bomb(log.clone(), 9);
    rt.spawn(async move { panic_any(bomb) }).detach();
    let good = rt.spawn(async { 1 });
    let run = AssertUnwindSafe(|| sim.block_on(good).unwrap());
    match catch_unwind(run) {
        Ok(value) => assert_eq!(value, 1),
        Err(payload) => {
            // The test harness would not survive this one.
            std::mem::forget(payload);
            panic!("it unwound into the runtime");
        }
    }
    // The payload, what that panicked with, and no further.
    assert_eq!(log.take(), ["told", "bomb 9", "bomb 8"]);
    sim.assert_empty();
}

#[test]
fn an_output_that_nobody_takes_is_dropped_with_the_handle_or_the_task() {
    explore_orders(8, |sim| {
        let log = Log::default();
        let rt = telling(sim, &log);
        let task = rt.spawn(ready(log.on_drop("output dropped")));
        sim.run_until_idle();
        assert_eq!(log.take(), [""; 0]);
        drop(task);
        assert_eq!(log.take(), ["output dropped"]);

        rt.spawn(ready(log.on_drop("output dropped"))).detach();
        sim.run_until_idle();
        assert_eq!(log.take(), ["output dropped"]);

        let bomb = rt.spawn(ready(Bomb(log.clone(), 0)));
        sim.run_until_idle();
        drop(bomb);
        let told = "a task that nobody waits for panicked: last bomb";
        assert_eq!(log.take(), ["bomb 0", told]);
    });
}

#[test]
fn a_closure_runs_on_without_its_handle() {
    let sim = Sim::new();
    let log = Log::default();
    let rt = telling(&sim, &log);
    let sink = log.clone();
    drop(rt.spawn_blocking(move || sink.push("ran")));
    sim.run_until_idle();
    assert_eq!(log.take(), ["ran"]);

    drop(rt.spawn_blocking(|| panic!("in a closure")));
    sim.run_until_idle();
    let told = "a task that nobody waits for panicked: in a closure";
    assert_eq!(log.take(), [told]);

    let bad: BlockingTask<()> = rt.spawn_blocking(|| panic!("in a closure"));
    let error = sim.block_on(bad).unwrap_err();
    assert_eq!(error.to_string(), "task panicked: in a closure");
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_closure_that_is_never_run_is_dropped_and_says_so() {
    let log = Log::default();
    let sim = Sim::new();
    let rt = telling(&sim, &log);
    let guard = log.on_drop("captured");
    let task = rt.spawn_blocking(move || drop(guard));
    let bomb = Bomb(log.clone(), 0);
    let bad = rt.spawn_blocking(move || drop(bomb));
    assert!(!task.is_finished());
    drop(sim);
    assert!(task.is_finished());
    let error = futures_lite::future::block_on(task).unwrap_err();
    assert!(error.is_cancelled());
    let error = futures_lite::future::block_on(bad).unwrap_err();
    assert_eq!(error.to_string(), "task panicked: last bomb");
    assert_eq!(log.take(), ["captured", "bomb 0"]);
}

#[test]
fn a_waker_that_panics_stops_neither_the_task_nor_the_abort() {
    struct Bad;
    impl std::task::Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let sim = Sim::new();
    let rt = sim.runtime();
    let bad = Waker::from(Arc::new(Bad));
    let mut task = pin!(rt.spawn(ready(1)));
    assert!(
        task.as_mut()
            .poll(&mut Context::from_waker(&bad))
            .is_pending()
    );
    let good = rt.spawn(ready(2));
    assert_eq!(sim.block_on(good).unwrap(), 2);
    assert_eq!(sim.block_on(task).unwrap(), 1);
    sim.assert_empty();
}
