//! The task of the runtime that polls the children of a group.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::executor::{Job, Owner, Rest};
use crate::runtime::Runtime;

/// After so many polls a driver yields to the other tasks of the runtime.
const BATCH: u32 = 64;
/// Or after so long, by a look at the clock every so many polls.
const SLICE: Duration = Duration::from_micros(200);
const CLOCK_EVERY: u32 = 4;
crate::primitives::per_thread! {
    /// Which driver of which executor polls on this thread. The executor is its address.
    #[allow(clippy::missing_const_for_thread_local, reason = "the model checker knows no const")]
    static HERE: Cell<Option<(usize, usize)>> = Cell::new(None);
}

pub(super) fn polling_here() -> Option<(usize, usize)> {
    HERE.try_with(Cell::get).ok().flatten()
}

/// The task of the runtime that polls children.
pub(super) struct Driver<O: Owner> {
    owner: Arc<O>,
    index: usize,
    polled: bool,
    ended: bool,
    /// Outlives a poll: short batches must not put off those from outside for ever.
    turn: u32,
}

impl<O: Owner> Driver<O> {
    pub(super) fn new(owner: Arc<O>, index: usize) -> Self {
        Self {
            owner,
            index,
            polled: false,
            ended: false,
            turn: 0,
        }
    }
}

impl<O: Owner> Unpin for Driver<O> {}

impl<O: Owner> Future for Driver<O> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(());
        }
        this.polled = true;
        let owner = &this.owner;
        let executor = owner.executor();
        executor.begin(this.index);
        let _here = Here::enter(executor.address(), this.index);
        let mut batch = Batch::default();
        loop {
            let Some(job) = executor.take(owner, this.index, &mut this.turn) else {
                match executor.rest(owner, this.index, cx) {
                    Rest::Work => continue,
                    Rest::Parked => return Poll::Pending,
                    Rest::Ended => {
                        this.ended = true;
                        return Poll::Ready(());
                    }
                }
            };
            job.run();
            if batch.is_over(executor.runtime()) || executor.runtime().should_yield() {
                executor.runtime().yield_now(cx);
                return Poll::Pending;
            }
        }
    }
}

impl<O: Owner> Drop for Driver<O> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let executor = self.owner.executor();
        if self.polled {
            executor.abandoned(&self.owner, self.index);
        } else {
            executor.die(&self.owner);
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
    fn is_over(&mut self, runtime: &Runtime) -> bool {
        self.polls += 1;
        // Most turns are a single poll, and pay for no clock.
        if self.polls == 2 {
            self.since = Some(runtime.now());
        }
        if self.polls % CLOCK_EVERY != 0 {
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
