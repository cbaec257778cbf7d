//! One load that many wait for, and whoever of them is polled drives.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::primitives::{Mutex, MutexGuard};
use crate::runtime::BoxFuture;
use crate::sync::{Key, NeedsClone, WaitList, Wakers};
use crate::task::discard;

/// A future whose output everybody gets who waits for it.
///
/// Nobody owns it: who is polled while it is woken polls it, so a waiter that is not polled holds
/// nobody up. That is why its waker wakes all who wait: which of them will be polled, nobody knows.
pub(super) struct Run<T, A> {
    state: Mutex<State<T, A>>,
    /// How many wait. Changed under the lock of the memo, by [`join`](Self::join) and
    /// [`leave`](Self::leave).
    waiters: AtomicUsize,
}

struct State<T, A> {
    stage: Stage<T, A>,
    /// Whether the future is to be polled again.
    woken: bool,
    /// Whether who made the future waits.
    maker_waits: bool,
    waiters: WaitList,
}

enum Stage<T, A> {
    /// Nobody polls it.
    Idle(BoxFuture<'static, T>),
    /// A waiter polls it, or makes it.
    Taken,
    Done(A),
    /// It panicked, with what is kept for who made the future. Who else waits begins another.
    Failed(Option<Payload>),
}

type Payload = Box<dyn Any + Send>;

/// What a waiter finds.
pub(super) enum Turn<T, A> {
    /// It is to poll the future, and to [give it back](Run::give_back) or to end the run.
    Poll(BoxFuture<'static, T>),
    Done(A),
    Failed,
}

impl<T, A: Clone> Run<T, A> {
    /// A run that its one waiter is to make the future of.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                stage: Stage::Taken,
                woken: false,
                maker_waits: true,
                waiters: WaitList::new(),
            }),
            waiters: AtomicUsize::new(1),
        })
    }

    /// One more waits.
    pub(super) fn join(&self) {
        // The lock of the memo orders these.
        self.waiters.fetch_add(1, Ordering::Relaxed);
    }

    /// One waits no more; whether it was the last.
    pub(super) fn leave(&self) -> bool {
        self.waiters.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Waits for the end, or for a turn to poll.
    pub(super) fn poll(&self, place: &mut Option<Key>, cx: &mut Context<'_>) -> Poll<Turn<T, A>> {
        match self.look(None, place, cx) {
            Some(turn) => Poll::Ready(turn),
            None => Poll::Pending,
        }
    }

    /// Gives the future back, which is pending, and waits.
    pub(super) fn give_back(
        &self,
        future: BoxFuture<'static, T>,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) {
        let turn = self.look(Some(future), place, cx);
        debug_assert!(turn.is_none(), "it was ours");
    }

    /// What there is for one who looks now, and brings the future with it if it has it. Queues if
    /// there is nothing.
    fn look(
        &self,
        mut future: Option<BoxFuture<'static, T>>,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Option<Turn<T, A>> {
        let mut spare = None;
        loop {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            if future.is_none() {
                if let Some(turn) = state.turn() {
                    drop(guard);
                    discard(spare);
                    return Some(turn);
                }
            }
            if let Some(key) = place.take_if(|key| state.waiters.is_served(key)) {
                // Its waker was taken to be woken.
                state.waiters.remove(key);
            }
            let queued = state.waiters.queue(place, cx.waker(), &mut spare, || ());
            let mut wakers = Wakers::default();
            if let Some(future) = future.take_if(|_| queued.is_ok()) {
                state.stage = Stage::Idle(future);
                if state.woken {
                    // While it was polled: who looked meanwhile found it taken.
                    wakers = state.all();
                }
            }
            drop(guard);
            wakers.wake();
            match queued {
                Ok(_) => return None,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// Ends the run with what everybody is to get.
    pub(super) fn finish(&self, answer: A) {
        self.end(Stage::Done(answer));
    }

    /// Ends the run without an answer, nobody waiting for one.
    pub(super) fn cancel(&self) {
        self.end(Stage::Failed(None));
    }

    /// Ends the run with a panic, which is that of who made the future. Gives it back if that waits
    /// no more.
    pub(super) fn fail(&self, payload: Payload) -> Option<Payload> {
        let state = self.state.lock();
        let (kept, back) = if state.maker_waits {
            (Some(payload), None)
        } else {
            (None, Some(payload))
        };
        Self::end_with(state, Stage::Failed(kept));
        back
    }

    /// Who made the future waits no more.
    pub(super) fn forget_maker(&self) {
        self.state.lock().maker_waits = false;
    }

    fn end(&self, stage: Stage<T, A>) {
        Self::end_with(self.state.lock(), stage);
    }

    fn end_with(mut state: MutexGuard<'_, State<T, A>>, stage: Stage<T, A>) {
        let before = std::mem::replace(&mut state.stage, stage);
        let wakers = state.all();
        drop(state);
        discard(before);
        wakers.wake();
    }

    /// What it panicked with, for who made the future.
    pub(super) fn take_panic(&self) -> Option<Payload> {
        match &mut self.state.lock().stage {
            Stage::Failed(payload) => payload.take(),
            _ => None,
        }
    }

    /// Removes the place of one who waits no more.
    pub(super) fn forget(&self, place: Option<Key>) {
        if let Some(key) = place {
            let removed = self.state.lock().waiters.remove(key);
            discard(removed.waker);
        }
    }
}

impl<T, A: Clone> State<T, A> {
    /// What there is for one who looks now; `None` is to wait.
    fn turn(&mut self) -> Option<Turn<T, A>> {
        match &self.stage {
            // Clones what is shared; no user code.
            Stage::Done(answer) => return Some(Turn::Done(answer.clone())),
            Stage::Failed(_) => return Some(Turn::Failed),
            Stage::Idle(_) if self.woken => {}
            Stage::Idle(_) | Stage::Taken => return None,
        }
        self.woken = false;
        match std::mem::replace(&mut self.stage, Stage::Taken) {
            Stage::Idle(future) => Some(Turn::Poll(future)),
            _ => unreachable!("it was idle"),
        }
    }

    fn all(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        while let Some(waker) = self.waiters.serve_first() {
            wakers.extend(waker);
        }
        wakers
    }
}

impl<T, A> Wake for Run<T, A>
where
    T: 'static,
    A: Clone + Send + Sync + 'static,
{
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.woken = true;
        let wakers = state.all();
        drop(state);
        wakers.wake();
    }
}

/// Polls `future` with the waker of its run.
pub(super) fn poll_with<T, A>(run: &Arc<Run<T, A>>, future: &mut BoxFuture<'static, T>) -> Poll<T>
where
    T: 'static,
    A: Clone + Send + Sync + 'static,
{
    let waker = Waker::from(run.clone());
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}
