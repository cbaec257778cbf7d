//! What polls a scope: its body and its tasks, in one set.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::body::BodyPlace;
use super::kind::{Boxes, Child};
use super::mailbox::{FRESH, OVER};
use super::{Kind, Scope, Sendable, Shared};
use crate::group::block::BlockError;
use crate::group::failure::BoxError;
use crate::set::{Set, Turn};
use crate::task::{Reason, discard};

/// The future of [`scope`](super::scope).
#[must_use = "futures do nothing unless awaited"]
pub struct ScopeRun<'env, T, E = BoxError, K: Kind = Sendable> {
    shared: Arc<Shared<'env, E, K>>,
    set: Children<'env, E, K>,
    /// Started, not in the set yet.
    fresh: VecDeque<K::Child<'env, E>>,
    body: Arc<BodyPlace<T, E>>,
}

/// They are in boxes of their own, which they need as they are of different types.
pub(super) type Children<'env, E, K> =
    Set<<K as Boxes>::Child<'env, E>, Option<<K as Boxes>::Child<'env, E>>>;

impl<'env, T, E, K: Kind> ScopeRun<'env, T, E, K> {
    pub(super) fn new(
        scope: Scope<'env, E, K>,
        set: Children<'env, E, K>,
        body: Arc<BodyPlace<T, E>>,
    ) -> Self {
        Self {
            shared: scope.shared,
            set,
            fresh: VecDeque::new(),
            body,
        }
    }

    /// Takes the next that was started into the set, and polls it. False if there is none.
    fn enter_next(&mut self) -> bool {
        if self.fresh.is_empty() && self.shared.ledger.mailbox.is(FRESH) {
            self.shared.take_inbox(&mut self.fresh);
        }
        let Some(child) = self.fresh.pop_front() else {
            return false;
        };
        let ledger = &self.shared.ledger;
        let poll = |slot, child: Pin<&mut K::Child<'env, E>>, cx: &mut Context<'_>| {
            child.get_mut().poll(ledger, slot, cx)
        };
        let _: Poll<()> = self.set.enter_with(0, child, poll);
        true
    }

    /// Drops the tasks whose handles have cancelled them.
    fn stop(&mut self) {
        let ledger = &self.shared.ledger;
        for slot in ledger.mailbox.take_stops() {
            // The one that was there may have ended, and another come.
            if self.set.get(slot).is_some_and(Child::is_stopped) {
                let stopped = self.set.remove(slot);
                stopped
                    .into_iter()
                    .for_each(|child| child.cancel(ledger, true));
            }
        }
    }

    /// Drops the body and all tasks. Nothing more is started.
    fn clear(&mut self) {
        let ledger = &self.shared.ledger;
        self.set
            .drain()
            .for_each(|child| child.cancel(ledger, true));
        loop {
            self.fresh
                .drain(..)
                .for_each(|child| child.cancel(ledger, true));
            self.shared.take_inbox(&mut self.fresh);
            if self.fresh.is_empty() {
                return;
            }
        }
    }

    /// Once nothing is left.
    fn result(&self) -> Result<T, BlockError<E>> {
        let body = self.body.take();
        if let Some(payload) = self.shared.ledger.mailbox.take_panic() {
            // What failed besides goes to the hook when we are dropped.
            discard(body);
            resume_unwind(payload);
        }
        let (failed, reason) = self.shared.ledger.error();
        match (body, failed) {
            (Some(Err(error)), failed) => {
                discard(failed);
                Err(BlockError::Body(error))
            }
            (value, Some(error)) => {
                discard(value);
                Err(BlockError::Tasks(error))
            }
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(BlockError::Cancelled(
                reason.unwrap_or_else(|| Reason::from("cancelled")),
            )),
        }
    }
}

impl<T, E, K: Kind> Unpin for ScopeRun<'_, T, E, K> {}

impl<'env, T, E, K: Kind> Future for ScopeRun<'env, T, E, K> {
    type Output = Result<T, BlockError<E>>;

    /// # Panics
    ///
    /// With the panic of the body or of a task, once all have ended.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.set.begin();
        let mut woken = true;
        loop {
            if !this.shared.ledger.mailbox.is_empty() {
                if this.shared.ledger.mailbox.is(OVER) {
                    this.clear();
                    return Poll::Ready(this.result());
                }
                this.stop();
            }
            // Half of a turn is for those that begin, so that they wait for nobody, and half for
            // those that were woken, so that the ended make room.
            let spent = match woken {
                true => this.set.is_half_spent(),
                false => this.set.is_spent(),
            };
            if !spent && this.enter_next() {
                continue;
            }
            let ledger = &this.shared.ledger;
            let poll = |slot, child: Pin<&mut K::Child<'env, E>>, cx: &mut Context<'_>| {
                child.get_mut().poll(ledger, slot, cx)
            };
            match this.set.poll_woken_with(poll) {
                Turn::Output(..) => {}
                Turn::GiveWay => {
                    this.set.give_way(cx);
                    return Poll::Pending;
                }
                Turn::Over => {
                    woken = false;
                    if !this.fresh.is_empty() || !ledger.mailbox.is_empty() {
                        continue;
                    }
                    if this.set.len() == 0 {
                        if this.shared.end() {
                            return Poll::Ready(this.result());
                        }
                        this.shared.take_inbox(&mut this.fresh);
                        continue;
                    }
                    this.set.park(cx);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<T, E, K: Kind> Drop for ScopeRun<'_, T, E, K> {
    fn drop(&mut self) {
        // Tasks hold the scope and the scope holds tasks: this cuts the circle.
        self.shared
            .ledger
            .cancel(Reason::from("its scope was dropped"));
        self.clear();
        self.shared.ledger.release();
    }
}

impl<T, E, K: Kind> fmt::Debug for ScopeRun<'_, T, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeRun")
            .field("len", &self.shared.ledger.alive())
            .finish()
    }
}
