//! A little service: producers, a queue, workers that ask servers, a supervisor, and a sink.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use untethered::group::{BoxError, Context, Failure, Group, GroupRef, OnCancel, OnFailure};
use untethered::http::{FanOut, Retry, StatusCode, Timeouts};
use untethered::memo::Memo;
use untethered::queue::{Receiver, Sender, TryPushError};
use untethered::runtime::Unobserved;
use untethered::sim::{Network, Reply, Sim};
use untethered::stream::batches;
use untethered::sync::{Event, Limit, RateLimit};
use untethered::time::{Backoff, timeout};
use untethered::{Queue, Runtime};

use super::ledger::{Job, Ledger, Stage};
use crate::random::Random;
use crate::sometimes::Sometimes;

pub(super) const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
const HOSTS: [&str; 3] = ["fast.example", "slow.example", "flaky.example"];
const WORKERS: usize = 3;
const PRODUCERS: usize = 4;
const ROOM: usize = 8;
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
    working: AtomicUsize,
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

    fn started(&self) {
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

/// Counts one up while it lives.
struct Gauge<'a>(&'a AtomicUsize);

impl<'a> Gauge<'a> {
    fn up(count: &'a AtomicUsize) -> (Self, usize) {
        let now = count.fetch_add(1, SeqCst) + 1;
        (Self(count), now)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
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

async fn produce(shared: &Shared, jobs: &Queue<Job>, mut random: Random) {
    loop {
        shared.open.wait().await;
        let pause = MILLI * u32::try_from(random.below(5000)).unwrap();
        shared.rt.sleep(pause).await;
        let job = shared.ledger.job();
        let id = job.id;
        match random.below(3) {
            0 => match jobs.try_push(job) {
                Ok(()) => shared.ledger.pushed(id),
                Err(TryPushError::Full(job) | TryPushError::Closed(job)) => {
                    shared.seen.hit("full");
                    job.returned();
                }
            },
            1 => {
                shared.seen.hit_if("back-pressure", jobs.is_full());
                match jobs.push(job).await {
                    Ok(()) => shared.ledger.pushed(id),
                    Err(closed) => closed.into_inner().returned(),
                }
            }
            _ => match timeout(&shared.rt, SECOND / 10, jobs.push(job)).await {
                Ok(Ok(())) => shared.ledger.pushed(id),
                Ok(Err(closed)) => closed.into_inner().returned(),
                Err(_) => shared.seen.hit("push dropped"),
            },
        }
        let (waiting, most) = (jobs.len(), ROOM + 2 * WORKERS);
        shared.check(waiting <= most, || format!("{waiting} jobs wait"));
    }
}

/// Starts a crew again whenever it is gone, until it is asked to stop.
async fn supervise(
    cx: &Context,
    shared: &Arc<Shared>,
    jobs: &Queue<Job>,
    results: &Sender<Job>,
    number: usize,
) {
    let backoff = Backoff::new(SECOND).most(8 * SECOND).seed(number as u64);
    for generation in 0.. {
        let name = format!("crew {number}");
        let crew = Group::builder(cx)
            .name(name)
            .on_failure(OnFailure::CancelAll)
            .build();
        if crew.is_closing() {
            return;
        }
        shared.seen.hit_if("restart", generation > 0);
        shared.crews.lock().unwrap().push(crew.reference());
        for member in 0..2 {
            let salt = 1000 + (generation * WORKERS + number) * 2 + member;
            let (shared, jobs, results) = (shared.clone(), jobs.clone(), results.clone());
            let task = crew.task("worker").on_cancel(OnCancel::Grace(3 * SECOND));
            drop(task.spawn_fallible_with(move |cx| async move {
                let random = shared.random(salt as u64);
                work(&cx, &shared, &jobs, &results, random).await
            }));
        }
        crew.closed().await.expect("the supervisor is no member");
        if let Err(error) = crew.join().await {
            error
                .into_failures()
                .into_iter()
                .for_each(|f| shared.told(f));
        }
        let gone = |crew: &GroupRef| !crew.is_closed();
        shared.crews.lock().unwrap().retain(gone);
        let cancelled = cx.token();
        let pause = shared.rt.sleep(backoff.delay(generation % 4));
        if cancelled.run_until_cancelled(pause).await.is_none() {
            shared.seen.hit("supervisor stopped");
            return;
        }
    }
}

async fn work(
    cx: &Context,
    shared: &Shared,
    jobs: &Queue<Job>,
    results: &Sender<Job>,
    mut random: Random,
) -> Result<(), BoxError> {
    let stop = cx.token();
    while !stop.is_cancelled() {
        let Some(Some(job)) = stop.run_until_cancelled(jobs.pop()).await else {
            break;
        };
        job.at(Stage::Work);
        shared.starts.acquire(&shared.rt).await;
        shared.started();
        let _slot = shared.at_work.acquire().await;
        let (_gauge, working) = Gauge::up(&shared.working);
        shared.check(working <= MOST_AT_WORK, || format!("{working} at work"));
        match random.below(120) {
            0 => return Err(shared.fail(false)),
            1 => return Err(shared.fail(true)),
            _ => {}
        }
        let host = HOSTS[random.below(HOSTS.len())];
        if settings(shared, host, random.below(8)).await.is_none() {
            job.failed();
            continue;
        }
        let urls = (0..3).map(|n| format!("http://{host}/{}", "x".repeat(random.below(8) + n)));
        let fetching = shared.fan_out.fetch_all(urls.collect::<Vec<_>>());
        let Ok(fetched) = timeout(&shared.rt, 4 * SECOND, fetching).await else {
            shared.seen.hit("fan-out dropped");
            job.failed();
            continue;
        };
        shared.check(fetched.len() == 3, || format!("{} results", fetched.len()));
        let errors = fetched.iter().filter(|(_, result)| result.is_err()).count();
        shared.seen.hit_if("request failed", errors > 0);
        let tries = |result: &Result<untethered::http::Fetched, _>| match result {
            Ok(fetched) => fetched.attempts(),
            Err(_) => 0,
        };
        let retried = fetched.iter().any(|(_, result)| tries(result) > 1);
        shared.seen.hit_if("retry", retried);
        if errors == 3 {
            job.failed();
            continue;
        }
        job.at(Stage::Queued);
        cx.shield(async {
            if let Err(closed) = results.push(job).await {
                closed.into_inner().returned();
            }
        })
        .await;
    }
    shared.seen.hit_if("worker stopped", stop.is_cancelled());
    Ok(())
}

/// The settings for `host`, from the memo or loaded.
async fn settings(shared: &Shared, host: &'static str, luck: usize) -> Option<Arc<u64>> {
    let rt = shared.rt.clone();
    let before = shared.settings.stats();
    let loaded = shared.settings.try_load(host, move || async move {
        rt.sleep(SECOND / 5).await;
        if luck == 0 { Err("no luck") } else { Ok(7) }
    });
    let loaded = loaded.await;
    let stats = shared.settings.stats();
    shared.seen.hit_if("memo hit", stats.hits > before.hits);
    shared.seen.hit_if("memo failed", loaded.is_err());
    let kept = shared.settings.len();
    shared.check(kept <= 2, || format!("{kept} settings kept"));
    loaded.ok()
}

/// Writes results down, a batch at a time.
async fn collect(shared: Arc<Shared>, finished: Receiver<Job>) {
    let mut batches = batches(finished, 5).within(&shared.rt, SECOND);
    while let Some(batch) = batches.next().await {
        shared.seen.hit(if batch.len() == 5 {
            "batch"
        } else {
            "short batch"
        });
        batch.into_iter().for_each(Job::done);
    }
}
