//! Streams whose futures run on another thread.

use std::future::IntoFuture;
use std::num::NonZeroUsize;
use std::task::{Context, Waker};
use std::time::Instant;

use futures_core::Stream;
use loom::future::block_on;
use loom::thread;
use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::sync::Event;
use untethered::{Runtime, concurrent};

/// A thread of the model for each task, one at a time as far as the stream knows.
struct One;

impl Spawner for One {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        thread::spawn(|| block_on(task));
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

impl Sleeper for One {
    fn now(&self) -> Instant {
        unreachable!("these models do not look at the clock")
    }

    fn sleep_until(&self, _deadline: Instant) -> BoxFuture<'static, ()> {
        unreachable!("these models do not sleep")
    }
}

// R2
#[test]
fn outputs_reach_a_consumer_that_goes_to_wait() {
    super::bounded_model(|| {
        let rt = Runtime::new(One, One);
        let futures = (1..=2).map(|n| async move { n });
        let outputs = concurrent(futures).limit(1).on(&rt);
        assert_eq!(block_on(Box::pin(outputs.into_future())), [1, 2]);
    });
}

struct SetOnDrop(Event);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

// R1
#[test]
fn a_stream_dropped_beside_its_work_drops_its_source() {
    super::bounded_model(|| {
        let rt = Runtime::new(One, One);
        let gone = Event::new();
        let held = SetOnDrop(gone.clone());
        let futures = std::iter::repeat_with(move || {
            let _held = &held;
            async {}
        });
        let mut outputs = Box::pin(concurrent(futures).limit(1).on(&rt));
        let mut cx = Context::from_waker(Waker::noop());
        let _ = outputs.as_mut().poll_next(&mut cx);
        drop(outputs);
        block_on(gone.wait());
    });
}
