use std::future::{pending, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use untethered::memo::Memo;
use untethered::sim::Sim;

use crate::counter::count;

const MANY: usize = 100_000;

/// Polls once.
macro_rules! poll {
    ($future:expr) => {
        pin!($future).poll(&mut Context::from_waker(Waker::noop()))
    };
}

// M7
#[test]
fn a_hit_allocates_nothing() {
    let memo = Memo::new(10);
    assert!(poll!(memo.load(1, || ready(1))).is_ready());
    let (counts, ()) = count(|| {
        for _ in 0..MANY {
            assert!(poll!(memo.load(1, pending)).is_ready());
        }
    });
    assert_eq!((counts.allocations, counts.kept), (0, 0));
}

// M7
#[test]
fn loads_that_are_dropped_fail_or_are_pushed_out_leave_nothing() {
    let sim = Sim::new();
    let memo = Memo::builder()
        .capacity(10)
        .time_to_live(&sim.runtime(), Duration::from_secs(1))
        .build::<usize, [u8; 100], [u8; 100]>();
    let round = |key| {
        // Two who wait, dropped.
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = Box::pin(memo.try_load(key, pending));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(poll!(memo.try_load(key, pending)).is_pending());
        drop(first);
        // One that fails.
        assert!(poll!(memo.try_load(key, || ready(Err([0; 100])))).is_ready());
        // One that is invalidated while it loads.
        let mut stale = Box::pin(memo.try_load(key, pending));
        assert!(stale.as_mut().poll(&mut cx).is_pending());
        memo.invalidate(&key);
        drop(stale);
        // One that is stored, and pushes another out or comes after its time.
        assert!(poll!(memo.try_load(key, || ready(Ok([0; 100])))).is_ready());
        if key % 100 == 0 {
            sim.advance(Duration::from_secs(1));
        }
    };
    (0..1000).for_each(round);
    let (counts, ()) = count(|| (1000..MANY).for_each(round));
    assert!(counts.kept <= 0, "{counts:?}");

    // All at once, then none.
    let (counts, ()) = count(|| {
        let memo = Memo::unbounded();
        for key in 0..MANY {
            assert!(matches!(
                poll!(memo.load(key, || ready([0_u8; 100]))),
                Poll::Ready(Ok(_))
            ));
        }
        memo.clear();
    });
    assert_eq!(counts.kept, 0);
}

// M7
#[test]
fn the_room_of_a_burst_is_given_back() {
    let memo = Memo::unbounded();
    assert!(poll!(memo.load(MANY, || ready(()))).is_ready());
    memo.clear();
    let (counts, ()) = count(|| {
        for key in 0..MANY {
            assert!(poll!(memo.load(key, || ready(()))).is_ready());
        }
        for key in 0..MANY {
            assert!(memo.invalidate(&key));
        }
    });
    assert!(counts.kept <= 0, "{counts:?}");
}
