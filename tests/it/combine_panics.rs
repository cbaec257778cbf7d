//! Everything of `combine` and `stream` that has a life of its own, with a child that panics.

use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use futures_lite::{Stream, StreamExt, stream};
use untethered::combine::{
    Until, WaitSet, as_completed, gather, hedge, quorum, race, race_ok, try_gather, wait,
};
use untethered::sim::{Sim, yield_now};
use untethered::stream::{merge, merge_all, zip};
use untethered::{Runtime, concurrent};

use crate::support::{Drops, OnDrop, panic_text};

/// A future that panics at its second poll.
async fn fails<T>(_held: OnDrop) -> T {
    yield_now().await;
    panic!("a child failed")
}

/// A future that is never done, and panics when it is dropped if it has to.
async fn waits<T>(_held: OnDrop) -> T {
    pending().await
}

/// Polls what `make` makes until it panics. Then all others have to be gone, though it is kept.
fn all_go_with_the_panic<F: Future>(name: &str, make: impl FnOnce(&Runtime, &Drops) -> F) {
    let (sim, drops) = (Sim::new(), Drops::default());
    let mut future = Box::pin(make(&sim.runtime(), &drops));
    let text = panic_text(|| {
        sim.block_on(future.as_mut());
    });
    assert_eq!(text, "a child failed", "{name}");
    assert!(drops.made() > 1, "{name}");
    assert_eq!(drops.made(), drops.count(), "{name}");
}

/// A child that fails among others that wait.
fn one_fails<T: 'static>(
    drops: &Drops,
    len: usize,
) -> Vec<Pin<Box<dyn Future<Output = T> + 'static>>> {
    let child = |index| -> Pin<Box<dyn Future<Output = T>>> {
        match index == len / 2 {
            true => Box::pin(fails(drops.guard())),
            false => Box::pin(waits(drops.guard())),
        }
    };
    (0..len).map(child).collect()
}

type Outcome = Result<(), ()>;

// C4
#[test]
fn a_panic_goes_on_once_all_others_are_gone() {
    for len in [2, 3, 20, 90] {
        all_go_with_the_panic("race", |_, d| race(one_fails::<()>(d, len)));
        all_go_with_the_panic("race_ok", |_, d| race_ok(one_fails::<Outcome>(d, len)));
        all_go_with_the_panic("quorum", |_, d| quorum(2, one_fails::<Outcome>(d, len)));
        all_go_with_the_panic("gather", |_, d| gather(one_fails::<()>(d, len)));
        all_go_with_the_panic("try_gather", |_, d| {
            try_gather(one_fails::<Outcome>(d, len))
        });
        all_go_with_the_panic("hedge", |rt, d| {
            hedge(rt, Duration::ZERO, one_fails::<Outcome>(d, len)).limit(len)
        });
        all_go_with_the_panic("as_completed", |_, d| {
            let mut stream = as_completed(one_fails::<()>(d, len)).limit((len - 1).max(2));
            async move { stream.next().await }
        });
        all_go_with_the_panic("concurrent", |_, d| {
            let mut stream = concurrent(one_fails::<()>(d, len)).limit((len - 1).max(2));
            async move { stream.next().await }
        });
        all_go_with_the_panic("merge_all", |_, d| {
            let streams = one_fails::<()>(d, len).into_iter().map(stream::once_future);
            let mut stream = merge_all(streams);
            async move { stream.next().await }
        });
    }
    all_go_with_the_panic("race of a tuple", |_, d| {
        race((
            waits::<()>(d.guard()),
            fails::<()>(d.guard()),
            waits::<()>(d.guard()),
        ))
    });
    all_go_with_the_panic("race of an array", |_, d| {
        race([0; 13].map(|_| one_fails::<()>(d, 1).remove(0)))
    });
    all_go_with_the_panic("merge", |_, d| {
        let [one, other] = [false, true].map(|fail| guarded(d, fail));
        let mut stream = merge(one, other);
        async move { stream.next().await }
    });
    all_go_with_the_panic("zip", |_, d| {
        let [one, other] = [false, true].map(|fail| guarded(d, fail));
        let mut stream = zip(one, other);
        async move { stream.next().await }
    });
}

/// A stream that waits or fails.
fn guarded(drops: &Drops, fail: bool) -> impl Stream<Item = ()> + Unpin + use<> {
    let child: Pin<Box<dyn Future<Output = ()>>> = match fail {
        true => Box::pin(fails(drops.guard())),
        false => Box::pin(waits(drops.guard())),
    };
    stream::once_future(child)
}

// C4
#[test]
fn a_panic_in_a_wait_drops_what_is_pending_and_keeps_what_is_done() {
    let drops = Drops::default();
    let mut cx = Context::from_waker(Waker::noop());
    for len in [4, 40] {
        let mut children = one_fails::<usize>(&drops, len);
        children[0] = Box::pin(ready(7));
        let mut set = WaitSet::new(children);
        let text = panic_text(|| {
            let mut waiting = pin!(wait(&mut set, Until::All));
            while waiting.as_mut().poll(&mut cx).is_pending() {}
        });
        assert_eq!(text, "a child failed");
        assert_eq!((set.len(), drops.made()), (0, drops.count()));
        let done = futures_lite::future::block_on(wait(&mut set, Until::All));
        assert_eq!(done.unwrap(), [(0, 7)]);
    }
}

// C4
#[test]
fn destructors_that_panic_keep_nobody_alive() {
    for len in [2, 10, 50] {
        let drops = Drops::default();
        let entrants: Vec<_> = (0..len)
            .map(|index| {
                let (held, bad) = (drops.guard(), index < len - 1);
                async move {
                    let _held = held;
                    let _bad = OnDrop::new(move || assert!(!bad, "a destructor failed"));
                    yield_now().await;
                    if bad {
                        pending::<()>().await;
                    }
                }
            })
            .collect();
        let mut race = Box::pin(race(entrants));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(race.as_mut().poll(&mut cx).is_pending());
        let text = panic_text(|| while race.as_mut().poll(&mut cx).is_pending() {});
        assert_eq!(text, "a destructor failed");
        assert_eq!((drops.made(), drops.count()), (len, len));
        // Nothing is left that could fail once more.
        assert!(catch_unwind(AssertUnwindSafe(|| drop(race))).is_ok());
    }
}
