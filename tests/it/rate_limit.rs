use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use futures_lite::{Stream, StreamExt, stream};
use untethered::Runtime;
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::RateLimit;

use crate::polled::Polled;
use crate::random::Random;
use crate::sometimes::Sometimes;
use crate::support::seeds;

const SECOND: Duration = Duration::from_secs(1);

/// Never more than `limit` in any interval as long as the period.
fn assert_window(starts: &[Duration], limit: usize, period: Duration) {
    for pair in starts.windows(limit + 1) {
        assert!(
            pair[limit] - pair[0] >= period,
            "{limit} + 1 starts within {pair:?}"
        );
    }
}

async fn starts(sim: &Sim, rt: &Runtime, rate: &RateLimit, n: usize) -> Vec<Duration> {
    let mut starts = Vec::new();
    for _ in 0..n {
        rate.acquire(rt).await;
        starts.push(sim.elapsed());
    }
    starts
}

// L1
#[test]
fn the_first_n_start_at_once_and_the_rest_a_period_later() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(3, SECOND);
    let starts = sim.block_on(starts(&sim, &rt, &rate, 8));
    assert_eq!(
        starts.iter().map(Duration::as_secs).collect::<Vec<_>>(),
        [0, 0, 0, 1, 1, 1, 2, 2]
    );
    assert_window(&starts, 3, SECOND);
}

#[test]
fn the_window_is_strict_after_an_idle_time() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(10, SECOND);
    // A bucket that fills while idle would let nearly twice as many pass here.
    let all = sim.block_on(async {
        let mut all = starts(&sim, &rt, &rate, 1).await;
        rt.sleep(Duration::from_millis(900)).await;
        all.extend(starts(&sim, &rt, &rate, 9).await);
        rt.sleep(Duration::from_millis(99)).await;
        all.extend(starts(&sim, &rt, &rate, 25).await);
        all
    });
    assert_window(&all, 10, SECOND);
    assert_eq!(all[10], SECOND);
    assert_eq!(all[11], Duration::from_millis(1900));
}

#[test]
fn waiters_start_in_the_order_they_came() {
    explore_orders(50, |sim| {
        let rt = sim.runtime();
        let rate = RateLimit::new(2, SECOND);
        let order = RefCell::new(Vec::new());
        sim.block_on(async {
            let mut waits: Vec<_> = (0..9)
                .map(|index| {
                    let (rate, rt, order) = (&rate, &rt, &order);
                    Box::pin(async move {
                        rate.acquire(rt).await;
                        order.borrow_mut().push(index);
                    })
                })
                .collect();
            // Queued in this order, then polled in the opposite one.
            std::future::poll_fn(|cx| {
                waits.retain_mut(|wait| wait.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            std::future::poll_fn(|cx| {
                let mut index = waits.len();
                while index > 0 {
                    index -= 1;
                    if waits[index].as_mut().poll(cx).is_ready() {
                        drop(waits.remove(index));
                    }
                }
                if waits.is_empty() {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
        });
        assert_eq!(*order.borrow(), (0..9).collect::<Vec<_>>());
    });
}

#[test]
fn try_acquire_passes_nobody() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(1, SECOND);
    sim.block_on(async {
        assert!(rate.try_acquire(&rt));
        assert!(!rate.try_acquire(&rt));
        let mut wait = Box::pin(rate.acquire(&rt));
        std::future::poll_fn(|cx| {
            assert!(wait.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        rt.sleep(2 * SECOND).await;
        assert!(!rate.try_acquire(&rt), "somebody waits");
        wait.await;
        assert!(!rate.try_acquire(&rt));
        rt.sleep(SECOND).await;
        assert!(rate.try_acquire(&rt));
    });
}

#[test]
fn a_wait_dropped_at_any_poll_uses_up_nothing() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(1)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let rate = RateLimit::new(1, SECOND);
            assert!(rate.try_acquire(&rt));
            let behind = {
                let (rate, rt) = (rate.clone(), rt.clone());
                move || {
                    let (rate, rt) = (rate.clone(), rt.clone());
                    async move { rate.acquire(&rt).await }
                }
            };
            let dropped = async move {
                let mut wait = Box::pin(rate.acquire(&rt));
                std::future::poll_fn(|cx| wait.as_mut().poll(cx).map(drop)).await;
                yield_now().await;
            };
            (dropped, move |sim: &Sim| {
                // Whoever comes next starts one period after the last start, no later.
                let before = sim.elapsed();
                sim.block_on(behind());
                assert_eq!(sim.elapsed(), before + SECOND);
                assert_eq!(sim.live_timers(), 0);
            })
        });
        assert!(polls >= 2, "{polls}");
    }
}

#[test]
fn the_first_waiter_dropped_lets_the_next_watch_the_clock() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(1, SECOND);
    assert!(rate.try_acquire(&rt));
    let first = rt.spawn({
        let (rate, rt) = (rate.clone(), rt.clone());
        async move { rate.acquire(&rt).await }
    });
    let second = rt.spawn({
        let (rate, rt) = (rate.clone(), rt.clone());
        async move { rate.acquire(&rt).await }
    });
    sim.run_until_idle();
    drop(first);
    sim.block_on(second).unwrap();
    assert_eq!(sim.elapsed(), SECOND);
}

#[derive(Clone, Copy)]
enum Step {
    Acquire,
    Try,
    Drop,
    Pass,
    Turn,
}

// L1
#[test]
fn random_waits_keep_the_window() {
    let steps = [
        (6, Step::Acquire),
        (2, Step::Try),
        (2, Step::Drop),
        (4, Step::Pass),
        (4, Step::Turn),
    ];
    let seen = Sometimes::new([
        "at once",
        "after a wait",
        "in a full window",
        "refused",
        "dropped first",
        "dropped behind",
        "dropped when woken",
    ]);
    for seed in seeds(1000) {
        let sim = Sim::new();
        let rt = sim.runtime();
        let mut random = Random::new(seed);
        let limit = 1 + random.below(4);
        let rate = RateLimit::new(limit, SECOND);
        let (mut waits, mut starts) = (Vec::new(), Vec::new());
        let turn = |waits: &mut Vec<Polled<_>>, starts: &mut Vec<Duration>| {
            let before = waits.len();
            waits.retain_mut(|wait| wait.poll().is_pending());
            for _ in waits.len()..before {
                starts.push(sim.elapsed());
                seen.hit("after a wait");
            }
        };
        for _ in 0..8 + random.below(24) {
            match random.weighted(&steps) {
                Step::Acquire => {
                    let mut wait = Polled::new(rate.acquire(&rt));
                    if wait.poll().is_ready() {
                        assert!(waits.is_empty(), "seed {seed}: it passed those who wait");
                        starts.push(sim.elapsed());
                        seen.hit("at once");
                    } else {
                        seen.hit_if("in a full window", waits.is_empty());
                        waits.push(wait);
                    }
                }
                Step::Try if rate.try_acquire(&rt) => starts.push(sim.elapsed()),
                Step::Try => seen.hit("refused"),
                Step::Drop if !waits.is_empty() => {
                    let at = random.below(waits.len());
                    let dropped = waits.remove(at);
                    let behind = ["dropped first", "dropped behind"][usize::from(at > 0)];
                    seen.hit(if dropped.woken() > 0 {
                        "dropped when woken"
                    } else {
                        behind
                    });
                }
                Step::Pass => {
                    sim.advance(Duration::from_millis(random.below(700) as u64));
                }
                Step::Turn => turn(&mut waits, &mut starts),
                Step::Drop => {}
            }
        }
        for _ in 0..waits.len() {
            sim.advance(SECOND);
            turn(&mut waits, &mut starts);
        }
        assert!(
            waits.is_empty(),
            "seed {seed}: {} are stranded",
            waits.len()
        );
        assert_window(&starts, limit, SECOND);
        sim.assert_empty();
    }
    seen.assert_each(100);
}

#[test]
fn extreme_periods_and_limits() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let huge = RateLimit::new(usize::MAX, Duration::MAX);
    sim.block_on(starts(&sim, &rt, &huge, 1000));
    assert_eq!(sim.elapsed(), Duration::ZERO);
    let never_again = RateLimit::new(1, Duration::MAX);
    assert!(never_again.try_acquire(&rt));
    assert!(
        sim.try_block_on(never_again.acquire(&rt)).is_err(),
        "waits for ever"
    );
    let tiny = RateLimit::new(1, Duration::from_nanos(1));
    sim.block_on(starts(&sim, &rt, &tiny, 1000));
    assert_eq!(sim.elapsed(), Duration::from_nanos(999));
}

#[test]
fn nought_is_refused() {
    let error = RateLimit::try_new(0, SECOND).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a rate limit of nought lets nobody start"
    );
    let error = RateLimit::try_new(1, Duration::ZERO).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a rate limit needs a period longer than nought"
    );
}

#[test]
#[should_panic(expected = "lets nobody start")]
fn nought_panics_where_it_was_written() {
    RateLimit::new(0, SECOND);
}

// L2
#[test]
fn a_lower_rate_holds_back_those_who_wait() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(4, SECOND);
    assert!(
        sim.block_on(starts(&sim, &rt, &rate, 4))
            .iter()
            .all(Duration::is_zero)
    );
    let waiting = rt.spawn({
        let (rate, rt) = (rate.clone(), rt.clone());
        async move { rate.acquire(&rt).await }
    });
    sim.run_until_idle();
    rate.set(1, 3 * SECOND);
    assert_eq!((rate.limit(), rate.period()), (1, 3 * SECOND));
    sim.block_on(waiting).unwrap();
    assert_eq!(sim.elapsed(), 3 * SECOND);
    let starts = sim.block_on(starts(&sim, &rt, &rate, 2));
    assert_eq!(starts, [6 * SECOND, 9 * SECOND]);
}

// L2
#[test]
fn a_higher_rate_lets_those_who_wait_in() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(1, 3600 * SECOND);
    assert!(rate.try_acquire(&rt));
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (rate, rt) = (rate.clone(), rt.clone());
            rt.clone().spawn(async move { rate.acquire(&rt).await })
        })
        .collect();
    sim.advance(SECOND);
    assert_eq!(sim.live_tasks(), 4);
    rate.set(2, SECOND);
    sim.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(sim.elapsed(), 2 * SECOND, "two at once, two a second later");
    assert!(rate.try_set(0, SECOND).is_err() && rate.try_set(1, Duration::ZERO).is_err());
    assert_eq!(rate.limit(), 2);
}

// L2
#[test]
fn fewer_starts_than_were_made_wait_for_enough_to_pass() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(3, 3 * SECOND);
    let made: Vec<_> = (0..3)
        .map(|_| {
            assert!(rate.try_acquire(&rt));
            let now = sim.elapsed();
            sim.advance(SECOND / 2);
            now
        })
        .collect();
    rate.set(2, 3 * SECOND);
    let more = sim.block_on(starts(&sim, &rt, &rate, 4));
    assert_eq!(more[0], 3 * SECOND + SECOND / 2);
    assert_window(&[&made[1..], &more].concat(), 2, 3 * SECOND);
}

// L1
#[test]
fn a_throttled_stream_keeps_the_window_and_the_order() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(2, SECOND);
    let throttled = rate.throttle(&rt, stream::iter(0..7));
    assert_eq!(throttled.size_hint(), (7, Some(7)));
    let all: Vec<_> = sim.block_on(throttled.map(|item| (item, sim.elapsed())).collect());
    assert!(all.iter().map(|(item, _)| *item).eq(0..7));
    let starts: Vec<_> = all.iter().map(|(_, start)| *start).collect();
    assert_window(&starts, 2, SECOND);
    assert_eq!(starts[6], 3 * SECOND);
}

#[test]
fn a_throttled_stream_counts_the_item_that_waits_and_uses_up_nothing_when_dropped() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(1, SECOND);
    let mut throttled = rate.throttle(&rt, stream::iter(0..3));
    assert_eq!(sim.block_on(throttled.next()), Some(0));
    assert!(Polled::new(throttled.next()).poll().is_pending());
    assert_eq!(throttled.size_hint(), (2, Some(2)));
    assert!(!rate.try_acquire(&rt));
    drop(throttled);
    sim.advance(SECOND);
    assert!(
        rate.try_acquire(&rt),
        "the item that was dropped has not started"
    );
}
