use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::{Event, Once};

use crate::polled::{Polled, now};
use crate::support::{Drops, Log};

// O1
#[test]
fn it_is_loaded_once_whoever_comes_first() {
    explore_orders(100, |sim| {
        let rt = sim.runtime();
        let once = Arc::new(Once::new());
        let loads = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let (once, loads) = (once.clone(), loads.clone());
                rt.spawn(async move {
                    let load = || async {
                        loads.fetch_add(1, SeqCst);
                        yield_now().await;
                        7
                    };
                    *once.load(load).await
                })
            })
            .collect();
        sim.block_on(async {
            for task in tasks {
                assert_eq!(task.await.unwrap(), 7);
            }
        });
        assert_eq!(loads.load(SeqCst), 1);
    });
}

// O2
#[test]
fn after_a_failure_the_next_who_waits_loads() {
    let once = Once::new();
    let go = Event::new();
    let load = |result: Result<i32, &'static str>| {
        let go = go.clone();
        move || async move {
            go.wait().await;
            result
        }
    };
    let mut first = Polled::waiting(once.try_load(load(Err("no"))));
    let mut second = Polled::waiting(once.try_load(load(Ok(2))));
    let mut third = Polled::waiting(once.try_load(load(Ok(3))));
    go.set();
    assert_eq!(first.ready(), Err("no"));
    assert_eq!((second.woken(), third.woken()), (1, 0));
    assert!(third.poll().is_pending());
    assert_eq!(second.ready().map(|value| *value), Ok(2));
    assert_eq!(third.woken(), 1);
    assert_eq!(
        third.ready().map(|value| *value),
        Ok(2),
        "its own load is not needed"
    );
    assert_eq!(once.get().as_deref(), Some(&2));
}

// O2
#[test]
fn after_a_dropped_load_the_next_who_waits_loads() {
    let once = Once::new();
    let log = Log::default();
    let guard = log.on_drop("load dropped");
    let loading = Polled::waiting(once.load(|| async move {
        let _guard = guard;
        pending().await
    }));
    let begins = log.clone();
    let mut second = Polled::waiting(once.load(|| {
        begins.push("load begins");
        ready(2)
    }));
    let woken_and_dropped = second.woken();
    drop(loading);
    assert_eq!((woken_and_dropped, second.woken()), (0, 1));
    assert_eq!(*second.ready(), 2);
    assert_eq!(log.take(), ["load dropped", "load begins"]);
}

// O2
#[test]
fn a_turn_that_is_dropped_goes_on() {
    let once = Once::<i32>::new();
    let loading = Polled::waiting(once.load(pending));
    let second = Polled::waiting(once.load(|| ready(2)));
    let mut third = Polled::waiting(once.load(|| ready(3)));
    drop(loading);
    assert_eq!((second.woken(), third.woken()), (1, 0));
    drop(second);
    assert_eq!(*third.ready(), 3);
    drop(third);
    once.reset();
    let alone = Polled::waiting(once.load(pending));
    drop(alone);
    assert_eq!(
        *now(once.load(|| ready(4))),
        4,
        "with nobody behind it is free"
    );
}

// O2
#[test]
fn a_load_that_panics_leaves_the_next_one_free() {
    let once = Once::new();
    let mut bad = Polled::new(once.load(|| async { panic!("a load that panics") }));
    let mut also_bad = Polled::new(once.load(|| -> std::future::Ready<i32> { panic!("at once") }));
    assert!(catch_unwind(AssertUnwindSafe(|| bad.poll())).is_err());
    assert!(also_bad.poll().is_pending());
    drop(bad);
    assert!(catch_unwind(AssertUnwindSafe(|| also_bad.poll())).is_err());
    drop(also_bad);
    assert_eq!(*now(once.load(|| ready(1))), 1);
}

// O3
#[test]
fn reset_forgets_the_value() {
    let once = Once::new();
    assert_eq!(once.reset(), None::<Arc<i32>>);
    now(once.load(|| ready(1)));
    assert_eq!(once.reset().as_deref(), Some(&1));
    assert_eq!(once.get(), None);
    assert_eq!(*now(once.load(|| ready(2))), 2);
}

// O3
#[test]
fn a_load_from_before_a_reset_is_not_kept() {
    let once = Once::new();
    let go = Event::new();
    let mut stale = Polled::waiting(once.load(|| async {
        go.wait().await;
        1
    }));
    let mut fresh = Polled::waiting(once.load(|| ready(2)));
    once.reset();
    go.set();
    assert_eq!(*stale.ready(), 1);
    assert_eq!(once.get(), None);
    assert_eq!(*fresh.ready(), 2);
    assert_eq!(once.get().as_deref(), Some(&2));
}

// O3
#[test]
fn who_was_given_the_value_has_it_though_it_was_reset() {
    let once = Once::new();
    let go = Event::new();
    let mut first = Polled::waiting(once.load(|| async {
        go.wait().await;
        1
    }));
    let mut second = Polled::waiting(once.load(|| async { unreachable!("one load is enough") }));
    go.set();
    first.ready();
    once.reset();
    assert_eq!(*second.ready(), 1);
}

#[test]
fn the_value_is_dropped_with_the_last_who_has_it() {
    let drops = Drops::default();
    let once = Once::new();
    let held = now(once.load(|| ready(drops.guard())));
    drop(once.reset());
    assert_eq!(drops.count(), 0);
    drop(held);
    assert_eq!(drops.count(), 1);
    now(once.load(|| ready(drops.guard())));
    drop(once);
    assert_eq!(drops.count(), 2);
}

// O1 O2
#[test]
fn one_who_asks_may_be_dropped_at_any_poll() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(4)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let once = Arc::new(Once::new());
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let once = once.clone();
                    rt.spawn(async move {
                        yield_now().await;
                        *once.load(|| async { 7 }).await
                    })
                })
                .collect();
            let ask = async move {
                let load = || async {
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    Err(())
                };
                assert_eq!(once.try_load(load).await, Err(()));
                assert_eq!(*once.load(|| async { 8 }).await, 7);
            };
            let check = |sim: &Sim| {
                for other in others {
                    assert_eq!(sim.block_on(other).unwrap(), 7);
                }
            };
            (ask, check)
        });
        assert!(polls >= 4, "{polls}");
    }
}

#[test]
fn loads_need_not_be_send_nor_live_for_ever() {
    let once = Once::new();
    let local = RefCell::new(Vec::new());
    let calls = Cell::new(0);
    let load = async || {
        calls.set(calls.get() + 1);
        local.borrow_mut().push(1);
        local.borrow().len()
    };
    assert_eq!(*now(once.load(load)), 1);
    assert_eq!(*now(once.load(load)), 1);
    assert_eq!(calls.get(), 1);
    assert_eq!(format!("{once:?}"), "Once { loaded: true, loading: false }");
}
