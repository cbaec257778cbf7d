use std::future::{IntoFuture, Ready, pending, ready};
use std::time::Duration;

use futures_lite::{StreamExt, stream};
use untethered::sim::Sim;
use untethered::stream::{
    StreamConcurrently, batches, first, from_stream, inflate, map_blocking, merge, merge_all,
    poll_until_none, try_from_iter, try_from_stream, with_progress, zip,
};
use untethered::{concurrent, try_concurrent};

use super::{Opaque, shows};

const SECOND: Duration = Duration::from_secs(1);

type Jobs = stream::Iter<std::vec::IntoIter<Opaque>>;

fn items() -> Jobs {
    stream::iter(vec![Opaque, Opaque])
}

fn job(item: Opaque) -> Ready<Opaque> {
    ready(item)
}

// C11
#[test]
fn debug_of_runs() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let jobs = || [ready(Opaque), ready(Opaque)];
    shows(
        &concurrent(jobs()).limit(2).ordered(),
        "Concurrent { limit: 2, ordered: true, running: 0, .. }",
    );
    shows(&concurrent(jobs()).into_future(), "Collect { .. }");
    let tried = || jobs().map(async |job| Ok::<_, Opaque>(job.await));
    shows(
        &try_concurrent(tried()).limit(2),
        "Concurrent { limit: 2, ordered: false, running: 0, .. }",
    );
    shows(
        &concurrent(jobs()).on(&rt).limit(2),
        "OnRuntime { limit: 2, ordered: false, .. }",
    );
    shows(
        &concurrent(jobs()).on(&rt).into_future(),
        "CollectOnRuntime { .. }",
    );
    shows(&from_stream(items().map(job)), "FromStream { .. }");
    let fallible = || jobs().map(Ok::<_, Opaque>);
    shows(&try_from_iter(fallible()), "TryFromIter { .. }");
    shows(
        &try_from_stream(stream::iter(fallible())),
        "TryFromStream { .. }",
    );
}

// C11
#[test]
fn debug_of_streams_that_run_concurrently() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let limited = || items().concurrently().limit(2);
    shows(
        &limited().ordered(),
        "Concurrently { limit: Some(2), ordered: true, .. }",
    );
    let run = "Concurrent { limit: 2, ordered: false, running: 0, .. }";
    shows(&limited().map(job), run);
    shows(&limited().map_blocking(&rt, |item| item), run);
    shows(&limited().inflate(|_| [ready(Opaque)]), run);
    let parts = |_: &Opaque| [ready(Ok::<_, Opaque>(Opaque))];
    shows(&limited().try_inflate(parts), run);
    shows(&inflate([Opaque], |_| [ready(Opaque)]).limit(2), run);
    shows(&map_blocking(&rt, [Opaque], |item| item).limit(2), run);
    let kept = format!("FilterMap({run})");
    shows(&limited().filter(|_| ready(true)), &kept);
    shows(&limited().filter_map(|item| ready(Some(item))), &kept);
}

// C11
#[test]
fn debug_of_adaptors() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let within = batches(items(), 2).within(&rt, SECOND);
    shows(&within, "Batches { size: 2, held: 0, .. }");
    shows(&first(items()), "First { .. }");
    shows(&merge(items(), items()), "Merge { .. }");
    shows(
        &merge_all([items(), items()]),
        "MergeAll { streams: 2, .. }",
    );
    shows(&zip(items(), items()), "Zip { .. }");
    shows(
        &with_progress(items(), drop),
        "WithProgress { done: 0, .. }",
    );
    let polled = poll_until_none(pending::<Option<Opaque>>);
    shows(&polled, "PollUntil { over: false, .. }");
}
