//! Which children were woken, and whom to tell.
//!
//! Slots are grouped in lanes of one machine word each. To wake a slot is to set its bit; whoever
//! finds the word at nought puts the lane on a list, and whoever finds the list armed wakes the
//! task. The list has one head, which says at once what is on the list and whether the task
//! waits: no wake can fall between the two.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::primitives::per_thread;
use crate::sync::TaskWaker;

/// Who was woken and not yet polled. Belongs to the task; wakers reach only [`Shared`].
pub(super) struct Ready {
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    /// The lane that this pass is at: its first slot, and whom it has left to poll there.
    first: usize,
    bits: usize,
    /// Lanes with somebody to poll in this pass.
    now: Vec<usize>,
    /// Lanes with somebody to poll in the next pass.
    later: Vec<usize>,
    pass: usize,
    /// Whether somebody may have been woken since the list was last emptied.
    look: bool,
}

/// As many slots as a word has bits.
struct Lane {
    shared: Arc<SharedLane>,
    /// To be polled in this pass.
    now: usize,
    /// Polled in this pass, and woken since.
    later: usize,
    /// Polled in the pass that `pass` names.
    polled: usize,
    pass: usize,
}

struct Shared {
    /// [`EMPTY`], [`ARMED`], or the lane on top of the list, counted from [`FIRST`].
    head: AtomicUsize,
    /// Whom to wake. Set before the list is armed, taken by whoever disarms it.
    task: TaskWaker,
}

struct SharedLane {
    woken: AtomicUsize,
    /// What was the head when the lane was put on the list.
    next: AtomicUsize,
    index: usize,
    shared: Arc<Shared>,
}

/// The waker of one slot, made once.
struct SlotWaker {
    lane: Arc<SharedLane>,
    bit: usize,
}

/// Nothing on the list, and the task does not wait.
const EMPTY: usize = 0;
/// Nothing on the list, and the task is to be woken by the first that comes.
const ARMED: usize = 1;
/// Lane nought.
const FIRST: usize = 2;

const LANE: usize = usize::BITS as usize;

impl Ready {
    pub(super) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                head: AtomicUsize::new(EMPTY),
                task: TaskWaker::new(),
            }),
            lanes: Vec::new(),
            first: 0,
            bits: 0,
            now: Vec::new(),
            later: Vec::new(),
            pass: 0,
            look: false,
        }
    }

    /// The waker of a slot, and the id to [`Watch`] it by. Slots come in order, each once.
    pub(super) fn waker(&mut self, slot: usize) -> (Waker, Id) {
        let index = slot / LANE;
        if index == self.lanes.len() {
            self.lanes.push(Lane {
                shared: Arc::new(SharedLane {
                    woken: AtomicUsize::new(0),
                    next: AtomicUsize::new(EMPTY),
                    index,
                    shared: self.shared.clone(),
                }),
                now: 0,
                later: 0,
                polled: 0,
                pass: self.pass,
            });
        }
        let waker = Arc::new(SlotWaker {
            lane: self.lanes[index].shared.clone(),
            bit: bit(slot),
        });
        let id = Id::of(&waker);
        (waker.into(), id)
    }

    /// Starts a poll: a new pass if the last one is over.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.look = true;
        if self.bits == 0 && self.now.is_empty() {
            self.pass = self.pass.wrapping_add(1);
            std::mem::swap(&mut self.now, &mut self.later);
            for &lane in &self.now {
                let lane = &mut self.lanes[lane];
                lane.now = std::mem::take(&mut lane.later);
            }
        }
    }

    /// Whether this pass has somebody left to poll.
    #[inline]
    pub(super) fn find(&mut self) -> bool {
        self.bits != 0 || self.find_lane()
    }

    /// Takes the slot to poll next. Only after [`find`](Self::find) said yes.
    #[inline]
    pub(super) fn take(&mut self) -> usize {
        let slot = self.first + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        slot
    }

    /// Goes on to the next lane with somebody to poll.
    fn find_lane(&mut self) -> bool {
        if self.now.is_empty() && self.look {
            self.look = false;
            // Relaxed: what was woken before this poll is visible to it, and `collect` acquires.
            if self.shared.head.load(Ordering::Relaxed) != EMPTY {
                self.collect();
            }
        }
        let Some(index) = self.now.pop() else {
            return false;
        };
        let lane = &mut self.lanes[index];
        self.first = index * LANE;
        self.bits = std::mem::take(&mut lane.now);
        lane.mark_polled(self.bits, self.pass);
        true
    }

    /// Notes that the child in `slot` is pending and has woken itself: it is polled again in the
    /// next pass.
    pub(super) fn yielded(&mut self, slot: usize) {
        let index = slot / LANE;
        let lane = &mut self.lanes[index];
        lane.mark_polled(bit(slot), self.pass);
        add(&mut self.later, index, &mut lane.later, bit(slot));
    }

    /// Notes that a child may have woken another that this pass has not polled.
    #[inline]
    pub(super) fn look_again(&mut self) {
        self.look = true;
    }

    /// Ends a poll as pending: wakes the task when somebody is woken, at once if somebody was.
    /// Only after [`find`](Self::find) said no.
    pub(super) fn park(&mut self, cx: &Context<'_>) {
        let waits = self.later.is_empty() && self.shared.arm(cx);
        if !waits {
            cx.waker().wake_by_ref();
        }
    }

    /// Forgets the task. Gives its waker, to be dropped where that may unwind.
    pub(super) fn disarm(&mut self) -> Option<Waker> {
        self.collect();
        self.shared.task.take()
    }

    /// Empties the list into the lanes.
    fn collect(&mut self) {
        // Acquire: what the wakers did before they woke is visible to the polls that follow, and
        // so are the links of the list. Every later push is part of the same release sequence.
        let mut head = self.shared.head.swap(EMPTY, Ordering::Acquire);
        while let Some(index) = head.checked_sub(FIRST) {
            let lane = &mut self.lanes[index];
            // Before the word is cleared: then the lane may go on the list again.
            head = lane.shared.next.load(Ordering::Relaxed);
            let woken = lane.shared.woken.swap(0, Ordering::Acquire);
            let polled = lane.polled(self.pass);
            add(&mut self.now, index, &mut lane.now, woken & !polled);
            add(&mut self.later, index, &mut lane.later, woken & polled);
        }
    }
}

impl Lane {
    fn polled(&self, pass: usize) -> usize {
        if self.pass == pass { self.polled } else { 0 }
    }

    fn mark_polled(&mut self, bits: usize, pass: usize) {
        self.polled = self.polled(pass) | bits;
        self.pass = pass;
    }
}

/// Adds slots to a lane, and the lane to `lanes` if it had none.
fn add(lanes: &mut Vec<usize>, index: usize, lane: &mut usize, slots: usize) {
    if *lane == 0 && slots != 0 {
        lanes.push(index);
    }
    *lane |= slots;
}

fn bit(slot: usize) -> usize {
    1 << (slot % LANE)
}

impl Shared {
    /// Has the task woken by the next that is woken. Gives false if somebody was already.
    fn arm(&self, cx: &Context<'_>) -> bool {
        if self.head.load(Ordering::Relaxed) >= FIRST {
            return false;
        }
        self.task.register(cx.waker());
        // Release: whoever disarms finds the waker just stored.
        match self
            .head
            .compare_exchange(EMPTY, ARMED, Ordering::Release, Ordering::Relaxed)
        {
            Ok(_) => true,
            Err(head) => head == ARMED,
        }
    }

    /// Puts a lane on the list.
    fn push(&self, lane: &SharedLane) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            lane.next.store(head, Ordering::Relaxed);
            // Release: the link and what led to the wake. Acquire: the waker of an armed list.
            match self.head.compare_exchange_weak(
                head,
                lane.index + FIRST,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        if head == ARMED {
            let task = self.task.take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if POLLING.with(|polling| polling.wakes_itself(Id::of(self))) {
            return;
        }
        // Release: pairs with the swap in `collect`, also for wakes that find others there.
        let before = self.lane.woken.fetch_or(self.bit, Ordering::Release);
        if before == 0 {
            self.lane.shared.push(&self.lane);
        }
    }
}

per_thread! {
    /// The slot whose child is being polled on this thread. A child that wakes itself leaves a
    /// note here, which needs no atomics and can not be taken for a wake from elsewhere.
    static POLLING: Polling = Polling {
        slot: Cell::new(Id(0)),
        woken: Cell::new(false),
    };
}

struct Polling {
    slot: Cell<Id>,
    woken: Cell<bool>,
}

/// Tells slots apart: the address of the waker, which is never nought.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Id(usize);

impl Id {
    fn of(waker: &Arc<SlotWaker>) -> Self {
        Self(Arc::as_ptr(waker).addr())
    }
}

impl Polling {
    /// Notes a wake of the slot that is being polled.
    fn wakes_itself(&self, slot: Id) -> bool {
        let itself = self.slot.get() == slot;
        if itself {
            self.woken.set(true);
        }
        itself
    }
}

/// A slot whose child is being polled on this thread, until it is dropped.
pub(super) struct Watch {
    /// What was polled around it.
    slot: Id,
    woken: bool,
}

impl Watch {
    #[inline]
    pub(super) fn new(slot: Id) -> Self {
        POLLING.with(|polling| Self {
            slot: polling.slot.replace(slot),
            woken: polling.woken.replace(false),
        })
    }

    /// Whether the child woke itself.
    #[inline]
    pub(super) fn is_woken(&self) -> bool {
        POLLING.with(|polling| polling.woken.get())
    }
}

impl Drop for Watch {
    #[inline]
    fn drop(&mut self) {
        POLLING.with(|polling| {
            polling.slot.set(self.slot);
            polling.woken.set(self.woken);
        });
    }
}
