//! Many futures polled inside one task, each only when it was woken.
//!
//! Under everything that runs futures in place: limited streams today.

#[cfg(all(test, untethered_loom))]
mod model;
mod ready;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::task::{catch, catch_drop};
use ready::{Id, Ready, Watch};

/// How many children are polled, or outputs taken, before the task has to give way.
pub(crate) const BUDGET: usize = 128;

/// How many children may answer "not yet, poll me again" in one poll of the set.
///
/// A runtime that limits its tasks makes every child answer so once the limit is used up.
/// Going on to the other children would cost a poll of each and bring nothing.
const YIELDS: usize = 2;

/// Futures that share a task.
///
/// A child is polled at once when it enters, and from then on when it was woken. The places of
/// finished children are used again, so that a child allocates nothing once the set has grown.
///
/// One poll of the set is [`begin`](Self::begin), then [`poll_woken`](Self::poll_woken) and
/// [`enter`](Self::enter) as the owner likes, then [`park`](Self::park) or
/// [`give_way`](Self::give_way) if it ends as pending.
///
/// A child that unwinds leaves the set as it is: the owner has to [`clear`](Self::clear) it.
pub(crate) struct Set<F> {
    slots: Vec<Slot<F>>,
    /// Places without a child, last used on top.
    free: Vec<usize>,
    ready: Ready,
    /// Spent of [`BUDGET`] since the task last gave way or waited.
    spent: usize,
    /// Counted against [`YIELDS`] since `begin`.
    yields: usize,
}

struct Slot<F> {
    child: Pin<Box<Option<F>>>,
    waker: Waker,
    id: Id,
    key: usize,
}

/// What [`Set::poll_woken`] came to.
pub(crate) enum Turn<T> {
    /// The child with this key is done, and dropped.
    Output(usize, T),
    /// Nobody who was woken is left to be polled.
    Over,
    /// The task has to give way first.
    GiveWay,
}

impl<F> Set<F> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ready: Ready::new(),
            spent: 0,
            yields: 0,
        }
    }

    /// How many children are alive.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Starts a poll of the set.
    pub(crate) fn begin(&mut self) {
        self.ready.begin();
        self.yields = 0;
    }

    /// Counts something the set did not poll itself against the budget.
    pub(crate) fn spend(&mut self) {
        self.spent += 1;
    }

    /// Whether the task has to give way.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent >= BUDGET
    }

    /// Whether half of that is used up.
    pub(crate) fn is_half_spent(&self) -> bool {
        self.spent >= BUDGET / 2
    }

    /// Ends a poll of the set as pending: the task is woken when a child is.
    pub(crate) fn park(&mut self, cx: &Context<'_>) {
        self.spent = 0;
        self.ready.park(cx);
    }

    /// Ends a poll of the set as pending, to be polled again at once.
    pub(crate) fn give_way(&mut self, cx: &Context<'_>) {
        self.spent = 0;
        cx.waker().wake_by_ref();
    }

    /// Drops all children, also those behind one whose destructor panics.
    ///
    /// Gives the first such panic.
    pub(crate) fn clear(&mut self) -> std::thread::Result<()> {
        let mut result = Ok(());
        for slot in &mut self.slots {
            if slot.child.is_some() {
                result = result.and(catch(|| slot.child.set(None)));
            }
        }
        self.free.clear();
        self.free.extend((0..self.slots.len()).rev());
        result.and(catch_drop(self.ready.disarm()))
    }
}

impl<F: Future> Set<F> {
    /// Takes `child` in and polls it. Gives its output if it is done already.
    // Always inlined, so that the child is made in its place instead of being moved there.
    #[inline(always)]
    pub(crate) fn enter(&mut self, key: usize, child: F) -> Poll<F::Output> {
        let index = match self.free.last() {
            Some(&index) => index,
            None => self.grow(),
        };
        let slot = &mut self.slots[index];
        slot.child.set(Some(child));
        slot.key = key;
        self.spent += 1;
        let (output, yielded) = slot.poll();
        if output.is_pending() {
            self.free.pop();
            match yielded {
                true => self.ready.yielded(index),
                false => self.ready.look_again(),
            }
        }
        output
    }

    /// Polls children that were woken until one is done.
    ///
    /// It goes in passes. A pass polls no child twice, and the next one starts only at a
    /// [`begin`](Self::begin) that finds the last one over. So neither a child that keeps waking
    /// itself nor two that keep waking each other can hold up the rest, or the owner.
    #[inline]
    pub(crate) fn poll_woken(&mut self) -> Turn<F::Output> {
        if self.ready.find() {
            return self.poll_found();
        }
        self.over()
    }

    fn over(&self) -> Turn<F::Output> {
        match self.is_spent() {
            true => Turn::GiveWay,
            false => Turn::Over,
        }
    }

    fn poll_found(&mut self) -> Turn<F::Output> {
        while self.ready.find() {
            if self.is_spent() || self.yields >= YIELDS {
                return Turn::GiveWay;
            }
            let index = self.ready.take();
            let slot = &mut self.slots[index];
            // A wake may come late, when its child has gone.
            if slot.child.is_none() {
                continue;
            }
            self.spent += 1;
            match slot.poll() {
                (Poll::Ready(output), _) => {
                    self.free.push(index);
                    return Turn::Output(slot.key, output);
                }
                (Poll::Pending, true) => {
                    self.ready.yielded(index);
                    self.yields += 1;
                }
                (Poll::Pending, false) => {}
            }
            self.ready.look_again();
        }
        self.over()
    }

    /// Makes one more place, kept from then on. It is on top of the free ones.
    #[cold]
    fn grow(&mut self) -> usize {
        let index = self.slots.len();
        let (waker, id) = self.ready.waker(index);
        self.slots.push(Slot {
            child: Box::pin(None),
            waker,
            id,
            key: 0,
        });
        self.free.push(index);
        index
    }
}

impl<F: Future> Slot<F> {
    /// Says also whether the child woke itself. One that is done is dropped before its output is
    /// seen.
    #[inline]
    fn poll(&mut self) -> (Poll<F::Output>, bool) {
        let child = self.child.as_mut().as_pin_mut();
        let child = child.expect("only a slot with a child is polled");
        let mut cx = Context::from_waker(&self.waker);
        let watch = Watch::new(self.id);
        let output = child.poll(&mut cx);
        let yielded = output.is_pending() && watch.is_woken();
        drop(watch);
        if output.is_ready() {
            self.child.set(None);
        }
        (output, yielded)
    }
}

impl<F> Drop for Set<F> {
    fn drop(&mut self) {
        if let Err(payload) = self.clear() {
            if !std::thread::panicking() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}
