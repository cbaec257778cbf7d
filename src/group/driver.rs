//! The task of the runtime that polls the children of a group.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::executor::{Job, Owner, Rest};
use crate::runtime::{Drives, Runtime, Seat};

/// After so many polls a driver yields to the other tasks of the runtime.
const BATCH: u32 = 64;
/// Or after so long, by a look at the clock every so many polls: no more than four that block go
/// before it.
const SLICE: Duration = Duration::from_micros(200);
const CLOCK_EVERY: u32 = 3;

crate::primitives::per_thread! {
    /// Which driver of which executor polls on this thread. The executor is its address.
    #[allow(clippy::missing_const_for_thread_local, reason = "the model checker knows no const")]
    static HERE: Cell<Option<(usize, usize)>> = Cell::new(None);
}

pub(super) fn polling_here() -> Option<(usize, usize)> {
    HERE.try_with(Cell::get).ok().flatten()
}

impl<O: Owner> Drives for O {
    fn children(self: Arc<Self>) -> Vec<String> {
        self.lines()
    }

    fn name(&self) -> Option<&str> {
        Owner::name(self)
    }

    fn poll_driver(
        &self,
        this: &Arc<dyn Drives>,
        seat: &mut Seat,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if seat.ended {
            return Poll::Ready(());
        }
        seat.polled = true;
        let executor = self.executor();
        let runtime = executor.runtime();
        executor.begin(seat.index);
        if executor.call_second(this, seat.index) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let _here = Here::enter(executor.address(), seat.index);
        let mut batch = Batch::default();
        loop {
            let Some(job) = executor.take(this, seat.index, &mut seat.turn) else {
                match executor.rest(self, this, seat.index, cx) {
                    Rest::Work => continue,
                    Rest::Parked => return Poll::Pending,
                    Rest::Ended => {
                        seat.ended = true;
                        return Poll::Ready(());
                    }
                }
            };
            batch.poll_begins(runtime);
            job.run();
            if batch.is_over(runtime) || runtime.should_yield() {
                runtime.yield_now(cx);
                return Poll::Pending;
            }
        }
    }

    fn driver_dropped(self: Arc<Self>, seat: &Seat) {
        if seat.polled {
            self.executor().abandoned(&self, seat.index);
        } else {
            self.executor().die(&self);
        }
    }
}

/// How much of its turn a driver has used up.
#[derive(Default)]
struct Batch {
    polls: u32,
    since: Option<Instant>,
}

impl Batch {
    fn poll_begins(&mut self, runtime: &Runtime) {
        self.polls += 1;
        // Most turns are a single poll, and pay for no clock.
        if self.polls == 2 {
            self.since = Some(runtime.now());
        }
    }

    /// Looked at after each poll. Of the first no time is known, so that it and those up to the
    /// next look at the clock are all that can take long before the turn is over.
    fn is_over(&self, runtime: &Runtime) -> bool {
        if self.polls % CLOCK_EVERY != 1 {
            return false;
        }
        self.polls >= BATCH
            || self
                .since
                .is_some_and(|since| runtime.now().saturating_duration_since(since) >= SLICE)
    }
}

/// Marks this thread as that of a driver until it is dropped.
struct Here {
    outer: Option<(usize, usize)>,
}

impl Here {
    fn enter(executor: usize, index: usize) -> Self {
        let outer = HERE.with(|here| here.replace(Some((executor, index))));
        Self { outer }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.with(|here| here.set(self.outer));
    }
}
