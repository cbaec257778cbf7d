//! The executor of a group: a few tasks of the runtime, the drivers, poll its children.
//!
//! There is one driver at first, and one more, up to the parallelism of the runtime, whenever
//! more is ready than those at work can take at once. Of those that find nothing to do one stays
//! parked for as long as a child lives, so that the end of the runtime is noticed, and the others
//! end.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Context;

use super::driver::{Driver, polling_here};
use super::queue::{Place, Queue};
use crate::primitives::atomic::{AtomicUsize, Ordering, fence};
use crate::runtime::{Drives, Runtime};
use crate::task::{catch, catch_drop};

/// What drivers run. In the crate a child that is ready; in the model checks a stand-in.
pub(super) trait Job: Send + 'static {
    /// Polls the child once. Does not unwind.
    fn run(self);
}

/// Whose children an [`Executor`] runs.
pub(super) trait Owner: Send + Sync + 'static {
    /// Whether a driver has to stay.
    fn has_children(&self) -> bool;

    /// The live children, for reports.
    fn children(self: Arc<Self>) -> Vec<String>;

    /// The runtime is gone: whatever is pushed from now on is dropped.
    fn runtime_gone(self: Arc<Self>);
}

/// The queues of what is ready, and who takes from them.
pub(super) struct Executor<J> {
    runtime: Runtime,
    owner: Weak<dyn Owner>,
    /// `CALLING`, `DEAD`, `CLEARING`, and for each driver whether it exists and whether it is parked.
    word: AtomicUsize,
    /// What was made ready elsewhere than in a driver.
    outside: Queue<J>,
    /// The place of driver nought. Most groups never need another.
    first: Place<J>,
    others: OnceLock<Box<[Place<J>]>>,
    /// How many drivers there may be. Asked of the runtime when a second one could be needed.
    most: OnceLock<usize>,
    /// Whether the runtime chooses which child runs next, and reports on them.
    watched: bool,
}

/// A driver was called and has not begun to look yet.
const CALLING: usize = 1 << (usize::BITS - 1);
/// The runtime is gone.
const DEAD: usize = 1 << (usize::BITS - 2);
/// Somebody drops what a dead runtime does not run.
const CLEARING: usize = 1 << (usize::BITS - 3);
/// How many drivers the word has room for.
const MOST: usize = ((usize::BITS - 3) / 2) as usize;
/// The bits of those that exist.
const PRESENT: usize = (1 << MOST) - 1;

const fn present(index: usize) -> usize {
    1 << index
}

const fn parked(index: usize) -> usize {
    1 << (MOST + index)
}

/// Every so often what was woken from outside goes first, or children that keep each other busy
/// would starve it.
const OUTSIDE_EVERY: u32 = 32;
/// How many jobs one driver takes from another at most.
const LOOT: usize = 32;

impl<J: Job> Executor<J> {
    /// At most `most` drivers; by default as many as the runtime runs at once.
    pub(super) fn new(runtime: Runtime, owner: Weak<dyn Owner>, most: Option<usize>) -> Self {
        Self {
            watched: runtime.watches_groups(),
            runtime,
            owner,
            word: AtomicUsize::new(0),
            outside: Queue::new(),
            first: Place::new(),
            others: OnceLock::new(),
            most: most.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Makes `job` ready to run. `again` is one that woke itself while it was polled.
    pub(super) fn push(self: &Arc<Self>, job: J, again: bool) {
        let polled = polling_here();
        let here = polled.filter(|(executor, _)| *executor == self.address());
        match here {
            Some((_, index)) => self.place(index).queue.push(job),
            None => self.outside.push(job),
        }
        // A child that only woke itself is served by the driver that polls it.
        if !(again && here.is_some()) {
            // Any driver may be about to block its thread, that of an isolated child above all.
            self.call(polled.is_some());
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
    #[cfg(untethered_loom)]
    pub(super) fn grow(&self) {
        self.place(self.most() - 1);
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>() as usize
    }

    fn most(&self) -> usize {
        *self
            .most
            .get_or_init(|| self.runtime.parallelism().get().min(MOST))
    }

    fn place(&self, index: usize) -> &Place<J> {
        match index.checked_sub(1) {
            None => &self.first,
            Some(index) => {
                let others = self
                    .others
                    .get_or_init(|| (1..self.most()).map(|_| Place::new()).collect());
                &others[index]
            }
        }
    }

    fn queues(&self) -> impl Iterator<Item = &Queue<J>> {
        let others = self.others.get().map_or(&[][..], |others| others);
        let places = std::iter::once(&self.first).chain(others);
        std::iter::once(&self.outside).chain(places.map(|place| &place.queue))
    }

    /// Whether anything is queued. Goes by the locks, not by the hints: whoever pushes after this
    /// look sees what we wrote to the word before it.
    fn has_work(&self) -> bool {
        self.queues().any(|queue| !queue.jobs.lock().is_empty())
    }

    /// Gets one more driver to look, unless all are at work or one is on its way.
    fn call(self: &Arc<Self>, from_driver: bool) {
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
                if index > 0 && index >= self.most() {
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
                    let driver = Box::pin(Driver::new(self.clone(), index));
                    let drives: Weak<Self> = Arc::downgrade(self);
                    self.runtime.spawn_driver(driver, drives);
                    break;
                }
            }
        }
        if from_driver {
            self.runtime.bump();
        }
    }

    fn wake(&self, index: usize) {
        let waker = self.place(index).waker.lock().take();
        if let Some(waker) = waker {
            catch(|| waker.wake()).ok();
        }
    }

    /// The next job for driver `index`.
    pub(super) fn take(self: &Arc<Self>, index: usize, turn: &mut u32) -> Option<J> {
        *turn = turn.wrapping_add(1);
        if *turn % OUTSIDE_EVERY == 0 {
            if let Some((job, more)) = self.outside.pop(&self.runtime) {
                self.share(more);
                return Some(job);
            }
        }
        let own = &self.place(index).queue;
        if self.watched {
            // So that the choice is among all that are ready.
            self.fetch_outside(own);
        }
        if let Some((job, more)) = own.pop(&self.runtime) {
            self.share(more);
            return Some(job);
        }
        // A single one need not go through our queue.
        if self.outside.len.load(Ordering::Relaxed) > 1 {
            self.fetch_outside(own);
        } else if let Some((job, more)) = self.outside.pop(&self.runtime) {
            self.share(more);
            return Some(job);
        } else {
            self.rob_another(index, own);
        }
        let (job, more) = own.pop(&self.runtime)?;
        self.share(more);
        Some(job)
    }

    /// Calls a helper if something was left behind.
    fn share(self: &Arc<Self>, more: bool) {
        if more {
            self.call(true);
        }
    }

    /// Moves all that came from outside to the queue `own`, where others can take from it.
    fn fetch_outside(&self, own: &Queue<J>) {
        if self.outside.is_empty_hint() {
            return;
        }
        let mut jobs = self.outside.jobs.lock();
        if jobs.is_empty() {
            return;
        }
        // Always in this order. The two storages change places, so that neither is lost.
        let mut own_jobs = own.jobs.lock();
        if own_jobs.is_empty() {
            mem::swap(&mut *jobs, &mut *own_jobs);
        } else {
            own_jobs.append(&mut jobs);
        }
        self.outside.note(&jobs);
        own.note(&own_jobs);
    }

    /// Moves half of what another driver has queued to the queue `own`.
    fn rob_another(&self, index: usize, own: &Queue<J>) {
        for (other, queue) in self.queues().skip(1).enumerate() {
            if other == index || queue.is_empty_hint() {
                continue;
            }
            let mut jobs = queue.jobs.lock();
            let count = jobs.len().div_ceil(2).min(LOOT);
            let loot: VecDeque<J> = jobs.drain(..count).collect();
            queue.note(&jobs);
            drop(jobs);
            if count > 0 {
                let mut jobs = own.jobs.lock();
                jobs.extend(loot);
                own.note(&jobs);
                return;
            }
        }
    }

    /// Driver `index` has nothing to do: parks it or ends it, unless something came meanwhile.
    pub(super) fn rest(self: &Arc<Self>, index: usize, cx: &Context<'_>) -> Rest {
        let mut slot = self.place(index).waker.lock();
        let old = match &mut *slot {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            slot => slot.replace(cx.waker().clone()),
        };
        drop(slot);
        catch_drop(old).ok();
        let word = self.word.load(Ordering::SeqCst);
        if word >> MOST & PRESENT != 0 {
            // One parked driver is enough.
            return self.end(index);
        }
        self.word.fetch_or(parked(index), Ordering::SeqCst);
        if self.has_work() {
            self.begin(index);
            return Rest::Work;
        }
        // With the fence in `last_child_gone`.
        fence(Ordering::SeqCst);
        if !self.needs_driver() {
            return self.end(index);
        }
        Rest::Parked
    }

    fn needs_driver(&self) -> bool {
        self.owner
            .upgrade()
            .is_some_and(|owner| owner.has_children())
    }

    /// Driver `index` looks from now on: who relied on it to do so need not call another.
    pub(super) fn begin(&self, index: usize) {
        self.word
            .fetch_and(!(parked(index) | CALLING), Ordering::SeqCst);
    }

    fn end(self: &Arc<Self>, index: usize) -> Rest {
        self.leave(index);
        if self.has_work() {
            self.call(false);
        }
        Rest::Ended
    }

    /// A call may have been meant for the driver that leaves, so it counts as answered; whoever
    /// leaves has to look once more.
    fn leave(&self, index: usize) {
        let waker = self.place(index).waker.lock().take();
        self.word.fetch_and(
            !(parked(index) | present(index) | CALLING),
            Ordering::SeqCst,
        );
        catch_drop(waker).ok();
    }

    /// The runtime dropped a driver that it had polled: its jobs go to another.
    pub(super) fn abandoned(self: &Arc<Self>, index: usize) {
        let place = self.place(index);
        let jobs = mem::take(&mut *place.queue.jobs.lock());
        place.queue.len.store(0, Ordering::Relaxed);
        let mut outside = self.outside.jobs.lock();
        outside.extend(jobs);
        self.outside.note(&outside);
        drop(outside);
        self.leave(index);
        if self.needs_driver() || self.has_work() {
            self.call(false);
        }
        // While they changed queues, whoever set the flag did not find them.
        if self.word.load(Ordering::SeqCst) & DEAD != 0 {
            self.clear();
        }
    }

    /// The runtime takes no more tasks.
    pub(super) fn die(&self) {
        self.word.fetch_or(DEAD, Ordering::SeqCst);
        // First, so that the children that are dropped know why.
        if let Some(owner) = self.owner.upgrade() {
            owner.runtime_gone();
        }
        self.clear();
    }

    /// Drops all jobs, none of them under a lock. What a destructor makes ready meanwhile is
    /// dropped after it, not inside it: there is no saying how long such a chain is.
    fn clear(&self) {
        while self.word.fetch_or(CLEARING, Ordering::SeqCst) & CLEARING == 0 {
            for queue in self.queues() {
                while let Some(job) = queue.pop_first() {
                    catch_drop(job).ok();
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

impl<J: Job> Drives for Executor<J> {
    fn children(&self) -> Vec<String> {
        let owner = self.owner.upgrade();
        owner.map_or_else(Vec::new, |owner| owner.children())
    }
}

pub(super) enum Rest {
    Parked,
    Ended,
    Work,
}
