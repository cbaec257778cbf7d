use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::context::Context;
use super::door::{Door, Options, TrySpawnError};
use super::failure::BoxError;
use super::handle::Handle;
use super::member::{Member, OnCancel};
use super::subgroup::ClosedError;
use super::verdict::ToHandle;
use crate::sync::OwnedPermit;

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

    /// Waits for a slot under the limit, and holds it for the task: whichever `spawn` comes next
    /// does not queue.
    ///
    /// Before something is accepted, or taken from a queue, it holds that back while the group is
    /// full. A group that closes afterwards refuses the task as [`Group::spawn`] says. Without a
    /// limit it waits for nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future, or the builder that comes of it, gives the place back.
    ///
    /// # Errors
    ///
    /// [`ClosedError`] if the group takes no more.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
    /// use untethered::group::{Group, OnCancel};
    ///
    /// let group = Group::builder(&untethered::runtime::threads(2)).limit(2).build();
    /// for n in 0..10 {
    ///     let task = group.task("square").on_cancel(OnCancel::Finish).when_free().await.unwrap();
    ///     task.spawn_fallible(async move { if n * n < 100 { Ok(()) } else { Err("too big") } });
    /// }
    /// group.join().await.unwrap();
    /// assert_eq!(group.stats().finished, 10);
    /// # });
    /// ```
    ///
    /// [`Group::spawn`]: super::Group::spawn
    pub async fn when_free(mut self) -> Result<Self, ClosedError> {
        if self.options.permit.is_none() {
            let slot = self.door.slot_when_free().await.ok_or(ClosedError(()))?;
            self.options.permit = slot.into_permit();
        }
        Ok(self)
    }

    /// As [`when_free`](Self::when_free), if a slot is free now.
    ///
    /// # Errors
    ///
    /// [`TrySpawnError`], with the builder: [`Full`](TrySpawnError::Full) if the limit is reached
    /// or somebody waits for a slot; [`Closed`](TrySpawnError::Closed) if the group takes no more.
    #[expect(clippy::result_large_err, reason = "the other variant is as large")]
    pub fn if_free(mut self) -> Result<Self, TrySpawnError<Self>> {
        if self.options.permit.is_none() {
            match self.door.slot_if_free() {
                Ok(slot) => self.options.permit = slot.into_permit(),
                Err(refused) => return Err(refused.map(|()| self)),
            }
        }
        Ok(self)
    }

    /// Starts `future`. As [`Group::spawn`](super::Group::spawn).
    pub fn spawn<F>(self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (door, member, isolated, permit) = self.into_parts();
        door.spawn_with(&member, isolated, permit, future, ToHandle)
    }

    /// Starts `future`, which may fail. As
    /// [`Group::spawn_fallible`](super::Group::spawn_fallible).
    pub fn spawn_fallible<F, T, X>(self, future: F) -> Handle<T>
    where
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + Send + 'static,
    {
        let (door, member, isolated, permit) = self.into_parts();
        let verdict = door.to_group();
        door.spawn_with(&member, isolated, permit, future, verdict)
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
        let (door, member, isolated, permit) = self.into_parts();
        let future = make(Context::new(member.clone(), door.failures.clone()));
        door.spawn_with(&member, isolated, permit, future, ToHandle)
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
        let (door, member, isolated, permit) = self.into_parts();
        let future = make(Context::new(member.clone(), door.failures.clone()));
        let verdict = door.to_group();
        door.spawn_with(&member, isolated, permit, future, verdict)
    }

    fn into_parts(self) -> (Door<E>, Arc<Member>, bool, Option<OwnedPermit>) {
        let Options {
            label,
            on_cancel,
            isolated,
            permit,
        } = self.options;
        let member = Member::new(self.door.node.clone(), label, on_cancel);
        (self.door, member, isolated, permit)
    }
}

impl<E> fmt::Debug for TaskBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder").finish_non_exhaustive()
    }
}
