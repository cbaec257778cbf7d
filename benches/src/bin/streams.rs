//! Limited streams beside their peers.
//!
//! ```text
//! cargo run --release --bin streams -- [--rounds N] [--items N] [--only VARIANT] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words, each an alternative where it has a bar:
//! `streams ready 64 'block_on|tokio'`.

use std::future::Future;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures_buffered::BufferedStreamExt;
use futures_concurrency::concurrent_stream::ConcurrentStream;
use futures_concurrency::stream::StreamExt as _;
use tokio::runtime::{Builder, Runtime as Tokio};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use untethered::concurrent;
use untethered_benches::{Asked, Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut asked = Asked::new(31);
    for limit in [64, 4096] {
        for work in [Work::Ready, Work::Yield, Work::Sleep] {
            for host in [Host::BlockOn, Host::Tokio, Host::Workers] {
                if work == Work::Sleep && host == Host::BlockOn {
                    // tokio's timers need tokio.
                    continue;
                }
                let name = format!("{work:?} {limit} {host:?}").to_lowercase();
                if !asked.wants(&name) {
                    continue;
                }
                let items = asked.items(match (work, host) {
                    // 32 times a millisecond, whatever the limit.
                    (Work::Sleep, _) => 32 * limit,
                    _ => 50_000,
                });
                asked.measure(Row {
                    name,
                    items,
                    variants: match host {
                        Host::Workers => spawned(work, limit),
                        host => in_task(work, limit, host),
                    },
                });
            }
        }
    }
    asked.end();
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    /// Done at the first poll.
    Ready,
    /// Wakes itself once.
    Yield,
    /// Sleeps for a millisecond.
    Sleep,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Host {
    /// In the task of `futures_lite::future::block_on`.
    BlockOn,
    /// In a task of tokio, on one thread.
    Tokio,
    /// The work spawned on tokio, on two worker threads.
    Workers,
}

/// A kind of work: what does item `n`.
trait Job: Copy + Send + Sync + 'static {
    type Future: Future<Output = usize> + Send + 'static;
    fn job(self, n: usize) -> Self::Future;
}

impl<F, T> Job for F
where
    F: Fn(usize) -> T + Copy + Send + Sync + 'static,
    T: Future<Output = usize> + Send + 'static,
{
    type Future = T;

    fn job(self, n: usize) -> T {
        self(n)
    }
}

async fn ready(n: usize) -> usize {
    n
}

async fn yields(n: usize) -> usize {
    Yield(false).await;
    n
}

async fn sleeps(n: usize) -> usize {
    tokio::time::sleep(Duration::from_millis(1)).await;
    n
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn in_task(work: Work, limit: usize, host: Host) -> Vec<Variant> {
    match work {
        Work::Ready => in_task_variants(ready, limit, host),
        Work::Yield => in_task_variants(yields, limit, host),
        Work::Sleep => in_task_variants(sleeps, limit, host),
    }
}

fn in_task_variants(job: impl Job, limit: usize, host: Host) -> Vec<Variant> {
    let most = NonZeroUsize::new(limit);
    vec![
        hosted("untethered", host, move |n| async move {
            let mut outputs = concurrent((0..n).map(|n| job.job(n))).limit(limit);
            while let Some(output) = outputs.next().await {
                black_box(output);
            }
        }),
        hosted("untethered, ordered", host, move |n| async move {
            let outputs = concurrent((0..n).map(|n| job.job(n)));
            let mut outputs = outputs.limit(limit).ordered();
            while let Some(output) = outputs.next().await {
                black_box(output);
            }
        }),
        hosted("futures-buffered", host, move |n| async move {
            let jobs = futures::stream::iter((0..n).map(|n| job.job(n)));
            let mut outputs = std::pin::pin!(jobs.buffered_unordered(limit));
            while let Some(output) = outputs.next().await {
                black_box(output);
            }
        }),
        hosted("futures buffer_unordered", host, move |n| async move {
            let jobs = futures::stream::iter((0..n).map(|n| job.job(n)));
            let mut outputs = jobs.buffer_unordered(limit);
            while let Some(output) = outputs.next().await {
                black_box(output);
            }
        }),
        hosted("futures-concurrency", host, move |n| async move {
            let jobs = futures::stream::iter(0..n).co().limit(most);
            let outputs = jobs.map(move |n| job.job(n));
            outputs
                .for_each(|output| async move {
                    black_box(output);
                })
                .await;
        }),
    ]
}

/// A variant that runs in one task.
fn hosted<F>(name: &'static str, host: Host, run: impl Fn(usize) -> F + 'static) -> Variant
where
    F: Future<Output = ()> + Send + 'static,
{
    if host == Host::BlockOn {
        return Variant::new(name, move |n| futures_lite::future::block_on(run(n)));
    }
    let tokio = Builder::new_current_thread().enable_time().build().unwrap();
    // In a task, where tokio's budget counts.
    Variant::new(name, move |n| tokio.block_on(tokio.spawn(run(n))).unwrap())
}

fn spawned(work: Work, limit: usize) -> Vec<Variant> {
    match work {
        Work::Ready => spawned_variants(ready, limit),
        Work::Yield => spawned_variants(yields, limit),
        Work::Sleep => spawned_variants(sleeps, limit),
    }
}

fn spawned_variants(job: impl Job, limit: usize) -> Vec<Variant> {
    vec![
        on_workers("untethered .on(&rt)", move |n, rt| async move {
            let jobs = concurrent((0..n).map(move |n| job.job(n)));
            let mut outputs = jobs.limit(limit).on(&rt);
            while let Some(output) = outputs.next().await {
                black_box(output);
            }
        }),
        on_workers("untethered .on(&rt), ordered", move |n, rt| async move {
            let jobs = concurrent((0..n).map(move |n| job.job(n)));
            let mut outputs = jobs.limit(limit).ordered().on(&rt);
            while let Some(output) = outputs.next().await {
                black_box(output);
            }
        }),
        on_workers("futures-buffered(spawn)", move |n, _| async move {
            let jobs = futures::stream::iter((0..n).map(|n| tokio::spawn(job.job(n))));
            let mut outputs = std::pin::pin!(jobs.buffered_unordered(limit));
            while let Some(output) = outputs.next().await {
                black_box(output.unwrap());
            }
        }),
        on_workers("futures-buffered(spawn), ordered", move |n, _| async move {
            let jobs = futures::stream::iter((0..n).map(|n| tokio::spawn(job.job(n))));
            let mut outputs = std::pin::pin!(jobs.buffered_ordered(limit));
            while let Some(output) = outputs.next().await {
                black_box(output.unwrap());
            }
        }),
        on_workers("buffer_unordered(spawn)", move |n, _| async move {
            let jobs = futures::stream::iter((0..n).map(|n| tokio::spawn(job.job(n))));
            let mut outputs = jobs.buffer_unordered(limit);
            while let Some(output) = outputs.next().await {
                black_box(output.unwrap());
            }
        }),
        on_workers("JoinSet + Semaphore", move |n, _| async move {
            let permits = Arc::new(Semaphore::new(limit));
            let mut set = JoinSet::new();
            for n in 0..n {
                let permit = permits.clone().acquire_owned().await.unwrap();
                set.spawn(async move {
                    let output = job.job(n).await;
                    drop(permit);
                    output
                });
                while let Some(output) = set.try_join_next() {
                    black_box(output.unwrap());
                }
            }
            while let Some(output) = set.join_next().await {
                black_box(output.unwrap());
            }
        }),
    ]
}

/// A variant whose consumer is a task of a runtime with two workers.
fn on_workers<F>(
    name: &'static str,
    run: impl Fn(usize, untethered::Runtime) -> F + 'static,
) -> Variant
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut builder = Builder::new_multi_thread();
    let tokio: Tokio = builder.worker_threads(2).enable_time().build().unwrap();
    let rt = untethered::Runtime::try_from(tokio.handle().clone()).unwrap();
    Variant::new(name, move |n| {
        tokio.block_on(tokio.spawn(run(n, rt.clone()))).unwrap();
    })
}
