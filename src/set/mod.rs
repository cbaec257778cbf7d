//! Many futures polled inside one task, each only when it was woken.
//!
//! Under everything that runs futures in place: scopes, limited streams, merges, hedges.

#[cfg(all(test, untethered_loom))]
mod model;
mod place;
mod ready;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::task::{catch, catch_drop, first_panic, forget_panic};
use place::Place;
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
pub(crate) struct Set<F, P: Place<F> = Pin<Box<Option<F>>>> {
    slots: Vec<Slot<P>>,
    /// Places without a child, last used on top.
    free: Vec<usize>,
    /// Slots that are not for children.
    reserved: usize,
    ready: Ready,
    /// Spent of [`BUDGET`] since the task last gave way or waited.
    spent: usize,
    /// Counted against [`YIELDS`] since `begin`.
    yields: usize,
    children: PhantomData<F>,
}

struct Slot<P> {
    place: P,
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
        Self::with_places()
    }
}

impl<F: Unpin> Set<F, Option<F>> {
    /// A set of children that may be moved: places without a box each.
    pub(crate) fn unboxed() -> Self {
        Self::with_places()
    }

    /// The child in a slot.
    pub(crate) fn get(&self, slot: usize) -> Option<&F> {
        self.slots.get(slot)?.place.as_ref()
    }

    /// Takes the child out of a slot.
    pub(crate) fn remove(&mut self, slot: usize) -> Option<F> {
        let child = self.slots.get_mut(slot)?.place.take()?;
        self.free.push(slot);
        Some(child)
    }

    /// Takes all children out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = F> {
        self.free.clear();
        self.reserved = 0;
        let slots = std::mem::take(&mut self.slots);
        slots.into_iter().filter_map(|slot| slot.place)
    }
}

impl<F, P: Place<F>> Set<F, P> {
    fn with_places() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            reserved: 0,
            ready: Ready::new(),
            spent: 0,
            yields: 0,
            children: PhantomData,
        }
    }

    /// A waker that wakes the task as a child would, for what is not one. Called first of all.
    pub(crate) fn bell(&mut self) -> Waker {
        let slot = self.grow();
        self.free.pop();
        self.reserved += 1;
        self.slots[slot].waker.clone()
    }

    /// How many children are alive.
    pub(crate) fn len(&self) -> usize {
        self.slots
            .len()
            .saturating_sub(self.reserved + self.free.len())
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
            if slot.place.is_some() {
                result = first_panic(result, catch(|| slot.place.put(None)));
            }
        }
        self.free.clear();
        self.free.extend((self.reserved..self.slots.len()).rev());
        first_panic(result, catch_drop(self.ready.disarm()))
    }

    /// As [`enter`](Self::enter), with another way to poll than that of a future. It is told the
    /// slot of the child, which stays the same until the child is done.
    #[inline(always)]
    pub(crate) fn enter_with<T>(
        &mut self,
        key: usize,
        child: F,
        poll: impl FnOnce(usize, Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let index = match self.free.last() {
            Some(&index) => index,
            None => self.grow(),
        };
        let slot = &mut self.slots[index];
        slot.place.put(Some(child));
        slot.key = key;
        self.spent += 1;
        let (output, yielded) = slot.poll(|child, cx| poll(index, child, cx));
        if output.is_pending() {
            self.free.pop();
            match yielded {
                true => self.ready.yielded(index),
                false => self.ready.look_again(),
            }
        }
        output
    }

    /// As [`poll_woken`](Self::poll_woken), with another way to poll than that of a future.
    #[inline]
    pub(crate) fn poll_woken_with<T>(
        &mut self,
        poll: impl FnMut(usize, Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Turn<T> {
        if self.ready.find() {
            return self.poll_found(poll);
        }
        self.over()
    }

    fn over<T>(&self) -> Turn<T> {
        match self.is_spent() {
            true => Turn::GiveWay,
            false => Turn::Over,
        }
    }

    fn poll_found<T>(
        &mut self,
        mut poll: impl FnMut(usize, Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Turn<T> {
        while self.ready.find() {
            if self.is_spent() || self.yields >= YIELDS {
                return Turn::GiveWay;
            }
            let index = self.ready.take();
            let Some(slot) = self.slots.get_mut(index) else {
                continue;
            };
            // A wake may come late, when its child has gone.
            if !slot.place.is_some() {
                continue;
            }
            self.spent += 1;
            match slot.poll(|child, cx| poll(index, child, cx)) {
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
            place: P::empty(),
            waker,
            id,
            key: 0,
        });
        self.free.push(index);
        index
    }
}

impl<F: Future, P: Place<F>> Set<F, P> {
    /// Takes `child` in and polls it. Gives its output if it is done already.
    // Always inlined, so that the child is made in its place instead of being moved there.
    #[inline(always)]
    pub(crate) fn enter(&mut self, key: usize, child: F) -> Poll<F::Output> {
        self.enter_with(key, child, |_, child, cx| child.poll(cx))
    }

    /// Polls children that were woken until one is done.
    ///
    /// It goes in passes. A pass polls no child twice, and the next one starts only at a
    /// [`begin`](Self::begin) that finds the last one over. So neither a child that keeps waking
    /// itself nor two that keep waking each other can hold up the rest, or the owner.
    #[inline]
    pub(crate) fn poll_woken(&mut self) -> Turn<F::Output> {
        self.poll_woken_with(|_, child, cx| child.poll(cx))
    }
}

impl<P> Slot<P> {
    /// Says also whether the child woke itself. One that is done is dropped before its output is
    /// seen.
    #[inline]
    fn poll<F, T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> (Poll<T>, bool)
    where
        P: Place<F>,
    {
        let child = self.place.child();
        let child = child.expect("only a slot with a child is polled");
        let mut cx = Context::from_waker(&self.waker);
        let watch = Watch::new(self.id);
        let output = poll(child, &mut cx);
        let yielded = output.is_pending() && watch.is_woken();
        drop(watch);
        if output.is_ready() {
            self.place.put(None);
        }
        (output, yielded)
    }
}

impl<F, P: Place<F>> Drop for Set<F, P> {
    fn drop(&mut self) {
        if let Err(payload) = self.clear() {
            match std::thread::panicking() {
                true => forget_panic(payload),
                false => std::panic::resume_unwind(payload),
            }
        }
    }
}
