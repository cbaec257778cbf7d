//! What the tasks of the service do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_lite::StreamExt;
use untethered::Queue;
use untethered::group::{BoxError, Context, Group, GroupRef, OnCancel, OnFailure};
use untethered::http::Fetched;
use untethered::queue::{Receiver, Sender, TryPushError};
use untethered::stream::batches;
use untethered::time::{Backoff, timeout};

use super::ledger::{Job, Stage};
use super::service::{HOSTS, MILLI, MOST_AT_WORK, ROOM, SECOND, Shared, WORKERS};
use crate::random::Random;

pub(super) async fn produce(shared: &Shared, jobs: &Queue<Job>, mut random: Random) {
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
pub(super) async fn supervise(
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
        let tries = |result: &Result<Fetched, _>| match result {
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
pub(super) async fn collect(shared: Arc<Shared>, finished: Receiver<Job>) {
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
