use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::polled::Polled;

use untethered::CancellationToken;
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::time::{
    MissedTicks, interval, interval_at, move_on_after, sleep, sleep_or_stop, sleep_until, timeout,
    timeout_at,
};

const SECOND: Duration = Duration::from_secs(1);

/// Notes in a log that it was dropped.
struct Dropped<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

// T2
#[test]
fn a_ready_value_wins_even_at_nought_and_after_the_deadline() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let start = sim.now();
    sim.block_on(async {
        assert_eq!(timeout(&rt, Duration::ZERO, ready(1)).await.unwrap(), 1);
        rt.sleep(SECOND).await;
        assert_eq!(timeout_at(&rt, start, ready(2)).await.unwrap(), 2);
        assert_eq!(move_on_after(&rt, Duration::ZERO, ready(3)).await, Some(3));
        // Both come at the same moment.
        let work = async {
            rt.sleep(SECOND).await;
            4
        };
        assert_eq!(timeout(&rt, SECOND, work).await.unwrap(), 4);
    });
}

// T2
#[test]
fn the_work_is_dropped_before_the_outcome_is_seen() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = RefCell::new(Vec::new());
    sim.block_on(async {
        let late = async {
            let _dropped = Dropped(&log, "late");
            pending::<()>().await;
        };
        assert!(timeout(&rt, SECOND, late).await.is_err());
        log.borrow_mut().push("elapsed");
        let mut quick = pin!(timeout(&rt, SECOND, {
            let dropped = Dropped(&log, "quick");
            poll_fn(move |_| {
                let _held = &dropped;
                Poll::Ready(())
            })
        }));
        quick.as_mut().await.unwrap();
        log.borrow_mut().push("done");
    });
    assert_eq!(*log.borrow(), ["late", "elapsed", "quick", "done"]);
    assert_eq!(sim.live_timers(), 0);
}

// T1
#[test]
fn a_limit_is_exact_and_the_longest_never_ends() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let limit = Duration::new(3, 7);
    sim.block_on(async {
        assert!(timeout(&rt, limit, pending::<()>()).await.is_err());
    });
    assert_eq!(sim.elapsed(), limit);
    let forever = sim.try_block_on(timeout(&rt, Duration::MAX, pending::<()>()));
    assert!(forever.is_err(), "nothing can wake it");
    assert_eq!(
        timeout(&rt, Duration::MAX, pending::<()>()).deadline(),
        None
    );
    assert_eq!(sim.elapsed(), limit);
}

// C1
#[test]
fn after_elapsed_it_is_reset_and_awaited_again() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let work = async {
            rt.sleep(10 * SECOND).await;
            "done"
        };
        let mut work = pin!(timeout(&rt, SECOND, work));
        let error = work.as_mut().await.unwrap_err();
        assert_eq!(error.duration(), Some(SECOND));
        // Without a reset it says so again.
        assert!(work.as_mut().await.is_err());
        work.as_mut().reset(2 * SECOND);
        let error = work.as_mut().await.unwrap_err();
        assert_eq!(error.duration(), Some(2 * SECOND));
        let deadline = rt.now() + SECOND;
        work.as_mut().reset_at(deadline);
        let error = work.as_mut().await.unwrap_err();
        assert_eq!((error.duration(), error.deadline()), (None, Some(deadline)));
        work.as_mut().reset(Duration::MAX);
        assert_eq!(work.await.unwrap(), "done");
    });
    assert_eq!(sim.elapsed(), 10 * SECOND);
}

#[test]
fn a_pinned_reference_keeps_the_work() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let mut work = pin!(async {
            rt.sleep(3 * SECOND).await;
            "done"
        });
        let mut tries = 1;
        let output = loop {
            match timeout(&rt, SECOND, work.as_mut()).await {
                Ok(output) => break output,
                Err(_) => tries += 1,
            }
        };
        assert_eq!((output, tries), ("done", 3));
    });
}

#[test]
fn the_error_says_which_limit_it_was() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let error = sim.block_on(async {
        let inner = timeout(&rt, SECOND, pending::<()>()).named("read");
        // The limit of the inner one comes through the outer one unchanged.
        timeout(&rt, 2 * SECOND, inner)
            .named("request")
            .await
            .unwrap()
            .unwrap_err()
    });
    assert_eq!(error.name(), Some("read"));
    assert_eq!(error.to_string(), "read: not done within 1s");
    let error = sim
        .block_on(timeout_at(&rt, sim.now(), pending::<()>()))
        .unwrap_err();
    assert_eq!(error.to_string(), "not done at the deadline");
}

#[test]
fn only_its_own_limit_moves_on() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let inner = timeout(&rt, SECOND, pending::<()>());
        let outer = move_on_after(&rt, 5 * SECOND, inner).await;
        assert!(outer.expect("the outer limit was not over").is_err());
        assert_eq!(move_on_after(&rt, SECOND, pending::<()>()).await, None);
    });
    assert_eq!(sim.elapsed(), 2 * SECOND);
}

// C2
#[test]
fn a_timeout_dropped_at_any_poll_leaves_no_timer_and_no_work() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(7)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let alive = Rc::new(());
            let held = alive.clone();
            let future = async move {
                let work = async {
                    let _held = held;
                    for _ in 0..3 {
                        yield_now().await;
                        rt.sleep(SECOND).await;
                    }
                };
                let mut work = pin!(timeout(&rt, SECOND, work));
                while work.as_mut().await.is_err() {
                    work.as_mut().reset(SECOND);
                }
            };
            (future, move |sim: &Sim| {
                assert_eq!(Rc::strong_count(&alive), 1);
                assert_eq!(sim.live_timers(), 0);
            })
        });
        assert!(polls >= 6, "{polls}");
    }
}

// C2
#[test]
fn sleeps_and_ticks_dropped_at_any_poll_leave_no_timer() {
    type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;
    type Make = fn(untethered::Runtime) -> Future;
    let makes: [Make; 6] = [
        |rt| {
            Box::pin(async move {
                rt.sleep(SECOND).await;
                rt.sleep_until(rt.now() + SECOND).await;
            })
        },
        |rt| {
            Box::pin(async move {
                let mut nap = pin!(rt.sleep(SECOND));
                nap.as_mut().await;
                nap.as_mut().reset(SECOND);
                nap.as_mut().await;
                nap.as_mut().reset_at(rt.now() + SECOND);
                nap.await;
            })
        },
        |rt| {
            Box::pin(async move {
                let token = CancellationToken::new();
                assert!(!sleep_or_stop(&rt, SECOND, &token).await);
                token.cancel("enough");
                assert!(sleep_or_stop(&rt, SECOND, &token).await);
            })
        },
        |rt| {
            Box::pin(async move {
                let mut ticks = interval(&rt, SECOND);
                for _ in 0..3 {
                    ticks.tick().await;
                }
                ticks.reset();
                ticks.tick().await;
            })
        },
        |rt| {
            Box::pin(async move {
                let deadline = rt.now() + SECOND;
                assert!(timeout_at(&rt, deadline, pending::<()>()).await.is_err());
                timeout_at(&rt, deadline + SECOND, rt.sleep(SECOND))
                    .await
                    .unwrap();
            })
        },
        |rt| {
            Box::pin(async move {
                assert_eq!(move_on_after(&rt, SECOND, pending::<()>()).await, None);
                assert_eq!(move_on_after(&rt, SECOND, yield_now()).await, Some(()));
            })
        },
    ];
    for make in makes {
        for order in [Order::Fifo, Order::Lifo, Order::Seeded(7)] {
            let polls = drop_at_every_poll(order, |sim| {
                (make(sim.runtime()), |sim: &Sim| sim.assert_empty())
            });
            assert!(polls >= 2, "{polls}");
        }
    }
}

// T3
#[test]
fn a_sleep_wakes_whom_it_was_polled_for_last_however_often_it_is_polled() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let mut sleep = Polled::waiting(rt.sleep(SECOND));
    assert!(sleep.poll().is_pending());
    sleep.change_waker();
    assert!(sleep.poll().is_pending());
    sim.advance(SECOND);
    assert_eq!(sleep.woken(), 1);
    sleep.ready();
    assert_eq!(sim.live_timers(), 0);
}

#[test]
fn sleeps_are_the_runtimes() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        sleep(&rt, SECOND).await;
        sleep_until(&rt, rt.now() + SECOND).await;
        sleep(&rt, Duration::ZERO).await;
    });
    assert_eq!(sim.elapsed(), 2 * SECOND);
}

#[test]
fn a_stop_ends_a_sleep_and_wins_when_both_have_come() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let token = CancellationToken::new();
    sim.block_on(async {
        assert!(!sleep_or_stop(&rt, SECOND, &token).await);
        assert!(!sleep_or_stop(&rt, Duration::ZERO, &token).await);
        let mut both = pin!(sleep_or_stop(&rt, SECOND, &token));
        poll_fn(|cx| {
            assert!(both.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        rt.sleep(SECOND).await;
        token.cancel("test");
        assert!(both.await);
        assert!(sleep_or_stop(&rt, Duration::MAX, &token).await);
        assert!(sleep_or_stop(&rt, Duration::ZERO, &token).await);
    });
    assert_eq!(sim.elapsed(), 2 * SECOND);
}

/// When ticks were taken and when they were due, in seconds, with a loop busy from 0 to 25.
fn ticks_of(missed: MissedTicks) -> Vec<(u64, u64)> {
    let sim = Sim::new();
    let rt = sim.runtime();
    let start = sim.now();
    let mut seen = Vec::new();
    sim.block_on(async {
        let mut ticks = interval(&rt, 10 * SECOND).missed(missed);
        for index in 0..5 {
            let due = ticks.tick().await;
            seen.push((sim.elapsed().as_secs(), (due - start).as_secs()));
            if index == 0 {
                rt.sleep(25 * SECOND).await;
            }
        }
    });
    seen
}

#[test]
fn missed_ticks_follow_the_policy() {
    let burst = ticks_of(MissedTicks::Burst);
    assert_eq!(burst, [(0, 0), (25, 10), (25, 20), (30, 30), (40, 40)]);
    let delay = ticks_of(MissedTicks::Delay);
    assert_eq!(delay, [(0, 0), (25, 10), (35, 35), (45, 45), (55, 55)]);
    let skip = ticks_of(MissedTicks::Skip);
    assert_eq!(skip, [(0, 0), (25, 10), (30, 30), (40, 40), (50, 50)]);
}

// T1
#[test]
fn an_interval_does_not_drift() {
    explore_orders(20, |sim| {
        let rt = sim.runtime();
        let start = sim.now();
        sim.block_on(async {
            let mut ticks = interval_at(&rt, start + SECOND, SECOND);
            for number in 1..=100 {
                let due = ticks.tick().await;
                assert_eq!(due, start + number * SECOND);
                assert_eq!(sim.now(), due);
                // What the loop does takes a part of the period each time.
                rt.sleep(SECOND / 3).await;
            }
        });
    });
}

// C1
#[test]
fn a_dropped_tick_is_not_used_up() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let start = sim.now();
    sim.block_on(async {
        let mut ticks = interval(&rt, SECOND);
        ticks.tick().await;
        for _ in 0..3 {
            assert!(timeout(&rt, SECOND / 10, ticks.tick()).await.is_err());
        }
        assert_eq!(ticks.tick().await, start + SECOND);
        rt.sleep(SECOND / 2).await;
        ticks.reset();
        assert_eq!(ticks.tick().await, start + SECOND * 5 / 2);
    });
}

#[test]
fn an_interval_of_the_longest_period_ticks_once() {
    let sim = Sim::new();
    let rt = sim.runtime();
    for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
        let ticked = Cell::new(0);
        let endless = sim.try_block_on(async {
            let mut ticks = interval(&rt, Duration::MAX).missed(missed);
            loop {
                ticks.tick().await;
                ticked.set(ticked.get() + 1);
            }
        });
        assert!(endless.is_err());
        assert_eq!(ticked.get(), 1);
    }
}

#[test]
fn an_interval_is_a_stream() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let taken = sim.block_on(async {
        let mut ticks = interval(&rt, SECOND);
        let mut taken = 0;
        while taken < 3 {
            poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut ticks), cx))
                .await
                .unwrap();
            taken += 1;
        }
        taken
    });
    assert_eq!((taken, sim.elapsed()), (3, 2 * SECOND));
}

#[test]
#[should_panic(expected = "a period of nought")]
fn a_period_of_nought_is_refused() {
    _ = interval(&Sim::new().runtime(), Duration::ZERO);
}

#[test]
fn an_elapsed_limit_is_a_duration_or_a_moment() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let never = pending::<()>;
    let within = sim.block_on(timeout(&rt, SECOND, never())).unwrap_err();
    assert_eq!((within.duration(), within.deadline()), (Some(SECOND), None));
    let at = rt.now() + SECOND;
    let late = sim.block_on(timeout_at(&rt, at, never())).unwrap_err();
    assert_eq!((late.duration(), late.deadline()), (None, Some(at)));
}
