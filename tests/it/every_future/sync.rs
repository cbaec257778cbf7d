use std::sync::Arc;

use futures_lite::future::zip;
use untethered::sim::Sim;
use untethered::sync::{Event, KeyedRateLimit, Limit, Once, RateLimit};

use super::{SECOND, row_then};

// C10
#[test]
fn every_future_of_sync() {
    row_then("sync::Acquire", |_, p| {
        let limit = Limit::new(1);
        let held = limit.clone();
        let acquire = async move {
            let first = held.acquire().await;
            let _both = zip(held.acquire(), p.later(|| drop(first))).await;
        };
        (acquire, move |_: &Sim| assert_eq!(limit.available(), 1))
    });
    row_then("sync::AcquireOwned", |_, p| {
        let limit = Limit::new(2);
        let child = limit.child(2);
        let acquire = async move {
            let first = child.acquire_owned().await;
            let _both = zip(child.acquire_many_owned(2), p.later(|| drop(first))).await;
        };
        (acquire, move |_: &Sim| assert_eq!(limit.available(), 2))
    });
    row_then("sync::AcquireRate", |_, p| {
        let rate = RateLimit::new(1, SECOND);
        let waits = rate.clone();
        let acquire = async move {
            for _ in 0..3 {
                waits.acquire(&p.rt).await;
            }
        };
        // The wait that was dropped used up nothing.
        (acquire, move |sim: &Sim| {
            sim.advance(SECOND);
            assert!(rate.try_acquire(&sim.runtime()));
        })
    });
    row_then("sync::AcquireKey", |_, p| {
        let rate = KeyedRateLimit::new(1, SECOND);
        let waits = rate.clone();
        let acquire = async move {
            for _ in 0..3 {
                waits.acquire(&p.rt, "key").await;
            }
        };
        (acquire, move |sim: &Sim| {
            sim.advance(SECOND);
            assert!(rate.try_acquire(&sim.runtime(), "key"));
        })
    });
    row_then("sync::Load", |_, p| {
        let once = Arc::new(Once::new());
        let asked = once.clone();
        let both = async move {
            let ask = || asked.load(|| p.job(1));
            zip(ask(), ask()).await;
        };
        (both, move |sim: &Sim| {
            assert_eq!(*sim.block_on(once.load(|| async { 1 })), 1);
        })
    });
    row_then("sync::TryLoad", |_, p| {
        let once = Arc::new(Once::new());
        let asked = once.clone();
        let both = async move {
            let ask = || asked.try_load(|| p.fallible(2));
            let (one, other) = zip(ask(), ask()).await;
            assert!(one.is_err() && other.is_err());
        };
        (both, move |sim: &Sim| {
            assert_eq!(*sim.block_on(once.load(|| async { 1 })), 1);
        })
    });
    row_then("sync::WaitSet", |_, p| {
        let event = Event::new();
        let set = event.clone();
        let wait = async move {
            zip(set.wait(), p.later(|| set.set())).await;
        };
        (wait, move |sim: &Sim| {
            sim.block_on(zip(event.wait(), async { event.set() }));
        })
    });
}
