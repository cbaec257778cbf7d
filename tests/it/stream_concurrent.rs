use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn, ready};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::{Stream, StreamExt, stream};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::stream::{ConcurrentError, from_stream, try_from_iter, try_from_stream};
use untethered::{Runtime, concurrent, try_concurrent};

use crate::random::Random;
use crate::support::{Drops, OnDrop, PanicsTwice, Payload, Running, Wakes, panic_text};

/// A future that is done when told, and says when it is polled and dropped.
struct Gate<T> {
    state: Rc<GateState<T>>,
}

struct GateState<T> {
    value: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
    polls: Cell<usize>,
    drops: Cell<usize>,
}

impl<T> Gate<T> {
    fn new() -> (Self, Rc<GateState<T>>) {
        let state = Rc::new(GateState {
            value: Cell::new(None),
            waker: RefCell::new(None),
            polls: Cell::new(0),
            drops: Cell::new(0),
        });
        (
            Self {
                state: state.clone(),
            },
            state,
        )
    }
}

impl<T> GateState<T> {
    fn open(&self, value: T) {
        self.value.set(Some(value));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl<T> Future for Gate<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.state.polls.set(self.state.polls.get() + 1);
        *self.state.waker.borrow_mut() = Some(cx.waker().clone());
        match self.state.value.take() {
            Some(value) => Poll::Ready(value),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Gate<T> {
    fn drop(&mut self) {
        self.state.drops.set(self.state.drops.get() + 1);
    }
}

fn gates<T>(n: usize) -> (Vec<Gate<T>>, Vec<Rc<GateState<T>>>) {
    (0..n).map(|_| Gate::new()).unzip()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn poll<S: Stream + Unpin>(stream: &mut S, waker: &Waker) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

#[test]
fn nothing_starts_before_the_first_poll() {
    let pulled = &Cell::new(0);
    let jobs = (0..9).inspect(|_| pulled.set(pulled.get() + 1)).map(ready);
    let mut outputs = concurrent(jobs).limit(2).ordered();
    assert_eq!(pulled.get(), 0);
    let (_, waker) = Wakes::new();
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(Some(0)));
    // A ready item is delivered before the next is asked for.
    assert_eq!(pulled.get(), 1);
    let list = concurrent(std::iter::repeat_with(|| -> std::future::Ready<()> {
        panic!("asked for")
    }))
    .into_future();
    drop(list);
}

#[test]
fn an_empty_source_ends_at_once() {
    let (count, waker) = Wakes::new();
    let mut outputs = concurrent(Vec::<std::future::Ready<()>>::new());
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
    assert_eq!(count.count(), 0);
}

#[test]
fn a_limit_of_nought_is_refused() {
    let panic = panic_text(|| concurrent([ready(1)]).limit(0));
    assert!(panic.contains("nought"), "{panic}");
    let one = NonZeroUsize::MIN;
    let mut outputs = concurrent([ready(1)]).limit_nonzero(one);
    assert!(poll(&mut outputs, &Wakes::new().1).is_ready());
}

#[test]
fn outputs_come_as_they_finish_or_in_input_order() {
    explore_orders(20, |sim| {
        let rt = sim.runtime();
        let jobs = |rt: &Runtime| {
            [30, 10, 20].map(|ms| {
                let rt = rt.clone();
                async move {
                    rt.sleep(millis(ms)).await;
                    ms
                }
            })
        };
        let outputs = sim.block_on(concurrent(jobs(&rt)).limit(3).into_future());
        assert_eq!(outputs, [10, 20, 30]);
        let outputs = sim.block_on(concurrent(jobs(&rt)).limit(3).ordered().into_future());
        assert_eq!(outputs, [30, 10, 20]);
        let outputs = sim.block_on(concurrent(jobs(&rt)).limit(1).into_future());
        assert_eq!(outputs, [30, 10, 20]);
    });
}

// R2
#[test]
fn the_limit_is_never_passed_and_always_used() {
    for seed in 1..60 {
        explore_orders(3, |sim| {
            let mut random = Random::new(seed);
            let limit = 1 + random.below(70);
            let n = random.below(200);
            let ordered = random.below(2) == 0;
            let running = Running::default();
            let rt = sim.runtime();
            let kinds: Vec<_> = (0..n)
                .map(|_| (random.below(4), random.below(9) as u64))
                .collect();
            let jobs = kinds.into_iter().enumerate().map(|(index, (kind, ms))| {
                let (running, rt) = (running.clone(), rt.clone());
                async move {
                    let _running = running.start();
                    match kind {
                        0 => {}
                        1 => yield_now().await,
                        2 => rt.spawn(yield_now()).await.unwrap(),
                        _ => rt.sleep(millis(ms)).await,
                    }
                    index
                }
            });
            sim.spurious_wakes(seed % 2 == 0);
            let outputs = concurrent(jobs).limit(limit);
            let mut outputs = match ordered {
                true => sim.block_on(outputs.ordered().into_future()),
                false => sim.block_on(outputs.into_future()),
            };
            assert!(running.most() <= limit);
            assert_eq!(running.now(), 0);
            if !ordered {
                outputs.sort_unstable();
            }
            assert!(outputs.into_iter().eq(0..n));
        });
    }
    // With work that waits, all places are taken.
    let sim = Sim::new();
    let rt = sim.runtime();
    let running = Running::default();
    let jobs = (0..100).map(|_| {
        let (running, sleep) = (running.clone(), rt.sleep(millis(5)));
        async move {
            let _running = running.start();
            sleep.await;
        }
    });
    sim.block_on(concurrent(jobs).limit(7).into_future());
    assert_eq!(running.most(), 7);
}

/// The table of results that users of the Python original know, row by row.
// R3
#[test]
fn results_are_those_of_the_original() {
    const LIMITS: [Option<usize>; 5] = [Some(1), Some(2), Some(3), Some(6), None];
    const MODES: [&str; 2] = ["raise", "yield"];
    // H succeeds after a while, S fails at once, ! is the error that ends the run, E one that
    // comes as an item, X is the source failing.
    let table: [(&str, [[&str; 5]; 2]); 5] = [
        ("H", [["H"; 5]; 2]),
        ("HHHHHHH", [["HHHHHHH"; 5]; 2]),
        (
            "HHSHHH",
            [
                ["HH!", "HH!", "!", "!", "!"],
                ["HHEHHH", "HHEHHH", "EHHHHH", "EHHHHH", "EHHHHH"],
            ],
        ),
        ("SSHHH", [["!"; 5], ["EEHHH"; 5]]),
        // The original takes one item ahead of a free place and gives H! and ! for the first
        // two: here the source is asked later, so that less is lost when it fails.
        ("HHX", [["HH!", "HH!", "!", "!", "!"]; 2]),
    ];
    for (input, rows) in table {
        for (mode, row) in MODES.into_iter().zip(rows) {
            for (limit, expected) in LIMITS.into_iter().zip(row) {
                let sim = Sim::new();
                let rt = sim.runtime();
                let yields = mode == "yield";
                let jobs = input.chars().map(|kind| {
                    let rt = rt.clone();
                    if kind == 'X' {
                        return Err("source");
                    }
                    Ok(async move {
                        let result = match kind {
                            'H' => {
                                rt.sleep(millis(10)).await;
                                Ok('H')
                            }
                            _ => Err("task"),
                        };
                        match result {
                            Err(_) if yields => Ok('E'),
                            result => result,
                        }
                    })
                });
                let outputs = try_concurrent(try_from_iter(jobs));
                let outputs = match limit {
                    Some(limit) => outputs.limit(limit),
                    None => outputs.unlimited(),
                };
                let seen: String = sim.block_on(
                    outputs
                        .map(|output| match output {
                            Ok(output) => output,
                            Err(ConcurrentError::Source("source")) if input.contains('X') => '!',
                            Err(ConcurrentError::Task { index, error }) => {
                                assert_eq!((Some(index), error), (input.find('S'), "task"));
                                '!'
                            }
                            Err(error) => panic!("{error:?}"),
                        })
                        .collect(),
                );
                assert_eq!(seen, expected, "{input} {mode} {limit:?}");
            }
        }
    }
}

// R3
#[test]
fn everything_is_gone_before_the_error_is_seen() {
    for ordered in [false, true] {
        let (futures, states) = gates::<Result<u8, &str>>(4);
        let source = Rc::new(());
        let held = source.clone();
        let jobs = futures.into_iter().inspect(move |_| {
            let _ = &held;
        });
        let mut outputs = try_concurrent(jobs).limit(3);
        if ordered {
            outputs = outputs.ordered();
        }
        let (count, waker) = Wakes::new();
        assert!(poll(&mut outputs, &waker).is_pending());
        states[0].open(Ok(1));
        states[2].open(Err("disk full"));
        assert_eq!(count.count(), 1);
        // What was there before comes first.
        assert_eq!(poll(&mut outputs, &waker), Poll::Ready(Some(Ok(1))));
        assert_eq!(states[1].drops.get(), 0);
        let Poll::Ready(Some(Err(error))) = poll(&mut outputs, &waker) else {
            panic!("an error comes")
        };
        assert_eq!(
            error,
            ConcurrentError::Task {
                index: 2,
                error: "disk full"
            }
        );
        let drops: Vec<_> = states.iter().map(|state| state.drops.get()).collect();
        assert_eq!(drops, [1, 1, 1, 1]);
        assert_eq!(states[3].polls.get(), 0);
        assert_eq!(Rc::strong_count(&source), 1);
        assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
        assert_eq!(outputs.size_hint(), (0, Some(0)));
    }
}

#[test]
fn in_input_order_nothing_is_given_behind_a_gap() {
    let (futures, states) = gates::<Result<u8, &str>>(3);
    let mut outputs = try_concurrent(futures).limit(3).ordered();
    let (_, waker) = Wakes::new();
    assert!(poll(&mut outputs, &waker).is_pending());
    states[1].open(Ok(1));
    assert!(poll(&mut outputs, &waker).is_pending());
    states[2].open(Err("broken"));
    let Poll::Ready(Some(Err(error))) = poll(&mut outputs, &waker) else {
        panic!("an error comes")
    };
    assert_eq!(error.into_task(), "broken");
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Inner;

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inner")
    }
}

impl Error for Inner {}

// R3
#[test]
fn errors_lead_to_their_source() {
    let sources = [
        ConcurrentError::Source(Inner),
        ConcurrentError::Task {
            index: 7,
            error: Inner,
        },
    ];
    let texts = sources.map(|error| error.to_string());
    assert_eq!(texts, ["the source of tasks failed", "task 7 failed"]);
    for error in sources {
        let source = error.source().expect("there is a source");
        assert_eq!(source.downcast_ref(), Some(&Inner));
        assert!(source.source().is_none());
    }
}

#[test]
fn a_stream_that_fails_ends_the_run() {
    let sim = Sim::new();
    let running = Running::default();
    let jobs = stream::iter([true, true, false, true]).map(|good| {
        let running = running.clone();
        match good {
            true => Ok(async move {
                let _running = running.start();
                pending::<Result<(), Infallible>>().await
            }),
            false => Err(Inner),
        }
    });
    let result = sim.block_on(try_concurrent(try_from_stream(jobs)).limit(4).into_future());
    assert_eq!(result.unwrap_err(), ConcurrentError::Source(Inner));
    assert_eq!((running.most(), running.now()), (2, 0));
}

// R5
#[test]
fn the_source_is_asked_when_all_that_was_woken_is_delivered() {
    let pulled = &Cell::new(0);
    let (futures, states) = gates::<usize>(9);
    let jobs = futures
        .into_iter()
        .inspect(|_| pulled.set(pulled.get() + 1));
    let mut outputs = concurrent(jobs).limit(4);
    let (_, waker) = Wakes::new();
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!(pulled.get(), 4);
    for index in [2, 0, 3] {
        states[index].open(index);
    }
    for _ in 0..3 {
        assert_eq!(pulled.get(), 4);
        assert!(poll(&mut outputs, &waker).is_ready());
    }
    assert_eq!(pulled.get(), 4);
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!(pulled.get(), 7);
    // One that is woken while another is delivered comes before the source, too.
    states[1].open(1);
    assert!(poll(&mut outputs, &waker).is_ready());
    states[4].open(4);
    assert!(poll(&mut outputs, &waker).is_ready());
    assert_eq!(pulled.get(), 7);
    // And one that is woken by another while that is polled.
    let (futures, states) = gates::<usize>(1);
    let pulled = &Cell::new(0);
    let mut gate = futures.into_iter();
    let jobs = (0..4).map(|index| {
        pulled.set(pulled.get() + 1);
        let mut waits = if index == 0 { gate.next() } else { None };
        let other = states[0].clone();
        async move {
            match &mut waits {
                Some(gate) => gate.await,
                None => {
                    other.open(100);
                    pending().await
                }
            }
        }
    });
    let mut outputs = concurrent(jobs).limit(4);
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(Some(100)));
    assert_eq!(pulled.get(), 2);
}

// R5
#[test]
fn a_source_that_waits_holds_up_nobody() {
    explore_orders(30, |sim| {
        let rt = sim.runtime();
        // One job every ten milliseconds, each of which takes fifteen.
        let ticks = stream::unfold(0, |n| {
            let sleep = rt.sleep(millis(10));
            async move {
                sleep.await;
                (n < 5).then_some((n, n + 1))
            }
        });
        let jobs = ticks.map(|n| {
            let sleep = rt.sleep(millis(15));
            async move {
                sleep.await;
                n
            }
        });
        let start = sim.now();
        let mut outputs = pin!(concurrent(from_stream(jobs)).limit(3));
        let mut times = Vec::new();
        sim.block_on(async {
            while let Some(n) = outputs.next().await {
                times.push((n, (rt.now() - start).as_millis()));
            }
        });
        assert_eq!(times, [(0, 25), (1, 35), (2, 45), (3, 55), (4, 65)]);
    });
}

// R1
#[test]
fn an_endless_source_is_dropped_with_the_stream() {
    let sim = Sim::new();
    let running = Running::default();
    let started = &Cell::new(0);
    let rt = sim.runtime();
    let jobs = (0_u64..).map(|n| {
        started.set(started.get() + 1);
        let (running, sleep) = (running.clone(), rt.sleep(millis(n % 7)));
        async move {
            let _running = running.start();
            sleep.await;
            n
        }
    });
    let mut outputs = concurrent(jobs).limit(5);
    sim.block_on(async {
        for _ in 0..1000 {
            assert!(outputs.next().await.is_some());
        }
    });
    assert!(running.now() > 0);
    drop(outputs);
    assert_eq!((running.now(), running.most()), (0, 5));
    assert!(started.get() <= 1005);
    assert_eq!(sim.live_timers(), 0);
}

// F1
#[test]
fn futures_that_keep_waking_themselves_hold_up_nobody() {
    let spins = &[const { Cell::new(0_usize) }; 4];
    let spin = |index: usize| {
        poll_fn(move |cx| {
            spins[index].set(spins[index].get() + 1);
            cx.waker().wake_by_ref();
            Poll::<usize>::Pending
        })
    };
    type Job<'a> = Pin<Box<dyn Future<Output = usize> + 'a>>;
    let (gate, state) = Gate::<usize>::new();
    let late = &Cell::new(false);
    // The source has one more, which starts although the others never rest.
    let mut jobs: Vec<Job<'_>> = vec![Box::pin(gate)];
    jobs.extend((0..4).map(|index| -> Job<'_> { Box::pin(spin(index)) }));
    let jobs = jobs
        .into_iter()
        .map(Some)
        .chain([None])
        .map(|job| match job {
            Some(job) => job,
            None => {
                late.set(true);
                Box::pin(ready(7_usize)) as Job<'_>
            }
        });
    let mut polls = 0;
    // A source that gives one item per poll, so that there is always one to come.
    let mut jobs = jobs.fuse();
    let mut turn = false;
    let jobs = stream::poll_fn(|cx| {
        turn = !turn;
        if turn {
            return Poll::Ready(jobs.next());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let mut outputs = concurrent(from_stream(jobs)).limit(9);
    let (count, waker) = Wakes::new();
    let mut output = None;
    while output.is_none() {
        let before: usize = spins.iter().map(Cell::get).sum();
        let woken = count.count();
        match poll(&mut outputs, &waker) {
            Poll::Ready(item) => output = item,
            // Whoever gives way asks to be polled again.
            Poll::Pending => assert!(count.count() > woken),
        }
        let after: usize = spins.iter().map(Cell::get).sum();
        // Two that were woken, and one that enters.
        assert!(after - before <= 3, "{before} {after}");
        polls += 1;
        assert!(polls < 50);
    }
    assert!(late.get());
    assert_eq!(output, Some(7));
    // All of them get their turns, and one that waited is served among them.
    let mut rounds = 0;
    state.open(5);
    while poll(&mut outputs, &waker).is_pending() {
        rounds += 1;
        assert!(rounds < 10);
    }
    for _ in 0..100 {
        assert!(poll(&mut outputs, &waker).is_pending());
    }
    let counts: Vec<_> = spins.iter().map(Cell::get).collect();
    let most = counts.iter().max().unwrap();
    assert!(counts.iter().all(|count| count + 12 > *most), "{counts:?}");
}

// F1
#[test]
fn futures_that_wake_each_other_hold_up_nobody() {
    let wakers = &[const { RefCell::new(None::<Waker>) }; 2];
    let polls = &Cell::new(0);
    let ping = (0..2).map(|index| {
        poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            *wakers[index].borrow_mut() = Some(cx.waker().clone());
            if let Some(other) = &*wakers[1 - index].borrow() {
                other.wake_by_ref();
            }
            Poll::<u8>::Pending
        })
    });
    type Job<'a> = Pin<Box<dyn Future<Output = u8> + 'a>>;
    let jobs = ping.map(|job| Box::pin(job) as Job<'_>);
    let mut outputs = concurrent(jobs.chain([Box::pin(ready(3_u8)) as Job<'_>])).limit(3);
    let (_, waker) = Wakes::new();
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(Some(3)));
    for _ in 0..10 {
        let before = polls.get();
        assert!(poll(&mut outputs, &waker).is_pending());
        assert!(polls.get() - before <= 2);
    }
}

/// What tokio does: so many operations per poll of the task, then "not yet, poll me again".
// F1
#[test]
fn a_spent_budget_of_the_host_costs_little() {
    for (n, limit) in [(20_000, 20_000), (20_000, 4096), (20_000, 64)] {
        let budget = &Cell::new(0);
        let polls = &Cell::new(0);
        let open = &Cell::new(false);
        let wakers = &RefCell::new(Vec::<Waker>::new());
        let jobs = (0..n).map(|_| {
            poll_fn(|cx| {
                polls.set(polls.get() + 1);
                if !open.get() {
                    wakers.borrow_mut().push(cx.waker().clone());
                    return Poll::Pending;
                }
                if budget.get() == 0 {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                budget.set(budget.get() - 1);
                Poll::Ready(())
            })
        });
        let (_, waker) = Wakes::new();
        let mut outputs = concurrent(jobs).limit(limit);
        let mut done = 0;
        loop {
            budget.set(128);
            let next = loop {
                match poll(&mut outputs, &waker) {
                    Poll::Ready(Some(())) => done += 1,
                    next => break next,
                }
            };
            if next.is_ready() {
                break;
            }
            if wakers.borrow().len() == limit {
                // All at once.
                open.set(true);
                wakers.take().into_iter().for_each(Waker::wake);
            }
        }
        assert_eq!(done, n);
        // Each when it enters and when it is woken, and now and then one that finds it spent.
        assert!(polls.get() < 2 * n + n / 8, "{}", polls.get());
    }
}

#[test]
fn it_gives_way_after_so_many_in_a_row() {
    for ordered in [false, true] {
        let mut outputs = concurrent((0..).map(ready)).limit(4);
        if ordered {
            outputs = outputs.ordered();
        }
        let (count, waker) = Wakes::new();
        for round in 0..5 {
            assert_eq!(count.count(), round);
            for n in 0..128 {
                let output = poll(&mut outputs, &waker);
                assert_eq!(output, Poll::Ready(Some(round * 128 + n)));
            }
            assert!(poll(&mut outputs, &waker).is_pending());
        }
    }
    // Also while it starts futures that wait.
    let mut outputs = concurrent((0..1000).map(|_| pending::<()>())).unlimited();
    let (count, waker) = Wakes::new();
    let mut polls = 0;
    while count.count() == polls {
        assert!(poll(&mut outputs, &waker).is_pending());
        polls += 1;
        assert!(polls < 20);
    }
    assert_eq!(polls, 8);
    // And while it delivers what waited for its turn.
    let (first, state) = Gate::<usize>::new();
    type Job = Pin<Box<dyn Future<Output = usize>>>;
    let rest = (1..300_usize).map(|n| Box::pin(ready(n)) as Job);
    let jobs = [Box::pin(first) as Job].into_iter().chain(rest);
    let mut outputs = concurrent(jobs).limit(300).ordered();
    for _ in 0..5 {
        assert!(poll(&mut outputs, &waker).is_pending());
    }
    state.open(0);
    let before = count.count();
    let mut seen = 0;
    while let Poll::Ready(Some(n)) = poll(&mut outputs, &waker) {
        assert_eq!(n, seen);
        seen += 1;
    }
    assert_eq!((seen, count.count()), (128, before + 1));
}

// R4
#[test]
fn a_panic_goes_on_once_the_others_are_gone() {
    let (mut futures, states) = gates::<u8>(3);
    let last = futures.pop();
    type Job = Pin<Box<dyn Future<Output = u8>>>;
    let mut jobs: Vec<Job> = futures
        .into_iter()
        .map(|gate| Box::pin(gate) as Job)
        .collect();
    jobs.push(Box::pin(async {
        let last = last;
        yield_now().await;
        drop(last);
        panic!("out of luck")
    }));
    jobs.push(Box::pin(pending()));
    let mut outputs = concurrent(jobs).limit(3);
    let (_, waker) = Wakes::new();
    assert!(poll(&mut outputs, &waker).is_pending());
    let panic = panic_text(|| poll(&mut outputs, &waker));
    assert_eq!(panic, "out of luck");
    let drops: Vec<_> = states.iter().map(|state| state.drops.get()).collect();
    assert_eq!(drops, [1, 1, 1]);
    // It is over, and nothing that comes late does harm.
    states[0].wake();
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
    drop(outputs);
    states[1].wake();
}

// R4
#[test]
fn a_panic_of_the_source_drops_what_runs() {
    let running = Running::default();
    let jobs = (0..3).map(|n| {
        assert!(n < 2, "no more");
        let running = running.start();
        async move {
            let _running = running;
            pending::<()>().await;
        }
    });
    let mut outputs = concurrent(jobs).limit(3);
    let (_, waker) = Wakes::new();
    let panic = panic_text(|| poll(&mut outputs, &waker));
    assert_eq!(panic, "no more");
    assert_eq!((running.most(), running.now()), (2, 0));
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
}

/// Panics when it is dropped.
struct Bomb(OnDrop);

impl Drop for Bomb {
    fn drop(&mut self) {
        let _ = &self.0;
        panic!("destructor")
    }
}

// R4
#[test]
fn destructors_that_panic_leak_nobody() {
    let jobs = |running: &Running| {
        let running = running.clone();
        (0..5).map(move |n| {
            let stop = running.start();
            async move {
                let (_bomb, _stop) = match n % 2 {
                    0 => (None, Some(stop)),
                    _ => (Some(Bomb(stop)), None),
                };
                if n == 4 {
                    yield_now().await;
                    return Err("failed");
                }
                pending::<Result<(), &str>>().await
            }
        })
    };
    let (_, waker) = Wakes::new();
    // When the stream is dropped.
    let running = Running::default();
    let mut outputs = concurrent(jobs(&running)).limit(5);
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!(running.now(), 5);
    let panic = panic_text(|| drop(outputs));
    assert_eq!(panic, "destructor");
    assert_eq!(running.now(), 0);
    // When a failure ends the run.
    let running = Running::default();
    let mut outputs = try_concurrent(jobs(&running)).limit(5);
    assert!(poll(&mut outputs, &waker).is_pending());
    let panic = panic_text(|| poll(&mut outputs, &waker));
    assert_eq!(panic, "destructor");
    assert_eq!(running.now(), 0);
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
    // When another panic does.
    let running = Running::default();
    let mut outputs = concurrent(jobs(&running).map(|job| async {
        job.await.unwrap();
    }))
    .limit(5);
    assert!(poll(&mut outputs, &waker).is_pending());
    let panic = panic_text(|| poll(&mut outputs, &waker));
    assert!(panic.contains("failed"));
    assert_eq!(running.now(), 0);
    // When a future is done.
    let running = Running::default();
    let mut outputs = concurrent((0..3).map(|n| {
        let bomb = Bomb(running.start());
        let mut polled = false;
        poll_fn(move |cx| {
            let _bomb = &bomb;
            if n < 2 || !std::mem::replace(&mut polled, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
    }))
    .limit(3);
    assert!(poll(&mut outputs, &waker).is_pending());
    let panic = panic_text(|| while poll(&mut outputs, &waker).is_pending() {});
    assert_eq!(panic, "destructor");
    assert_eq!(running.now(), 0);
}

// R4
#[test]
fn destructors_that_panic_twice_leak_nobody() {
    let (_, waker) = Wakes::new();
    for panics in [false, true] {
        let drops = Drops::default();
        let jobs = (0..6).map(|n| {
            let held = PanicsTwice(drops.guard());
            async move {
                match n {
                    0..3 => {
                        let _held = held;
                        pending().await
                    }
                    3..5 => Ok(held), // which waits for its turn
                    _ => {
                        std::mem::forget(held);
                        yield_now().await;
                        assert!(!panics, "out of luck");
                        Err("failed")
                    }
                }
            }
        });
        let mut outputs = try_concurrent(jobs).limit(6).ordered();
        assert!(poll(&mut outputs, &waker).is_pending());
        let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut outputs, &waker)));
        let payload = polled.err().unwrap();
        match panics {
            true => assert_eq!(payload.downcast_ref(), Some(&"out of luck")),
            false => assert!(payload.is::<Payload>()),
        }
        std::mem::forget(payload);
        // Of all but the one that failed.
        assert_eq!((drops.made(), drops.count()), (6, 5));
        assert!(matches!(poll(&mut outputs, &waker), Poll::Ready(None)));
    }
}

#[test]
fn late_wakes_do_no_harm() {
    let (futures, states) = gates::<u8>(6);
    let mut outputs = concurrent(futures).limit(2);
    let (count, waker) = Wakes::new();
    assert!(poll(&mut outputs, &waker).is_pending());
    states[0].open(0);
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(Some(0)));
    // Nobody has the place.
    states[0].wake();
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!(states[2].polls.get(), 1);
    // Another has the place: it is polled once for nothing.
    let woken = count.count();
    states[0].wake();
    assert_eq!(count.count(), woken + 1);
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!((states[1].polls.get(), states[2].polls.get()), (1, 2));
    drop(outputs);
    states.iter().for_each(|state| state.wake());
    assert!(states.iter().all(|state| state.drops.get() == 1));
    // The task is not kept by those who may still wake.
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn the_task_that_polled_last_is_woken_once() {
    let (futures, states) = gates::<u8>(3);
    let mut outputs = concurrent(futures).limit(3);
    let (first, first_waker) = Wakes::new();
    let (second, second_waker) = Wakes::new();
    assert!(poll(&mut outputs, &first_waker).is_pending());
    assert!(poll(&mut outputs, &second_waker).is_pending());
    states[0].open(0);
    states[1].open(1);
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(poll(&mut outputs, &second_waker).is_ready());
    // Not while nobody waits.
    states[2].open(2);
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(poll(&mut outputs, &first_waker).is_ready());
    assert!(poll(&mut outputs, &first_waker).is_ready());
    assert_eq!(poll(&mut outputs, &first_waker), Poll::Ready(None));
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn a_hundred_thousand_at_once() {
    const N: usize = 100_000;
    let (futures, states) = gates::<usize>(N);
    let mut outputs = concurrent(futures).unlimited();
    let (count, waker) = Wakes::new();
    let mut woken = 0;
    loop {
        assert!(poll(&mut outputs, &waker).is_pending());
        if count.count() == woken {
            break;
        }
        woken = count.count();
    }
    // One at a time, all over the place.
    for step in 0..N {
        let index = step * 7919 % N;
        states[index].open(index);
        assert_eq!(poll(&mut outputs, &waker), Poll::Ready(Some(index)));
        assert!(poll(&mut outputs, &waker).is_pending() || step == N - 1);
    }
    assert_eq!(poll(&mut outputs, &waker), Poll::Ready(None));
    assert!(states.iter().all(|state| state.polls.get() == 2));
}

// R2
#[test]
fn in_input_order_the_limit_bounds_what_is_kept() {
    let pulled = &Cell::new(0);
    let (gate, state) = Gate::<usize>::new();
    type Job = Pin<Box<dyn Future<Output = usize>>>;
    let rest = (1_usize..).map(|n| Box::pin(ready(n)) as Job);
    let jobs = [Box::pin(gate) as Job].into_iter().chain(rest);
    let jobs = jobs.inspect(|_| pulled.set(pulled.get() + 1));
    let mut outputs = concurrent(jobs).limit(10).ordered();
    let (_, waker) = Wakes::new();
    for _ in 0..5 {
        assert!(poll(&mut outputs, &waker).is_pending());
        assert_eq!(pulled.get(), 10);
    }
    state.open(0);
    for n in 0..100 {
        assert_eq!(poll(&mut outputs, &waker), Poll::Ready(Some(n)));
    }
}

#[test]
fn the_order_is_chosen_first() {
    let mut outputs = concurrent((0..9).map(ready));
    assert!(poll(&mut outputs, &Wakes::new().1).is_ready());
    let panic = panic_text(|| outputs.ordered());
    assert!(panic.contains("before the first"));
}

#[test]
fn the_size_is_known_as_far_as_can_be() {
    let (futures, states) = gates::<u8>(5);
    let mut outputs = concurrent(futures).limit(2);
    assert_eq!(outputs.size_hint(), (5, Some(5)));
    let (_, waker) = Wakes::new();
    assert!(poll(&mut outputs, &waker).is_pending());
    assert_eq!(outputs.size_hint(), (5, Some(5)));
    states[0].open(0);
    assert!(poll(&mut outputs, &waker).is_ready());
    assert_eq!(outputs.size_hint(), (4, Some(4)));
    let fails = try_concurrent([Ok(1), Err(())].map(ready));
    assert_eq!(fails.size_hint(), (1, Some(2)));
    assert_eq!(concurrent((0_u64..).map(ready)).size_hint().1, None);
}

// R5
#[test]
fn for_each_runs_the_rest_while_a_value_is_handled() {
    explore_orders(20, |sim| {
        let rt = sim.runtime();
        let start = sim.now();
        let running = &Running::default();
        let handling = &Running::default();
        let jobs = (0..6).map(|n| {
            let (running, sleep) = (running.clone(), rt.clone());
            async move {
                let _running = running.start();
                sleep.sleep(millis(10)).await;
                n
            }
        });
        let seen = RefCell::new(Vec::new());
        let (rt, seen) = (&rt, &seen);
        sim.block_on(
            concurrent(jobs)
                .limit(3)
                .ordered()
                .for_each(|n| async move {
                    let _handling = handling.start();
                    rt.sleep(millis(100)).await;
                    seen.borrow_mut().push((n, (rt.now() - start).as_millis()));
                }),
        );
        // The work of all six is hidden behind the handling of the first ones.
        let times = [(0, 110), (1, 210), (2, 310), (3, 410), (4, 510), (5, 610)];
        assert_eq!(*seen.borrow(), times);
        assert_eq!((running.most(), handling.most()), (3, 1));
    });
}

// R2
#[test]
fn for_each_keeps_no_more_than_the_limit() {
    let pulled = &Cell::new(0);
    let jobs = (0..).map(|n| {
        pulled.set(pulled.get() + 1);
        ready(n)
    });
    let (_, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut run = pin!(concurrent(jobs).limit(4).for_each(|_: usize| pending()));
    for _ in 0..5 {
        assert!(run.as_mut().poll(&mut cx).is_pending());
    }
    // One in the hands of the handler, four that wait.
    assert_eq!(pulled.get(), 5);
}

// R3
#[test]
fn for_each_handles_what_came_before_a_failure() {
    let sim = Sim::new();
    let rt = &sim.runtime();
    let running = &Running::default();
    let jobs = (0..5).map(|n| {
        let stop = running.start();
        async move {
            let _stop = stop;
            rt.sleep(millis(n)).await;
            if n == 3 { Err("failed") } else { Ok(n) }
        }
    });
    let seen = &RefCell::new(Vec::new());
    let result = sim.block_on(try_concurrent(jobs).limit(5).for_each(|n| async move {
        rt.sleep(millis(50)).await;
        // All are gone as soon as one has failed.
        assert_eq!(running.now(), 0);
        seen.borrow_mut().push(n);
    }));
    let error = result.unwrap_err();
    assert_eq!(
        error,
        ConcurrentError::Task {
            index: 3,
            error: "failed"
        }
    );
    assert_eq!(*seen.borrow(), [0, 1, 2]);
}

// R1
#[test]
fn dropped_at_every_poll_nothing_stays() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(1), Order::Seeded(2)] {
        for (ordered, each) in [(false, false), (true, false), (false, true), (true, true)] {
            let polls = drop_at_every_poll(order, |sim| {
                let rt = sim.runtime();
                let running = Running::default();
                let check = running.clone();
                let jobs = (0..12).map(move |n| {
                    let (rt, running) = (rt.clone(), running.clone());
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
                let future = async move {
                    if each {
                        outputs.for_each(|()| yield_now()).await;
                    } else {
                        outputs.await;
                    }
                };
                let check = move |sim: &Sim| {
                    assert_eq!(check.now(), 0);
                    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
                };
                (future, check)
            });
            assert!(polls >= 8, "{polls}");
        }
    }
}

#[test]
fn the_next_item_may_be_given_up_and_asked_for_again() {
    explore_orders(30, |sim| {
        let rt = sim.runtime();
        let jobs = (0..20).map(|n| {
            let sleep = rt.sleep(millis(n % 4));
            async move {
                sleep.await;
                n
            }
        });
        let mut outputs = concurrent(jobs).limit(3);
        let mut seen = sim.block_on(async {
            let mut seen = Vec::new();
            loop {
                let stop = async {
                    yield_now().await;
                    None
                };
                let next = futures_lite::future::or(async { Some(outputs.next().await) }, stop);
                match next.await {
                    Some(Some(n)) => seen.push(n),
                    Some(None) => return seen,
                    None => rt.sleep(millis(1)).await,
                }
            }
        });
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..20));
    });
}

#[test]
fn wakes_come_from_other_threads() {
    const N: usize = if cfg!(miri) { 51 } else { 30_000 };
    let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
    let waking = std::thread::spawn(move || {
        let mut held = Vec::new();
        for waker in receiver {
            held.push(waker);
            if held.len() == 3 {
                held.drain(..).for_each(Waker::wake);
            }
        }
        held.into_iter().for_each(Waker::wake);
    });
    // The last in a round of three wakes all; the rest when there are no more.
    let jobs = (0..N).map(|n| {
        let mut sender = Some(sender.clone());
        poll_fn(move |cx| match sender.take() {
            Some(sender) => {
                sender.send(cx.waker().clone()).unwrap();
                Poll::Pending
            }
            None => Poll::Ready(n),
        })
    });
    let mut seen = futures_lite::future::block_on(concurrent(jobs).limit(90).into_future());
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..N));
    drop(sender);
    waking.join().unwrap();
}
