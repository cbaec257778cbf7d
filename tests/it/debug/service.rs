use std::sync::Arc;
use std::time::Duration;

use untethered::memo::{LoadError, Memo};
use untethered::pool::{BlockingPool, TrySpawnError};
use untethered::run::Run;
use untethered::signal::{ShutdownSignals, Signal};
use untethered::sim::Sim;

use super::{Opaque, shown, shows};
use crate::polled::now;

const SECOND: Duration = Duration::from_secs(1);

// C11
#[test]
fn debug_of_pools() {
    let builder = BlockingPool::builder().name("files").threads(1).queue(2);
    let text = shown(&builder);
    assert!(
        text.starts_with(r#"Builder { name: "files", threads: Some(1), queue: 2, "#),
        "{text}"
    );
    let pool = builder.build().unwrap();
    shows(
        &pool,
        concat!(
            r#"BlockingPool { name: "files", threads: 1, queued: 0, "#,
            "is_closing: false, is_closed: false }"
        ),
    );
    pool.close();
    let refused = pool.try_spawn(|| Opaque).err().unwrap();
    assert!(refused.is_closed());
    shows(&refused, "Closed(..)");
    let full: TrySpawnError<Opaque> = TrySpawnError::Full(Opaque);
    shows(&full, "Full(..)");
}

// C11
#[test]
fn debug_of_memos() {
    let memo: Memo<u8, Opaque> = Memo::new(2);
    shows(&memo.load(1, async || Opaque), "Load { .. }");
    now(memo.load(1, async || Opaque)).unwrap();
    shows(&memo, "Memo { len: 1, capacity: Some(2), .. }");
    let memo: Memo<u8, Opaque, &str> = Memo::unbounded();
    let fails = || memo.try_load(1, async || Err("no disk"));
    shows(&fails(), "TryLoad { .. }");
    let error = now(fails()).err().unwrap();
    shows(&error, r#"Failed("no disk")"#);
    shows(&error.clone(), r#"Failed("no disk")"#);
    let closed: LoadError<Arc<str>> = LoadError::Closed;
    shows(&closed.clone(), "Closed");
}

// C11
#[test]
fn debug_of_programs() {
    let sim = Sim::new();
    let (source, signals) = ShutdownSignals::manual();
    shows(&source, "Source { .. }");
    source.send(Signal::Terminate);
    let text = shown(&signals);
    assert!(
        text.starts_with("ShutdownSignals { token: CancellationToken { reason: Some("),
        "{text}"
    );
    let run = Run::on(&sim.runtime()).without_signals().grace(SECOND);
    assert!(shown(&run).starts_with("Run { grace: "), "{run:?}");
    let context = run.main_with(async |cx| shown(&cx));
    let context = sim.block_on(context).unwrap();
    assert_eq!(
        context,
        "Context { token: CancellationToken { reason: None }, .. }"
    );
}
