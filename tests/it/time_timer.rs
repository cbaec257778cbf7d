use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders};
use untethered::time::{Overlap, Tick, TickFailure, Timer, TimerBuilder, interval, timeout};
use untethered::{CancellationToken, Runtime};

const SECOND: Duration = Duration::from_secs(1);

/// What happened, and at which tenth of a second.
#[derive(Clone)]
struct Log {
    rt: Runtime,
    start: Instant,
    events: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Log {
    fn new(sim: &Sim) -> Self {
        Self {
            rt: sim.runtime(),
            start: sim.now(),
            events: Arc::default(),
        }
    }

    fn push(&self, event: impl Into<String>) {
        let tenths = (self.rt.now() - self.start).as_millis() as u64 / 100;
        self.events.lock().unwrap().push((tenths, event.into()));
    }

    fn take(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

fn events(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    let owned = expected.iter().map(|(at, event)| (*at, event.to_string()));
    owned.collect()
}

/// Logs when it is dropped.
struct Ends(Log, u64);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.push(format!("end {}", self.1));
    }
}

/// Ticks that take `length` each.
fn ticks(
    log: &Log,
    length: Duration,
) -> impl FnMut(Tick) -> untethered::runtime::BoxFuture<'static, ()> + Send + use<> {
    let log = log.clone();
    move |tick| {
        let log = log.clone();
        log.push(format!("tick {}", tick.number()));
        let ends = Ends(log.clone(), tick.number());
        Box::pin(async move {
            let _ends = ends;
            log.rt.sleep(length).await;
        })
    }
}

/// Starts the timer, stops it after `run`, and gives what happened.
fn run(
    sim: &Sim,
    builder: TimerBuilder,
    length: Duration,
    run: Duration,
) -> (Vec<(u64, String)>, u64) {
    let log = Log::new(sim);
    let timer = builder.start(ticks(&log, length));
    let rt = sim.runtime();
    let skipped = sim.block_on(async {
        rt.sleep(run).await;
        let skipped = timer.skipped();
        timer.stop().await.unwrap();
        skipped
    });
    let seen = log.take();
    sim.run_until_idle();
    assert!(log.take().is_empty(), "something was alive after the stop");
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
    (seen, skipped)
}

#[test]
fn the_first_tick_is_at_once_or_after_a_period() {
    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), SECOND);
    let (seen, _) = run(&sim, builder, Duration::ZERO, SECOND * 3 / 2);
    let expected = [(0, "tick 0"), (0, "end 0"), (10, "tick 1"), (10, "end 1")];
    assert_eq!(seen, events(&expected));

    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), SECOND).after_period();
    let (seen, _) = run(&sim, builder, Duration::ZERO, SECOND * 3 / 2);
    assert_eq!(seen, events(&[(10, "tick 0"), (10, "end 0")]));
}

// T1
#[test]
fn a_fixed_rate_does_not_drift_and_a_fixed_delay_counts_from_the_end() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let third = SECOND / 2;
    let (seen, skipped) = run(
        &sim,
        Timer::builder(&rt, SECOND),
        third,
        100 * SECOND - third,
    );
    let starts: Vec<_> = seen
        .iter()
        .filter(|(_, event)| event.starts_with("tick"))
        .collect();
    assert_eq!((starts.len(), skipped), (100, 0));
    for (number, (at, _)) in starts.into_iter().enumerate() {
        assert_eq!(*at, 10 * number as u64);
    }

    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), SECOND).fixed_delay();
    let (seen, _) = run(&sim, builder, third, 4 * SECOND);
    let expected = [
        (0, "tick 0"),
        (5, "end 0"),
        (15, "tick 1"),
        (20, "end 1"),
        (30, "tick 2"),
        (35, "end 2"),
    ];
    assert_eq!(seen, events(&expected));
}

#[test]
fn skip_leaves_out_what_is_due_while_a_tick_runs() {
    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), SECOND);
    let (seen, skipped) = run(&sim, builder, SECOND * 5 / 2, SECOND * 4);
    let expected = [(0, "tick 0"), (25, "end 0"), (30, "tick 3"), (40, "end 3")];
    assert_eq!(seen, events(&expected));
    assert_eq!(skipped, 2);
}

#[test]
fn wait_loses_no_tick() {
    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), SECOND).overlap(Overlap::Wait);
    let (seen, skipped) = run(&sim, builder, SECOND * 3 / 2, SECOND * 4);
    let expected = [
        (0, "tick 0"),
        (15, "end 0"),
        (15, "tick 1"),
        (30, "end 1"),
        (30, "tick 2"),
        (40, "end 2"),
    ];
    assert_eq!(seen, events(&expected));
    assert_eq!(skipped, 0);
}

#[test]
fn cancel_previous_has_the_old_tick_gone_before_the_new_one_starts() {
    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), SECOND).overlap(Overlap::CancelPrevious);
    let (seen, skipped) = run(&sim, builder, SECOND * 60, SECOND * 5 / 2);
    let expected = [
        (0, "tick 0"),
        (10, "end 0"),
        (10, "tick 1"),
        (20, "end 1"),
        (20, "tick 2"),
        (25, "end 2"),
    ];
    assert_eq!(seen, events(&expected));
    assert_eq!(skipped, 0);
}

#[test]
fn accumulate_overlaps_up_to_its_number_and_counts_the_rest() {
    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), SECOND).overlap(Overlap::accumulate(2));
    let (seen, skipped) = run(&sim, builder, SECOND * 5 / 2, SECOND * 41 / 10);
    let expected = [
        (0, "tick 0"),
        (10, "tick 1"),
        (25, "end 0"),
        (30, "tick 3"),
        (35, "end 1"),
        (40, "tick 4"),
    ];
    assert_eq!(seen[..6], events(&expected));
    let ends: BTreeSet<_> = seen[6..].iter().cloned().collect();
    assert_eq!(
        ends,
        events(&[(41, "end 3"), (41, "end 4")])
            .into_iter()
            .collect()
    );
    assert_eq!(skipped, 1);
}

/// A tick that takes `clean_up` to stop once it was asked to.
fn polite(
    log: &Log,
    clean_up: Duration,
) -> impl FnMut(Tick) -> untethered::runtime::BoxFuture<'static, ()> + Send + use<> {
    let log = log.clone();
    move |tick| {
        let log = log.clone();
        log.push(format!("tick {}", tick.number()));
        Box::pin(async move {
            let _ends = Ends(log.clone(), tick.number());
            tick.token().cancelled().await;
            log.push(format!("asked {}", tick.number()));
            log.rt.sleep(clean_up).await;
            log.push(format!("clean {}", tick.number()));
        })
    }
}

#[test]
fn a_tick_within_its_grace_cleans_up_and_the_schedule_does_not_move() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::new(&sim);
    let timer = Timer::builder(&rt, SECOND)
        .overlap(Overlap::CancelPrevious)
        .grace(SECOND)
        .start(polite(&log, SECOND / 2));
    sim.block_on(async {
        rt.sleep(SECOND * 22 / 10).await;
        timer.stop().await.unwrap();
    });
    let expected = [
        (0, "tick 0"),
        (10, "asked 0"),
        (15, "clean 0"),
        (15, "end 0"),
        (15, "tick 1"),
        (20, "asked 1"),
        // The timer is stopped at 22, in the middle of this clean-up, and waits for it.
        (25, "clean 1"),
        (25, "end 1"),
    ];
    assert_eq!(log.take(), events(&expected));
    assert_eq!(sim.live_tasks(), 0);
}

#[test]
fn a_tick_past_its_grace_is_dropped() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::new(&sim);
    let timer = Timer::builder(&rt, 60 * SECOND)
        .grace(SECOND)
        .start(polite(&log, 10 * SECOND));
    sim.block_on(async {
        rt.sleep(SECOND).await;
        timer.stop().await.unwrap();
    });
    assert_eq!(
        log.take(),
        events(&[(0, "tick 0"), (10, "asked 0"), (20, "end 0")])
    );
    assert_eq!(sim.live_tasks(), 0);
}

#[test]
fn a_dropped_timer_stops_by_itself_with_its_grace_and_a_detached_one_goes_on() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::new(&sim);
    let timer = Timer::builder(&rt, 60 * SECOND)
        .grace(SECOND)
        .start(polite(&log, SECOND / 2));
    sim.advance(SECOND);
    drop(timer);
    sim.advance(SECOND);
    let expected = [
        (0, "tick 0"),
        (10, "asked 0"),
        (15, "clean 0"),
        (15, "end 0"),
    ];
    assert_eq!(log.take(), events(&expected));
    assert_eq!(sim.live_tasks(), 0);

    let token = CancellationToken::new();
    Timer::builder(&rt, SECOND)
        .token(&token)
        .start(ticks(&log, Duration::ZERO))
        .detach();
    sim.advance(SECOND * 3 / 2);
    assert_eq!(log.take().len(), 4);
    token.cancel("test");
    sim.run_until_idle();
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
}

// C3
#[test]
fn failing_and_panicking_ticks_are_told_once_and_the_timer_lives() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("destructor");
        }
    }
    let timer = Timer::builder(&rt, SECOND).start_fallible(
        |tick| {
            if tick.number() == 1 {
                panic!("callback");
            }
            async move {
                match tick.number() {
                    2 => panic!("future"),
                    3 => Err("error"),
                    4 => {
                        let _bomb = Bomb;
                        tick.token().cancelled().await;
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
        },
        move |failure: TickFailure<&str>| {
            let text = failure.to_string();
            let panics =
                ["callback", "future", "destructor"].contains(&text.rsplit(' ').next().unwrap());
            assert_eq!(
                failure.panic_message(),
                text.rsplit(' ').next().filter(|_| panics)
            );
            hook.lock().unwrap().push(text);
            if failure.number() == 3 {
                panic!("hook");
            }
        },
    );
    let rt = rt.clone();
    sim.block_on(async {
        rt.sleep(SECOND * 9 / 2).await;
        timer.stop().await.unwrap();
    });
    let expected = [
        "tick 1 panicked: callback",
        "tick 2 panicked: future",
        "tick 3 failed: error",
        "tick 4 panicked: destructor",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(sim.live_tasks(), 0);
}

#[test]
fn a_panic_without_a_hook_goes_to_the_runtimes() {
    let sim = Sim::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let rt = sim
        .runtime()
        .on_unobserved(move |unobserved| hook.lock().unwrap().push(unobserved.to_string()));
    let timer = Timer::builder(&rt, SECOND).start(|tick| async move {
        assert_ne!(tick.number(), 1, "number one");
    });
    sim.block_on(async {
        rt.sleep(SECOND * 5 / 2).await;
        timer.stop().await.unwrap();
    });
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("number one"), "{told:?}");
}

/// When the ticks of a timer with this jitter start, in milliseconds.
fn jittered(seed: u64) -> Vec<u128> {
    let sim = Sim::new();
    let rt = sim.runtime();
    let starts = Arc::new(Mutex::new(Vec::new()));
    let (seen, start, clock) = (starts.clone(), sim.now(), rt.clone());
    let timer = Timer::builder(&rt, SECOND)
        .jitter(SECOND / 5, seed)
        .start(move |tick| {
            assert!(clock.now() >= tick.due());
            seen.lock().unwrap().push((clock.now() - start).as_millis());
            async {}
        });
    sim.block_on(async {
        rt.sleep(20 * SECOND - SECOND / 2).await;
        timer.stop().await.unwrap();
    });
    std::mem::take(&mut starts.lock().unwrap())
}

#[test]
fn jitter_puts_ticks_off_by_at_most_so_much_and_the_seed_repeats_it() {
    let first = jittered(1);
    assert_eq!(first.len(), 20);
    for (number, at) in first.iter().enumerate() {
        let due = 1000 * number as u128;
        assert!((due..=due + 200).contains(at), "tick {number} at {at}");
    }
    let different: BTreeSet<_> = first.iter().map(|at| at % 1000).collect();
    assert!(different.len() > 10, "{first:?}");
    assert_eq!(first, jittered(1));
    assert_ne!(first, jittered(2));
}

/// The simulation, with timers that come a little late, as real ones do.
struct Late(Runtime);

impl Spawner for Late {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task).detach();
    }
}

impl Sleeper for Late {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.0.sleep_until(deadline + SECOND / 10))
    }
}

#[test]
fn a_jitter_from_outside_that_is_too_long_is_an_error() {
    let timer = Timer::builder(&Sim::new().runtime(), SECOND);
    let error = timer.try_jitter(2 * SECOND, 0).unwrap_err();
    let says = "a jitter of 2s is longer than the period of 1s: ticks would pass each other";
    assert_eq!(error.to_string(), says);
    let timer = Timer::builder(&Sim::new().runtime(), SECOND);
    assert!(timer.try_jitter(SECOND, 0).is_ok());
}

#[test]
fn a_tick_put_off_to_the_end_of_its_period_costs_the_next_one_nothing() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let late = Runtime::new(Late(rt.clone()), Late(rt.clone()));
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = numbers.clone();
    let timer = Timer::builder(&late, SECOND)
        .jitter(SECOND, 1)
        .start(move |tick| {
            seen.lock().unwrap().push(tick.number());
            async {}
        });
    sim.block_on(async {
        rt.sleep(102 * SECOND).await;
        assert_eq!(timer.skipped(), 0);
        timer.stop().await.unwrap();
    });
    assert!(numbers.lock().unwrap()[..100].iter().copied().eq(0..100));
}

#[test]
fn ticks_the_timer_itself_comes_too_late_for_are_skipped_and_counted() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::new(&sim);
    let timer = Timer::builder(&rt, SECOND)
        .overlap(Overlap::CancelPrevious)
        .grace(10 * SECOND)
        .start(polite(&log, SECOND * 5 / 2));
    sim.block_on(async {
        rt.sleep(SECOND * 45 / 10).await;
        assert_eq!(timer.skipped(), 2);
        timer.stop().await.unwrap();
    });
    let expected = [
        (0, "tick 0"),
        (10, "asked 0"),
        (35, "clean 0"),
        (35, "end 0"),
        // Those of the seconds 2 and 3 are lost; the one of second 4 is on time.
        (35, "tick 1"),
        (40, "asked 1"),
        (65, "clean 1"),
        (65, "end 1"),
    ];
    assert_eq!(log.take(), events(&expected));
}

// C3
#[test]
fn no_tick_is_alive_after_the_stop_in_any_order() {
    let overlaps = [
        Overlap::Skip,
        Overlap::Wait,
        Overlap::CancelPrevious,
        Overlap::accumulate(3),
    ];
    for overlap in overlaps {
        let started = Arc::new(AtomicUsize::new(0));
        explore_orders(40, |sim| {
            let rt = sim.runtime();
            let alive = Arc::new(());
            let held = alive.clone();
            let (clock, started) = (rt.clone(), started.clone());
            let timer = Timer::builder(&rt, SECOND)
                .overlap(overlap)
                .grace(SECOND / 4)
                .start(move |tick| {
                    let (held, clock) = (held.clone(), clock.clone());
                    started.fetch_add(1, Ordering::Relaxed);
                    async move {
                        let length = SECOND * (tick.number() as u32 % 4) * 6 / 10;
                        tick.token().run_until_cancelled(clock.sleep(length)).await;
                        clock.sleep(SECOND / 10 * (tick.number() as u32 % 5)).await;
                        drop(held);
                    }
                });
            sim.block_on(async {
                rt.sleep(SECOND * 37 / 10).await;
                timer.stop().await.unwrap();
                assert_eq!(Arc::strong_count(&alive), 1);
            });
            assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
        });
        assert!(started.load(Ordering::Relaxed) > 40);
    }
}

// C3
#[test]
fn a_stop_dropped_at_any_poll_stays_in_force() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(5)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let log = Log::new(sim);
            let timer = Timer::builder(&rt, SECOND)
                .grace(SECOND)
                .start(polite(&log, SECOND / 2));
            let future = async move {
                rt.sleep(SECOND / 2).await;
                timer.stop().await.unwrap();
            };
            (future, |sim: &Sim| {
                sim.advance(10 * SECOND);
                assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
            })
        });
        assert!(polls >= 3, "{polls}");
    }
}

// C3
#[test]
fn a_tick_that_fails_and_panics_when_dropped_is_told_twice() {
    struct EndsBadly;

    impl Future for EndsBadly {
        type Output = Result<(), &'static str>;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Err("error"))
        }
    }

    impl Drop for EndsBadly {
        fn drop(&mut self) {
            panic!("destructor");
        }
    }

    let sim = Sim::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let timer = Timer::builder(&sim.runtime(), SECOND).start_fallible(
        |_| EndsBadly,
        move |failure| hook.lock().unwrap().push(failure.to_string()),
    );
    sim.run_until_idle();
    let expected = ["tick 0 failed: error", "tick 0 panicked: destructor"];
    assert_eq!(*told.lock().unwrap(), expected);
    sim.block_on(timer.stop()).unwrap();
}

// C3
#[test]
fn a_stop_that_is_dropped_leaves_ticks_the_rest_of_their_grace() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::new(&sim);
    let timer = Timer::builder(&rt, 60 * SECOND)
        .grace(SECOND)
        .start(polite(&log, SECOND / 2));
    sim.block_on(async {
        rt.sleep(SECOND).await;
        timeout(&rt, SECOND / 5, timer.stop()).await.unwrap_err();
        assert_eq!(log.take(), events(&[(0, "tick 0"), (10, "asked 0")]));
    });
    sim.advance(SECOND);
    assert_eq!(log.take(), events(&[(15, "clean 0"), (15, "end 0")]));
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
}

#[test]
fn the_longest_period_ticks_once_and_still_stops() {
    let sim = Sim::new();
    let builder = Timer::builder(&sim.runtime(), Duration::MAX);
    let (seen, _) = run(&sim, builder, Duration::ZERO, SECOND);
    assert_eq!(seen, events(&[(0, "tick 0"), (0, "end 0")]));
}

#[test]
#[should_panic(expected = "a period of nought")]
fn a_period_of_nought_is_refused() {
    drop(Timer::builder(&Sim::new().runtime(), Duration::ZERO));
}

#[test]
#[should_panic(expected = "a timer of nought ticks")]
fn nought_ticks_at_once_are_refused() {
    Overlap::accumulate(0);
}

#[test]
#[should_panic(expected = "is longer than the period")]
fn a_jitter_longer_than_the_period_is_refused() {
    drop(Timer::builder(&Sim::new().runtime(), SECOND).jitter(2 * SECOND, 0));
}

#[test]
fn a_tick_and_an_interval_know_their_period() {
    let sim = Sim::new();
    let rt = sim.runtime();
    assert_eq!(interval(&rt, SECOND).period(), SECOND);
    let (told, failures) = mpsc::channel();
    let fails = |tick: Tick| async move { Err((tick.number(), tick.period())) };
    let timer =
        Timer::builder(&rt, SECOND).start_fallible(fails, move |failure: TickFailure<_>| {
            told.send(failure).unwrap();
        });
    sim.advance(SECOND);
    sim.block_on(timer.stop()).unwrap();
    let failures: Vec<_> = failures.try_iter().collect();
    assert!(!failures.iter().any(TickFailure::is_panic));
    let errors = failures
        .into_iter()
        .map(|failure| failure.into_error().unwrap());
    assert!(errors.eq([(0, SECOND), (1, SECOND)]));
}
