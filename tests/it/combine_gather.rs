use std::cell::Cell;
use std::future::{pending, ready};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::StreamExt;
use untethered::combine::{Until, WaitSet, as_completed, gather, hedge, try_gather, wait};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::Limit;
use untethered::time::timeout;
use untethered::{CancellationToken, Runtime};

use crate::support::{Drops, Log, Wakes};

const SECOND: Duration = Duration::from_secs(1);

// C5
#[test]
fn gather_keeps_the_order_of_the_input_in_any_order_of_wakes() {
    explore_orders(40, |sim| {
        let rt = sim.runtime();
        for limit in [1, 3, 100] {
            let tasks = (0..30_u64).map(|index| {
                let clock = rt.clone();
                rt.spawn(async move {
                    clock.sleep(SECOND * (index as u32 * 7 % 5)).await;
                    index
                })
            });
            let outputs = sim.block_on(gather(tasks).limit(limit));
            let outputs: Vec<_> = outputs.into_iter().map(Result::unwrap).collect();
            assert_eq!(outputs, (0..30).collect::<Vec<_>>());
        }
        assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
    });
}

#[test]
fn gather_never_runs_more_than_its_limit_and_takes_from_the_iterator_when_it_can() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (running, most, made) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let outputs = sim.block_on(
        gather((0..20).map(|index| {
            made.set(made.get() + 1);
            assert!(made.get() <= index + 1 && running.get() < 4);
            let (rt, running, most) = (&rt, &running, &most);
            async move {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                rt.sleep(SECOND).await;
                running.set(running.get() - 1);
                index
            }
        }))
        .limit(4),
    );
    assert_eq!(outputs, (0..20).collect::<Vec<_>>());
    assert_eq!((most.get(), sim.elapsed()), (4, 5 * SECOND));
}

// C6
#[test]
fn gather_takes_all_forms_and_nothing() {
    let sim = Sim::new();
    sim.block_on(async {
        assert_eq!(
            gather((ready(1), async { 2 }, async { 3 })).await,
            [1, 2, 3]
        );
        assert_eq!(gather(vec![ready('a')]).await, ['a']);
        assert!(
            gather(Vec::<std::future::Ready<()>>::new())
                .await
                .is_empty()
        );
        assert!(
            try_gather(Vec::<std::future::Ready<Result<(), ()>>>::new())
                .await
                .unwrap()
                .is_empty()
        );
        let many = gather((0..100_000).map(ready)).await;
        assert!(many.into_iter().eq(0..100_000));
    });
}

#[test]
fn at_the_deadline_gather_gives_what_is_done() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let drops = Drops::default();
    let jobs = || {
        [1, 60, 2, 3, 61].map(|seconds| {
            let (dropped, sleep) = (drops.guard(), rt.sleep(seconds * SECOND));
            async move {
                let _dropped = dropped;
                sleep.await;
                seconds
            }
        })
    };
    sim.block_on(async {
        // The one of 3 seconds is done at the very moment of the deadline.
        let mut limited = pin!(gather(jobs()).timeout(&rt, 3 * SECOND));
        let done = limited.as_mut().await;
        assert_eq!(done, [Some(1), None, Some(2), Some(3), None]);
        assert_eq!((drops.made(), drops.count()), (5, 5));

        let start = rt.now();
        let done = gather(jobs())
            .limit(1)
            .deadline(&rt, start + 2 * SECOND)
            .await;
        assert_eq!(done, [Some(1), None, None, None, None]);
        // Begun at 0, 0, 1, 2 and 4 seconds.
        let endless = gather((1..).map(|seconds| rt.sleep(seconds * SECOND))).limit(2);
        let done = endless.timeout(&rt, 5 * SECOND).await;
        assert_eq!(done, [Some(()); 3]);
        let all = gather(jobs()).timeout(&rt, Duration::MAX).await;
        assert_eq!(all, [Some(1), Some(60), Some(2), Some(3), Some(61)]);
    });
    assert_eq!(sim.live_timers(), 0);
}

// T2
#[test]
fn a_deadline_of_nought_still_takes_everything_that_is_ready() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let done = gather((0..1000).map(ready))
            .timeout(&rt, Duration::ZERO)
            .await;
        assert!(done.into_iter().flatten().eq(0..1000));
        // Woken all at once, at the moment of the deadline.
        let sleeps = (0..1000).map(|_| rt.sleep(SECOND));
        let done = gather(sleeps).timeout(&rt, SECOND).await;
        assert_eq!(done.into_iter().flatten().count(), 1000);
        let done = gather([pending::<()>()]).timeout(&rt, Duration::ZERO).await;
        assert_eq!(done, [None]);
    });
}

#[test]
fn a_deadline_ends_an_endless_gather_of_what_is_ready() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let gathering = gather((0..).map(ready::<u32>)).timeout(&rt, Duration::ZERO);
    let done = sim.block_on(gathering);
    let len = done.len() as u32;
    assert!(len > 0 && done.into_iter().flatten().eq(0..len));
}

#[test]
fn try_gather_ends_at_the_first_error_with_the_others_gone() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let drops = Drops::default();
    let jobs = |fails_at: u32| (1..=5_u32).map(move |seconds| (seconds, seconds == fails_at));
    let job = |(seconds, fails): (u32, bool)| {
        let (dropped, rt) = (drops.guard(), rt.clone());
        async move {
            let _dropped = dropped;
            rt.sleep(seconds * SECOND).await;
            if fails {
                Err(format!("failed at {seconds}"))
            } else {
                Ok(seconds)
            }
        }
    };
    sim.block_on(async {
        assert_eq!(try_gather(jobs(9).map(job)).await.unwrap(), [1, 2, 3, 4, 5]);
        let mut failing = pin!(try_gather(jobs(3).map(job)));
        let error = failing.as_mut().await.unwrap_err();
        assert_eq!(error, (2, "failed at 3".into()));
        assert_eq!((drops.made(), drops.count()), (10, 10));
        let limited = try_gather(jobs(3).map(job)).timeout(&rt, 2 * SECOND).await;
        assert_eq!(limited.unwrap(), [Some(1), Some(2), None, None, None]);
        let limited = try_gather(jobs(3).map(job)).timeout(&rt, 3 * SECOND).await;
        assert_eq!(limited.unwrap_err().0, 2);
    });
    assert_eq!(sim.live_timers(), 0);
}

// C2
#[test]
fn a_gather_dropped_at_any_poll_drops_everybody() {
    for limit in [2, 100] {
        let polls = drop_at_every_poll(Order::Seeded(1), |sim| {
            let rt = sim.runtime();
            let drops = Drops::default();
            let counted = drops.clone();
            let clock = rt.clone();
            let jobs = (0..10_u32).map(move |index| {
                let (dropped, clock) = (counted.guard(), clock.clone());
                async move {
                    let _dropped = dropped;
                    clock.sleep(SECOND * (index % 3)).await;
                    yield_now().await;
                }
            });
            let gather = gather(jobs).limit(limit).timeout(&rt, 60 * SECOND);
            (gather, move |sim: &Sim| {
                assert_eq!(drops.made(), drops.count());
                assert_eq!(sim.live_timers(), 0);
            })
        });
        assert!(polls >= 4, "{polls}");
    }
}

#[test]
fn as_completed_tells_the_index_and_takes_an_endless_input() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let jobs = [3, 1, 2].map(|seconds| {
            let sleep = rt.sleep(seconds * SECOND);
            async move {
                sleep.await;
                seconds
            }
        });
        let outputs: Vec<_> = as_completed(jobs).collect().await;
        assert_eq!(outputs, [(1, 1), (2, 2), (0, 3)]);
        let endless = as_completed((0..).map(|n| async move { n * 2 })).limit(3);
        let outputs: Vec<_> = endless.take(4).collect().await;
        assert_eq!(outputs, [(0, 0), (1, 2), (2, 4), (3, 6)]);
        let failing = as_completed((ready(Err::<u8, _>("bad")), ready(Ok(1))));
        let outputs: Vec<_> = failing.collect().await;
        assert_eq!(outputs, [(0, Err("bad")), (1, Ok(1))]);
    });
}

// F1
#[test]
fn two_that_are_always_busy_do_not_starve_a_third() {
    for len in [3, 40] {
        let (busy, quiet) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let sim = Sim::new();
        let jobs = (0..len).map(|index| {
            let (busy, quiet) = (busy.clone(), quiet.clone());
            async move {
                if index == len - 1 {
                    for _ in 0..5 {
                        yield_now().await;
                    }
                    quiet.set(true);
                }
                while !quiet.get() {
                    busy.set(busy.get() + 1);
                    yield_now().await;
                }
            }
        });
        sim.block_on(gather(jobs));
        assert!(quiet.get());
        assert!(busy.get() <= len * 20, "{} polls of {len}", busy.get());
    }
}

fn sleeps(rt: &Runtime, seconds: impl IntoIterator<Item = u32>) -> Vec<untethered::time::Sleep> {
    seconds
        .into_iter()
        .map(|seconds| rt.sleep(seconds * SECOND))
        .collect()
}

// C6
#[test]
fn wait_for_the_first_gives_done_and_pending_step_by_step() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let mut set = WaitSet::new(sleeps(&rt, [3, 1, 2, 2]));
        let mut seen = Vec::new();
        while let Ok(done) = wait(&mut set, Until::First).await {
            let done: Vec<_> = done.into_iter().map(|(index, ())| index).collect();
            seen.push((done, set.pending().collect::<Vec<_>>()));
        }
        let expected = [
            (vec![1], vec![0, 2, 3]),
            (vec![2, 3], vec![0]),
            (vec![0], vec![]),
        ];
        assert_eq!(seen, expected);
        assert!(set.is_empty());
        assert!(
            wait(&mut set, Until::All)
                .timeout(&rt, SECOND)
                .await
                .is_err()
        );
    });
    assert_eq!(sim.elapsed(), 3 * SECOND);
}

#[test]
fn wait_for_an_error_or_all() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let job = |seconds: u32, fails: bool| {
        let rt = rt.clone();
        async move {
            rt.sleep(seconds * SECOND).await;
            if fails { Err(seconds) } else { Ok(seconds) }
        }
    };
    sim.block_on(async {
        let mut set = WaitSet::new([job(1, false), job(2, true), job(3, false), job(4, true)]);
        let done = wait(&mut set, Until::FirstError).await.unwrap();
        assert_eq!(done, [(0, Ok(1)), (1, Err(2))]);
        let done = wait(&mut set, Until::FirstError).await.unwrap();
        assert_eq!(done, [(2, Ok(3)), (3, Err(4))]);
        let mut fine = WaitSet::new((job(1, false), job(2, false)));
        assert_eq!(wait(&mut fine, Until::FirstError).await.unwrap().len(), 2);
        let mut numbers = WaitSet::new((0..100_u32).map(|n| async move { n }));
        let done = wait(&mut numbers, Until::FirstWhere(|n| *n == 50))
            .await
            .unwrap();
        assert!(done.contains(&(50, 50)));
    });
}

#[test]
fn a_wait_with_a_timeout_cancels_nobody() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let mut set = WaitSet::new(sleeps(&rt, [1, 2, 60]));
        let none = wait(&mut set, Until::First)
            .timeout(&rt, SECOND / 2)
            .await
            .unwrap();
        assert_eq!((none.len(), set.len()), (0, 3));
        // The second is done at the very moment of the limit.
        let done = wait(&mut set, Until::All)
            .timeout(&rt, SECOND * 3 / 2)
            .await
            .unwrap();
        assert_eq!(done, [(0, ()), (1, ())]);
        assert!(set.remove(2));
        assert!(!set.remove(2) && !set.remove(0) && !set.remove(99));
        assert!(wait(&mut set, Until::First).await.is_err());
    });
    assert_eq!((sim.elapsed(), sim.live_timers()), (2 * SECOND, 0));
}

// C1
#[test]
fn a_dropped_wait_loses_no_output() {
    for len in [5, 50] {
        let kept = Cell::new(0);
        let polls = drop_at_every_poll(Order::Fifo, |sim| {
            let rt = sim.runtime();
            let set = Rc::new(Cell::new(Some(WaitSet::new(sleeps(&rt, 1..=len)))));
            let (held, taken) = (set.clone(), Rc::new(Cell::new(false)));
            let (took, kept) = (taken.clone(), &kept);
            let future = async move {
                // Put back when the wait is dropped.
                struct Back(
                    Rc<Cell<Option<WaitSet<untethered::time::Sleep>>>>,
                    Option<WaitSet<untethered::time::Sleep>>,
                );
                impl Drop for Back {
                    fn drop(&mut self) {
                        self.0.set(self.1.take());
                    }
                }
                let mut back = Back(held.clone(), held.take());
                let done = wait(back.1.as_mut().unwrap(), Until::All).await.unwrap();
                took.set(done.len() == len as usize);
            };
            (future, move |sim: &Sim| {
                let mut set = set.take().unwrap();
                if taken.get() {
                    return;
                }
                let before = set.len();
                let done = sim.block_on(wait(&mut set, Until::All)).unwrap();
                assert_eq!(done.len(), len as usize);
                kept.set(kept.get() + (len as usize - before));
                assert!(
                    done.into_iter()
                        .map(|(index, ())| index)
                        .eq(0..len as usize)
                );
            })
        });
        assert!(polls > len as usize);
        assert!(
            kept.get() > 0,
            "no wait was dropped with outputs in the set"
        );
    }
}

/// Attempts that take so many seconds, and log when they start.
fn attempts<const N: usize>(
    rt: &Runtime,
    log: &Log,
    plan: [(u32, Result<u32, u32>); N],
) -> impl Iterator<Item = impl Future<Output = Result<u32, u32>> + use<N>> + use<N> {
    let (rt, log, start) = (rt.clone(), log.clone(), rt.now());
    plan.into_iter().map(move |(seconds, result)| {
        log.push(format!("start at {}", (rt.now() - start).as_secs()));
        let (sleep, dropped) = (rt.sleep(seconds * SECOND), log.on_drop("gone"));
        async move {
            let _dropped = dropped;
            sleep.await;
            result
        }
    })
}

#[test]
fn a_hedge_starts_the_next_attempt_after_the_delay_or_a_failure() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let won = sim.block_on(async {
        let plan = [(60, Ok(1)), (1, Err(2)), (60, Ok(3)), (4, Ok(4))];
        let mut hedge = pin!(hedge(&rt, 5 * SECOND, attempts(&rt, &log, plan)).limit(3));
        let won = hedge.as_mut().await.unwrap();
        log.push("seen");
        won
    });
    assert_eq!((won.index, won.value, won.failures), (3, 4, vec![(1, 2)]));
    // The second fails at 6, which starts the third; the fourth comes 5 later and takes 4.
    let expected = [
        "start at 0",
        "start at 5",
        "gone",
        "start at 6",
        "start at 11",
        "gone",
        "gone",
        "gone",
        "seen",
    ];
    assert_eq!(log.take(), expected);
    assert_eq!((sim.elapsed(), sim.live_timers()), (15 * SECOND, 0));
}

// C9
#[test]
fn a_hedge_runs_no_more_than_its_limit() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let plan = [(60, Ok(1)), (60, Err(2)), (60, Ok(3))];
    let won = sim
        .block_on(hedge(&rt, SECOND, attempts(&rt, &log, plan)))
        .unwrap();
    assert_eq!(won.index, 0);
    assert_eq!(log.take(), ["start at 0", "start at 1", "gone", "gone"]);

    let plan = [(1, Err(1)), (1, Err(2)), (1, Ok(3))];
    let won = sim
        .block_on(hedge(&rt, SECOND / 4, attempts(&rt, &log, plan)).limit(1))
        .unwrap();
    assert_eq!((won.value, won.failures), (3, vec![(0, 1), (1, 2)]));
    assert_eq!(sim.elapsed(), 63 * SECOND);
}

#[test]
fn a_hedge_of_no_delay_starts_all_it_may_and_of_the_longest_only_after_failures() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let plan = [(9, Ok(1)), (3, Ok(2)), (2, Err(3)), (1, Ok(4))];
    let won = sim
        .block_on(hedge(&rt, Duration::ZERO, attempts(&rt, &log, plan)).limit(3))
        .unwrap();
    assert_eq!((won.value, sim.elapsed()), (2, 3 * SECOND));
    log.take();
    let plan = [(9, Err(1)), (3, Ok(2))];
    let won = sim
        .block_on(hedge(&rt, Duration::MAX, attempts(&rt, &log, plan)))
        .unwrap();
    assert_eq!((won.value, sim.elapsed()), (2, 15 * SECOND));
}

// C6
#[test]
fn a_hedge_that_can_not_succeed_gives_every_error() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let plan = [(1, Err(1)), (2, Err(2))];
    let failures = sim
        .block_on(hedge(&rt, 9 * SECOND, attempts(&rt, &log, plan)))
        .unwrap_err();
    assert_eq!(failures.errors(), [(0, 1), (1, 2)]);
    let plan = [(9, Ok(1)), (2, Err(2))];
    let failures = sim
        .block_on(hedge(&rt, SECOND, attempts(&rt, &log, plan)).tolerate(|error| *error != 2))
        .unwrap_err();
    assert!(failures.is_intolerable());
    let nobody = sim
        .block_on(hedge(&rt, SECOND, attempts(&rt, &log, [])))
        .unwrap_err();
    assert!(nobody.is_empty());
}

// C9
#[test]
fn extra_attempts_share_a_limit_and_give_their_slots_back() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let extra = Limit::new(1);
    let call = |seconds: u32| {
        let plan = [(seconds, Ok(1)), (1, Ok(2))];
        hedge(&rt, SECOND, attempts(&rt, &log, plan)).extra(&extra)
    };
    // Three calls that would all like a second attempt after a second: they get it in turn.
    let won = sim.block_on(gather([call(60), call(60), call(60)]));
    let values: Vec<_> = won.into_iter().map(|won| won.unwrap().value).collect();
    assert_eq!(values, [2, 2, 2]);
    assert_eq!(sim.elapsed(), 4 * SECOND);
    assert_eq!(extra.available(), 1);
    // No delay, and nobody gets a slot: it waits without spinning.
    let held = extra.try_acquire();
    let plan = [(5, Ok(1)), (1, Ok(2))];
    let alone = hedge(&rt, Duration::ZERO, attempts(&rt, &log, plan)).extra(&extra);
    assert_eq!(sim.block_on(alone).unwrap().value, 1);
    drop(held);
    assert_eq!(extra.available(), 1);
}

// C9
#[test]
fn an_extra_attempt_that_has_failed_holds_no_slot() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let extra = Limit::new(1);
    sim.block_on(async {
        let plan = [(9, Ok(1)), (1, Err(2))];
        let mut hedge = pin!(hedge(&rt, SECOND, attempts(&rt, &log, plan)).extra(&extra));
        assert!(timeout(&rt, SECOND * 3 / 2, hedge.as_mut()).await.is_err());
        assert_eq!(extra.available(), 0);
        assert!(timeout(&rt, SECOND, hedge.as_mut()).await.is_err());
        assert_eq!(extra.available(), 1);
        assert_eq!(hedge.await.unwrap().value, 1);
    });
}

// C9
#[test]
fn a_hedge_without_another_attempt_waits_for_no_slot() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    let extra = Limit::new(1);
    sim.block_on(async {
        let held = extra.try_acquire();
        let plan = [(9, Ok(1))];
        let mut hedge = pin!(hedge(&rt, SECOND, attempts(&rt, &log, plan)).extra(&extra));
        assert!(timeout(&rt, 2 * SECOND, hedge.as_mut()).await.is_err());
        // One that waits would be given the slot, and would keep it until it is polled again.
        drop(held);
        assert_eq!(extra.available(), 1);
        assert_eq!(hedge.await.unwrap().value, 1);
    });
}

// C2
#[test]
fn a_hedge_dropped_at_any_poll_leaves_nothing() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let rt = sim.runtime();
        let log = Log::default();
        let extra = Limit::new(2);
        let plan = [
            (9, Err(1)),
            (3, Err(2)),
            (9, Ok(3)),
            (8, Err(4)),
            (1, Err(5)),
        ];
        let hedge = hedge(&rt, SECOND, attempts(&rt, &log, plan))
            .limit(3)
            .extra(&extra);
        (hedge, move |sim: &Sim| {
            let events = log.take();
            let started = events
                .iter()
                .filter(|event| event.starts_with("start"))
                .count();
            assert_eq!(events.len() - started, started, "{events:?}");
            assert_eq!((sim.live_timers(), extra.available()), (0, 2));
        })
    });
    assert!(polls >= 5, "{polls}");
}

// C8
#[test]
fn a_hedge_gives_its_losers_their_grace() {
    for (length, clean, seconds) in [(5 * SECOND, 1, 5), (SECOND, 0, 4), (Duration::MAX, 1, 5)] {
        let sim = Sim::new();
        let rt = sim.runtime();
        let token = CancellationToken::new();
        let cleaned = Cell::new(0);
        let attempts = (0..2).map(|index| {
            let (rt, token, cleaned) = (&rt, &token, &cleaned);
            async move {
                if index == 1 {
                    rt.sleep(2 * SECOND).await;
                    return Ok::<_, ()>(index);
                }
                token.cancelled().await;
                rt.sleep(2 * SECOND).await;
                cleaned.set(cleaned.get() + 1);
                Err(())
            }
        });
        let hedge = hedge(&rt, SECOND, attempts).grace(&rt, length, &token);
        let won = sim.block_on(hedge).unwrap();
        // What a loser says on its way out is not a failure of the call.
        assert_eq!(
            (won.index, won.failures.len(), cleaned.get()),
            (1, 0, clean)
        );
        assert_eq!((sim.elapsed(), sim.live_timers()), (seconds * SECOND, 0));
    }
}

// C1
#[test]
fn a_timeout_around_a_wait_keeps_the_set() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let mut set = WaitSet::new(sleeps(&rt, [1, 5]));
        assert!(
            timeout(&rt, 2 * SECOND, wait(&mut set, Until::All))
                .await
                .is_err()
        );
        // What came before the wait was dropped is still to be had.
        assert_eq!(wait(&mut set, Until::First).await.unwrap(), [(0, ())]);
        assert_eq!(wait(&mut set, Until::First).await.unwrap(), [(1, ())]);
    });
    assert_eq!(sim.elapsed(), 5 * SECOND);
}

#[test]
fn a_pending_wait_is_woken_by_any_of_many() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut set = WaitSet::new(sleeps(&rt, (0..100).map(|index| 100 - index)));
    let mut waiting = pin!(wait(&mut set, Until::First));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    sim.advance(SECOND);
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(Ok(done)) = waiting.as_mut().poll(&mut cx) else {
        panic!("one was done");
    };
    assert_eq!(done, [(99, ())]);
}
