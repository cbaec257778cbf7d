use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::body::Body;
use super::run::ScopeRun;
use super::{Local, Scope};
use crate::group::failure::{BoxError, OnFailure, Views};
use crate::runtime::{Hook, Unobserved};
use crate::sync::Limit;

/// Settings of a scope. From [`Scope::builder`].
#[must_use = "a builder does nothing before run()"]
pub struct ScopeBuilder<E = BoxError> {
    pub(super) policy: OnFailure<E>,
    pub(super) views: Views<E>,
    pub(super) limit: Option<Limit>,
    pub(super) unobserved: Option<Arc<Hook>>,
}

impl ScopeBuilder {
    pub(super) fn new() -> Self {
        Self {
            policy: OnFailure::CancelAll,
            views: Views::of_box(),
            limit: None,
            unobserved: None,
        }
    }
}

impl<E> ScopeBuilder<E> {
    /// What is done with errors and panics of tasks started by a `spawn_fallible`. By default the
    /// first ends the scope.
    ///
    /// A panic of the hook of [`OnFailure::report`] goes on in the task that polls the scope.
    pub fn on_failure(mut self, policy: OnFailure<E>) -> Self {
        self.policy = policy;
        self
    }

    /// Takes errors of the type `E2`. Forgets an [`on_failure`](Self::on_failure) said before.
    pub fn errors<E2: std::error::Error + Send + Sync + 'static>(self) -> ScopeBuilder<E2> {
        ScopeBuilder {
            policy: OnFailure::CancelAll,
            views: Views::of_error(),
            limit: self.limit,
            unobserved: self.unobserved,
        }
    }

    /// What is done with what nobody takes: failures for which [`OnFailure::Collect`] has no room,
    /// those kept by a scope that is dropped or panics before it tells them, and panics besides
    /// the one that goes on in the task that polls the scope. By default each gives one line on
    /// standard error. A panic of the hook itself is dropped.
    pub fn on_unobserved(mut self, hook: impl Fn(Unobserved) + Send + Sync + 'static) -> Self {
        self.unobserved = Some(Arc::new(hook));
        self
    }

    /// Lets at most `limit` tasks run at once, the body not counted; others wait for their turn
    /// in the order in which they were spawned.
    ///
    /// # Panics
    ///
    /// If `limit` is nought: no task could ever run.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        let limit = std::num::NonZeroUsize::new(limit)
            .expect("a scope with a limit of nought never runs a task");
        self.limit = Some(limit.into());
        self
    }

    /// Runs `body` and the tasks it starts. See [`scope`](super::scope).
    pub fn run<'env, B, F, T>(self, body: B) -> ScopeRun<'env, T, E>
    where
        B: FnOnce(Scope<'env, E>) -> F,
        F: Future<Output = Result<T, E>> + Send + 'env,
        T: Send + 'env,
        E: Send + 'env,
    {
        let (scope, set) = Scope::new(self);
        let (body, place) = Body::new(body(scope.clone()));
        scope.enter(Box::pin(body));
        ScopeRun::new(scope, set, place)
    }

    /// As [`run`](Self::run), for a body and tasks that need not be `Send`.
    pub fn run_local<'env, B, F, T>(self, body: B) -> ScopeRun<'env, T, E, Local>
    where
        B: FnOnce(Scope<'env, E, Local>) -> F,
        F: Future<Output = Result<T, E>> + 'env,
        T: 'env,
        E: 'env,
    {
        let (scope, set) = Scope::new(self);
        let (body, place) = Body::new(body(scope.clone()));
        scope.enter(Box::pin(body));
        ScopeRun::new(scope, set, place)
    }
}

impl<E> fmt::Debug for ScopeBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBuilder")
            .field("on_failure", &self.policy)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
