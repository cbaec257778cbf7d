use std::any::Any;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{JoinError, catch_drop, discard, quiet};
use crate::primitives::Mutex;
use crate::runtime::{Hook, report_unobserved};
use crate::sync::{NeedsClone, remember};

/// Where a task leaves its outcome and where its handle waits for it.
pub(super) struct Outcome<T> {
    /// Not the runtime: a task must not keep alive what runs it.
    hook: Arc<Hook>,
    state: Mutex<State<T>>,
}

struct State<T> {
    stage: Stage<T>,
    /// Whether a handle is there to take the outcome.
    held: bool,
    /// Of whoever awaits the handle.
    waiter: Option<Waker>,
    /// Of the task itself, to be woken by an abort.
    task: Option<Waker>,
    aborted: bool,
}

enum Stage<T> {
    Running,
    Done(Result<T, JoinError>),
    Taken,
}

impl<T> Outcome<T> {
    pub(super) fn new(hook: Arc<Hook>) -> Arc<Self> {
        Arc::new(Self {
            hook,
            state: Mutex::new(State {
                stage: Stage::Running,
                held: true,
                waiter: None,
                task: None,
                aborted: false,
            }),
        })
    }

    /// Waits for the outcome and takes it.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            match mem::replace(&mut state.stage, Stage::Taken) {
                Stage::Done(result) => {
                    drop(state);
                    discard(spare);
                    return Poll::Ready(result);
                }
                Stage::Taken => {
                    drop(state);
                    panic!("a task's handle was polled after it gave its output")
                }
                Stage::Running => {
                    state.stage = Stage::Running;
                    let known = remember(&mut state.waiter, cx.waker(), &mut spare);
                    drop(state);
                    match known {
                        Ok(old) => {
                            discard(old);
                            return Poll::Pending;
                        }
                        Err(NeedsClone) => spare = Some(cx.waker().clone()),
                    }
                }
            }
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        !matches!(self.state.lock().stage, Stage::Running)
    }

    /// Asks the task to drop its future when it is polled next.
    pub(super) fn abort(&self) {
        let mut state = self.state.lock();
        state.aborted = true;
        let task = state.task.take();
        drop(state);
        wake(task);
    }

    /// Whether an abort was asked for; if not, remembers whom to wake when it is.
    pub(super) fn poll_aborted(&self, cx: &mut Context<'_>) -> bool {
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if state.aborted {
                drop(state);
                discard(spare);
                return true;
            }
            let known = remember(&mut state.task, cx.waker(), &mut spare);
            drop(state);
            match known {
                Ok(old) => {
                    discard(old);
                    return false;
                }
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// Makes the outcome visible. Only the first one counts.
    pub(super) fn finish(&self, result: Result<T, JoinError>) {
        let mut state = self.state.lock();
        if !matches!(state.stage, Stage::Running) {
            return;
        }
        let task = state.task.take();
        let waiter = state.waiter.take();
        if state.held {
            state.stage = Stage::Done(result);
            drop(state);
        } else {
            state.stage = Stage::Taken;
            drop(state);
            self.unobserved(result);
        }
        wake(waiter);
        // A waker may run user code when it is dropped.
        discard(task);
    }

    /// The handle is gone: nobody will take the outcome.
    pub(super) fn release(&self) {
        let mut state = self.state.lock();
        state.held = false;
        let waiter = state.waiter.take();
        let stage = match &mut state.stage {
            Stage::Running => None,
            stage => Some(mem::replace(stage, Stage::Taken)),
        };
        drop(state);
        discard(waiter);
        if let Some(Stage::Done(result)) = stage {
            self.unobserved(result);
        }
    }

    /// Tells of a panic that the outcome has no room for.
    pub(super) fn report(&self, payload: Box<dyn Any + Send>) {
        report_unobserved(&*self.hook, payload);
    }

    fn unobserved(&self, result: Result<T, JoinError>) {
        let payload = match result {
            Ok(value) => catch_drop(value).err(),
            Err(error) => error.into_panic().ok(),
        };
        if let Some(payload) = payload {
            self.report(payload);
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        quiet(|| waker.wake());
    }
}
