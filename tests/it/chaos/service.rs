//! A little service: producers, a queue, workers that ask servers, a supervisor, and a sink.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use untethered::group::{BoxError, Failure, Group, GroupRef, OnCancel, OnFailure};
use untethered::http::{FanOut, Retry, StatusCode, Timeouts};
use untethered::memo::Memo;
use untethered::runtime::Unobserved;
use untethered::sim::{Network, Reply, Sim};
use untethered::sync::{Event, Limit, RateLimit};
use untethered::time::Backoff;
use untethered::{Queue, Runtime};

use super::ledger::{Job, Ledger};
use super::tasks::{collect, produce, supervise};
use crate::random::Random;
use crate::sometimes::Sometimes;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MILLI: Duration = Duration::from_millis(1);
pub(super) const HOSTS: [&str; 3] = ["fast.example", "slow.example", "flaky.example"];
pub(super) const WORKERS: usize = 3;
const PRODUCERS: usize = 4;
pub(super) const ROOM: usize = 8;
pub(super) const REQUESTS: usize = 5;
pub(super) const MOST_AT_WORK: usize = 6;
pub(super) const MOST_STARTS: usize = 4;

/// What a task panics with that is to panic.
struct Planned;

/// How often tasks failed or panicked on purpose, and who heard of it.
#[derive(Debug, Default)]
struct Failures {
    raised: AtomicUsize,
    told: AtomicUsize,
    unplanned: Mutex<Vec<String>>,
}

impl Failures {
    fn told(&self, failure: Result<BoxError, Box<dyn std::any::Any + Send>>) {
        self.told.fetch_add(1, SeqCst);
        let unplanned = match failure {
            Ok(error) if error.to_string() == "planned" => return,
            Ok(error) => error.to_string(),
            Err(panic) if panic.is::<Planned>() => return,
            Err(panic) => match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => format!("{:?}", panic.downcast_ref::<&str>()),
            },
        };
        self.unplanned.lock().unwrap().push(unplanned);
    }

    fn unobserved(&self, unobserved: Unobserved) {
        match unobserved.into_panic() {
            Ok(panic) => self.told(Err(panic)),
            Err(other) => match other.into_error() {
                Ok(error) => self.told(Ok(error)),
                Err(other) => self.unplanned.lock().unwrap().push(other.to_string()),
            },
        }
    }

    /// Fails or panics.
    fn raise(&self, panics: bool) -> BoxError {
        self.raised.fetch_add(1, SeqCst);
        if panics {
            resume_unwind(Box::new(Planned));
        }
        "planned".into()
    }
}

/// What all tasks share.
pub(super) struct Shared {
    pub(super) rt: Runtime,
    pub(super) seen: Sometimes,
    pub(super) ledger: Ledger,
    pub(super) network: Network,
    pub(super) fan_out: FanOut,
    pub(super) at_work: Limit,
    pub(super) starts: RateLimit,
    pub(super) settings: Memo<&'static str, u64, &'static str>,
    pub(super) open: Event,
    pub(super) down: Arc<AtomicBool>,
    /// The groups of the workers that live now.
    pub(super) crews: Mutex<Vec<GroupRef>>,
    failures: Failures,
    pub(super) working: AtomicUsize,
    recent: Mutex<VecDeque<Instant>>,
    broken: Mutex<Vec<String>>,
    seed: u64,
}

impl Shared {
    pub(super) fn check(&self, so: bool, what: impl FnOnce() -> String) {
        if !so {
            self.broken.lock().unwrap().push(what());
        }
    }

    /// What must not have happened so far.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut broken = self.broken.lock().unwrap().clone();
        broken.extend(self.failures.unplanned.lock().unwrap().iter().cloned());
        broken.extend(self.ledger.books().error());
        broken
    }

    /// How many failures there were, and how many were told.
    pub(super) fn failures(&self) -> (usize, usize) {
        let Failures { raised, told, .. } = &self.failures;
        (raised.load(SeqCst), told.load(SeqCst))
    }

    pub(super) fn told(&self, failure: Failure) {
        self.failures.told(failure.into_error());
    }

    pub(super) fn fail(&self, panics: bool) -> BoxError {
        self.seen.hit(if panics { "panic" } else { "failure" });
        self.failures.raise(panics)
    }

    pub(super) fn random(&self, salt: u64) -> Random {
        Random::new(self.seed << 32 | salt)
    }

    pub(super) fn started(&self) {
        let now = self.rt.now();
        let mut recent = self.recent.lock().unwrap();
        recent.push_back(now);
        while recent.front().is_some_and(|first| now - *first >= SECOND) {
            recent.pop_front();
        }
        let starts = recent.len();
        self.check(starts <= MOST_STARTS, || format!("{starts} starts"));
    }
}

fn network(sim: &Sim, seed: u64, down: &Arc<AtomicBool>) -> Network {
    let down = down.clone();
    Network::new(sim)
        .latency(MILLI..=80 * MILLI)
        .loss(0.01)
        .resets(0.02)
        .seed(seed)
        .serve(HOSTS[0], |_| "fast")
        .serve(HOSTS[1], |_| Reply::from("slow").pace(1, 200 * MILLI))
        .serve(HOSTS[2], move |request| {
            match request.uri().path().len() % 4 {
                _ if down.load(SeqCst) => Reply::refuse(),
                0 => StatusCode::SERVICE_UNAVAILABLE.into(),
                1 => Reply::from("cut off").cut(2),
                _ => Reply::from("flaky").after(300 * MILLI),
            }
        })
}

pub(super) struct Service {
    pub(super) root: Group,
    pub(super) jobs: Queue<Job>,
    pub(super) shared: Arc<Shared>,
}

pub(super) fn start(sim: &Sim, seed: u64, seen: &Sometimes) -> Service {
    let down = Arc::default();
    let network = network(sim, seed, &down);
    let rt = sim.runtime();
    let backoff = Backoff::new(200 * MILLI).seed(seed);
    let fan_out = FanOut::new(&rt, network.clone())
        .concurrency(REQUESTS)
        .timeout(Timeouts::total(10 * SECOND).first_byte(SECOND))
        .retry(Retry::attempts(3).backoff(backoff).unlimited_budget());
    let at_work = Limit::new(MOST_AT_WORK);
    let settings = Memo::builder().capacity(2).time_to_live(&rt, 60 * SECOND);
    let shared = Arc::new_cyclic(|shared: &std::sync::Weak<Shared>| {
        let shared = shared.clone();
        let hear = move |unobserved| {
            if let Some(shared) = shared.upgrade() {
                shared.seen.hit("unobserved");
                shared.failures.unobserved(unobserved);
            }
        };
        Shared {
            rt: rt.on_unobserved(hear),
            seen: seen.clone(),
            ledger: Ledger::default(),
            network,
            fan_out,
            at_work,
            starts: RateLimit::new(MOST_STARTS, SECOND),
            settings: settings.build(),
            open: Event::new(),
            down,
            crews: Mutex::default(),
            failures: Failures::default(),
            working: AtomicUsize::new(0),
            recent: Mutex::default(),
            broken: Mutex::default(),
            seed,
        }
    });
    shared.open.set();
    let hears = Arc::downgrade(&shared);
    let root = Group::builder(&shared.rt)
        .name("service")
        .hard_limit(SECOND)
        .on_failure(OnFailure::report(move |failure| {
            let shared = hears.upgrade().expect("it outlives its tasks");
            shared.seen.hit("reported");
            shared.told(failure);
        }))
        .build();
    let jobs = Queue::bounded(ROOM);
    let (results, finished) = Queue::bounded(4).into_halves();
    for number in 0..PRODUCERS {
        let (shared, jobs) = (shared.clone(), jobs.clone());
        let random = shared.random(number as u64);
        let producer = async move { produce(&shared, &jobs, random).await };
        drop(root.task("producer").spawn(producer));
    }
    for number in 0..WORKERS {
        let (shared, jobs, results) = (shared.clone(), jobs.clone(), results.clone());
        let supervisor = root.task("supervisor").on_cancel(OnCancel::Finish);
        drop(supervisor.spawn_with(move |cx| async move {
            supervise(&cx, &shared, &jobs, &results, number).await;
        }));
    }
    let sink = root.task("sink").on_cancel(OnCancel::Finish);
    drop(sink.spawn(collect(shared.clone(), finished)));
    let closing = jobs.clone();
    drop(root.on_closing(async move { closing.close() }));
    Service { root, jobs, shared }
}
