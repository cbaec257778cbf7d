//! What polls a scope: its body and its tasks, in one set.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::block::BlockError;
use super::failure::BoxError;
use super::group_error::GroupError;
use super::scope::{Kind, Scope, Sendable, Shared};
use crate::primitives::Mutex;
use crate::set::{Set, Turn};
use crate::task::{Reason, catch, discard, forget_panic};

/// The future of [`scope`](super::scope).
#[must_use = "futures do nothing unless awaited"]
pub struct ScopeRun<'env, T, E = BoxError, K: Kind = Sendable> {
    shared: Arc<Shared<'env, E, K>>,
    set: Set<K::Child<'env>>,
    /// Started, not in the set yet.
    fresh: VecDeque<K::Child<'env>>,
    body: Arc<BodyPlace<T, E>>,
}

/// Where the body leaves its output.
pub(super) struct BodyPlace<T, E>(Mutex<Option<Result<T, E>>>);

impl<'env, T, E, K: Kind> ScopeRun<'env, T, E, K> {
    pub(super) fn new(scope: Scope<'env, E, K>, body: Arc<BodyPlace<T, E>>) -> Self {
        Self {
            shared: scope.shared,
            set: Set::new(),
            fresh: VecDeque::new(),
            body,
        }
    }

    /// Takes the next that was started into the set, and polls it. False if there is none.
    fn enter_next(&mut self) -> bool {
        if self.fresh.is_empty() {
            if !self.shared.has_fresh() {
                return false;
            }
            self.fresh = self.shared.take_inbox();
        }
        let Some(child) = self.fresh.pop_front() else {
            return false;
        };
        let _: Poll<()> = self.set.enter(0, child);
        true
    }

    /// Drops the body and all tasks. Nothing more is started.
    fn clear(&mut self) {
        // Neither unwinds: tasks catch what theirs do.
        if let Err(payload) = self.set.clear() {
            forget_panic(payload);
        }
        loop {
            let fresh = mem::take(&mut self.fresh);
            fresh.into_iter().for_each(discard);
            self.fresh = self.shared.take_inbox();
            if self.fresh.is_empty() {
                return;
            }
        }
    }

    /// Once nothing is left.
    fn result(&self) -> Result<T, BlockError<E>> {
        let mut state = self.shared.state.lock();
        self.shared.end();
        let failures = mem::take(&mut state.failures);
        let cancelled = state.cancelled;
        let reason = state.reason.clone();
        drop(state);
        let body = self.body.0.lock().take();
        if let Some(payload) = self.shared.panics.take() {
            discard((body, failures));
            resume_unwind(payload);
        }
        match body {
            Some(Err(error)) => Err(BlockError::Body(error)),
            value if !failures.is_empty() => {
                discard(value);
                Err(BlockError::Tasks(GroupError::new(
                    failures,
                    cancelled,
                    self.shared.views,
                )))
            }
            Some(Ok(value)) => Ok(value),
            None => Err(BlockError::Cancelled(
                reason.unwrap_or_else(|| Reason::from("cancelled")),
            )),
        }
    }
}

impl<T, E, K: Kind> Unpin for ScopeRun<'_, T, E, K> {}

impl<T, E, K: Kind> Future for ScopeRun<'_, T, E, K> {
    type Output = Result<T, BlockError<E>>;

    /// # Panics
    ///
    /// With the panic of the body or of a task, once all have ended.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.set.begin();
        let mut woken = true;
        loop {
            if this.shared.is_over() {
                this.clear();
                return Poll::Ready(this.result());
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
            match this.set.poll_woken() {
                Turn::Output(..) => {}
                Turn::GiveWay => {
                    this.set.give_way(cx);
                    return Poll::Pending;
                }
                Turn::Over => {
                    woken = false;
                    let mut state = this.shared.state.lock();
                    if this.shared.is_over() || this.shared.has_fresh() || !this.fresh.is_empty() {
                        continue;
                    }
                    if this.set.len() == 0 {
                        drop(state);
                        return Poll::Ready(this.result());
                    }
                    // For a spawn or a cancel from elsewhere.
                    let old = match &state.waker {
                        Some(waker) if waker.will_wake(cx.waker()) => None,
                        _ => state.waker.replace(cx.waker().clone()),
                    };
                    drop(state);
                    discard(old);
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
        self.shared.cancel(Reason::from("its scope was dropped"));
        self.clear();
    }
}

impl<T, E, K: Kind> fmt::Debug for ScopeRun<'_, T, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeRun")
            .field("len", &self.shared.alive())
            .finish()
    }
}

pin_project! {
    /// The body of a scope, one more of its tasks.
    pub(super) struct Body<'env, F, T, E, K: Kind> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        place: Arc<BodyPlace<T, E>>,
        shared: Arc<Shared<'env, E, K>>,
    }

    impl<'env, F, T, E, K: Kind> PinnedDrop for Body<'env, F, T, E, K> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_none() {
                return;
            }
            if let Err(payload) = catch(|| this.future.set(None)) {
                this.shared.panics.keep(payload);
            }
            this.shared.one_less();
        }
    }
}

impl<'env, F, T, E, K: Kind> Body<'env, F, T, E, K> {
    pub(super) fn new(future: F, scope: &Scope<'env, E, K>) -> (Self, Arc<BodyPlace<T, E>>) {
        let place = Arc::new(BodyPlace(Mutex::new(None)));
        let body = Self {
            future: Some(future),
            place: place.clone(),
            shared: scope.shared.clone(),
        };
        (body, place)
    }
}

impl<F, T, E, K: Kind> Future for Body<'_, F, T, E, K>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let output = match catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        let dropped = catch(|| this.future.set(None));
        this.shared.one_less();
        let output = match (output, dropped) {
            (Ok(output), Ok(())) => output,
            (Ok(lost), Err(payload)) => {
                discard(lost);
                this.shared.body_panicked(payload);
                return Poll::Ready(());
            }
            (Err(payload), dropped) => {
                dropped.unwrap_or_else(forget_panic);
                this.shared.body_panicked(payload);
                return Poll::Ready(());
            }
        };
        let output = match output {
            Ok(value) => Some(Ok(value)),
            Err(error) => this.shared.record_body(error).map(Err),
        };
        *this.place.0.lock() = output;
        Poll::Ready(())
    }
}

impl<E, K: Kind> Shared<'_, E, K> {
    fn body_panicked(&self, payload: Box<dyn Any + Send>) {
        self.panics.keep(payload);
        self.cancel(Reason::from("the body of the scope panicked"));
    }
}
