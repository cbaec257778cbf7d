use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::Event;

use crate::polled::{Polled, now};
use crate::random::Random;
use crate::support::Log;
use crate::support::seeds;

#[test]
fn a_set_event_lets_everybody_through() {
    let event = Event::default();
    assert!(!event.is_set());
    let mut early = Polled::waiting(event.wait());
    event.set();
    assert!(event.is_set());
    assert_eq!(early.woken(), 1);
    early.ready();
    now(event.wait());
    event.set();
    assert_eq!(early.woken(), 1);
    event.clear();
    assert!(!event.clone().is_set());
    drop(Polled::waiting(event.wait()));
}

// E1
#[test]
fn who_waited_when_it_was_set_gets_through_though_it_was_cleared() {
    let event = Event::new();
    let mut waited = Polled::waiting(event.wait());
    event.set();
    event.clear();
    let mut late = Polled::waiting(event.wait());
    waited.ready();
    assert!(late.poll().is_pending());
    drop(waited);
    event.set();
    assert_eq!(late.woken(), 1);
    late.ready();
}

// E2
#[test]
fn waiters_are_woken_in_the_order_they_came() {
    // Few and many are kept in different ways.
    for waiters in [3, 1000] {
        let sim = Sim::new();
        let rt = sim.runtime();
        let (event, log) = (Event::new(), Log::default());
        for waiter in 0..waiters {
            let (event, log) = (event.clone(), log.clone());
            rt.spawn(async move {
                event.wait().await;
                log.push(waiter.to_string());
            })
            .detach();
        }
        sim.run_until_idle();
        assert_eq!(log.take(), [""; 0]);
        event.set();
        sim.run_until_idle();
        assert!(
            log.take()
                .into_iter()
                .eq((0..waiters).map(|waiter: i32| waiter.to_string()))
        );
        assert_eq!(sim.live_tasks(), 0);
    }
}

// E1
#[test]
fn random_schedules_keep_to_the_model() {
    let (mut set_then_cleared, mut dropped_waiting, mut dropped_woken) = (0, 0, 0);
    for seed in seeds(2000) {
        let mut random = Random::new(seed);
        let event = Event::new();
        let mut set = false;
        // With whether it is to get through.
        let mut waits: Vec<(Polled<_>, bool)> = Vec::new();
        for _ in 0..4 + random.below(14) {
            match random.weighted(&[(6, 0), (3, 1), (3, 2), (4, 3), (3, 4)]) {
                0 => {
                    let mut wait = Polled::new(event.wait());
                    assert_eq!(wait.poll().is_ready(), set);
                    if !set {
                        waits.push((wait, false));
                    }
                }
                1 => {
                    event.set();
                    set = true;
                    waits.iter_mut().for_each(|(_, through)| *through = true);
                }
                2 => {
                    event.clear();
                    set = false;
                    set_then_cleared += usize::from(waits.iter().any(|(_, through)| *through));
                }
                3 if !waits.is_empty() => {
                    let (_, through) = waits.remove(random.below(waits.len()));
                    dropped_waiting += usize::from(!through);
                    dropped_woken += usize::from(through);
                }
                _ if !waits.is_empty() => {
                    let at = random.below(waits.len());
                    let (mut wait, through) = waits.remove(at);
                    let woken = wait.woken();
                    assert_eq!(woken, usize::from(through), "seed {seed}");
                    wait.change_waker();
                    assert_eq!(wait.poll().is_ready(), through, "seed {seed}");
                    if !through {
                        waits.insert(at, (wait, false));
                    }
                }
                _ => {}
            }
            for (wait, through) in &waits {
                assert_eq!(wait.woken(), usize::from(*through), "seed {seed}");
            }
        }
    }
    assert!(set_then_cleared > 0 && dropped_waiting > 0 && dropped_woken > 0);
}

#[test]
fn a_wait_may_be_dropped_at_any_poll() {
    let mut most = 0;
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(2)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let event = Event::new();
            let other = rt.spawn({
                let event = event.clone();
                async move { event.wait().await }
            });
            rt.spawn({
                let event = event.clone();
                async move {
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    event.set();
                }
            })
            .detach();
            let wait = async move { event.wait().await };
            (wait, |sim: &Sim| sim.block_on(other).unwrap())
        });
        most = most.max(polls);
    }
    assert_eq!(most, 2);
}

#[test]
fn what_was_done_before_is_seen_in_any_order() {
    explore_orders(50, |sim| {
        let rt = sim.runtime();
        let (event, log) = (Event::new(), Log::default());
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (event, log) = (event.clone(), log.clone());
                rt.spawn(async move {
                    event.wait().await;
                    log.push("seen");
                })
            })
            .collect();
        let first = log.clone();
        rt.spawn(async move {
            first.push("done");
            event.set();
        })
        .detach();
        sim.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(log.take(), ["done", "seen", "seen", "seen"]);
    });
}

/// A waker all of whose doings use the event.
struct Nosy(Event);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.0.clear();
        panic!("a waker that panics");
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[test]
fn wakers_may_use_the_event_and_panic() {
    let event = Event::new();
    let nosy = || Waker::from(Arc::new(Nosy(event.clone())));
    let mut wait = Box::pin(event.wait());
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    // The new waker takes the place of the old one, whose destructor sets the event.
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    assert!(
        pin!(event.wait())
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    wait.as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready();
    drop(wait);
    event.clear();
    let mut first = Box::pin(event.wait());
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    let mut second = Polled::waiting(event.wait());
    event.set();
    assert_eq!(second.woken(), 1);
    second.ready();
}
