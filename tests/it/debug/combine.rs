use std::future::{Ready, pending, ready};
use std::time::Duration;

use untethered::combine::{
    Until, WaitSet, as_completed, gather, hedge, quorum, race, race_ok, try_gather, wait,
};
use untethered::sim::Sim;

use super::{Opaque, shown, shows};
use crate::polled::{Polled, now};

const SECOND: Duration = Duration::from_secs(1);

fn fails(number: u8) -> Ready<Result<Opaque, u8>> {
    ready(Err(number))
}

// C11
#[test]
fn debug_of_races() {
    let jobs = || [ready(Opaque), ready(Opaque)];
    shows(&race(jobs()), "Race { .. }");
    shows(&race((ready(Opaque), ready(7))), "Race { .. }");
    shows(&race(jobs().into_iter()), "Race { .. }");
    shows(&race(Vec::from(jobs())), "Race { .. }");
    let ok = race_ok([fails(1), fails(2)]);
    shows(&ok, "RaceOk { running: 2, .. }");
    shows(
        &now(ok).err().unwrap(),
        "Failures { errors: [(0, 1), (1, 2)], intolerable: false }",
    );
    let most = quorum(2, [fails(1), fails(2)]);
    shows(&most, "Quorum { needed: 2, running: 2, .. }");
    shows(
        &now(most).err().unwrap(),
        "QuorumError { needed: 2, successes: 0, failures: [(0, 1)], .. }",
    );
}

// C11
#[test]
fn debug_of_hedges() {
    let sim = Sim::new();
    let attempts = || pending::<Result<Opaque, u8>>();
    let hedged = hedge(&sim.runtime(), SECOND, [attempts(), attempts()]);
    shows(&hedged, "Hedge { delay: 1s, started: 0, running: 0, .. }");
}

// C11
#[test]
fn debug_of_gathers() {
    let sim = Sim::new();
    let rt = sim.runtime();
    shows(&gather([ready(Opaque)]), "Gather { .. }");
    shows(&try_gather([fails(1)]), "TryGather { .. }");
    let until = gather([ready(Opaque)]).timeout(&rt, SECOND);
    assert!(
        shown(&until).starts_with("GatherUntil { sleep: "),
        "{until:?}"
    );
    let until = try_gather([fails(1)]).timeout(&rt, SECOND);
    assert!(
        shown(&until).starts_with("TryGatherUntil { sleep: "),
        "{until:?}"
    );
    let done = as_completed([pending::<Opaque>(), pending()]).limit(2);
    shows(&done, "AsCompleted { limit: 2, running: 0, .. }");
}

// C11
#[test]
fn debug_of_waits() {
    let mut set = WaitSet::new([Some(Opaque), None].map(|done| async move {
        match done {
            Some(done) => done,
            None => pending().await,
        }
    }));
    shows(&set, "WaitSet { pending: 2, done: 0, .. }");
    shows(
        &wait(&mut set, Until::All),
        "Wait { until: All, pending: 2, .. }",
    );
    drop(Polled::waiting(wait(&mut set, Until::All)));
    shows(&set, "WaitSet { pending: 1, done: 1, .. }");
    let first: Until<Opaque> = Until::First;
    shows(&first, "First");
    shows(&Until::<Result<Opaque, Opaque>>::FirstError, "FirstWhere");
}
