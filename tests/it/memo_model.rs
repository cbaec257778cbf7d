//! The memo beside a model of it: every short schedule, then random ones.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use untethered::memo::{LoadError, Memo, Stats};
use untethered::sim::Sim;

use crate::polled::Polled;
use crate::random::Random;
use crate::support::OnDrop;
use crate::support::seeds;

/// What happens to the memo. Those that find nothing to act on do nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Ask(Key),
    /// The load that began first, of those that run, has its value.
    FinishOldest,
    FinishNewest,
    FailOldest,
    PanicOldest,
    /// It is woken, and has nothing.
    WakeOldest,
    DropOldest,
    DropNewest,
    /// All that were woken run.
    Run,
    /// Of those that were woken, the one that asked last.
    RunNewest,
    /// Everybody runs, woken or not, with another waker.
    RunAll,
    Invalidate(Key),
    Get(Key),
    Clear,
    Tick,
    Close,
}

type Key = u8;

const FEW: [Step; 7] = [
    Step::Ask(0),
    Step::Ask(1),
    Step::FinishOldest,
    Step::DropOldest,
    Step::DropNewest,
    Step::RunNewest,
    Step::Invalidate(0),
];

const MANY: [(usize, Step); 22] = [
    (8, Step::Ask(0)),
    (8, Step::Ask(1)),
    (8, Step::Ask(2)),
    (4, Step::Ask(3)),
    (12, Step::FinishOldest),
    (6, Step::FinishNewest),
    (4, Step::FailOldest),
    (3, Step::PanicOldest),
    (3, Step::WakeOldest),
    (4, Step::DropOldest),
    (4, Step::DropNewest),
    (8, Step::Run),
    (8, Step::RunNewest),
    (3, Step::RunAll),
    (3, Step::Invalidate(0)),
    (3, Step::Invalidate(1)),
    (2, Step::Get(0)),
    (2, Step::Get(1)),
    (2, Step::Get(2)),
    (1, Step::Clear),
    (5, Step::Tick),
    (1, Step::Close),
];

const LIFE: u32 = 3;
const SECOND: Duration = Duration::from_secs(1);

/// What a load does when it is polled next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Wait,
    Value,
    Error,
    Panic,
}

/// A load as the memo sees it. Its value is its number.
struct Load {
    key: Key,
    fate: Fate,
    dropped: bool,
    waker: Option<Waker>,
}

type Loads = Arc<Mutex<Vec<Load>>>;

fn load(loads: &Loads, key: Key) -> impl Future<Output = Result<usize, usize>> + Send + use<> {
    let number = {
        let mut all = loads.lock().unwrap();
        all.push(Load {
            key,
            fate: Fate::Wait,
            dropped: false,
            waker: None,
        });
        all.len() - 1
    };
    let at_end = loads.clone();
    let on_drop = OnDrop::new(move || at_end.lock().unwrap()[number].dropped = true);
    let loads = loads.clone();
    poll_fn(move |cx| {
        let _ = &on_drop;
        let mut all = loads.lock().unwrap();
        let load = &mut all[number];
        let fate = load.fate;
        load.waker = Some(cx.waker().clone());
        drop(all);
        match fate {
            Fate::Wait => Poll::Pending,
            Fate::Value => Poll::Ready(Ok(number)),
            Fate::Error => Poll::Ready(Err(number)),
            Fate::Panic => std::panic::resume_unwind(Box::new(number)),
        }
    })
}

/// How a run of the model stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stand {
    Runs,
    Answered(Result<usize, usize>),
    Panicked,
    Dropped,
}

/// By the number of its load.
struct Run {
    key: Key,
    stand: Stand,
    waiters: usize,
    /// Whether the key still leads to it.
    linked: bool,
    /// Whether the one who began it waits.
    maker_waits: bool,
}

/// The memo as its documentation says it is: a plain list in the order of use.
struct Model {
    capacity: usize,
    keep_errors: bool,
    stored: Vec<(Key, Result<usize, usize>, u32)>,
    runs: Vec<Run>,
    now: u32,
    closed: bool,
    /// Hits, misses, loads, evictions.
    counts: [u64; 4],
}

#[derive(Debug, PartialEq)]
enum Told {
    Stored(Result<usize, usize>),
    Waits(usize),
    Closed,
}

impl Model {
    fn find(&mut self, key: Key) -> Option<Result<usize, usize>> {
        let place = self
            .stored
            .iter()
            .position(|(known, _, until)| *known == key && self.now < *until)?;
        let entry = self.stored.remove(place);
        self.stored.push(entry);
        Some(entry.1)
    }

    fn ask(&mut self, key: Key, first: bool) -> Told {
        if self.closed {
            return Told::Closed;
        }
        let stored = self.find(key);
        if first {
            self.counts[usize::from(stored.is_none())] += 1;
        }
        if let Some(answer) = stored {
            return Told::Stored(answer);
        }
        let linked = |run: &Run| run.linked && run.key == key;
        if let Some(number) = self.runs.iter().position(linked) {
            self.runs[number].waiters += 1;
            return Told::Waits(number);
        }
        self.stored.retain(|(known, _, _)| *known != key);
        self.counts[2] += 1;
        self.runs.push(Run {
            key,
            stand: Stand::Runs,
            waiters: 1,
            linked: true,
            maker_waits: true,
        });
        Told::Waits(self.runs.len() - 1)
    }

    /// A waiter has polled the load, which had its end.
    fn end(&mut self, number: usize, stand: Stand) {
        let run = &mut self.runs[number];
        run.stand = stand;
        let (key, linked) = (run.key, std::mem::take(&mut run.linked));
        let Stand::Answered(answer) = stand else {
            return;
        };
        if !linked || (answer.is_err() && !self.keep_errors) {
            return;
        }
        self.stored.retain(|(_, _, until)| self.now < *until);
        self.stored.push((key, answer, self.now + LIFE));
        if self.stored.len() > self.capacity {
            let _least_used = self.stored.remove(0);
            self.counts[3] += 1;
        }
    }

    fn leave(&mut self, number: usize) {
        let run = &mut self.runs[number];
        run.waiters -= 1;
        if run.waiters == 0 && run.stand == Stand::Runs {
            run.stand = Stand::Dropped;
            run.linked = false;
        }
    }

    fn forget(&mut self, key: Key) -> bool {
        for run in &mut self.runs {
            if run.key == key {
                run.linked = false;
            }
        }
        let live = self.is_live(key);
        self.stored.retain(|(known, _, _)| *known != key);
        live
    }

    fn is_live(&self, key: Key) -> bool {
        let live = |(known, _, until): &(Key, _, u32)| *known == key && self.now < *until;
        self.stored.iter().any(live)
    }
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Arc<usize>, LoadError<usize>>> + 'a>>;

struct Ask<'a> {
    key: Key,
    run: usize,
    /// Whether it began the run.
    is_maker: bool,
    real: Polled<Asking<'a>>,
    /// How often it had been woken when it was polled last.
    seen: usize,
}

impl Ask<'_> {
    fn is_woken(&self) -> bool {
        self.real.woken() > self.seen
    }
}

/// How often what a test is about did happen.
#[derive(Debug, Default)]
struct Sometimes {
    hit: usize,
    joined: usize,
    evicted: usize,
    stale: usize,
    expired: usize,
    last_dropped: usize,
    driver_dropped: usize,
    error_kept: usize,
    retried: usize,
    refused: usize,
}

fn check(steps: &[Step], capacity: usize, keep_errors: bool, sometimes: &mut Sometimes) {
    let sim = Sim::new();
    let builder = Memo::builder()
        .capacity(capacity)
        .time_to_live(&sim.runtime(), SECOND * LIFE);
    let builder = if keep_errors {
        builder.keep_errors()
    } else {
        builder
    };
    let memo: Memo<Key, usize, usize> = builder.build();
    let loads = Loads::default();
    let mut model = Model {
        capacity,
        keep_errors,
        stored: Vec::new(),
        runs: Vec::new(),
        now: 0,
        closed: false,
        counts: [0; 4],
    };
    let asks = RefCell::new(Vec::<Ask<'_>>::new());
    // Loads that run, by the number of their run.
    let running = |model: &Model| -> Vec<usize> {
        let runs = model.runs.iter().enumerate();
        let fates = loads.lock().unwrap();
        runs.filter(|(number, run)| run.stand == Stand::Runs && fates[*number].fate == Fate::Wait)
            .map(|(number, _)| number)
            .collect()
    };
    let decide = |number: Option<usize>, fate| {
        let Some(number) = number else { return };
        let waker = {
            let mut loads = loads.lock().unwrap();
            loads[number].fate = fate;
            loads[number].waker.clone()
        };
        waker.expect("it was polled when it began").wake();
        for ask in asks.borrow().iter().filter(|ask| ask.run == number) {
            assert!(
                ask.is_woken(),
                "{number} has no driver that may not be polled"
            );
        }
    };
    // Polls one that waits and says whether it still does.
    let run = |model: &mut Model, ask: &mut Ask<'_>, sometimes: &mut Sometimes| -> bool {
        ask.seen = ask.real.woken();
        let polled = catch_unwind(AssertUnwindSafe(|| ask.real.poll()));
        loop {
            let stand = model.runs[ask.run].stand;
            let fate = match loads.lock().unwrap().get(ask.run) {
                Some(load) => load.fate,
                None => panic!("it begins no load"),
            };
            let stand = match (stand, fate) {
                (Stand::Runs, Fate::Value) => Stand::Answered(Ok(ask.run)),
                (Stand::Runs, Fate::Error) => Stand::Answered(Err(ask.run)),
                (Stand::Runs, Fate::Panic) => Stand::Panicked,
                (stand, _) => stand,
            };
            let ended = stand != model.runs[ask.run].stand;
            if ended {
                sometimes.stale += usize::from(!model.runs[ask.run].linked);
                let before = model.counts[3];
                model.end(ask.run, stand);
                sometimes.evicted += usize::from(model.counts[3] > before);
            }
            if stand == Stand::Panicked
                && (ask.is_maker || !model.runs[ask.run].maker_waits && ended)
            {
                let number = *polled.unwrap_err().downcast::<usize>().unwrap();
                assert_eq!(number, ask.run);
                return false;
            }
            let told = match stand {
                Stand::Runs => None,
                Stand::Answered(answer) => Some(Told::Stored(answer)),
                Stand::Panicked => {
                    sometimes.retried += 1;
                    match model.ask(ask.key, false) {
                        Told::Waits(number) => {
                            ask.run = number;
                            ask.is_maker = model.runs[number].waiters == 1;
                            continue;
                        }
                        told => Some(told),
                    }
                }
                Stand::Dropped => unreachable!("it had a waiter"),
            };
            expect(polled.unwrap(), told);
            return matches!(stand, Stand::Runs);
        }
    };
    for &step in steps {
        match step {
            Step::Ask(key) => {
                let told = model.ask(key, true);
                let asked: Asking<'_> = Box::pin(memo.try_load(key, {
                    let loads = loads.clone();
                    move || load(&loads, key)
                }));
                let mut real = Polled::new(asked);
                match told {
                    Told::Waits(number) => {
                        sometimes.joined += usize::from(model.runs[number].waiters > 1);
                        let is_maker = model.runs[number].waiters == 1;
                        let mut ask = Ask {
                            is_maker,
                            key,
                            run: number,
                            real,
                            seen: 0,
                        };
                        // One that comes after the end of a load, and before anybody saw that,
                        // sees it.
                        if run(&mut model, &mut ask, sometimes) {
                            asks.borrow_mut().push(ask);
                        }
                    }
                    told => {
                        sometimes.hit += usize::from(matches!(told, Told::Stored(_)));
                        sometimes.error_kept += usize::from(matches!(told, Told::Stored(Err(_))));
                        sometimes.refused += usize::from(told == Told::Closed);
                        expect(real.poll(), Some(told));
                    }
                }
            }
            Step::FinishOldest => decide(running(&model).first().copied(), Fate::Value),
            Step::FinishNewest => decide(running(&model).last().copied(), Fate::Value),
            Step::FailOldest => decide(running(&model).first().copied(), Fate::Error),
            Step::PanicOldest => decide(running(&model).first().copied(), Fate::Panic),
            Step::WakeOldest => decide(running(&model).first().copied(), Fate::Wait),
            Step::DropOldest | Step::DropNewest => {
                let mut asks = asks.borrow_mut();
                let place = match step {
                    Step::DropOldest => 0,
                    _ => asks.len().saturating_sub(1),
                };
                if place < asks.len() {
                    let ask = asks.remove(place);
                    let others = asks.iter().any(|other| other.run == ask.run);
                    sometimes.last_dropped += usize::from(!others);
                    sometimes.driver_dropped += usize::from(others);
                    drop(ask.real);
                    model.runs[ask.run].maker_waits &= !ask.is_maker;
                    model.leave(ask.run);
                }
            }
            Step::Run | Step::RunAll => {
                let mut asks = asks.borrow_mut();
                asks.retain_mut(|ask| {
                    if step == Step::RunAll {
                        ask.real.change_waker();
                        ask.seen = 0;
                    } else if !ask.is_woken() {
                        return true;
                    }
                    run(&mut model, ask, sometimes)
                });
            }
            Step::RunNewest => {
                let mut asks = asks.borrow_mut();
                if let Some(place) = asks.iter().rposition(Ask::is_woken) {
                    if !run(&mut model, &mut asks[place], sometimes) {
                        asks.remove(place);
                    }
                }
            }
            Step::Invalidate(key) => assert_eq!(memo.invalidate(&key), model.forget(key)),
            Step::Get(key) => {
                let found = model.find(key);
                model.counts[usize::from(found.is_none())] += 1;
                let found = found.and_then(Result::ok);
                assert_eq!(memo.get(&key).as_deref().copied(), found);
            }
            Step::Clear | Step::Close => {
                for key in 0..4 {
                    model.forget(key);
                }
                if step == Step::Close {
                    memo.close();
                    model.closed = true;
                } else {
                    memo.clear();
                }
            }
            Step::Tick => {
                sim.advance(SECOND);
                model.now += 1;
                let over = |(_, _, until): &(Key, _, u32)| *until == model.now;
                sometimes.expired += usize::from(model.stored.iter().any(over));
            }
        }
        for key in 0..4 {
            assert_eq!(memo.contains(&key), model.is_live(key), "{key} is inside");
        }
        assert_eq!(memo.len(), model.stored.len());
        assert!(memo.len() <= capacity);
        let Stats {
            hits,
            misses,
            loads: begun,
            evictions,
            ..
        } = memo.stats();
        assert_eq!([hits, misses, begun, evictions], model.counts);
        let loads = loads.lock().unwrap();
        assert_eq!(loads.len(), model.runs.len());
        for (load, run) in loads.iter().zip(&model.runs) {
            assert_eq!(load.key, run.key);
            assert_eq!(
                load.dropped,
                run.stand != Stand::Runs,
                "it lives while it runs"
            );
        }
    }
    // At rest nobody waits for what has an end.
    loop {
        let mut asks = asks.borrow_mut();
        asks.retain_mut(|ask| !ask.is_woken() || run(&mut model, ask, sometimes));
        if !asks.iter().any(Ask::is_woken) {
            break;
        }
    }
    for ask in asks.borrow().iter() {
        assert_eq!(model.runs[ask.run].stand, Stand::Runs);
        assert_eq!(loads.lock().unwrap()[ask.run].fate, Fate::Wait);
    }
}

#[track_caller]
fn expect(polled: Poll<Result<Arc<usize>, LoadError<usize>>>, told: Option<Told>) {
    let polled = match polled {
        Poll::Pending => None,
        Poll::Ready(Ok(value)) => Some(Told::Stored(Ok(*value))),
        Poll::Ready(Err(LoadError::Failed(error))) => Some(Told::Stored(Err(*error))),
        Poll::Ready(Err(LoadError::Closed)) => Some(Told::Closed),
    };
    assert_eq!(polled, told);
}

fn check_and_tell(steps: &[Step], capacity: usize, keep_errors: bool, sometimes: &mut Sometimes) {
    let checked = AssertUnwindSafe(|| check(steps, capacity, keep_errors, sometimes));
    if let Err(payload) = catch_unwind(checked) {
        eprintln!("capacity {capacity}, errors kept: {keep_errors}, after {steps:?}");
        std::panic::resume_unwind(payload);
    }
}

// M1 M2 M3 M4 M5
#[test]
fn every_schedule_of_six_steps() {
    let mut sometimes = Sometimes::default();
    let length = 6;
    for number in 0..FEW.len().pow(length) {
        let mut steps = [Step::Run; 6];
        let mut left = number;
        for step in &mut steps {
            *step = FEW[left % FEW.len()];
            left /= FEW.len();
        }
        check_and_tell(&steps, 1, false, &mut sometimes);
    }
    let Sometimes {
        hit,
        joined,
        evicted,
        stale,
        last_dropped,
        driver_dropped,
        ..
    } = sometimes;
    let happened = [hit, joined, evicted, stale, last_dropped, driver_dropped];
    assert!(happened.iter().all(|times| *times > 100), "{happened:?}");
}

// M1 M2 M3 M4 M5
#[test]
fn random_schedules() {
    let mut sometimes = Sometimes::default();
    for seed in seeds(4_000) {
        let mut random = Random::new(seed);
        let steps: Vec<_> = (0..40).map(|_| random.weighted(&MANY)).collect();
        check_and_tell(
            &steps,
            1 + random.below(3),
            random.below(3) == 0,
            &mut sometimes,
        );
    }
    let Sometimes {
        hit,
        joined,
        evicted,
        stale,
        expired,
        last_dropped,
        driver_dropped,
        error_kept,
        retried,
        refused,
    } = sometimes;
    let happened = [
        hit,
        joined,
        evicted,
        stale,
        expired,
        last_dropped,
        driver_dropped,
        error_kept,
        retried,
        refused,
    ];
    assert!(happened.iter().all(|times| *times > 100), "{happened:?}");
}
