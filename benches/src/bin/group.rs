//! Groups beside what runtimes offer.
//!
//! ```text
//! cargo run --release --bin group -- [--rounds N] [--only VARIANT] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words.

use std::future::{Future, pending};
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt};
use futures_lite::future::block_on;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime as Tokio};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use untethered::group::{BoxError, Group, scope, task_group};
use untethered::time::timeout;
use untethered::{CancellationToken, Runtime, runtime};
use untethered_benches::{Asked, Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut asked = Asked::new(31);
    for (name, make) in rows() {
        if asked.wants(name) {
            asked.measure(make(name));
        }
    }
    asked.end();
}

type Make = fn(&'static str) -> Row;

fn rows() -> [(&'static str, Make); 17] {
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
        ("block tokio2", |name| block(name, tokio2)),
        ("block tokio1", |name| block(name, tokio1)),
        ("echo tokio2", |name| echo(name, tokio2)),
        ("echo tokio1", |name| echo(name, tokio1)),
        ("scope spawn", scope_spawn),
        ("scope cancel", scope_cancel),
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

fn block(name: &'static str, make: fn() -> Tokio) -> Row {
    let ours = make();
    let rt = Runtime::try_from(ours.handle().clone()).unwrap();
    let set = make();
    Row {
        name: name.into(),
        items: 10_000,
        variants: vec![
            Variant::new("task_group", move |items| {
                let rt = rt.clone();
                on(&ours, async move {
                    for _ in 0..items {
                        let sum = task_group(&rt, |group| async move {
                            let tasks = [0, 1, 2].map(|index| group.spawn(job(index)));
                            let mut sum = 0;
                            for task in tasks {
                                sum += task.await?;
                            }
                            Ok(sum)
                        });
                        assert_eq!(sum.await.unwrap(), 3);
                    }
                });
            }),
            Variant::new("JoinSet", move |items| {
                on(&set, async move {
                    for _ in 0..items {
                        let mut set: JoinSet<_> = (0..3).map(job).collect();
                        let mut sum = 0;
                        while let Some(value) = set.join_next().await {
                            sum += value.unwrap();
                        }
                        assert_eq!(sum, 3);
                    }
                });
            }),
        ],
    }
}

const CONNECTIONS: usize = 200;

/// Sends back what it gets, each read under a timeout.
async fn serve(mut stream: TcpStream, rt: Runtime) {
    let mut buffer = [0; 64];
    while let Ok(Ok(length @ 1..)) =
        timeout(&rt, Duration::from_secs(30), stream.read(&mut buffer)).await
    {
        if stream.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

/// Opens the connections, has each do its share of `items` echoes, and says how long that took.
async fn clients(at: SocketAddr, items: usize) -> Duration {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        streams.push(TcpStream::connect(at).await.unwrap());
    }
    let start = Instant::now();
    let mut set = JoinSet::new();
    for mut stream in streams {
        set.spawn(async move {
            let mut buffer = [0; 64];
            for _ in 0..items / CONNECTIONS {
                stream.write_all(&buffer).await.unwrap();
                stream.read_exact(&mut buffer).await.unwrap();
            }
        });
    }
    set.join_all().await;
    start.elapsed()
}

fn echo(name: &'static str, make: fn() -> Tokio) -> Row {
    let ours = make();
    let bare = make();
    Row {
        name: name.into(),
        items: 20_000,
        variants: vec![
            Variant::timed("group", move |items| {
                let rt = Runtime::try_from(ours.handle().clone()).unwrap();
                on(&ours, async move {
                    let group = Group::builder(&rt).build();
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let at = listener.local_addr().unwrap();
                    let members = group.reference();
                    group.spawn(async move {
                        while let Ok((stream, _)) = listener.accept().await {
                            members.spawn(serve(stream, rt.clone()));
                        }
                    });
                    let took = clients(at, items).await;
                    group.cancel("done");
                    group.closed().await.unwrap();
                    took
                })
            }),
            Variant::timed("tokio::spawn", move |items| {
                let rt = Runtime::try_from(bare.handle().clone()).unwrap();
                on(&bare, async move {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let at = listener.local_addr().unwrap();
                    let server = tokio::spawn(async move {
                        while let Ok((stream, _)) = listener.accept().await {
                            tokio::spawn(serve(stream, rt.clone()));
                        }
                    });
                    let took = clients(at, items).await;
                    server.abort();
                    took
                })
            }),
        ],
    }
}

fn scope_spawn(name: &'static str) -> Row {
    Row {
        name: name.into(),
        items: 100_000,
        variants: vec![
            Variant::new("scope", |items| {
                let sum = scope(|s| async move {
                    let handles: Vec<_> = (0..items).map(|index| s.spawn(job(index))).collect();
                    let mut sum = 0;
                    for handle in handles {
                        sum += handle.await?;
                    }
                    Ok(sum)
                });
                black_box(block_on(sum).unwrap());
            }),
            Variant::new("futures-buffered", |items| {
                let mut set = futures_buffered::FuturesUnordered::new();
                for index in 0..items {
                    set.push(job(index));
                }
                black_box(block_on(sum(set)));
            }),
            Variant::new("FuturesUnordered", |items| {
                let set: futures::stream::FuturesUnordered<_> = (0..items).map(job).collect();
                black_box(block_on(sum(set)));
            }),
            Variant::new("FuturesUnordered, boxed", |items| {
                let set: futures::stream::FuturesUnordered<_> =
                    (0..items).map(|index| job(index).boxed()).collect();
                black_box(block_on(sum(set)));
            }),
        ],
    }
}

async fn sum(results: impl Stream<Item = usize>) -> usize {
    results
        .fold(0, |sum, value| async move { sum + value })
        .await
}

fn scope_cancel(name: &'static str) -> Row {
    Row {
        name: name.into(),
        items: 100_000,
        variants: vec![
            Variant::timed("scope", |items| {
                let mut scope = Box::pin(scope(|s| async move {
                    for _ in 0..items {
                        s.spawn(pending::<()>());
                    }
                    pending::<Result<(), BoxError>>().await
                }));
                assert!(block_on(poll_until_idle(&mut scope)).is_pending());
                let start = Instant::now();
                drop(scope);
                start.elapsed()
            }),
            Variant::timed("FuturesUnordered", |items| {
                let mut set: futures::stream::FuturesUnordered<_> =
                    (0..items).map(|_| pending::<()>()).collect();
                assert!(block_on(poll_until_idle(&mut set.next())).is_pending());
                let start = Instant::now();
                drop(set);
                start.elapsed()
            }),
        ],
    }
}

/// Polls until it waits without having woken itself.
async fn poll_until_idle<F: Future + Unpin>(future: &mut F) -> Poll<()> {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = woken.clone().into();
    while woken.0.swap(false, Ordering::Relaxed) {
        if Pin::new(&mut *future)
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            return Poll::Ready(());
        }
    }
    Poll::Pending
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
