use std::any::Any;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use super::ScopeBuilder;
use super::mailbox::{Mailbox, OVER};
use crate::group::failure::{Failure, OnFailure, Views};
use crate::group::group_error::GroupError;
use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::sync::Limit;
use crate::task::{Reason, catch};

/// How a scope goes: what its tasks report to, and what they are counted in.
#[expect(missing_debug_implementations, reason = "users can not name it")]
pub struct Ledger<E> {
    pub(super) mailbox: Arc<Mailbox>,
    policy: OnFailure<E>,
    views: Views<E>,
    pub(super) limit: Option<Limit>,
    /// The body counts as a task. Written where tasks are started, under that lock.
    started: AtomicUsize,
    /// Written by the task that polls the scope alone, as is the next.
    ended: AtomicUsize,
    cancelled: AtomicUsize,
    state: Mutex<State<E>>,
}

struct State<E> {
    /// Why the scope was cancelled.
    reason: Option<Reason>,
    failures: Vec<Failure<E>>,
}

impl<E> Ledger<E> {
    pub(super) fn new(builder: ScopeBuilder<E>, bell: Waker) -> Self {
        Self {
            mailbox: Arc::new(Mailbox::new(bell, builder.unobserved)),
            policy: builder.policy,
            views: builder.views,
            limit: builder.limit,
            started: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
            state: Mutex::new(State {
                reason: None,
                failures: Vec::new(),
            }),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.mailbox.is(OVER)
    }

    /// How many tasks have not ended.
    pub(super) fn alive(&self) -> usize {
        // Acquire, and in this order: who sees an end sees that start.
        let ended = self.ended.load(Ordering::Acquire);
        self.started.load(Ordering::Relaxed) - ended
    }

    /// Under the lock of the inbox.
    pub(super) fn one_more(&self) {
        add_one(&self.started);
    }

    pub(super) fn one_less(&self) {
        add_one(&self.ended);
    }

    pub(super) fn one_cancelled(&self) {
        add_one(&self.cancelled);
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        self.state.lock().reason.clone()
    }

    pub(super) fn cancel(&self, reason: Reason) {
        self.state.lock().reason.get_or_insert(reason);
        self.mailbox.raise(OVER);
    }

    pub(super) fn record(&self, failure: Failure<E>) {
        match &self.policy {
            OnFailure::Report(hook) => {
                if let Err(payload) = catch(|| hook(failure)) {
                    self.mailbox.keep_panic(payload);
                }
            }
            OnFailure::CancelAll => {
                let reason = Reason::from(format!("{} failed", failure.task()));
                self.state.lock().failures.push(failure);
                self.cancel(reason);
            }
            OnFailure::Collect(max) => {
                let mut state = self.state.lock();
                if state.failures.len() < max.get() {
                    state.failures.push(failure);
                } else {
                    drop(state);
                    self.mailbox.tell(|| failure.into_unobserved(self.views));
                }
            }
        }
    }

    /// The body failed, which ends the scope. Gives the error back if the policy keeps none.
    pub(super) fn record_body(&self, error: E) -> Option<E> {
        let failure = Failure::error_of("scope".to_owned(), error);
        let left = match &self.policy {
            OnFailure::CancelAll => {
                // One of the failures, after those that came before.
                self.record(failure);
                return None;
            }
            // There is room for this one whatever the tasks left.
            OnFailure::Collect(_) => {
                self.state.lock().failures.push(failure);
                None
            }
            OnFailure::Report(_) => failure.into_error().ok(),
        };
        self.cancel(Reason::from("the body of the scope failed"));
        left
    }

    pub(super) fn body_panicked(&self, payload: Box<dyn Any + Send>) {
        self.mailbox.keep_panic(payload);
        self.cancel(Reason::from("the body of the scope panicked"));
    }

    /// Nobody asks any more what failed: the hook is told what nobody took.
    pub(super) fn release(&self) {
        let failures = mem::take(&mut self.state.lock().failures);
        for failure in failures {
            self.mailbox.tell(|| failure.into_unobserved(self.views));
        }
        self.mailbox.tell_panic();
    }

    /// What failed, if something did, else why the scope was cancelled. Once all have ended.
    pub(super) fn error(&self) -> (Option<GroupError<E>>, Option<Reason>) {
        let mut state = self.state.lock();
        let failures = mem::take(&mut state.failures);
        let reason = state.reason.clone();
        drop(state);
        let cancelled = self.cancelled.load(Ordering::Relaxed);
        let error = match failures.is_empty() {
            true => None,
            false => Some(GroupError::new(failures, cancelled, self.views)),
        };
        (error, reason)
    }
}

/// For a number that one thread at a time writes: cheaper than an atomic addition.
fn add_one(number: &AtomicUsize) {
    number.store(number.load(Ordering::Relaxed) + 1, Ordering::Release);
}
