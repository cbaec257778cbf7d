//! Which children were woken, and whom to tell.
//!
//! Slots are grouped in lanes of one machine word each. To wake a slot is to set its bit; whoever
//! finds the word at nought puts the lane on a list, and whoever finds the list armed wakes the
//! task. The list has one head, which says at once what is on the list and whether the task
//! waits: no wake can fall between the two.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicUsize, Ordering};

/// Who was woken and not yet polled. Belongs to the task; wakers reach only [`Shared`].
pub(super) struct Ready {
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
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
    task: Mutex<Option<Waker>>,
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
                task: Mutex::new(None),
            }),
            lanes: Vec::new(),
            now: Vec::new(),
            later: Vec::new(),
            pass: 0,
            look: false,
        }
    }

    /// The waker of a slot. Slots come in order, each once.
    pub(super) fn waker(&mut self, slot: usize) -> Waker {
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
        Waker::from(Arc::new(SlotWaker {
            lane: self.lanes[index].shared.clone(),
            bit: bit(slot),
        }))
    }

    /// Starts a poll: a new pass if the last one is over.
    pub(super) fn begin(&mut self) {
        self.look = true;
        if self.now.is_empty() {
            self.pass = self.pass.wrapping_add(1);
            std::mem::swap(&mut self.now, &mut self.later);
            for &lane in &self.now {
                let lane = &mut self.lanes[lane];
                lane.now = std::mem::take(&mut lane.later);
            }
        }
    }

    /// Whether this pass has somebody left to poll.
    pub(super) fn find(&mut self) -> bool {
        if self.now.is_empty() && self.look {
            self.look = false;
            // Relaxed: what was woken before this poll is visible to it, and `collect` acquires.
            if self.shared.head.load(Ordering::Relaxed) != EMPTY {
                self.collect();
            }
        }
        !self.now.is_empty()
    }

    /// Takes the slot to poll next. Only after [`find`](Self::find) said yes.
    pub(super) fn take(&mut self) -> usize {
        let index = *self.now.last().expect("somebody was found");
        let lane = &mut self.lanes[index];
        let bit = lane.now & lane.now.wrapping_neg();
        lane.now ^= bit;
        if lane.now == 0 {
            self.now.pop();
        }
        lane.mark_polled(bit, self.pass);
        // The child may wake one that this pass has not polled yet.
        self.look = true;
        index * LANE + bit.trailing_zeros() as usize
    }

    /// Notes that the child in `slot` was polled when it entered.
    pub(super) fn entered(&mut self, slot: usize) {
        if self.is_woken(slot) {
            // It woke itself: its turn comes in the next pass, and it is no reason to empty the
            // list after every entry.
            self.lanes[slot / LANE].mark_polled(bit(slot), self.pass);
        } else {
            self.look = true;
        }
    }

    /// Whether the slot was woken since it was last taken.
    pub(super) fn is_woken(&self, slot: usize) -> bool {
        let lane = &self.lanes[slot / LANE];
        // Relaxed: a wake from the same thread is seen, one from elsewhere need not be.
        lane.shared.woken.load(Ordering::Relaxed) & bit(slot) != 0
    }

    /// Ends a poll as pending: wakes the task when somebody is woken, at once if somebody was.
    pub(super) fn park(&mut self, cx: &Context<'_>) {
        let waits = self.now.is_empty() && self.later.is_empty() && self.shared.arm(cx);
        if !waits {
            cx.waker().wake_by_ref();
        }
    }

    /// Forgets the task. Gives its waker, to be dropped where that may unwind.
    pub(super) fn disarm(&mut self) -> Option<Waker> {
        self.collect();
        self.shared.task.lock().take()
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

    fn mark_polled(&mut self, bit: usize, pass: usize) {
        self.polled = self.polled(pass) | bit;
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
        let mut task = self.task.lock();
        let old = match &mut *task {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            task => task.replace(cx.waker().clone()),
        };
        drop(task);
        drop(old);
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
            let task = self.task.lock().take();
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
        // Release: pairs with the swap in `collect`, also for wakes that find others there.
        let before = self.lane.woken.fetch_or(self.bit, Ordering::Release);
        if before == 0 {
            self.lane.shared.push(&self.lane);
        }
    }
}
