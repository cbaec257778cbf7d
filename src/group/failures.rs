//! What a group does with the failures of its tasks.

use std::any::Any;
use std::mem;
use std::sync::Arc;

use super::failure::{Failure, OnFailure, Views};
use super::group_error::GroupError;
use super::label::ChildId;
use super::node::Node;
use super::trace;
use super::verdict::Verdict;
use crate::task::{JoinError, Reason, catch, quiet};

/// What is to be done with the failures of one group. They are kept in its [`Node`].
pub(super) struct Failures<E> {
    /// `None`: the runtime's hook takes them.
    pub(super) policy: Option<OnFailure<E>>,
    pub(super) views: Views<E>,
}

/// The failures a group keeps. It does not know of which type they are; its [`Failures`] do.
pub(super) enum Kept {
    Nothing,
    /// A `Vec<Failure<E>>`.
    Some(Box<dyn Any + Send>),
    /// Nobody will ask for them any more.
    Over,
}

impl<E> Clone for Failures<E> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            views: self.views,
        }
    }
}

impl<E: Send + 'static> Failures<E> {
    pub(super) fn record(&self, failure: Failure<E>, node: &Arc<Node>) {
        let error = failure.as_error(self.views);
        trace::failed(failure.task(), failure.is_panic(), error);
        let left = match &self.policy {
            None => Some(failure),
            Some(OnFailure::Report(hook)) => {
                if let Err(payload) = catch(|| hook(failure)) {
                    node.runtime().report_unobserved(payload);
                }
                None
            }
            Some(OnFailure::CancelAll) => {
                let reason = Reason::from(format!("{} failed", failure.task()));
                let left = Self::keep(failure, usize::MAX, node);
                node.cancel(&reason, false);
                left
            }
            Some(OnFailure::Collect(max)) => Self::keep(failure, max.get(), node),
        };
        if let Some(failure) = left {
            self.unobserved(failure, node);
        }
    }

    /// The body of a block failed, which cancels it. Gives the error back if the policy keeps none.
    pub(super) fn record_body(&self, error: E, node: &Arc<Node>) -> Option<E> {
        let failure = match self.policy {
            Some(OnFailure::CancelAll) => {
                // One of the failures, after those that came before.
                self.record(Failure::error_of(node.path(), error), node);
                return None;
            }
            // There is room for this one whatever the tasks left.
            Some(OnFailure::Collect(_)) => {
                let failure = Failure::error_of(node.path(), error);
                Self::keep(failure, usize::MAX, node)
            }
            Some(OnFailure::Report(_)) | None => Some(Failure::error_of(String::new(), error)),
        };
        node.cancel(&"the body of the block failed".into(), false);
        failure.and_then(|failure| failure.into_error().ok())
    }

    /// Gives back what there is no room for.
    fn keep(failure: Failure<E>, max: usize, node: &Node) -> Option<Failure<E>> {
        let mut state = node.state.lock();
        match &mut state.kept {
            Kept::Over => Some(failure),
            Kept::Nothing => {
                state.kept = Kept::Some(Box::new(vec![failure]));
                None
            }
            Kept::Some(kept) => {
                let kept = kept.downcast_mut::<Vec<Failure<E>>>();
                let kept = kept.expect("a group has one type of errors");
                if kept.len() < max {
                    kept.push(failure);
                    None
                } else {
                    Some(failure)
                }
            }
        }
    }

    /// What was kept, if anything was.
    pub(super) fn take(&self, node: &Arc<Node>) -> Result<(), GroupError<E>> {
        let mut state = node.state.lock();
        let Kept::Some(_) = state.kept else {
            return Ok(());
        };
        let kept = mem::replace(&mut state.kept, Kept::Nothing);
        drop(state);
        let cancelled = node.tally().cancelled();
        Err(GroupError::new(kept.into_failures(), cancelled, self.views))
    }

    pub(super) fn self_wait(&self) -> GroupError<E> {
        GroupError::new(Vec::new(), 0, self.views)
    }

    fn unobserved(&self, failure: Failure<E>, node: &Arc<Node>) {
        // The conversion is the user's.
        quiet(|| node.runtime().report(failure.into_unobserved(self.views)));
    }

    /// Nobody will ask for them: what was kept goes to the runtime's hook.
    pub(super) fn release(&self, node: &Arc<Node>) {
        let kept = mem::replace(&mut node.state.lock().kept, Kept::Over);
        for failure in kept.into_failures() {
            self.unobserved(failure, node);
        }
    }
}

impl Kept {
    fn into_failures<E: 'static>(self) -> Vec<Failure<E>> {
        match self {
            Self::Nothing | Self::Over => Vec::new(),
            Self::Some(kept) => match kept.downcast() {
                Ok(failures) => *failures,
                Err(_) => unreachable!("a group has one type of errors"),
            },
        }
    }
}

/// `Err` and panics go to the group.
pub(super) struct ToGroup<E>(pub(super) Failures<E>);

impl<T, X, E> Verdict<Result<T, X>> for ToGroup<E>
where
    T: Send + 'static,
    X: Into<E> + Send + 'static,
    E: Send + 'static,
{
    type Value = T;

    fn judge(&self, output: Result<T, X>, node: &Arc<Node>, id: ChildId) -> Result<T, JoinError> {
        output.map_err(|error| {
            match catch(|| error.into()) {
                Ok(error) => self
                    .0
                    .record(Failure::error_of(node.path_of(id), error), node),
                Err(payload) => {
                    self.0
                        .record(Failure::panic_of(node.path_of(id), payload), node);
                }
            }
            JoinError::failed()
        })
    }

    fn judge_panic(
        &self,
        payload: Box<dyn Any + Send>,
        node: &Arc<Node>,
        id: ChildId,
    ) -> JoinError {
        self.0
            .record(Failure::panic_of(node.path_of(id), payload), node);
        JoinError::failed()
    }
}
