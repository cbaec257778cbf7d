use std::time::Duration;

use futures_lite::stream;
use untethered::sim::Sim;
use untethered::sync::{Event, KeyedRateLimit, Limit, Once, RateLimit};

use super::{Opaque, shows};
use crate::polled::{Polled, now};

const SECOND: Duration = Duration::from_secs(1);

// C11
#[test]
fn debug_of_limits() {
    let limit = Limit::new(3);
    let permit = now(limit.acquire());
    shows(&limit, "Limit { total: 3, taken: 1, .. }");
    shows(&permit, "Permit { .. }");
    shows(&limit.try_acquire_owned().unwrap(), "OwnedPermit { .. }");
    shows(&limit.acquire(), "Acquire { .. }");
    shows(&limit.acquire_owned(), "AcquireOwned { .. }");
}

// C11
#[test]
fn debug_of_rate_limits() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(2, SECOND);
    shows(&rate, "RateLimit { limit: 2, period: 1s, .. }");
    shows(&rate.acquire(&rt), "AcquireRate { .. }");
    shows(
        &rate.throttle(&rt, stream::empty::<Opaque>()),
        "Throttle { .. }",
    );
    let keyed = KeyedRateLimit::<&str>::new(2, SECOND);
    shows(&keyed, "KeyedRateLimit { limit: 2, period: 1s, .. }");
    shows(&keyed.acquire(&rt, "key"), "AcquireKey { .. }");
}

// C11
#[test]
fn debug_of_what_is_loaded_once() {
    let once = Once::new();
    shows(&once, "Once { loaded: false, loading: false }");
    let load = Polled::waiting(once.load(std::future::pending));
    shows(&once, "Once { loaded: false, loading: true }");
    drop(load);
    shows(&once.load(async || Opaque), "Load { .. }");
    shows(
        &once.try_load(async || Ok::<_, ()>(Opaque)),
        "TryLoad { .. }",
    );
    now(once.load(async || Opaque));
    shows(&once, "Once { loaded: true, loading: false }");
}

// C11
#[test]
fn debug_of_events() {
    let event = Event::new();
    shows(&event, "Event { set: false }");
    shows(&event.wait(), "WaitSet { .. }");
    event.set();
    shows(&event, "Event { set: true }");
}
