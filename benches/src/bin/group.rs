//! Groups beside what runtimes offer.
//!
//! ```text
//! cargo run --release --bin group -- [--rounds N] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words.

use std::future::{Future, pending};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::runtime::{Builder, Runtime as Tokio};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use untethered::group::Group;
use untethered::{CancellationToken, Runtime, runtime};
use untethered_benches::{Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut rounds = 31;
    let mut words = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--rounds" => match args.next().and_then(|text| text.parse().ok()) {
                Some(number) if number > 0 => rounds = number,
                _ => panic!("--rounds takes a number from 1 on"),
            },
            _ => words.push(arg),
        }
    }
    for (name, make) in rows() {
        if words
            .iter()
            .all(|word| name.split(' ').any(|part| part == word))
        {
            make(name).measure(rounds);
        }
    }
}

type Make = fn(&'static str) -> Row;

fn rows() -> [(&'static str, Make); 11] {
    [
        ("spawn tokio2", |name| spawn(name, tokio2)),
        ("spawn tokio1", |name| spawn(name, tokio1)),
        ("spawn smol2", spawn_smol),
        ("cancel tokio2", |name| cancel(name, tokio2)),
        ("cancel tokio1", |name| cancel(name, tokio1)),
        ("wake tokio2", |name| wake(name, tokio2)),
        ("wake tokio1", |name| wake(name, tokio1)),
        ("three tokio2", |name| three(name, tokio2)),
        ("three tokio1", |name| three(name, tokio1)),
        ("token wake", token_wake),
        ("token register", token_register),
    ]
}

fn tokio2() -> Tokio {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn tokio1() -> Tokio {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs `work` as a task of the host, as a server would.
fn on<F>(host: &Tokio, work: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    host.block_on(async { tokio::spawn(work).await.unwrap() })
}

struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn job(index: usize) -> usize {
    YieldOnce(false).await;
    index
}

async fn through_group(rt: Runtime, items: usize) {
    let group = Group::builder(&rt).build();
    let handles: Vec<_> = (0..items).map(|index| group.spawn(job(index))).collect();
    let mut sum = 0;
    for handle in handles {
        sum += handle.await.unwrap();
    }
    black_box(sum);
    group.join().await.unwrap();
}

fn spawn(name: &'static str, make: fn() -> Tokio) -> Row {
    let ours = make();
    let rt = Runtime::try_from(ours.handle().clone()).unwrap();
    let (bare, set) = (make(), make());
    Row {
        name: name.into(),
        items: 100_000,
        variants: vec![
            Variant::new("group", move |items| {
                on(&ours, through_group(rt.clone(), items))
            }),
            Variant::new("tokio::spawn", move |items| {
                on(&bare, async move {
                    let handles: Vec<_> =
                        (0..items).map(|index| tokio::spawn(job(index))).collect();
                    let mut sum = 0;
                    for handle in handles {
                        sum += handle.await.unwrap();
                    }
                    black_box(sum);
                });
            }),
            Variant::new("JoinSet", move |items| {
                on(&set, async move {
                    let mut set: JoinSet<usize> = (0..items).map(job).collect();
                    let mut sum = 0;
                    while let Some(value) = set.join_next().await {
                        sum += value.unwrap();
                    }
                    black_box(sum);
                });
            }),
        ],
    }
}

/// An executor that two threads run for ever.
fn smol2() -> Arc<smol::Executor<'static>> {
    let executor = Arc::new(smol::Executor::new());
    for _ in 0..2 {
        let executor = executor.clone();
        std::thread::spawn(move || smol::block_on(executor.run(pending::<()>())));
    }
    executor
}

fn spawn_smol(name: &'static str) -> Row {
    let ours = smol2();
    let bare = smol2();
    let rt = runtime::executor(&ours);
    Row {
        name: name.into(),
        items: 100_000,
        variants: vec![
            Variant::new("group", move |items| {
                smol::block_on(ours.spawn(through_group(rt.clone(), items)));
            }),
            Variant::new("Executor::spawn", move |items| {
                let executor = bare.clone();
                smol::block_on(bare.spawn(async move {
                    let tasks: Vec<_> =
                        (0..items).map(|index| executor.spawn(job(index))).collect();
                    let mut sum = 0;
                    for task in tasks {
                        sum += task.await;
                    }
                    black_box(sum);
                }));
            }),
        ],
    }
}

/// Tells when all have been polled.
async fn parked(ready: mpsc::Sender<()>) {
    drop(ready);
    pending::<()>().await;
}

fn cancel(name: &'static str, make: fn() -> Tokio) -> Row {
    let ours = make();
    let rt = Runtime::try_from(ours.handle().clone()).unwrap();
    let set = make();
    Row {
        name: name.into(),
        items: 100_000,
        variants: vec![
            Variant::timed("group", move |items| {
                let rt = rt.clone();
                on(&ours, async move {
                    let group = Group::builder(&rt).build();
                    let (ready, mut all) = mpsc::channel(1);
                    for _ in 0..items {
                        group.spawn(parked(ready.clone()));
                    }
                    drop(ready);
                    all.recv().await;
                    let start = Instant::now();
                    group.cancel("enough");
                    group.closed().await.unwrap();
                    start.elapsed()
                })
            }),
            Variant::timed("JoinSet::shutdown", move |items| {
                on(&set, async move {
                    let mut set = JoinSet::new();
                    let (ready, mut all) = mpsc::channel(1);
                    for _ in 0..items {
                        set.spawn(parked(ready.clone()));
                    }
                    drop(ready);
                    all.recv().await;
                    let start = Instant::now();
                    set.shutdown().await;
                    start.elapsed()
                })
            }),
        ],
    }
}

/// Answers every message, each after a wake from outside.
async fn answer(mut from: mpsc::Receiver<usize>, to: mpsc::Sender<usize>) {
    while let Some(value) = from.recv().await {
        if to.send(value).await.is_err() {
            break;
        }
    }
}

async fn ask(items: usize, to: mpsc::Sender<usize>, mut from: mpsc::Receiver<usize>) {
    for index in 0..items {
        to.send(index).await.unwrap();
        black_box(from.recv().await);
    }
}

fn wake(name: &'static str, make: fn() -> Tokio) -> Row {
    let ours = make();
    let rt = Runtime::try_from(ours.handle().clone()).unwrap();
    let bare = make();
    Row {
        name: name.into(),
        items: 20_000,
        variants: vec![
            Variant::new("group", move |items| {
                let rt = rt.clone();
                on(&ours, async move {
                    let group = Group::builder(&rt).build();
                    let ((to, questions), (answers, from)) = (mpsc::channel(1), mpsc::channel(1));
                    group.spawn(answer(questions, answers));
                    ask(items, to, from).await;
                    group.join().await.unwrap();
                });
            }),
            Variant::new("tokio::spawn", move |items| {
                on(&bare, async move {
                    let ((to, questions), (answers, from)) = (mpsc::channel(1), mpsc::channel(1));
                    let task = tokio::spawn(answer(questions, answers));
                    ask(items, to, from).await;
                    task.await.unwrap();
                });
            }),
        ],
    }
}

fn three(name: &'static str, make: fn() -> Tokio) -> Row {
    let ours = make();
    let rt = Runtime::try_from(ours.handle().clone()).unwrap();
    let set = make();
    Row {
        name: name.into(),
        items: 10_000,
        variants: vec![
            Variant::new("group", move |items| {
                let rt = rt.clone();
                on(&ours, async move {
                    for _ in 0..items {
                        let group = Group::builder(&rt).build();
                        for index in 0..3 {
                            group.spawn(job(index));
                        }
                        group.join().await.unwrap();
                    }
                });
            }),
            Variant::new("JoinSet", move |items| {
                on(&set, async move {
                    for _ in 0..items {
                        let mut set: JoinSet<_> = (0..3).map(job).collect();
                        while set.join_next().await.is_some() {}
                    }
                });
            }),
        ],
    }
}

/// Polls all once, so that they wait.
fn register<F: Future>(waits: &mut [Pin<Box<F>>]) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for wait in waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
}

fn token_wake(name: &'static str) -> Row {
    Row {
        name: name.into(),
        items: 100_000,
        variants: vec![
            Variant::timed("token", |items| {
                let token = CancellationToken::new();
                let mut waits: Vec<_> = (0..items).map(|_| Box::pin(token.cancelled())).collect();
                register(&mut waits);
                let start = Instant::now();
                token.cancel("now");
                start.elapsed()
            }),
            Variant::timed("tokio Notify", |items| {
                let notify = Notify::new();
                let mut waits: Vec<_> = (0..items).map(|_| Box::pin(notify.notified())).collect();
                register(&mut waits);
                let start = Instant::now();
                notify.notify_waiters();
                start.elapsed()
            }),
        ],
    }
}

fn token_register(name: &'static str) -> Row {
    Row {
        name: name.into(),
        items: 100_000,
        variants: vec![
            Variant::timed("token", |items| {
                let token = CancellationToken::new();
                let mut waits: Vec<_> = (0..items).map(|_| Box::pin(token.cancelled())).collect();
                let start = Instant::now();
                register(&mut waits);
                start.elapsed()
            }),
            Variant::timed("tokio Notify", |items| {
                let notify = Notify::new();
                let mut waits: Vec<_> = (0..items).map(|_| Box::pin(notify.notified())).collect();
                let start = Instant::now();
                register(&mut waits);
                start.elapsed()
            }),
        ],
    }
}
