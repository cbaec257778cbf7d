//! What errors and refusals say, all in one place to be read: `docs/messages.md`.
//!
//! After a change, `MESSAGES=write cargo test --all-features --test messages` writes it anew.

use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
#[cfg(unix)]
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use untethered::combine::{Until, WaitSet, gather, hedge, quorum, race, race_ok, wait};
use untethered::context::{ExitStack, HandOverError, context};
use untethered::group::{
    BlockError, BoxError, Context, Failure, Group, OnCancel, OnFailure, scope,
};
use untethered::http::{
    Adaptive, Body, ErrorKind, FanOut, HttpError, Request, Response, Retry, StatusCheck,
    TimeoutPhase, Timeouts, client_fn,
};
use untethered::memo::Memo;
use untethered::pool::BlockingPool;
use untethered::run::Run;
use untethered::runtime;
use untethered::signal::{ShutdownSignals, Signal};
use untethered::sim::{Schedule, Sim, explore};
use untethered::stream::{batches, chunks, try_from_iter};
use untethered::sync::{KeyedRateLimit, Limit, RateLimit};
use untethered::time::{Interval, Overlap, TickFailure, Timer, interval, timeout, timeout_at};
#[cfg(unix)]
use untethered::workers::Child;
use untethered::workers::{Respawn, Workers};
use untethered::{Queue, concurrent, try_concurrent};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Table(String);

impl Table {
    fn heading(&mut self, text: &str, columns: &str) {
        let line = "---|".repeat(columns.split('|').count());
        writeln!(self.0, "\n## {text}\n\n| {columns} |\n|{line}").unwrap();
    }

    fn errors(&mut self, text: &str) {
        self.heading(text, "Error | Says | Because of");
    }

    /// What an error says, and what its sources say, which it has to leave to them.
    fn error(&mut self, what: &str, error: impl Error) {
        let says = error.to_string();
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        for cause in &causes {
            assert!(!says.contains(cause), "{what} repeats its source: {says}");
        }
        self.row(what, says, &format!(" {} |", causes.join(": ")));
    }

    fn row(&mut self, what: &str, says: impl Display, rest: &str) {
        let says = says.to_string().replace('|', r"\|").replace('\n', "<br>");
        // Places move with each line of this file.
        let mut pieces = says.split(file!());
        let mut says = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let after = piece.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
            says += "file:line:column";
            says += after;
        }
        writeln!(self.0, "| {what} | {says} |{rest}").unwrap();
    }

    /// What a call that has to panic says.
    fn refused<T>(&mut self, what: &str, call: impl FnOnce() -> T) {
        let payload = catch_unwind(AssertUnwindSafe(call)).err();
        let payload = payload.unwrap_or_else(|| panic!("{what} did not panic"));
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
        self.row(&format!("`{what}`"), text.expect("a panic with a text"), "");
    }
}

fn error<T, E>(result: Result<T, E>) -> E {
    result.err().expect("this has to fail")
}

/// An error, which a text alone is not.
#[derive(Debug, Clone)]
struct Said(&'static str);

impl Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Said {}

fn failing(n: u32) -> impl Future<Output = Result<u32, Said>> + Clone {
    ready(if n == 0 { Ok(n) } else { Err(Said("no route")) })
}

/// That no error of the crate is forgotten.
fn complete(text: &str) {
    let api = include_str!("../docs/public-api.txt");
    let types = api.lines().filter_map(|line| line.split_once("Error for "));
    let types = types.filter(|(before, _)| before.starts_with("impl"));
    for (_, name) in types {
        let name = name.split(['<', ' ']).next().unwrap();
        assert!(text.contains(&format!("`{name}")), "no row for {name}");
    }
}

#[test]
fn messages_are_those_of_the_list() {
    let mut table = Table::default();
    let sim = Sim::new();
    sim.block_on(tasks(&sim, &mut table));
    sim.block_on(futures(&sim, &mut table));
    sim.block_on(requests(&sim, &mut table));
    others(&mut table);
    refusals(&mut table);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/messages.md");
    let text = format!(
        "# Messages\n\nWhat errors say, and panics where an argument is refused. Written by `tests/messages.rs`.\n{}",
        table.0
    );
    complete(&text);
    if std::env::var_os("MESSAGES").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let listed = fs::read_to_string(path).unwrap_or_default();
    let told: Vec<&str> = text.lines().filter(|line| !listed.contains(line)).collect();
    assert!(
        text == listed,
        "docs/messages.md says otherwise than:\n{}\nread them, then: MESSAGES=write cargo test --all-features --test messages",
        told.join("\n")
    );
}

async fn tasks(sim: &Sim, table: &mut Table) {
    let rt = sim.runtime();
    table.errors("Tasks and groups");
    let cancelled = rt.spawn(pending::<()>()).cancel().await;
    table.error("`JoinError`, cancelled", error(cancelled));
    let panicked = rt.spawn(async { panic!("no table") });
    table.error("`JoinError`, panicked", error(panicked.await));
    let group = Group::builder(&rt)
        .name("db")
        .on_failure(OnFailure::collect(8))
        .build();
    let handle = group.task("reader").spawn(pending::<()>());
    handle.cancel("not needed");
    table.error("`JoinError`, with a reason", error(handle.await));
    let failed = group
        .task("writer")
        .spawn_fallible(async { Err::<(), _>(Said("disk full")) });
    table.error("`JoinError`, failed", error(failed.await));
    let joined = error(group.join().await);
    let failure: &Failure = &joined.failures()[0];
    table.row("`Failure`", failure, "");
    table.error("`GroupError`, one failure", &joined);
    table.error("`ClosedError`", error(group.subgroup("late")));
    table.error(
        "group `TrySpawnError::Closed`",
        error(group.try_spawn(async {})),
    );
    let group = Group::builder(&rt)
        .limit(1)
        .on_failure(OnFailure::collect(8))
        .build();
    let busy = group.spawn(pending::<()>());
    table.error(
        "group `TrySpawnError::Full`",
        error(group.try_spawn(async {})),
    );
    busy.abort();
    for name in ["a", "b", "c"] {
        group
            .task(name)
            .spawn_fallible(async { Err::<(), _>(Said("disk full")) });
    }
    table.error("`GroupError`, several", error(group.join().await));
    let group = Group::builder(&rt).build();
    let waits = group.task("member").spawn_with(|cx: Context| async move {
        cx.group().close();
        cx.group().closed().await
    });
    table.error("`SelfWait`", error(waits.await.unwrap()));
    let block = Group::builder(&rt).on_failure(OnFailure::report(|_| {}));
    let block = block.run(|_| async { Err::<(), _>(BoxError::from("no such table")) });
    let ended: BlockError = error(block.await);
    table.error("`BlockError::Body`", ended);
    let block = Group::builder(&rt)
        .deadline(SECOND)
        .run(|_| pending::<Result<(), BoxError>>());
    table.error("`BlockError::Cancelled`", error(block.await));
    let block = scope(|s| async move {
        s.spawn_fallible(async { Err::<(), _>(Said("disk full")) });
        pending::<Result<(), BoxError>>().await
    });
    table.error("`BlockError::Tasks`", error(block.await));
    let group = Group::builder(&rt).build();
    group
        .task("slow")
        .on_cancel(OnCancel::Finish)
        .spawn(pending::<()>());
    table.row("`Report`", group.shutdown(SECOND).await, "");
}

async fn futures(sim: &Sim, table: &mut Table) {
    let rt = sim.runtime();
    table.errors("Queues, limits, time");
    let queue = Queue::bounded(1);
    queue.push(1).await.unwrap();
    table.error("`TryPushError::Full`", error(queue.try_push(2)));
    queue.close();
    table.error("`TryPushError::Closed`", error(queue.try_push(2)));
    table.error("`Closed`", error(queue.push(2).await));
    queue.drain();
    table.error("`TryPopError::Closed`", error(queue.try_pop()));
    table.error(
        "`TryPopError::Empty`",
        error(Queue::<u8>::bounded(1).try_pop()),
    );
    table.error(
        "`InvalidRate`, no starts",
        error(RateLimit::try_new(0, SECOND)),
    );
    table.error(
        "`InvalidRate`, no period",
        error(RateLimit::try_new(1, Duration::ZERO)),
    );
    let period = Duration::ZERO;
    table.error(
        "`InvalidJitter`",
        error(Timer::builder(&rt, SECOND).try_jitter(2 * SECOND, 0)),
    );
    table.error(
        "`InvalidPeriod`",
        error(Interval::try_new(&rt, rt.now(), period)),
    );
    let late = timeout(&rt, 3 * SECOND / 2, pending::<()>());
    table.error("`Elapsed`", error(late.await));
    let late = timeout(&rt, SECOND, pending::<()>()).named("connect");
    table.error("`Elapsed`, named", error(late.await));
    let late = timeout_at(&rt, rt.now(), pending::<()>());
    table.error("`Elapsed`, of a deadline", error(late.await));
    let (tell, told) = std::sync::mpsc::channel();
    let timer = Timer::builder(&rt, SECOND).start_fallible(
        |tick| async move {
            assert!(tick.number() > 0, "too early");
            Err("no route")
        },
        move |failure: TickFailure<&str>| tell.send(failure.to_string()).unwrap(),
    );
    rt.sleep(3 * SECOND / 2).await;
    timer.stop().await.unwrap();
    for failure in told {
        table.row("`TickFailure`", failure, "");
    }

    table.errors("Several futures");
    table.error(
        "`Empty`",
        error(race(Vec::<std::future::Ready<()>>::new()).await),
    );
    let mut set = WaitSet::new(Vec::<std::future::Ready<()>>::new());
    table.error("`Empty`, of a set", error(wait(&mut set, Until::All).await));
    table.error("`Failures`, one", error(race_ok([failing(1)]).await));
    table.error(
        "`Failures`, several",
        error(race_ok([failing(1), failing(2)]).await),
    );
    table.error(
        "`Failures`, of nobody",
        error(race_ok((0..0).map(failing)).await),
    );
    let refused = race_ok([failing(1), failing(2)]).tolerate(|_| false).await;
    table.error("`Failures`, not tolerated", error(refused));
    let late = hedge(&rt, SECOND, [failing(1), failing(2)]).await;
    table.error("`Failures`, of a hedge", error(late));
    let few = quorum(2, [failing(0), failing(1)]).await;
    table.error("`QuorumError`", error(few));
    table.error(
        "`QuorumError`, of too few",
        error(quorum(2, [failing(0)]).await),
    );
    let failed = try_concurrent([failing(0), failing(1)]).await;
    table.error("`ConcurrentError::Task`", error(failed));
    let source = [Ok(failing(0)), Err(Said("the list broke off"))];
    let failed = try_concurrent(try_from_iter(source)).await;
    table.error("`ConcurrentError::Source`", error(failed));

    table.errors("Contexts, memos, programs");
    let left = ExitStack::run(async |stack| {
        stack.defer(ready(Err("can not remove files")));
        Err::<(), _>("disk full")
    });
    table.error("`ContextError`, of use and release", error(left.await));
    let never = context(
        async |_hand_over| Ok::<_, HandOverError<String>>(()),
        async |(): &mut ()| Ok::<_, String>(()),
    );
    table.error("`HandOverError::NotHandedOver`", error(never.await));
    table.error(
        "`HandOverError::Panicked`",
        HandOverError::<String>::Panicked,
    );
    let failed = HandOverError::Failed("disk full");
    table.error("`HandOverError::Failed`", failed);
    let memo: Memo<u8, u8, Said> = Memo::new(1);
    let failed = memo.try_load(1, || ready(Err(Said("no route")))).await;
    table.error("`LoadError::Failed`", error(failed));
    memo.close();
    let closed = memo.try_load(1, || ready(Ok(1))).await;
    table.error("`LoadError::Closed`", error(closed));
    let (source, signals) = ShutdownSignals::manual();
    source.send(Signal::Interrupt);
    let stopped = Run::on(&rt).signals(signals).main(pending::<()>()).await;
    table.error("`RunError`", error(stopped));
    let (source, signals) = ShutdownSignals::manual();
    source.send(Signal::Terminate);
    source.send(Signal::Interrupt);
    let main = Run::on(&rt).signals(signals);
    let cut_off = main.main_with(|_| pending::<()>()).await;
    table.error("`RunError`, after a second signal", error(cut_off));
}

async fn requests(sim: &Sim, table: &mut Table) {
    table.errors("HTTP");
    let timeouts = [
        TimeoutPhase::Queue,
        TimeoutPhase::Connect,
        TimeoutPhase::FirstByte,
        TimeoutPhase::Idle,
        TimeoutPhase::Total,
    ];
    let kinds = [
        ErrorKind::InvalidRequest,
        ErrorKind::Resolve,
        ErrorKind::Connect,
        ErrorKind::Tls,
        ErrorKind::Protocol,
        ErrorKind::Truncated,
        ErrorKind::BodyTooLarge,
        ErrorKind::Decode,
        ErrorKind::Redirect,
        ErrorKind::Status,
        ErrorKind::Unsupported,
        ErrorKind::Cancelled,
        ErrorKind::Other,
    ];
    for kind in kinds.into_iter().chain(timeouts.map(ErrorKind::Timeout)) {
        table.error(&format!("`HttpError`, `{kind:?}`"), HttpError::new(kind));
    }
    let rt = sim.runtime();
    let client = client_fn(move |request: Request<Body>| {
        let rt = rt.clone();
        async move {
            let path = request.uri().path().to_owned();
            if path == "/slow" {
                rt.sleep(60 * SECOND).await;
            }
            if path == "/down" {
                let source = io::Error::from(io::ErrorKind::ConnectionRefused);
                return Err(HttpError::new(ErrorKind::Connect).with_source(source));
            }
            Ok(Response::builder()
                .status(404)
                .body(Body::from("none of that name"))
                .unwrap())
        }
    });
    let fan_out = FanOut::new(&sim.runtime(), client)
        .timeout(Timeouts::total(SECOND))
        .status_check(StatusCheck::errors())
        .max_body(1 << 10);
    for url in [
        "http://a.example/gone",
        "http://a.example/slow",
        "http://user:secret@a.example/down",
        "ftp://a.example/",
        "no URL",
    ] {
        table.error(
            &format!("`FetchError`, `{url}`"),
            error(fan_out.fetch(url).await),
        );
    }
    let all = fan_out.fetch_all(["http://a.example/gone"]).fail_fast();
    table.error("`FailedFetch`", error(all.await));
    let twice = fan_out.retry(Retry::attempts(2));
    let failed = twice.fetch("http://a.example/down").await;
    table.error("`FetchError`, after two attempts", error(failed));
}

fn others(table: &mut Table) {
    table.errors("Runtimes, pools, processes, tests");
    table.error("`NoRuntime`", error(runtime::tokio()));
    let untimed = ::tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let refused = untethered::Runtime::try_from(untimed.handle().clone());
    table.error("`NoRuntime`, without timers", error(refused));
    let pool = BlockingPool::builder().threads(1).queue(1).build().unwrap();
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let (tell, begun) = std::sync::mpsc::channel();
    let running = pool.try_spawn(move || {
        tell.send(()).unwrap();
        held.recv().ok();
    });
    begun.recv().unwrap();
    let queued = pool.try_spawn(|| ());
    table.error("pool `TrySpawnError::Full`", error(pool.try_spawn(|| ())));
    drop(let_go);
    untethered::block_on(pool.join());
    drop((running, queued));
    table.error("pool `TrySpawnError::Closed`", error(pool.try_spawn(|| ())));
    let run = Workers::threads(1).listen("nowhere").run(|_| async {});
    table.error("`WorkersError`, of an address", error(run));
    let none = ShutdownSignals::builder().signals([]).listen();
    table.error("signals, none of them", error(none));
    #[cfg(unix)]
    {
        let child = Child::spawn(&mut Command::new("true")).unwrap();
        untethered::block_on(child.wait());
        table.error("`SignalError`, too late", error(child.kill()));
    }
    let rt = runtime::threads(2);
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let (tell, begun) = std::sync::mpsc::channel();
    let mut blocks = Some((tell, held));
    let timer = Timer::builder(&rt, SECOND).hard_limit(Duration::ZERO);
    let timer = timer.start(move |_| {
        let blocks = blocks.take();
        async move {
            if let Some((tell, held)) = blocks {
                tell.send(()).unwrap();
                held.recv().ok();
            }
        }
    });
    begun.recv().unwrap();
    table.error("`Stuck`", error(untethered::block_on(timer.stop())));
    drop(let_go);
    let sim = Sim::new();
    let misspelt = "3:run1 12:walk".parse::<Schedule>();
    table.error("`ParseScheduleError`", error(misspelt));
    let found = explore(|sim: &Sim| sim.block_on(async { panic!("planted") })).try_run();
    table.error("explore `Failure`", error(found));
    table.error("`Deadlock`", error(sim.try_block_on(pending::<()>())));
}

fn refusals(table: &mut Table) {
    let sim = Sim::new();
    let rt = &sim.runtime();
    let nothing = Duration::ZERO;
    let group = Group::builder(rt).build();
    let client = || client_fn(|_| ready(Err(HttpError::new(ErrorKind::Other))));
    let fan_out = FanOut::new(rt, client());
    let limit = Limit::new(2);
    let queue = Queue::<u8>::bounded(1);

    table.heading("Arguments that are refused", "Call | Says");
    table.refused("Queue::bounded(0)", || Queue::<u8>::bounded(0));
    table.refused("queue.pop_batch(0)", || drop(queue.pop_batch(0)));
    table.refused("Limit::new(0)", || Limit::new(0));
    table.refused("limit.set_total(0)", || limit.set_total(0));
    table.refused("RateLimit::new(0, second)", || RateLimit::new(0, SECOND));
    table.refused("RateLimit::new(1, nothing)", || RateLimit::new(1, nothing));
    table.refused("KeyedRateLimit::new(0, second)", || {
        KeyedRateLimit::<u8>::new(0, SECOND)
    });
    table.refused("Group::builder(&rt).limit(0)", || {
        drop(Group::builder(rt).limit(0))
    });
    table.refused("group.results(0)", || drop(group.results::<u8, u8>(0)));
    table.refused("OnFailure::collect(0)", || {
        OnFailure::<BoxError>::collect(0)
    });
    table.refused("concurrent(..).limit(0)", || {
        drop(concurrent([ready(1)]).limit(0))
    });
    table.refused("gather(..).limit(0)", || drop(gather([ready(1)]).limit(0)));
    table.refused("quorum(0, ..)", || drop(quorum(0, [failing(0)])));
    table.refused("hedge(..).limit(0)", || {
        drop(hedge(rt, SECOND, [failing(0)]).limit(0))
    });
    let none = futures_lite::stream::empty::<u8>;
    table.refused("batches(.., 0)", || drop(batches(none(), 0)));
    table.refused("chunks(.., 0)", || drop(chunks([1], 0)));
    table.refused("interval(&rt, nothing)", || drop(interval(rt, nothing)));
    table.refused("Timer::builder(&rt, nothing)", || {
        drop(Timer::builder(rt, nothing))
    });
    table.refused("Overlap::accumulate(0)", || Overlap::accumulate(0));
    table.refused("Memo::new(0)", || Memo::<u8, u8>::new(0));
    table.refused("runtime::threads(0)", || runtime::threads(0));
    table.refused("BlockingPool::builder().threads(0)", || {
        drop(BlockingPool::builder().threads(0))
    });
    table.refused("BlockingPool::builder().queue(0)", || {
        drop(BlockingPool::builder().queue(0))
    });
    table.refused("Workers::processes(0)", || drop(Workers::processes(0)));
    table.refused("Workers::threads(0)", || drop(Workers::threads(0)));
    table.refused("Workers::stop_on([])", || {
        drop(Workers::threads(1).stop_on([]))
    });
    table.refused("Respawn::at_most(0, second)", || {
        Respawn::at_most(0, SECOND)
    });
    table.refused("fan_out.concurrency(0)", || {
        drop(fan_out.clone().concurrency(0))
    });
    table.refused("fan_out.per_host(0)", || drop(fan_out.clone().per_host(0)));
    table.refused("fan_out.redirects(0)", || {
        drop(fan_out.clone().redirects(0))
    });
    table.refused("fan_out.header(\"a b\", \"c\")", || {
        drop(fan_out.clone().header("a b", "c"))
    });
    table.refused("fan_out.header(\"a\", \"line\\nbreak\")", || {
        drop(fan_out.clone().header("a", "line\nbreak"))
    });
    table.refused("fan_out.bearer_auth(\"line\\nbreak\")", || {
        drop(fan_out.clone().bearer_auth("line\nbreak"))
    });
    table.refused("fan_out.basic_auth(\"a:b\", \"c\")", || {
        drop(fan_out.clone().basic_auth("a:b", "c"))
    });
    table.refused("Retry::attempts(0)", || drop(Retry::attempts(0)));
    table.refused("Adaptive::up_to(0)", || Adaptive::up_to(0));
}
