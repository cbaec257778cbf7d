//! Many schedules: orders, spurious wake-ups, drops at every poll.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::catch_unwind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::{CancellationToken, Runtime};

use crate::support::{Log, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// The names of four tasks in the order in which they run, each twice.
fn run_four(sim: &Sim) -> Vec<String> {
    let log = Log::default();
    for name in ["a", "b", "c", "d"] {
        let log = log.clone();
        let task = async move {
            log.push(name);
            yield_now().await;
            log.push(name);
        };
        sim.runtime().spawn(task).detach();
    }
    sim.run_until_idle();
    log.take()
}

#[test]
fn orders_differ_and_repeat() {
    let mut seen = Vec::new();
    explore_orders(8, |sim| seen.push(run_four(sim)));
    assert_eq!(seen.len(), 10);
    assert_eq!(seen[0], ["a", "b", "c", "d", "a", "b", "c", "d"]);
    assert_eq!(seen[1], ["d", "c", "b", "a", "a", "b", "c", "d"]);
    for (seed, order) in seen[2..].iter().enumerate() {
        let sim = Sim::with_order(Order::Seeded(seed as u64));
        assert_eq!(run_four(&sim), *order);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10, "{seen:?}");
}

#[test]
fn every_order_is_drawn() {
    let mut seen = std::collections::HashSet::new();
    for seed in 0..500 {
        let sim = Sim::with_order(Order::Seeded(seed));
        let log = Log::default();
        for name in ["a", "b", "c", "d"] {
            let log = log.clone();
            sim.runtime().spawn(async move { log.push(name) }).detach();
        }
        sim.run_until_idle();
        seen.insert(log.take());
    }
    assert_eq!(seen.len(), 24);
}

#[test]
fn lifo_runs_first_what_was_woken_last() {
    let sim = Sim::with_order(Order::Lifo);
    let rt = sim.runtime();
    let log = Log::default();
    let token = CancellationToken::new();
    let waiter = rt.spawn({
        let (log, token) = (log.clone(), token.clone());
        async move {
            token.cancelled().await;
            log.push("woken");
        }
    });
    sim.run_until_idle();
    for name in ["a", "b"] {
        let (log, token) = (log.clone(), token.clone());
        let task = async move {
            log.push(name);
            token.cancel("now");
        };
        rt.spawn(task).detach();
    }
    sim.block_on(waiter).unwrap();
    sim.run_until_idle();
    assert_eq!(log.take(), ["b", "woken", "a"]);
}

#[test]
fn no_order_starves_a_task() {
    explore_orders(8, |sim| {
        let rt = sim.runtime();
        let flag = Arc::new(AtomicUsize::new(0));
        let setter = flag.clone();
        rt.spawn(async move { setter.store(1, SeqCst) }).detach();
        let spinner = |flag: Arc<AtomicUsize>| async move {
            for _ in 0..1000 {
                if flag.load(SeqCst) == 1 {
                    return;
                }
                yield_now().await;
            }
            panic!("the task that sets the flag was starved");
        };
        let spinning = [
            rt.spawn(spinner(flag.clone())),
            rt.spawn(spinner(flag.clone())),
        ];
        // Each spawns the next until the flag is set.
        fn spawner(rt: Runtime, flag: Arc<AtomicUsize>, left: usize) {
            assert!(left > 0, "the task that sets the flag was starved");
            if flag.load(SeqCst) == 0 {
                let next = rt.clone();
                let task = rt.spawn(async move { spawner(next, flag, left - 1) });
                task.detach();
            }
        }
        spawner(rt.clone(), flag.clone(), 1000);
        sim.block_on(async {
            for task in spinning {
                task.await.unwrap();
            }
        });
        sim.run_until_idle();
        sim.assert_empty();
    });
}

/// How often a task that sleeps three times is polled.
fn polls_of_a_sleeper(sim: &Sim) -> usize {
    let rt = sim.runtime();
    let polls = Cell::new(0);
    sim.block_on(async {
        let mut sleeper = pin!(async {
            for _ in 0..3 {
                rt.sleep(SECOND).await;
            }
        });
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            sleeper.as_mut().poll(cx)
        })
        .await
    });
    assert_eq!(sim.elapsed(), 3 * SECOND);
    polls.get()
}

#[test]
fn spurious_wakes_poll_what_was_not_woken() {
    let mut more = 0;
    for seed in 0..50 {
        let spurious = || {
            let sim = Sim::with_order(Order::Seeded(seed));
            sim.spurious_wakes(true);
            polls_of_a_sleeper(&sim)
        };
        let polls = spurious();
        assert_eq!(polls, spurious());
        more += usize::from(polls > 4);
        let sim = Sim::with_order(Order::Seeded(seed));
        assert_eq!(polls_of_a_sleeper(&sim), 4);
    }
    assert!(more > 10, "only {more} of 50 seeds woke a task");
}

#[test]
fn a_failure_names_its_order() {
    let test = |sim: &Sim| assert_eq!(run_four(sim)[0], "a");
    let message = panic_text(|| explore_orders(3, test));
    assert!(message.starts_with("with Order::Lifo: "), "{message}");
    let again = catch_unwind(|| test(&Sim::with_order(Order::Lifo)));
    assert!(again.is_err());

    let seeded = |sim: &Sim| {
        let seen = run_four(sim);
        assert!(seen[0] == "a" || seen[0] == "d", "{seen:?}");
    };
    let message = panic_text(|| explore_orders(20, seeded));
    assert!(message.starts_with("with Order::Seeded("), "{message}");

    // A payload that is no text comes out as it is.
    let payload = catch_unwind(|| explore_orders(1, |_| std::panic::panic_any(7_u8))).unwrap_err();
    assert_eq!(payload.downcast_ref::<u8>(), Some(&7));
}

#[test]
fn every_poll_is_reached_by_the_drop() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(3)] {
        let dropped_at = RefCell::new(Vec::new());
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let step = Rc::new(Cell::new(0));
            let at = step.clone();
            let future = async move {
                for _ in 0..3 {
                    at.set(at.get() + 1);
                    yield_now().await;
                    at.set(at.get() + 1);
                    rt.sleep(SECOND).await;
                }
            };
            let dropped_at = &dropped_at;
            (future, move |sim: &Sim| {
                sim.assert_empty();
                dropped_at.borrow_mut().push(step.get());
            })
        });
        assert_eq!(polls, 7);
        assert_eq!(*dropped_at.borrow(), [0, 1, 2, 3, 4, 5, 6, 6]);
    }
}

#[test]
fn drop_at_every_poll_finds_what_a_drop_loses() {
    // Takes the item off the shelf before an await, and puts it back only after.
    let message = panic_text(|| {
        drop_at_every_poll(Order::Fifo, |_| {
            let shelf = Rc::new(RefCell::new(vec!["item"]));
            let taken = shelf.clone();
            let future = async move {
                yield_now().await;
                let item = taken.borrow_mut().pop().unwrap();
                yield_now().await;
                taken.borrow_mut().push(item);
            };
            (future, move |_: &Sim| {
                assert_eq!(shelf.borrow().len(), 1, "lost")
            })
        })
    });
    assert!(message.starts_with("dropped after 2 polls: "), "{message}");
    assert!(message.contains("lost"), "{message}");
}

#[test]
fn drop_at_every_poll_ends() {
    let message = panic_text(|| {
        drop_at_every_poll(Order::Fifo, |_| (pending::<()>(), |_: &Sim| ()));
    });
    assert!(
        message.starts_with("dropped after 2 polls: deadlock"),
        "{message}"
    );
    let message = panic_text(|| {
        let endless = || async {
            loop {
                yield_now().await;
            }
        };
        drop_at_every_poll(Order::Fifo, |_| (endless(), |_: &Sim| ()));
    });
    assert!(
        message.starts_with("the future is not done after"),
        "{message}"
    );
}

#[test]
fn an_adversary_puts_some_off_for_long_and_nobody_for_ever() {
    let mut longest = Vec::new();
    for seed in 0..30 {
        let run = || {
            let sim = Sim::with_order(Order::Adversarial(seed));
            let rt = sim.runtime();
            let polls = Arc::new([const { AtomicUsize::new(0) }; 4]);
            for index in 0..4 {
                let polls = polls.clone();
                rt.spawn(async move {
                    while polls.iter().any(|polls| polls.load(SeqCst) == 0) {
                        polls[index].fetch_add(1, SeqCst);
                        yield_now().await;
                    }
                })
                .detach();
            }
            sim.run_until_idle();
            sim.assert_empty();
            let polls: Vec<_> = polls.iter().map(|polls| polls.load(SeqCst)).collect();
            polls
        };
        let polls = run();
        assert_eq!(polls, run());
        longest.push(*polls.iter().max().unwrap());
    }
    // While some had not run once, others had their turn again and again.
    assert!(longest.iter().any(|polls| *polls > 30), "{longest:?}");
    assert!(longest.iter().all(|polls| *polls < 500), "{longest:?}");
}
