use std::future::{Future, IntoFuture, pending, ready};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker, ready as ready_or_return};
use std::time::{Duration, Instant};

use futures_lite::{Stream, StreamExt, stream};
use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::stream::{ConcurrentError, from_stream, try_from_iter};
use untethered::{CancellationToken, Runtime, concurrent, try_concurrent};

use crate::support::{Drops, PanicsTwice, Payload, Running, Wakes, panic_text};

/// The simulation, as if it had so many threads.
struct Wide(Runtime, usize);

impl Spawner for Wide {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task).detach();
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.1).unwrap()
    }
}

impl Sleeper for Wide {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.0.sleep_until(deadline))
    }
}

fn wide(sim: &Sim, threads: usize) -> Runtime {
    let rt = sim.runtime();
    Runtime::new(Wide(rt.clone(), threads), Wide(rt, threads))
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn poll<S: Stream + Unpin>(stream: &mut S, waker: &Waker) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

#[test]
fn limit_and_order_may_be_set_after_the_runtime_was_chosen() {
    let sim = Sim::new();
    let running = Running::default();
    let seen = running.clone();
    let jobs = (0..9).map(move |n| {
        let running = seen.clone();
        async move {
            let _in = running.start();
            for _ in 0..(9 - n) % 4 {
                yield_now().await;
            }
            n
        }
    });
    let outputs = concurrent(jobs).on(&sim.runtime()).limit(3).ordered();
    let outputs: Vec<_> = sim.block_on(outputs.into_future());
    assert_eq!(outputs, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(running.most(), 3);
}

// R2
#[test]
fn outputs_are_those_of_the_source_and_the_limit_holds() {
    for (threads, limit, n) in [
        (1, 1, 10),
        (2, 1, 10),
        (2, 3, 50),
        (3, 7, 200),
        (4, 64, 300),
        (3, 64, 2),
        (2, 5, 0),
    ] {
        for ordered in [false, true] {
            explore_orders(6, |sim| {
                let rt = wide(sim, threads);
                let running = Running::default();
                let (work, live) = (rt.clone(), running.clone());
                let jobs = (0..n).map(move |index| {
                    let (rt, running) = (work.clone(), live.clone());
                    async move {
                        let _running = running.start();
                        match index % 7 {
                            0 | 1 => {}
                            2 | 3 => yield_now().await,
                            4 => rt.spawn(yield_now()).await.unwrap(),
                            _ => rt.sleep(millis(index * 7919 % 13)).await,
                        }
                        index
                    }
                });
                let outputs = concurrent(jobs).limit(limit);
                let outputs = if ordered { outputs.ordered() } else { outputs };
                let mut outputs = sim.block_on(outputs.on(&rt).into_future());
                if !ordered {
                    outputs.sort_unstable();
                }
                assert!(outputs.into_iter().eq(0..n));
                assert!(running.most() <= limit);
                // Nothing is alive, without another step of the runtime.
                assert_eq!(
                    (running.now(), sim.live_tasks(), sim.live_timers()),
                    (0, 0, 0)
                );
            });
        }
    }
}

#[test]
fn nothing_starts_before_the_first_poll() {
    let sim = Sim::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let jobs = (0..9).map(move |n| {
        count.fetch_add(1, SeqCst);
        ready(n)
    });
    let mut outputs = concurrent(jobs).limit(9).on(&sim.runtime());
    assert_eq!(outputs.size_hint(), (9, Some(9)));
    sim.run_until_idle();
    assert_eq!((asked.load(SeqCst), sim.live_tasks()), (0, 0));
    assert!(poll(&mut outputs, Waker::noop()).is_pending());
    sim.run_until_idle();
    assert_eq!(asked.load(SeqCst), 9);
    drop(outputs);
}

// R2
#[test]
fn the_work_goes_on_while_the_consumer_is_slow_and_stops_at_the_limit() {
    for ordered in [false, true] {
        explore_orders(10, |sim| {
            let rt = wide(sim, 2);
            let started = Arc::new(AtomicUsize::new(0));
            let (work, count) = (rt.clone(), started.clone());
            let jobs = (0..).map(move |n: usize| {
                count.fetch_add(1, SeqCst);
                let sleep = work.sleep(millis(5));
                async move {
                    sleep.await;
                    n
                }
            });
            let outputs = concurrent(jobs).limit(8);
            let outputs = if ordered { outputs.ordered() } else { outputs };
            let mut outputs = outputs.on(&rt);
            sim.block_on(async {
                for given in 1..40 {
                    assert!(outputs.next().await.is_some());
                    // As slow as can be: everything comes to rest.
                    rt.sleep(millis(1000)).await;
                    let started = started.load(SeqCst);
                    assert!(started <= given + 8, "{started} of {given}");
                    assert!(started >= given + 6, "{started} of {given}");
                }
            });
            drop(outputs);
            sim.run_until_idle();
            assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
        });
    }
}

// R2
#[test]
fn with_the_last_output_at_hand_the_work_goes_on() {
    let sim = Sim::new();
    let rt = wide(&sim, 1);
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let jobs = (0..).map(move |n| {
        count.fetch_add(1, SeqCst);
        ready::<usize>(n)
    });
    let mut outputs = concurrent(jobs).limit(5).on(&rt);
    assert!(poll(&mut outputs, Waker::noop()).is_pending());
    for round in 1..10 {
        sim.run_until_idle();
        assert_eq!(started.load(SeqCst), 5 * round);
        for _ in 0..5 {
            assert!(poll(&mut outputs, Waker::noop()).is_ready());
        }
    }
}

// R3
#[test]
fn of_two_that_fail_together_the_first_is_told() {
    explore_orders(20, |sim| {
        let rt = wide(sim, 2);
        let failed = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (log, clock) = (failed.clone(), rt.clone());
        let jobs = (0..2_usize).map(move |n| {
            let (log, sleep) = (log.clone(), clock.sleep(millis(10)));
            async move {
                sleep.await;
                log.lock().unwrap().push(n);
                Err::<(), _>(())
            }
        });
        let error = sim.block_on(try_concurrent(jobs).limit(2).on(&rt).into_future());
        let Err(ConcurrentError::Task { index, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(index, failed.lock().unwrap()[0]);
    });
}

// R1
#[test]
fn dropping_it_stops_everything() {
    explore_orders(10, |sim| {
        let rt = wide(sim, 3);
        let drops = Drops::default();
        let guards = drops.clone();
        let jobs = (0..).map(move |n| {
            let guard = guards.guard();
            async move {
                let _guard = guard;
                match n < 20 {
                    true => n,
                    false => pending().await,
                }
            }
        });
        let mut outputs = concurrent(jobs).limit(7).on(&rt);
        sim.block_on(async {
            for _ in 0..20 {
                outputs.next().await;
            }
            yield_now().await;
        });
        drop(outputs);
        sim.run_until_idle();
        assert!(drops.made() > 20);
        assert_eq!(drops.made(), drops.count());
        assert_eq!(sim.live_tasks(), 0);
    });
}

// R3
#[test]
fn everything_is_gone_before_the_error_is_seen() {
    explore_orders(20, |sim| {
        let rt = wide(sim, 3);
        let running = Running::default();
        let (work, live) = (rt.clone(), running.clone());
        let jobs = (0..30_u64).map(move |n| {
            let (rt, running) = (work.clone(), live.clone());
            async move {
                let _running = running.start();
                rt.sleep(millis(n % 10 * 10)).await;
                if n == 13 { Err("broken") } else { Ok(n) }
            }
        });
        let mut outputs = try_concurrent(jobs).limit(30).on(&rt);
        sim.block_on(async {
            let mut seen = Vec::new();
            let error = loop {
                match outputs.next().await {
                    Some(Ok(n)) => seen.push(n),
                    Some(Err(error)) => break error,
                    None => panic!("an error comes"),
                }
            };
            let broken = ConcurrentError::Task {
                index: 13,
                error: "broken",
            };
            assert_eq!(error, broken);
            assert_eq!((running.now(), sim.live_tasks()), (0, 0));
            // What was there before comes first.
            seen.sort_unstable();
            let before = seen.iter().filter(|n| *n % 10 < 3);
            assert!(before.eq(&[0, 1, 2, 10, 11, 12, 20, 21, 22]));
            assert!(outputs.next().await.is_none());
        });
    });
}

// R3
#[test]
fn outputs_that_wait_for_their_turn_are_gone_before_a_failure_is_seen() {
    explore_orders(10, |sim| {
        let rt = wide(sim, 2);
        let (drops, clock) = (Drops::default(), rt.clone());
        let guards = drops.clone();
        let jobs = (0..6).map(move |n| {
            let (guard, rt) = (guards.guard(), clock.clone());
            async move {
                rt.sleep(millis(60 - 10 * n)).await;
                if n == 1 { Err("broken") } else { Ok(guard) }
            }
        });
        let mut outputs = try_concurrent(jobs).limit(6).ordered().on(&rt);
        let outcome = sim.block_on(outputs.next()).unwrap();
        assert!(matches!(
            outcome,
            Err(ConcurrentError::Task { index: 1, .. })
        ));
        assert_eq!((drops.made(), drops.count()), (6, 6));
    });
}

// R4
#[test]
fn a_source_that_panics_when_dropped_ends_nothing_else() {
    struct Source(Option<&'static str>);

    impl Iterator for Source {
        type Item = BoxFuture<'static, Result<u8, &'static str>>;

        fn next(&mut self) -> Option<Self::Item> {
            let fails = self.0.take();
            Some(Box::pin(async move {
                match fails {
                    Some("panic") => panic!("of the future"),
                    Some(error) => Err(error),
                    None => pending().await,
                }
            }))
        }
    }

    impl Drop for Source {
        fn drop(&mut self) {
            panic!("of the source");
        }
    }

    for (fails, expected) in [("panic", "of the future"), ("error", "of the source")] {
        explore_orders(5, |sim| {
            let rt = wide(sim, 2);
            let mut outputs = try_concurrent(Source(Some(fails))).limit(4).on(&rt);
            let panic = panic_text(|| sim.block_on(outputs.next()));
            assert_eq!(panic, expected);
            assert!(sim.block_on(outputs.next()).is_none());
        });
    }
}

// R4
#[test]
fn destructors_that_panic_twice_end_nothing_else() {
    explore_orders(10, |sim| {
        let rt = wide(sim, 2);
        let (drops, clock) = (Drops::default(), rt.clone());
        let guards = drops.clone();
        let jobs = (0..8).map(move |n| {
            let (held, rt) = (PanicsTwice(guards.guard()), clock.clone());
            async move {
                match n {
                    0..4 => {
                        let _held = held;
                        pending().await
                    }
                    4..7 => Ok(held), // which waits for its turn
                    _ => {
                        std::mem::forget(held);
                        rt.sleep(millis(10)).await;
                        Err("broken")
                    }
                }
            }
        });
        let mut outputs = try_concurrent(jobs).limit(8).ordered().on(&rt);
        let ended = catch_unwind(AssertUnwindSafe(|| sim.block_on(outputs.next())));
        let payload = ended.err().unwrap();
        assert!(payload.is::<Payload>());
        std::mem::forget(payload);
        // Of all but the one that failed.
        assert_eq!((drops.made(), drops.count()), (8, 7));
        assert!(sim.block_on(outputs.next()).is_none());
    });
}

// R3
#[cfg(feature = "threads")]
#[test]
fn what_is_done_beside_a_failure_comes_before_it() {
    struct Tells(std::sync::mpsc::Sender<()>);

    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(()).ok();
        }
    }

    let (gone, is_gone) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    let blocks = CancellationToken::new();
    let fails = {
        let blocks = blocks.clone();
        async move {
            blocks.cancelled().await;
            Err("broken")
        }
    };
    let gone = Tells(gone);
    let waits = async move {
        let _gone = gone;
        pending().await
    };
    let works = async move {
        // Its driver is inside of a poll from here on.
        blocks.cancel("it blocks");
        may_go.recv().unwrap();
        Ok(2)
    };
    let jobs: Vec<BoxFuture<'static, Result<u8, &str>>> = vec![
        Box::pin(fails),
        Box::pin(waits),
        Box::pin(ready(Ok(1))),
        Box::pin(works),
    ];
    // Two drivers, with two each.
    let rt = untethered::runtime::threads(2);
    let mut outputs = try_concurrent(jobs).limit(4).on(&rt);
    assert!(poll(&mut outputs, Waker::noop()).is_pending());
    is_gone.recv().unwrap();
    // It learns of the failure while the other driver still works.
    assert!(poll(&mut outputs, Waker::noop()).is_pending());
    go.send(()).unwrap();
    let seen: Vec<_> = futures_lite::future::block_on(outputs.collect());
    let broken = ConcurrentError::Task {
        index: 0,
        error: "broken",
    };
    assert_eq!(seen, [Ok(1), Ok(2), Err(broken)]);
}

// R3
#[test]
fn an_error_of_the_source_comes_after_what_it_gave_before() {
    explore_orders(10, |sim| {
        let rt = wide(sim, 2);
        let jobs = (0..5).map(|n| match n {
            3 => Err("source"),
            n => Ok(ready(Ok::<_, ()>(n))),
        });
        let mut outputs = try_concurrent(try_from_iter(jobs))
            .limit(4)
            .ordered()
            .on(&rt);
        sim.block_on(async {
            for n in 0..3 {
                assert_eq!(outputs.next().await, Some(Ok(n)));
            }
            let error = Err(ConcurrentError::Source("source"));
            assert_eq!(outputs.next().await, Some(error));
            assert_eq!(outputs.next().await, None);
        });
        assert_eq!(sim.live_tasks(), 0);
    });
}

// R4
#[test]
fn a_panic_goes_on_in_the_consumer_once_all_are_gone() {
    for of_source in [false, true] {
        explore_orders(10, |sim| {
            let rt = wide(sim, 3);
            let running = Running::default();
            let (work, live) = (rt.clone(), running.clone());
            let jobs = (0..9).map(move |n| {
                assert!(!of_source || n < 8, "out of luck");
                let (rt, running) = (work.clone(), live.clone());
                async move {
                    let _running = running.start();
                    rt.sleep(millis(n)).await;
                    assert!(n < 5, "out of luck");
                    n
                }
            });
            let mut outputs = concurrent(jobs).limit(4).on(&rt);
            let mut seen = Vec::new();
            let panic = panic_text(|| {
                sim.block_on(async {
                    while let Some(n) = outputs.next().await {
                        seen.push(n);
                    }
                });
            });
            assert_eq!(panic, "out of luck");
            assert_eq!((running.now(), sim.live_tasks()), (0, 0));
            assert!(seen.len() >= 3);
            assert!(matches!(
                poll(&mut outputs, Waker::noop()),
                Poll::Ready(None)
            ));
        });
    }
}

#[test]
fn a_runtime_that_ends_is_not_taken_for_the_end() {
    let sim = Sim::new();
    let rt = wide(&sim, 2);
    let mut outputs = concurrent((0..4).map(|_| pending::<()>())).on(&rt);
    let (wakes, waker) = Wakes::new();
    assert!(poll(&mut outputs, &waker).is_pending());
    sim.run_until_idle();
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!(wakes.count(), 0);
    drop(sim);
    assert!(wakes.count() > 0);
    let panic = panic_text(|| poll(&mut outputs, &waker));
    assert!(panic.contains("the runtime dropped"), "{panic}");
    // Nor is one that has ended already.
    let mut outputs = concurrent([ready(1)]).on(&rt);
    let panic = panic_text(|| while poll(&mut outputs, &waker).is_pending() {});
    assert!(panic.contains("the runtime dropped"), "{panic}");
}

#[test]
fn a_source_that_waits_is_shared() {
    explore_orders(30, |sim| {
        let rt = wide(sim, 3);
        let (ticks, work) = (rt.clone(), rt.clone());
        let jobs = stream::unfold(0, move |n| {
            let sleep = ticks.sleep(millis(if n % 5 == 0 { 10 } else { 0 }));
            async move {
                sleep.await;
                (n < 40).then_some((n, n + 1))
            }
        });
        let jobs = jobs.map(move |n| {
            let sleep = work.sleep(millis(n % 4 * 9));
            async move {
                sleep.await;
                n
            }
        });
        let mut seen = sim.block_on(concurrent(from_stream(jobs)).limit(4).on(&rt).into_future());
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..40));
        assert_eq!(sim.live_tasks(), 0);
    });
}

#[test]
fn what_a_source_brings_late_is_taken_by_all() {
    explore_orders(10, |sim| {
        let rt = wide(sim, 3);
        let running = Running::default();
        let live = running.clone();
        // Wakes only whoever asked last, and then has them all.
        let mut sleep = Box::pin(rt.sleep(millis(10)));
        let jobs = stream::poll_fn(move |cx| {
            ready_or_return!(sleep.as_mut().poll(cx));
            let running = live.start();
            Poll::Ready(Some(async move {
                let _running = running;
                pending::<()>().await;
            }))
        });
        let mut outputs = concurrent(from_stream(jobs)).limit(6).on(&rt);
        assert!(poll(&mut outputs, Waker::noop()).is_pending());
        sim.advance(millis(10));
        assert_eq!(running.now(), 6);
    });
}

#[test]
fn it_gives_way_after_so_many_in_a_row() {
    let sim = Sim::new();
    let mut outputs = concurrent((0..1000).map(ready))
        .unlimited()
        .on(&sim.runtime());
    let (wakes, waker) = Wakes::new();
    assert!(poll(&mut outputs, &waker).is_pending());
    sim.run_until_idle();
    let before = wakes.count();
    for _ in 0..128 {
        assert!(matches!(poll(&mut outputs, &waker), Poll::Ready(Some(_))));
    }
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!(wakes.count(), before + 1);
}

// R1
#[test]
fn dropped_at_every_poll_nothing_stays() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(1), Order::Seeded(2)] {
        for ordered in [false, true] {
            let polls = drop_at_every_poll(order, |sim| {
                let rt = wide(sim, 2);
                let running = Running::default();
                let (work, live) = (rt.clone(), running.clone());
                let jobs = (0..20).map(move |n| {
                    let (rt, running) = (work.clone(), live.clone());
                    async move {
                        let _running = running.start();
                        match n % 3 {
                            0 => yield_now().await,
                            1 => rt.sleep(millis(n % 5)).await,
                            _ => rt.spawn(yield_now()).await.unwrap(),
                        }
                    }
                });
                let outputs = concurrent(jobs).limit(3);
                let outputs = if ordered { outputs.ordered() } else { outputs };
                let check = move |sim: &Sim| {
                    assert_eq!(running.now(), 0);
                    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
                };
                (outputs.on(&rt).into_future(), check)
            });
            assert!(polls >= 5, "{polls}");
        }
    }
}

#[test]
fn a_list_is_given_once() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let mut list = pin!(concurrent([ready(1)]).on(&rt).into_future());
    assert_eq!(sim.block_on(list.as_mut()), [1]);
    let panic = panic_text(|| list.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    assert!(panic.contains("after it was ready"), "{panic}");
}
