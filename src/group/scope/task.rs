use std::any::Any;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::ledger::Ledger;
use super::place::Place;
use crate::group::failure::Failure;
use crate::group::slot::Slot;
use crate::task::{JoinError, catch, discard, forget_panic};

/// What a scope polls in place: a task, or its body. Nothing of it unwinds.
///
/// It is given the ledger of its scope instead of holding it.
pub trait Work<E> {
    /// `slot` is where the scope has it. Not polled again once it is done.
    fn poll(
        self: Pin<&mut Self>,
        ledger: &Ledger<E>,
        slot: usize,
        cx: &mut Context<'_>,
    ) -> Poll<()>;

    /// Whether its handle has cancelled it.
    fn is_stopped(&self) -> bool;

    /// Drops it before it is done. One that was never in the scope is not `counted`.
    fn cancel(self: Pin<Box<Self>>, ledger: &Ledger<E>, counted: bool);
}

/// What a task came to.
type Outcome<O> = Result<O, Box<dyn Any + Send>>;

/// Whose are the errors and panics of a task, and what its handle gets.
pub(super) trait Verdict<O, E> {
    type Value;

    /// Called once the future has been dropped.
    fn judge(&self, outcome: Outcome<O>, ledger: &Ledger<E>) -> Result<Self::Value, JoinError>;
}

/// Everything goes to the handle.
pub(super) struct ToHandle;

impl<O, E> Verdict<O, E> for ToHandle {
    type Value = O;

    #[inline]
    fn judge(&self, outcome: Outcome<O>, _ledger: &Ledger<E>) -> Result<O, JoinError> {
        outcome.map_err(JoinError::panicked)
    }
}

/// Errors and panics are the scope's.
pub(super) struct ToScope {
    spawned_at: &'static Location<'static>,
}

impl ToScope {
    #[track_caller]
    pub(super) fn here() -> Self {
        Self {
            spawned_at: Location::caller(),
        }
    }
}

impl<V, X: Into<E>, E> Verdict<Result<V, X>, E> for ToScope {
    type Value = V;

    fn judge(&self, outcome: Outcome<Result<V, X>>, ledger: &Ledger<E>) -> Result<V, JoinError> {
        let name = || format!("scope at {}", self.spawned_at);
        let failure = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => match catch(|| error.into()) {
                Ok(error) => Failure::error_of(name(), error),
                Err(payload) => Failure::panic_of(name(), payload),
            },
            Err(payload) => Failure::panic_of(name(), payload),
        };
        ledger.record(failure);
        Err(JoinError::failed())
    }
}

pin_project! {
    /// A task of a scope.
    pub(super) struct ScopeTask<F, J, V> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        verdict: J,
        // Its place under the limit, where there is one. In a box: without, a task is small.
        limited: Option<Box<Slot>>,
        begun: bool,
        place: Arc<Place<V>>,
    }
}

impl<F, J, V> ScopeTask<F, J, V> {
    pub(super) fn new(
        future: F,
        verdict: J,
        limited: Option<Box<Slot>>,
        place: Arc<Place<V>>,
    ) -> Self {
        Self {
            future: Some(future),
            verdict,
            limited,
            begun: false,
            place,
        }
    }
}

impl<F: Future, J, V> ScopeTask<F, J, V> {
    /// Drops the future, then makes its outcome visible; `None` is a cancel.
    fn end<E>(
        self: Pin<&mut Self>,
        outcome: Option<Outcome<F::Output>>,
        ledger: &Ledger<E>,
        counted: bool,
    ) where
        J: Verdict<F::Output, E, Value = V>,
    {
        let mut this = self.project();
        let outcome = match catch(|| this.future.set(None)) {
            Ok(()) => outcome,
            Err(second) if matches!(outcome, Some(Err(_))) => {
                forget_panic(second);
                outcome
            }
            Err(payload) => {
                discard(outcome);
                Some(Err(payload))
            }
        };
        *this.limited = None;
        if counted {
            ledger.one_less();
        }
        let result = match outcome {
            Some(outcome) => this.verdict.judge(outcome, ledger),
            None => {
                if counted {
                    ledger.one_cancelled();
                }
                if Arc::strong_count(this.place) == 1 {
                    // Nobody asks.
                    return;
                }
                let reason = this.place.stop_reason();
                Err(JoinError::cancelled(reason.or_else(|| ledger.reason())))
            }
        };
        this.place.finish(result);
    }
}

impl<F, J, V, E> Work<E> for ScopeTask<F, J, V>
where
    F: Future,
    J: Verdict<F::Output, E, Value = V>,
{
    fn poll(
        mut self: Pin<&mut Self>,
        ledger: &Ledger<E>,
        slot: usize,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let this = self.as_mut().project();
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Ready(());
        };
        let stopped = !mem::replace(this.begun, true) && this.place.begin(slot);
        let outcome = if stopped {
            None
        } else {
            if let Some(limited) = this.limited {
                ready!(limited.poll(cx));
            }
            match catch(|| future.poll(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => Some(Ok(output)),
                Err(payload) => Some(Err(payload)),
            }
        };
        self.end(outcome, ledger, true);
        Poll::Ready(())
    }

    fn is_stopped(&self) -> bool {
        self.place.is_stopped()
    }

    fn cancel(mut self: Pin<Box<Self>>, ledger: &Ledger<E>, counted: bool) {
        self.as_mut().end(None, ledger, counted);
    }
}
