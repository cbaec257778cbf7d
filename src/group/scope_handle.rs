use std::any::Any;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::primitives::{Mutex, SpinLock};
use crate::sync::wake_all;
use crate::task::{JoinError, Reason, discard, forget_panic};

/// The result of a task of a [`Scope`](super::Scope).
///
/// As a [`Handle`](super::Handle): awaiting it gives the output or a [`JoinError`], and dropping it
/// cancels nothing. A panic that nobody reads goes on in the task that polls the scope.
pub struct ScopeHandle<T> {
    place: Arc<Place<T>>,
    taken: bool,
}

impl<T> ScopeHandle<T> {
    pub(super) fn new(place: Arc<Place<T>>) -> Self {
        Self {
            place,
            taken: false,
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        !matches!(self.place.state.lock().stage, Stage::Running)
    }

    /// Has the task dropped at its next await. The first reason counts.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        let reason = reason.into();
        let mut state = self.place.state.lock();
        state.stop.get_or_insert(reason);
        self.place.stopped.store(true, Ordering::Release);
        let waker = state.task.take();
        drop(state);
        wake_all(waker);
    }
}

impl<T> Future for ScopeHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = this.place.state.lock();
        match mem::replace(&mut state.stage, Stage::Taken) {
            Stage::Done(result) => {
                this.taken = true;
                Poll::Ready(result)
            }
            Stage::Taken => {
                drop(state);
                panic!("a task's handle was polled after it gave its output")
            }
            Stage::Running => {
                state.stage = Stage::Running;
                let old = replace(&mut state.waiter, cx);
                drop(state);
                discard(old);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for ScopeHandle<T> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.place.state.lock();
        state.held = false;
        let waiter = state.waiter.take();
        let stage = match &mut state.stage {
            Stage::Running => None,
            stage => Some(mem::replace(stage, Stage::Taken)),
        };
        drop(state);
        discard(waiter);
        if let Some(Stage::Done(result)) = stage {
            self.place.unread(result);
        }
    }
}

impl<T> fmt::Debug for ScopeHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Where a task leaves its result and its handle waits for it.
pub(super) struct Place<T> {
    panics: Arc<Panics>,
    /// There is a `stop`.
    stopped: AtomicBool,
    state: SpinLock<State<T>>,
}

struct State<T> {
    stage: Stage<T>,
    /// Whether a handle is there to read it.
    held: bool,
    waiter: Option<Waker>,
    stop: Option<Reason>,
    /// Of the task, while it waits.
    task: Option<Waker>,
}

enum Stage<T> {
    Running,
    Done(Result<T, JoinError>),
    Taken,
}

impl<T> Place<T> {
    pub(super) fn new(panics: &Arc<Panics>) -> Arc<Self> {
        Arc::new(Self {
            panics: panics.clone(),
            stopped: AtomicBool::new(false),
            state: SpinLock::new(State {
                stage: Stage::Running,
                held: true,
                waiter: None,
                stop: None,
                task: None,
            }),
        })
    }

    /// Whether the task is to be dropped. If not, remembers whom to wake when it is, unless that
    /// is `known`.
    #[inline]
    pub(super) fn is_stopped(&self, known: bool, cx: &Context<'_>) -> bool {
        if known {
            return self.stopped.load(Ordering::Acquire);
        }
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        let old = state.task.replace(waker);
        let stopped = state.stop.is_some();
        drop(state);
        discard(old);
        stopped
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        self.state.lock().stop.clone()
    }

    pub(super) fn finish(&self, result: Result<T, JoinError>) {
        let mut state = self.state.lock();
        let (task, waiter) = (state.task.take(), state.waiter.take());
        if state.held {
            state.stage = Stage::Done(result);
            drop(state);
        } else {
            state.stage = Stage::Taken;
            drop(state);
            self.unread(result);
        }
        wake_all(waiter);
        discard(task);
    }

    fn unread(&self, result: Result<T, JoinError>) {
        let payload = match result {
            Ok(value) => crate::task::catch_drop(value).err(),
            Err(error) => error.into_panic().ok(),
        };
        if let Some(payload) = payload {
            self.panics.keep(payload);
        }
    }
}

/// The first panic of a scope that nobody else has.
#[derive(Default)]
pub(super) struct Panics(Mutex<Option<Box<dyn Any + Send>>>);

impl Panics {
    pub(super) fn keep(&self, payload: Box<dyn Any + Send>) {
        let mut first = self.0.lock();
        let second = match &*first {
            None => first.replace(payload),
            Some(_) => Some(payload),
        };
        drop(first);
        if let Some(second) = second {
            forget_panic(second);
        }
    }

    pub(super) fn take(&self) -> Option<Box<dyn Any + Send>> {
        self.0.lock().take()
    }
}

fn replace(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match slot {
        Some(old) if old.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}
