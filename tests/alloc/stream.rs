use std::cell::Cell;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::Stream;
use untethered::concurrent;
use untethered::sim::yield_now;

use crate::counter::count;

const MANY: usize = 100_000;

/// Takes so many outputs.
fn take(outputs: &mut (impl Stream + Unpin), n: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut taken = 0;
    while taken < n {
        match Pin::new(&mut *outputs).poll_next(&mut cx) {
            Poll::Ready(output) => taken += usize::from(output.is_some()),
            Poll::Pending => {}
        }
    }
}

/// What an item allocates once every place has been used.
fn per_item<F: Future>(job: impl Fn(usize) -> F) {
    for ordered in [false, true] {
        let outputs = concurrent((0..).map(&job)).limit(100);
        let mut outputs = if ordered { outputs.ordered() } else { outputs };
        take(&mut outputs, 1000);
        let (counts, ()) = count(|| take(&mut outputs, MANY));
        assert_eq!((counts.allocations, counts.kept), (0, 0));
    }
}

// R6
#[test]
fn an_item_allocates_nothing() {
    per_item(ready);
    per_item(|n| async move {
        yield_now().await;
        n
    });
    per_item(|n| async move {
        for _ in 0..n % 5 {
            yield_now().await;
        }
    });
}

// R6
#[test]
fn an_endless_stream_keeps_nothing() {
    let (counts, ()) = count(|| {
        let mut outputs = concurrent((0..).map(ready)).limit(64).ordered();
        take(&mut outputs, MANY);
    });
    assert_eq!(counts.kept, 0);
}

#[test]
fn a_stream_that_was_never_polled_allocates_nothing() {
    // The limit by default is asked for once in the life of a program.
    drop(concurrent([ready(1)]));
    let (counts, outputs) = count(|| concurrent((0..9).map(ready)).limit(4096));
    // What the futures and their wakers share.
    assert!(counts.allocations <= 1);
    drop(outputs);
}

#[test]
fn wakes_that_come_late_keep_nothing_but_their_own() {
    let held = Cell::new(Vec::new());
    let jobs = (0..1000).map(|_| {
        poll_fn(|cx| {
            let mut wakers = held.take();
            wakers.push(cx.waker().clone());
            held.set(wakers);
            Poll::Ready(())
        })
    });
    let (counts, ()) = count(|| {
        let mut outputs = concurrent(jobs).limit(10);
        take(&mut outputs, 1000);
        drop(outputs);
        held.take().into_iter().for_each(Waker::wake);
    });
    assert_eq!(counts.kept, 0);
}
