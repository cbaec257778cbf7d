//! Queues of what is ready, that any driver may take from.

use std::collections::VecDeque;
use std::task::Waker;

use crate::primitives::SpinLock;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::runtime::Runtime;

#[repr(C)]
pub(super) struct Queue<J> {
    pub(super) jobs: SpinLock<VecDeque<J>>,
    /// How many there are, to pass by an empty queue without its lock. Written under it; who reads
    /// it must not mind to be late, or fence.
    pub(super) len: AtomicUsize,
    // Keeps what lies behind it off the cache lines of this one: two drivers on two threads would
    // write to the same, and a task take half as long again. An alignment would do it too, but the
    // allocator would have to be asked for it, which costs a small group more than its tasks.
    _apart: [u8; 64],
}

pub(super) struct Place<J> {
    pub(super) queue: Queue<J>,
    pub(super) waker: SpinLock<Option<Waker>>,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self {
            jobs: SpinLock::new(VecDeque::new()),
            len: AtomicUsize::new(0),
            _apart: [0; 64],
        }
    }

    pub(super) fn note(&self, jobs: &VecDeque<J>) {
        self.len.store(jobs.len(), Ordering::Relaxed);
    }

    pub(super) fn is_empty_hint(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    pub(super) fn push(&self, job: J) {
        let mut jobs = self.jobs.lock();
        jobs.push_back(job);
        self.note(&jobs);
    }

    pub(super) fn pop_first(&self) -> Option<J> {
        let mut jobs = self.jobs.lock();
        let job = jobs.pop_front();
        self.note(&jobs);
        job
    }

    /// Takes one out, and says whether more is left.
    pub(super) fn pop(&self, runtime: &Runtime) -> Option<(J, bool)> {
        if self.is_empty_hint() {
            return None;
        }
        let mut jobs = self.jobs.lock();
        let index = match jobs.len() {
            0 | 1 => 0,
            ready => runtime.choose(ready),
        };
        let job = match index {
            0 => jobs.pop_front(),
            index => jobs.remove(index),
        };
        self.note(&jobs);
        let more = !jobs.is_empty();
        drop(jobs);
        job.map(|job| (job, more))
    }
}

impl<J> Place<J> {
    pub(super) fn new() -> Self {
        Self {
            queue: Queue::new(),
            waker: SpinLock::new(None),
        }
    }
}
