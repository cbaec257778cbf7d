use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::context::Context;
use super::door::{Door, Options};
use super::failure::BoxError;
use super::handle::Handle;
use super::member::{Member, OnCancel};
use super::verdict::ToHandle;

/// A task that is about to be started. From [`Group::task`](super::Group::task).
#[must_use = "nothing is started before a spawn"]
pub struct TaskBuilder<E = BoxError> {
    door: Door<E>,
    options: Options,
}

impl<E: Send + 'static> TaskBuilder<E> {
    pub(super) fn new(door: Door<E>, options: Options) -> Self {
        Self { door, options }
    }

    /// What becomes of the task when it is cancelled. Its future is dropped by default.
    pub fn on_cancel(mut self, on_cancel: OnCancel) -> Self {
        self.options.on_cancel = on_cancel;
        self
    }

    /// Runs the task as one of the runtime, so that it may block a thread for a while without
    /// holding up its siblings. Costs about what [`Runtime::spawn`](crate::Runtime::spawn) does.
    pub fn isolated(mut self) -> Self {
        self.options.isolated = true;
        self
    }

    /// Starts `future`. As [`Group::spawn`](super::Group::spawn).
    pub fn spawn<F>(self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (door, member, isolated) = self.into_parts();
        door.spawn_with(&member, isolated, future, ToHandle)
    }

    /// Starts `future`, which may fail. As
    /// [`Group::spawn_fallible`](super::Group::spawn_fallible).
    pub fn spawn_fallible<F, T, X>(self, future: F) -> Handle<T>
    where
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + Send + 'static,
    {
        let (door, member, isolated) = self.into_parts();
        let verdict = door.to_group();
        door.spawn_with(&member, isolated, future, verdict)
    }

    /// Starts the future that `make` makes of the task's [`Context`]. Everything goes to the
    /// handle.
    pub fn spawn_with<M, F>(self, make: M) -> Handle<F::Output>
    where
        M: FnOnce(Context<E>) -> F,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if !self.door.node.is_open_to(self.door.who) {
            return self.door.refuse(make);
        }
        let (door, member, isolated) = self.into_parts();
        let future = make(Context::new(member.clone(), door.failures.clone()));
        door.spawn_with(&member, isolated, future, ToHandle)
    }

    /// As [`spawn_with`](Self::spawn_with), for a future that may fail: an `Err` or a panic goes
    /// to the group.
    pub fn spawn_fallible_with<M, F, T, X>(self, make: M) -> Handle<T>
    where
        M: FnOnce(Context<E>) -> F,
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + Send + 'static,
    {
        if !self.door.node.is_open_to(self.door.who) {
            return self.door.refuse(make);
        }
        let (door, member, isolated) = self.into_parts();
        let future = make(Context::new(member.clone(), door.failures.clone()));
        let verdict = door.to_group();
        door.spawn_with(&member, isolated, future, verdict)
    }

    fn into_parts(self) -> (Door<E>, Arc<Member>, bool) {
        let Options {
            label,
            on_cancel,
            isolated,
        } = self.options;
        let member = Member::new(self.door.node.clone(), label, on_cancel);
        (self.door, member, isolated)
    }
}

impl<E> fmt::Debug for TaskBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder").finish_non_exhaustive()
    }
}
