use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// What happened, in order.
type Log = Arc<Mutex<Vec<&'static str>>>;

fn logger(log: &Log) -> impl Fn(&'static str) + Send + use<> {
    let log = log.clone();
    move |event| log.lock().unwrap().push(event)
}

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
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
}

#[test]
fn every_poll_is_reached_by_the_drop() {
    let reached = Rc::new(Cell::new(0));
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let rt = sim.runtime();
        let seen = reached.clone();
        seen.set(0);
        let future = async move {
            for _ in 0..5 {
                seen.set(seen.get() + 1);
                yield_now().await;
                rt.sleep(SECOND).await;
            }
        };
        (future, |sim| assert_eq!(sim.live_timers(), 0))
    });
    assert_eq!(polls, 11);
    assert_eq!(reached.get(), 5);
}

#[test]
fn orders_differ_and_repeat() {
    let mut seen = Vec::new();
    explore_orders(8, |sim| {
        let log = Log::default();
        for name in ["a", "b", "c", "d"] {
            let log = logger(&log);
            sim.runtime().spawn(async move { log(name) }).detach();
        }
        sim.run_until_idle();
        let order = log.lock().unwrap().clone();
        seen.push(order);
    });
    assert_eq!(seen[0], ["a", "b", "c", "d"]);
    assert_eq!(seen[1], ["d", "c", "b", "a"]);
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 4, "{seen:?}");
}
