//! So many at once, in several places; so many starts in a period, in all and for each host.
//!
//! ```text
//! cargo run --example limits
//! ```
//!
//! It runs on virtual time: the seconds below are exact, and nobody waits for them.

use std::time::Duration;

use futures_lite::{StreamExt, stream};
use untethered::group::Group;
use untethered::sim::Sim;
use untethered::sync::{KeyedRateLimit, Limit, RateLimit};
use untethered::{Runtime, concurrent};

const SECOND: Duration = Duration::from_secs(1);

/// Six queries of a second each, to a database that takes two: three seconds.
async fn one_limit(rt: &Runtime) {
    let connections = Limit::new(2);
    let query = async |_: u32| {
        let _permit = connections.acquire().await; // dropping it gives the slot back
        rt.sleep(SECOND).await;
    };
    concurrent((0..6).map(query)).unlimited().await;
    assert_eq!(connections.available(), 2);
}

/// Reports have one of the two slots at most, whoever else needs slots: the six take six seconds.
async fn a_limit_within(rt: &Runtime) {
    let connections = Limit::new(2);
    let reports = Group::builder(rt)
        .shared_limit(&connections.child(1))
        .build();
    for _ in 0..6 {
        let rt = rt.clone();
        reports.spawn(async move { rt.sleep(SECOND).await });
    }
    // The other slot is free for what can not wait.
    assert!(connections.try_acquire().is_some());
    reports.join().await.expect("a sleep does not fail");
}

/// Ten calls of an interface that allows three a second: at 0, 1, 2 and 3 seconds.
async fn a_rate(rt: &Runtime) {
    let rate = RateLimit::new(3, SECOND);
    let calls = rate.throttle(rt, stream::iter(0..10));
    assert_eq!(calls.count().await, 10);
}

/// One call a second for each host: two hosts take as long as one.
async fn a_rate_for_each(rt: &Runtime) {
    let rate = KeyedRateLimit::new(1, SECOND);
    let call = async |host| rate.acquire(rt, host).await;
    let hosts = ["a.example", "b.example"].into_iter().cycle().take(8);
    concurrent(hosts.map(call)).unlimited().await;
}

fn main() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let took = |name: &str, before| {
        let took = sim.elapsed() - before;
        println!("{name} took {took:?}");
        took
    };
    let start = sim.elapsed();
    sim.block_on(one_limit(&rt));
    assert_eq!(took("a limit of two", start), 3 * SECOND);

    let start = sim.elapsed();
    sim.block_on(a_limit_within(&rt));
    assert_eq!(took("one slot of the two", start), 6 * SECOND);

    let start = sim.elapsed();
    sim.block_on(a_rate(&rt));
    assert_eq!(took("three a second", start), 3 * SECOND);

    let start = sim.elapsed();
    sim.block_on(a_rate_for_each(&rt));
    assert_eq!(took("one a second for each host", start), 3 * SECOND);
}
