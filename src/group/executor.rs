//! The executor of a group: a few tasks of the runtime, the drivers, poll its children.
//!
//! There is one driver at first, and one more, up to the parallelism of the runtime, whenever
//! more is ready than those at work can take at once. One that finds nothing to do ends, but for
//! the last, which stays parked for as long as a child lives, so that the end of the runtime is
//! noticed.

use std::sync::Arc;
use std::task::Context;

use super::driver::polling_here;
use super::queues::Queues;
use crate::primitives::atomic::{AtomicUsize, Ordering, fence};
use crate::runtime::{Driver, Drives, Runtime};
use crate::task::{discard, quiet};

/// What drivers run. In the crate a child that is ready; in the model checks a stand-in.
pub(super) trait Job: Send + 'static {
    /// Polls the child once. Does not unwind.
    fn run(self);
}

/// Who has an [`Executor`] for its children. Drivers hold it.
pub(super) trait Owner: Send + Sync + 'static {
    type Job: Job;

    /// The live children, a line for each.
    fn lines(self: Arc<Self>) -> Vec<String>;

    /// The name of the group, for reports.
    fn name(&self) -> Option<&str> {
        None
    }

    fn executor(&self) -> &Executor<Self::Job>;

    /// Whether a driver has to stay. Asked after a fence, with which the end of the last child
    /// must pair: [`Executor::last_child_gone`].
    fn has_children(&self) -> bool;

    /// The runtime is gone: whatever is pushed from now on is dropped.
    fn runtime_gone(self: &Arc<Self>);
}

/// What is ready, and who is there to run it.
#[repr(C)]
pub(super) struct Executor<J> {
    /// `CALLING`, `DEAD`, `CLEARING`, and for each driver whether it exists and whether it is parked.
    // Read by every push: far from the queues, which begin behind what they only read.
    word: AtomicUsize,
    queues: Queues<J>,
}

/// A driver was called and has not begun to look yet.
const CALLING: usize = 1 << (usize::BITS - 1);
/// The runtime is gone.
const DEAD: usize = 1 << (usize::BITS - 2);
/// Somebody drops what a dead runtime does not run.
const CLEARING: usize = 1 << (usize::BITS - 3);
/// How many drivers the word has room for.
pub(super) const MOST: usize = ((usize::BITS - 3) / 2) as usize;
/// The bits of those that exist.
const PRESENT: usize = (1 << MOST) - 1;

const fn present(index: usize) -> usize {
    1 << index
}

const fn parked(index: usize) -> usize {
    1 << (MOST + index)
}

impl<J: Job> Executor<J> {
    /// At most `most` drivers; by default as many as the runtime runs at once.
    pub(super) fn new(runtime: Runtime, most: Option<usize>) -> Self {
        Self {
            word: AtomicUsize::new(0),
            queues: Queues::new(runtime, most),
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.queues.runtime
    }

    pub(super) fn is_watched(&self) -> bool {
        self.queues.watched
    }

    /// Makes `job` ready to run. `again` is one that woke itself while it was polled.
    pub(super) fn push(&self, owner: &Arc<impl Owner<Job = J>>, job: J, again: bool) {
        let polled = polling_here();
        let here = polled.filter(|(executor, _)| *executor == self.address());
        match here {
            Some((_, index)) => self.queues.place(index).queue.push(job),
            None => self.queues.outside.push(job),
        }
        // With the fence in `has_work`: either a driver that parks or ends sees the job, or we see
        // what it wrote to the word.
        fence(Ordering::SeqCst);
        // A child that only woke itself is served by the driver that polls it.
        if !(again && here.is_some()) {
            // Any driver may be about to block its thread, that of an isolated child above all.
            self.call(|| owner.clone(), polled.is_some());
        }
        // After the push: whoever set the flag before it has emptied the queues already.
        if self.word.load(Ordering::SeqCst) & DEAD != 0 {
            self.clear();
        }
    }

    /// No child lives any more: a driver that is parked is woken to end.
    pub(super) fn last_child_gone(&self) {
        // With the fence in `rest`: either the driver sees that no child is left, or we see
        // that it is parked.
        fence(Ordering::SeqCst);
        let mut idle = self.word.load(Ordering::SeqCst) >> MOST & PRESENT;
        while idle != 0 {
            self.wake(idle.trailing_zeros() as usize);
            idle &= idle - 1;
        }
    }

    /// Makes the places of all drivers: the model checker does not know that `OnceLock`
    /// synchronises.
    #[cfg(all(test, untethered_loom))]
    pub(super) fn grow(&self) {
        self.queues.place(self.queues.most() - 1);
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>() as usize
    }

    /// Whether anything is queued. Whoever pushes what this does not see, sees what we wrote to
    /// the word before it.
    fn has_work(&self) -> bool {
        fence(Ordering::SeqCst);
        self.queues.iter().any(|queue| !queue.is_empty_hint())
    }

    /// Gets one more driver to look, unless all are at work or one is on its way.
    fn call(&self, driven: impl FnOnce() -> Arc<dyn Drives>, from_driver: bool) {
        let mut word = self.word.load(Ordering::SeqCst);
        loop {
            if word & (CALLING | DEAD) != 0 {
                return;
            }
            let idle = word >> MOST & PRESENT;
            let (new, index) = if idle != 0 {
                let index = idle.trailing_zeros() as usize;
                (word & !parked(index) | CALLING, index)
            } else {
                let index = (!word & PRESENT).trailing_zeros() as usize;
                // One driver is always allowed, so only a second asks how many may be.
                if index > 0 && index >= self.queues.most() {
                    return;
                }
                (word | present(index) | CALLING, index)
            };
            match self
                .word
                .compare_exchange_weak(word, new, Ordering::SeqCst, Ordering::SeqCst)
            {
                Err(now) => word = now,
                Ok(_) if idle != 0 => {
                    self.wake(index);
                    break;
                }
                Ok(_) => {
                    self.runtime().spawn_driver(Driver::new(driven(), index));
                    break;
                }
            }
        }
        if from_driver {
            self.runtime().bump();
        }
    }

    /// Calls a helper for driver `index`, which begins its turn, if that is the only one and finds
    /// more than it can take at once. If so it has to give way now, and be polled again at once:
    /// a scheduler that keeps the task woken last for this thread runs the helper here, and others
    /// can take the driver itself. That saves the bump.
    pub(super) fn call_second(&self, driven: &Arc<dyn Drives>, index: usize) -> bool {
        if !self.queues.has_two(index)
            || self.word.load(Ordering::SeqCst) & (PRESENT | CALLING) != present(index)
            || self.queues.most() == 1
            || !self.runtime().keeps_woken_last()
        {
            return false;
        }
        self.call(|| driven.clone(), false);
        true
    }

    fn wake(&self, index: usize) {
        let waker = self.queues.place(index).waker.lock().take();
        if let Some(waker) = waker {
            quiet(|| waker.wake());
        }
    }

    /// The next job for driver `index`. Calls a helper if it leaves something behind.
    pub(super) fn take(&self, driven: &Arc<dyn Drives>, index: usize, turn: &mut u32) -> Option<J> {
        *turn = turn.wrapping_add(1);
        let (job, more) = match self.queues.take(index, *turn) {
            Some(taken) => taken,
            None if !self.has_others(index) => return None,
            None => self.queues.rob_another(index)?,
        };
        // A driver that is called already has not looked yet.
        if more && self.word.load(Ordering::SeqCst) & CALLING == 0 {
            self.call(|| driven.clone(), true);
        }
        Some(job)
    }

    /// Driver `index` has nothing to do: parks it or ends it, unless something came meanwhile.
    pub(super) fn rest(
        &self,
        owner: &impl Owner<Job = J>,
        driven: &Arc<dyn Drives>,
        index: usize,
        cx: &Context<'_>,
    ) -> Rest {
        // As long as a child lives one driver stays: the last.
        if self.has_others(index) && self.leave(index, Leave::UnlessLast) {
            return self.ended(driven);
        }
        let waker = cx.waker().clone();
        let old = self.queues.place(index).waker.lock().replace(waker);
        discard(old);
        self.word.fetch_or(parked(index), Ordering::SeqCst);
        if self.has_work() {
            self.begin(index);
            return Rest::Work;
        }
        // The fence in there pairs with the one in `last_child_gone` too.
        if owner.has_children() {
            return Rest::Parked;
        }
        self.leave(index, Leave::Always);
        self.ended(driven)
    }

    /// Whether there are drivers but for `index`.
    fn has_others(&self, index: usize) -> bool {
        self.word.load(Ordering::SeqCst) & PRESENT & !present(index) != 0
    }

    fn ended(&self, driven: &Arc<dyn Drives>) -> Rest {
        if self.has_work() {
            self.call(|| driven.clone(), false);
        }
        Rest::Ended
    }

    /// Driver `index` looks from now on: who relied on it to do so need not call another.
    pub(super) fn begin(&self, index: usize) {
        // One that goes on after it yielded finds nothing to clear. A call that it does not see
        // yet is for a poll that is still to come.
        if self.word.load(Ordering::SeqCst) & (parked(index) | CALLING) != 0 {
            self.word
                .fetch_and(!(parked(index) | CALLING), Ordering::SeqCst);
        }
    }

    /// Whether driver `index` has left.
    ///
    /// A call may have been meant for the driver that leaves, so it counts as answered; whoever
    /// leaves has to look once more.
    fn leave(&self, index: usize, when: Leave) -> bool {
        let mut word = self.word.load(Ordering::SeqCst);
        // A new driver in this place stores its waker after we have left it.
        let waker = self.queues.place(index).waker.lock().take();
        let left = loop {
            if when == Leave::UnlessLast && word & PRESENT == present(index) {
                break false;
            }
            let new = word & !(parked(index) | present(index) | CALLING);
            match self
                .word
                .compare_exchange_weak(word, new, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => break true,
                Err(now) => word = now,
            }
        };
        discard(waker);
        left
    }

    /// The runtime dropped a driver that it had polled: its jobs go to another.
    pub(super) fn abandoned(&self, owner: &Arc<impl Owner<Job = J>>, index: usize) {
        self.queues.give_up(index);
        self.leave(index, Leave::Always);
        if owner.has_children() || self.has_work() {
            self.call(|| owner.clone(), false);
        }
        // While they changed queues, whoever set the flag did not find them.
        if self.word.load(Ordering::SeqCst) & DEAD != 0 {
            self.clear();
        }
    }

    /// The runtime takes no more tasks.
    pub(super) fn die(&self, owner: &Arc<impl Owner<Job = J>>) {
        self.word.fetch_or(DEAD, Ordering::SeqCst);
        // First, so that the children that are dropped know why.
        owner.runtime_gone();
        self.clear();
    }

    /// Drops all jobs, none of them under a lock. What a destructor makes ready meanwhile is
    /// dropped after it, not inside it: there is no saying how long such a chain is.
    fn clear(&self) {
        while self.word.fetch_or(CLEARING, Ordering::SeqCst) & CLEARING == 0 {
            for queue in self.queues.iter() {
                while let Some(job) = queue.pop_first() {
                    discard(job);
                }
            }
            self.word.fetch_and(!CLEARING, Ordering::SeqCst);
            // Whoever pushed and saw the flag relies on this look.
            if !self.has_work() {
                return;
            }
        }
    }
}

pub(super) enum Rest {
    Parked,
    Ended,
    Work,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    Always,
    /// Not if no other driver is there.
    UnlessLast,
}
