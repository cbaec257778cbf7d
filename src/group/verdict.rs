//! What the end of a task is to its handle and to its group.

use std::any::Any;
use std::sync::Arc;

use super::label::{ChildId, End};
use super::node::Node;
use super::trace;
use crate::task::{JoinError, Reason, discard, forget_panic};

/// Whose are the errors of a task, and what its handle gets.
pub(super) trait Verdict<O>: Send + 'static {
    type Value: Send + 'static;

    /// Called once the future has been dropped.
    fn judge(&self, output: O, node: &Arc<Node>, id: ChildId) -> Result<Self::Value, JoinError>;

    /// As [`judge`](Self::judge), for a task that panicked.
    fn judge_panic(&self, payload: Box<dyn Any + Send>, node: &Arc<Node>, id: ChildId)
    -> JoinError;
}

/// Everything goes to the handle.
pub(super) struct ToHandle;

impl<O: Send + 'static> Verdict<O> for ToHandle {
    type Value = O;

    fn judge(&self, output: O, _node: &Arc<Node>, _id: ChildId) -> Result<O, JoinError> {
        Ok(output)
    }

    fn judge_panic(
        &self,
        payload: Box<dyn Any + Send>,
        node: &Arc<Node>,
        id: ChildId,
    ) -> JoinError {
        let error = JoinError::panicked(payload);
        trace::panicked(node, id, &error);
        error
    }
}

/// How a future came to its end.
pub(super) enum Ended<O> {
    Output(O),
    Panicked(Box<dyn Any + Send>),
    Stopped(Option<Reason>),
    /// Dropped because its grace was over.
    Aborted(Option<Reason>),
}

impl<O> Ended<O> {
    /// What the handle gets, and what the group counts.
    pub(super) fn settle<V: Verdict<O>>(
        self,
        verdict: &V,
        node: &Arc<Node>,
        id: ChildId,
    ) -> (Result<V::Value, JoinError>, End) {
        match self {
            Self::Output(output) => match verdict.judge(output, node, id) {
                Ok(value) => {
                    trace::ended(node, id, End::Finished, None);
                    (Ok(value), End::Finished)
                }
                Err(error) => (Err(error), End::Failed),
            },
            Self::Panicked(payload) => (Err(verdict.judge_panic(payload, node, id)), End::Panicked),
            Self::Stopped(reason) => stopped(reason, node, id, End::Cancelled),
            Self::Aborted(reason) => stopped(reason, node, id, End::Aborted),
        }
    }

    /// With the panic of the future's destructor, if it had one. The first panic counts.
    pub(super) fn after_drop(self, dropped: Result<(), Box<dyn Any + Send>>) -> Self {
        match (dropped, self) {
            (Ok(()), ended) => ended,
            (Err(second), Self::Panicked(first)) => {
                forget_panic(second);
                Self::Panicked(first)
            }
            (Err(payload), lost) => {
                discard(lost);
                Self::Panicked(payload)
            }
        }
    }
}

fn stopped<T>(
    reason: Option<Reason>,
    node: &Arc<Node>,
    id: ChildId,
    end: End,
) -> (Result<T, JoinError>, End) {
    trace::ended(node, id, end, reason.as_ref());
    (Err(JoinError::cancelled(reason)), end)
}
