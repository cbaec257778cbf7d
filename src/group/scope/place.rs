use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::mailbox::Mailbox;
use crate::primitives::SpinLock;
use crate::sync::wake_all;
use crate::task::{JoinError, Reason, discard};

/// Where a task leaves its result and its handle waits for it.
pub(super) struct Place<T>(SpinLock<State<T>>);

struct State<T> {
    stage: Stage<T>,
    mailbox: Arc<Mailbox>,
}

enum Stage<T> {
    Running {
        /// The task that awaits the handle.
        waiter: Option<Waker>,
        /// Why the handle has cancelled the task. In a box, as few are: the place stays small.
        stop: Option<Box<Reason>>,
        /// Where the task is in the set; [`NOWHERE`] until it is.
        slot: usize,
    },
    Done(Result<T, JoinError>),
    Taken,
}

const NOWHERE: usize = usize::MAX;

impl<T> Place<T> {
    pub(super) fn new(mailbox: &Arc<Mailbox>) -> Self {
        Self(SpinLock::new(State {
            stage: Stage::Running {
                waiter: None,
                stop: None,
                slot: NOWHERE,
            },
            mailbox: mailbox.clone(),
        }))
    }

    /// Notes where the task is. Whether it is to be dropped instead of polled.
    #[inline]
    pub(super) fn begin(&self, at: usize) -> bool {
        match &mut self.0.lock().stage {
            Stage::Running { slot, stop, .. } => {
                *slot = at;
                stop.is_some()
            }
            Stage::Done(_) | Stage::Taken => false,
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.0.lock().stage, Stage::Running { stop: Some(_), .. })
    }

    /// Why the handle has cancelled the task.
    pub(super) fn stop_reason(&self) -> Option<Reason> {
        match &self.0.lock().stage {
            Stage::Running { stop, .. } => stop.as_deref().cloned(),
            Stage::Done(_) | Stage::Taken => None,
        }
    }

    /// Has the task dropped. The first reason counts.
    pub(super) fn stop(&self, reason: Reason) {
        let mut state = self.0.lock();
        let Stage::Running { stop, slot, .. } = &mut state.stage else {
            return;
        };
        if stop.is_some() {
            return;
        }
        *stop = Some(Box::new(reason));
        let slot = *slot;
        if slot != NOWHERE {
            let mailbox = state.mailbox.clone();
            drop(state);
            mailbox.stop(slot);
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        !matches!(self.0.lock().stage, Stage::Running { .. })
    }

    /// Leaves the result and wakes who waits. If nobody comes for it, the last to hold the place
    /// drops it.
    pub(super) fn finish(&self, result: Result<T, JoinError>) {
        let stage = mem::replace(&mut self.0.lock().stage, Stage::Done(result));
        if let Stage::Running { waiter, .. } = stage {
            wake_all(waiter);
        }
    }

    /// Forgets whom to wake.
    pub(super) fn wait_no_more(&self) {
        let waiter = match &mut self.0.lock().stage {
            Stage::Running { waiter, .. } => waiter.take(),
            Stage::Done(_) | Stage::Taken => None,
        };
        discard(waiter);
    }

    /// Takes the result, or has the task woken when it is there.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    #[track_caller]
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<T, JoinError>> {
        // Cloned and dropped outside of the lock: both run the executor's code.
        let mut spare = None;
        loop {
            let mut state = self.0.lock();
            if let Stage::Running { waiter, .. } = &mut state.stage {
                let known = waiter.as_ref();
                let old = if known.is_some_and(|known| known.will_wake(cx.waker())) {
                    spare
                } else if spare.is_some() {
                    mem::replace(waiter, spare)
                } else {
                    drop(state);
                    spare = Some(cx.waker().clone());
                    continue;
                };
                drop(state);
                discard(old);
                return Poll::Pending;
            }
            let stage = mem::replace(&mut state.stage, Stage::Taken);
            drop(state);
            discard(spare);
            match stage {
                Stage::Done(result) => return Poll::Ready(result),
                _ => panic!("a task's handle was polled after it gave its output"),
            }
        }
    }
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        match mem::replace(&mut self.stage, Stage::Taken) {
            Stage::Running { waiter, .. } => discard(waiter),
            Stage::Done(Ok(value)) => self.mailbox.drop_kept(value),
            Stage::Done(Err(error)) => {
                if let Ok(payload) = error.into_panic() {
                    self.mailbox.keep_panic(payload);
                }
            }
            Stage::Taken => {}
        }
    }
}
