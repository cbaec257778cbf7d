use std::future::{pending, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::task::AbortHandle;
use untethered::{Runtime, Task};

use crate::random::Random;
use crate::support::{Drops, Log, OnDrop, Wakes};

const SECOND: Duration = Duration::from_secs(1);

/// A runtime of `sim` that logs the panics nobody takes.
pub(crate) fn telling(sim: &Sim, log: &Log) -> Runtime {
    let log = log.clone();
    sim.runtime().on_unobserved(move |unobserved| {
        log.push(unobserved.to_string());
    })
}

#[test]
fn awaiting_gives_the_output() {
    explore_orders(8, |sim| {
        let rt = sim.runtime();
        let task = rt.spawn({
            let rt = rt.clone();
            async move {
                rt.sleep(SECOND).await;
                String::from("done")
            }
        });
        assert!(!task.is_finished());
        assert_eq!(sim.block_on(task).unwrap(), "done");
        sim.assert_empty();
    });
}

#[test]
fn dropping_the_handle_drops_the_future_where_it_would_be_polled() {
    explore_orders(8, |sim| {
        let log = Log::default();
        let guard = log.on_drop("future dropped");
        let task = sim.runtime().spawn(async move {
            let _guard = guard;
            pending::<()>().await
        });
        sim.run_until_idle();
        drop(task);
        assert_eq!(log.take(), [""; 0]);
        sim.run_until_idle();
        assert_eq!(log.take(), ["future dropped"]);
        sim.assert_empty();
    });
}

#[test]
fn a_task_that_is_aborted_before_its_first_poll_never_runs() {
    explore_orders(8, |sim| {
        let log = Log::default();
        let body = |log: &Log| {
            let (guard, log) = (log.on_drop("dropped"), log.clone());
            async move {
                let _guard = guard;
                log.push("ran");
            }
        };
        let rt = sim.runtime();
        drop(rt.spawn(body(&log)));
        let aborted = rt.spawn(body(&log));
        aborted.abort();
        let error = sim.block_on(aborted).unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.to_string(), "task was cancelled");
        sim.run_until_idle();
        assert_eq!(log.take(), ["dropped", "dropped"]);
        sim.assert_empty();
    });
}

#[test]
fn a_detached_task_goes_on() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let task = rt.clone().spawn({
        let log = log.clone();
        async move {
            rt.sleep(SECOND).await;
            log.push("done");
        }
    });
    let abort = task.abort_handle();
    task.detach();
    sim.advance(SECOND);
    assert_eq!(log.take(), ["done"]);
    assert!(abort.is_finished());
    sim.assert_empty();
}

#[test]
fn a_detached_task_can_be_aborted() {
    let sim = Sim::new();
    let task = sim.runtime().spawn(pending::<()>());
    let abort = task.abort_handle();
    task.detach();
    sim.run_until_idle();
    assert_eq!(sim.live_tasks(), 1);
    abort.clone().abort();
    sim.run_until_idle();
    assert!(abort.is_finished());
    sim.assert_empty();
}

#[test]
fn cancel_waits_until_the_future_is_gone() {
    explore_orders(8, |sim| {
        let log = Log::default();
        let guard = log.on_drop("future dropped");
        let task = sim.runtime().spawn(async move {
            let _guard = guard;
            pending::<()>().await
        });
        sim.block_on(async {
            yield_now().await;
            let error = task.cancel().await.unwrap_err();
            assert!(error.is_cancelled());
            assert!(error.reason().is_none());
            assert_eq!(log.take(), ["future dropped"]);
        });
        sim.assert_empty();
    });
}

#[test]
fn cancel_gives_an_output_that_came_first() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let task = rt.spawn(ready(5));
        yield_now().await;
        assert!(task.is_finished());
        task.abort();
        assert_eq!(task.cancel().await.unwrap(), 5);

        // It aborts itself and is done in the same poll.
        let handle = Arc::new(Mutex::new(None));
        let own = handle.clone();
        let task = rt.spawn(async move {
            let own: Option<AbortHandle> = own.lock().unwrap().take();
            own.unwrap().abort();
            6
        });
        *handle.lock().unwrap() = Some(task.abort_handle());
        assert_eq!(task.await.unwrap(), 6);
    });
    sim.assert_empty();
}

#[test]
fn a_dropped_cancel_leaves_the_abort_in_force() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let rt = sim.runtime();
        let log = Log::default();
        let guard = log.on_drop("dropped");
        let task = rt.spawn(async move {
            let _guard = guard;
            pending::<()>().await
        });
        let check = move |sim: &Sim| {
            sim.assert_empty();
            assert_eq!(log.take(), ["dropped"]);
        };
        (async move { task.cancel().await.unwrap_err() }, check)
    });
    assert_eq!(polls, 2);
}

#[test]
fn the_future_is_dropped_before_the_outcome_can_be_seen() {
    explore_orders(8, |sim| {
        for end in ["value", "panic", "abort"] {
            let rt = sim.runtime();
            let log = Log::default();
            let handle: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
            let guard = OnDrop::new({
                let (log, handle) = (log.clone(), handle.clone());
                move || {
                    let seen = handle.lock().unwrap().take().unwrap().is_finished();
                    log.push(format!("dropped, outcome seen: {seen}"));
                }
            });
            let task = rt.spawn(async move {
                let _guard = guard;
                yield_now().await;
                match end {
                    "value" => {}
                    "panic" => panic!("on purpose"),
                    _ => pending().await,
                }
            });
            *handle.lock().unwrap() = Some(task.abort_handle());
            sim.run_until_idle();
            if end == "abort" {
                task.abort();
            }
            sim.block_on(async {
                let result = task.await;
                log.push("outcome");
                assert_eq!(result.is_ok(), end == "value");
                assert_eq!(result.is_err_and(|e| e.is_panic()), end == "panic");
            });
            assert_eq!(log.take(), ["dropped, outcome seen: false", "outcome"]);
        }
    });
}

#[test]
fn the_waker_of_the_last_poll_is_woken_once() {
    let sim = Sim::new();
    let mut task = pin!(sim.runtime().spawn(ready(1)));
    let (first, first_waker) = Wakes::new();
    let (second, second_waker) = Wakes::new();
    for waker in [&first_waker, &first_waker, &second_waker] {
        let poll = task.as_mut().poll(&mut Context::from_waker(waker));
        assert!(poll.is_pending());
    }
    drop(first_waker);
    assert_eq!(Arc::strong_count(&first), 1, "an old waker is not kept");
    sim.run_until_idle();
    assert_eq!((first.count(), second.count()), (0, 1));
    drop(second_waker);
    assert_eq!(Arc::strong_count(&second), 1, "a used waker is not kept");
    let poll = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Ok(1))));
}

#[test]
fn a_handle_that_is_dropped_while_it_waits_keeps_no_waker() {
    let sim = Sim::new();
    let task = sim.runtime().spawn(pending::<()>());
    let abort = task.abort_handle();
    let (wakes, waker) = Wakes::new();
    let mut task = Box::pin(task);
    assert!(
        task.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop((task, waker));
    assert_eq!(Arc::strong_count(&wakes), 1);
    sim.run_until_idle();
    assert!(abort.is_finished());
    assert_eq!(wakes.count(), 0);
}

/// A runtime that keeps its one task to be polled by hand.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Option<BoxFuture<'static, ()>>>>);

impl Spawner for ByHand {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        *self.0.lock().unwrap() = Some(task);
    }
}

impl Sleeper for ByHand {
    fn now(&self) -> Instant {
        unreachable!("no test that uses it looks at the clock")
    }

    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        unreachable!("no test that uses it sleeps")
    }
}

#[test]
fn a_task_keeps_its_last_waker_and_only_until_it_has_ended() {
    let by_hand = ByHand::default();
    let rt = Runtime::new(by_hand.clone(), by_hand.clone());
    let handle = rt.spawn(async {
        yield_now().await;
        yield_now().await;
    });
    let mut body = by_hand.0.lock().unwrap().take().unwrap();
    let (first, first_waker) = Wakes::new();
    let (second, second_waker) = Wakes::new();
    for waker in [&first_waker, &second_waker] {
        let poll = body.as_mut().poll(&mut Context::from_waker(waker));
        assert!(poll.is_pending());
    }
    drop(first_waker);
    assert_eq!(Arc::strong_count(&first), 1);
    let poll = body.as_mut().poll(&mut Context::from_waker(&second_waker));
    assert!(poll.is_ready());
    drop(second_waker);
    assert_eq!(Arc::strong_count(&second), 1);
    // Polled once too often, it does nothing.
    let poll = body.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_ready());
    drop(body);
    futures_lite::future::block_on(handle).unwrap();
}

#[test]
fn an_abort_wakes_the_task_once() {
    let by_hand = ByHand::default();
    let rt = Runtime::new(by_hand.clone(), by_hand.clone());
    let handle = rt.spawn(pending::<()>());
    let mut body = by_hand.0.lock().unwrap().take().unwrap();
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    assert!(body.as_mut().poll(&mut cx).is_pending());
    handle.abort();
    handle.abort();
    assert_eq!(wakes.count(), 1);
    assert!(!handle.is_finished());
    drop(handle);
    assert_eq!(wakes.count(), 1);
    assert!(body.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn polling_a_handle_after_its_output_says_so() {
    let sim = Sim::new();
    let mut task = sim.runtime().spawn(ready(1));
    sim.block_on(async {
        (&mut task).await.unwrap();
        assert!(task.is_finished());
        let again = AssertUnwindSafe(poll_once(&mut task));
        let caught = futures_lite::FutureExt::catch_unwind(again).await;
        let text = caught.unwrap_err();
        assert_eq!(
            text.downcast_ref::<&str>(),
            Some(&"a task's handle was polled after it gave its output")
        );
    });
}

#[test]
fn a_task_may_hold_its_own_handle_or_that_of_its_owner() {
    explore_orders(4, |sim| {
        let rt = sim.runtime();
        let log = Log::default();
        let slot: Arc<Mutex<Option<Task<()>>>> = Arc::default();
        let own = slot.clone();
        let guard = log.on_drop("future dropped");
        let task = rt.spawn(async move {
            let _guard = guard;
            yield_now().await;
            // Dropping it aborts the task it runs in.
            drop(own.lock().unwrap().take());
            yield_now().await;
            unreachable!("it was aborted");
        });
        *slot.lock().unwrap() = Some(task);
        sim.run_until_idle();
        assert_eq!(log.take(), ["future dropped"]);
        sim.assert_empty();

        // A future that is dropped with its own handle inside.
        let inside: Arc<Mutex<Option<Task<()>>>> = Arc::default();
        let held = inside.clone();
        let task = rt.spawn(async move {
            let _held = held.lock().unwrap().take();
            pending().await
        });
        let abort = task.abort_handle();
        *inside.lock().unwrap() = Some(task);
        sim.run_until_idle();
        abort.abort();
        sim.run_until_idle();
        sim.assert_empty();
    });
}

#[test]
fn dropping_a_long_chain_of_tasks_does_not_recurse() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let ends = Drops::default();
    let end = ends.guard();
    let mut task = rt.spawn(async move {
        let _end = end;
        pending::<()>().await
    });
    for _ in 0..10_000 {
        task = rt.spawn(async move { task.await.unwrap() });
    }
    sim.run_until_idle();
    drop(task);
    sim.run_until_idle();
    assert_eq!(ends.count(), 1);
    sim.assert_empty();
}

#[test]
fn every_await_of_a_task_is_safe_to_drop_at() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(1), Order::Seeded(2)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let drops = Drops::default();
            let seen = drops.clone();
            let future = async move {
                let child = |seconds: u32| {
                    let (guard, rt) = (drops.guard(), rt.clone());
                    rt.clone().spawn(async move {
                        rt.sleep(seconds * SECOND).await;
                        guard
                    })
                };
                let (one, two) = (child(1), child(2));
                drop(one.await.unwrap());
                yield_now().await;
                let three = child(0);
                assert!(two.cancel().await.is_err());
                drop(three.await.unwrap());
            };
            let check = move |sim: &Sim| {
                sim.assert_empty();
                assert_eq!(seen.count(), seen.made());
            };
            (future, check)
        });
        assert!(polls >= 4, "only {polls} polls");
    }
}

/// Small steps on a few tasks, drawn at random, with a check after each.
#[test]
fn whatever_is_done_to_tasks_each_ends_once() {
    // How often each end was reached: a test that never sees one proves nothing about it.
    let mut ends = [0; 4];
    for seed in 0..400 {
        let sim = Sim::with_order(Order::Seeded(seed));
        sim.spurious_wakes(seed % 2 == 0);
        let told = Log::default();
        let rt = telling(&sim, &told);
        let mut random = Random::new(seed);
        let drops = Drops::default();
        let mut held: Vec<Task<usize>> = Vec::new();
        for _ in 0..12 {
            match random.below(7) {
                0..=2 => {
                    let guard = drops.guard();
                    let (kind, own) = (random.below(4), rt.clone());
                    held.push(rt.spawn(async move {
                        let _guard = guard;
                        match kind {
                            0 => yield_now().await,
                            1 => own.sleep(SECOND).await,
                            2 => pending().await,
                            _ => panic!("drawn"),
                        }
                        kind
                    }));
                }
                3 if !held.is_empty() => drop(held.swap_remove(random.below(held.len()))),
                3 => {}
                4 => held.iter().for_each(|task| {
                    if random.below(2) == 0 {
                        task.abort();
                    }
                }),
                5 => sim.advance(SECOND),
                _ => sim.run_until_idle(),
            }
        }
        for task in held.drain(..) {
            sim.run_until_idle();
            if !task.is_finished() {
                sim.advance(SECOND);
            }
            let endless = !task.is_finished();
            task.abort();
            match sim.block_on(task) {
                Ok(0..=1) => ends[0] += 1,
                Ok(kind) => panic!("kind {kind} has no output"),
                Err(error) if error.is_panic() => ends[1] += 1,
                Err(_) if endless => ends[2] += 1,
                Err(_) => ends[3] += 1,
            }
        }
        sim.run_until_idle();
        sim.assert_empty();
        assert_eq!(drops.count(), drops.made(), "seed {seed}");
    }
    assert!(ends.iter().all(|count| *count > 30), "{ends:?}");
}

#[test]
fn a_task_that_is_woken_without_reason_still_ends_right() {
    for seed in 0..50 {
        let sim = Sim::with_order(Order::Seeded(seed));
        sim.spurious_wakes(true);
        let rt = sim.runtime();
        let inner = rt.spawn({
            let rt = rt.clone();
            async move {
                rt.sleep(SECOND).await;
                7
            }
        });
        let outer = rt.spawn(inner);
        let blocking = rt.spawn_blocking(|| 8);
        sim.block_on(async {
            assert_eq!(outer.await.unwrap().unwrap(), 7);
            assert_eq!(blocking.await.unwrap(), 8);
        });
        assert_eq!(sim.elapsed(), SECOND);
        sim.assert_empty();
    }
}

#[test]
fn a_task_ends_when_its_runtime_goes() {
    let sim = Sim::new();
    let log = Log::default();
    let guard = log.on_drop("future dropped");
    let task = sim.runtime().spawn(async move {
        let _guard = guard;
        pending::<()>().await
    });
    let (wakes, waker) = Wakes::new();
    let mut task = pin!(task);
    let mut cx = Context::from_waker(&waker);
    assert!(task.as_mut().poll(&mut cx).is_pending());
    sim.run_until_idle();
    drop(sim);
    assert_eq!(log.take(), ["future dropped"]);
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(Err(error)) = task.as_mut().poll(&mut cx) else {
        panic!("the task has gone without an outcome");
    };
    assert!(error.is_cancelled());
}

#[test]
fn a_runtime_works_from_other_threads_and_from_destructors() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let task = std::thread::spawn({
        let rt = rt.clone();
        move || rt.spawn(ready(1))
    })
    .join()
    .unwrap();
    assert_eq!(sim.block_on(task).unwrap(), 1);

    let late = Arc::new(Mutex::new(None));
    let slot = late.clone();
    let guard = OnDrop::new({
        let rt = rt.clone();
        move || *slot.lock().unwrap() = Some(rt.spawn(ready(2)))
    });
    let task = rt.spawn(async move {
        let _guard = guard;
        poll_fn(|_| Poll::<()>::Pending).await
    });
    sim.run_until_idle();
    drop(task);
    sim.run_until_idle();
    let late = late.lock().unwrap().take().unwrap();
    assert_eq!(sim.block_on(late).unwrap(), 2);
}
