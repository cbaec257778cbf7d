use std::fmt;
use std::future::Future;

use super::Group;
use super::builder::Builder;
use super::door::{Door, Options, TrySpawnError};
use super::failure::BoxError;
use super::handle::Handle;
use super::label::Name;
use super::node::CLOSING;
use super::state::{Closed, Closing, Wait};
use super::subgroup::ClosedError;
use super::task::TaskBuilder;
use super::verdict::ToHandle;
use crate::runtime::Runtime;
use crate::task::Reason;

/// A clone of the way into a [`Group`], which does not own it.
///
/// From [`Group::reference`] it starts tasks until the group closes; from
/// [`Context::group`](super::Context::group) until the last task of the group has ended or the
/// group is cancelled. Dropping it does nothing.
pub struct GroupRef<E = BoxError> {
    door: Door<E>,
}

impl<E: Send + 'static> GroupRef<E> {
    pub(super) fn new(door: Door<E>) -> Self {
        Self { door }
    }

    pub(super) fn door(&self) -> &Door<E> {
        &self.door
    }

    /// As [`Group::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.door.spawn(future, ToHandle)
    }

    /// As [`Group::spawn_fallible`].
    #[track_caller]
    pub fn spawn_fallible<F, T, X>(&self, future: F) -> Handle<T>
    where
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + Send + 'static,
    {
        self.door.spawn(future, self.door.to_group())
    }

    /// As [`Group::task`].
    #[track_caller]
    pub fn task(&self, name: impl Into<Name>) -> TaskBuilder<E> {
        TaskBuilder::new(self.door.clone(), Options::new(Some(name.into())))
    }

    /// As [`Group::try_spawn`].
    ///
    /// # Errors
    ///
    /// [`TrySpawnError`], with the future.
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<Handle<F::Output>, TrySpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.door.try_spawn(future)
    }

    /// As [`Group::spawn_when_free`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `future` unrun and gives up its place.
    ///
    /// # Errors
    ///
    /// [`TrySpawnError::Closed`] if the group takes no more.
    #[track_caller]
    pub fn spawn_when_free<F>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<Handle<F::Output>, TrySpawnError<F>>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.door.spawn_when_free(future)
    }

    /// As [`Group::subgroup`].
    ///
    /// # Errors
    ///
    /// [`ClosedError`] if the group takes no more.
    pub fn subgroup(&self, name: impl Into<Name>) -> Result<Group<E>, ClosedError> {
        super::subgroup::of(Builder::new(self), name.into())
    }

    /// As [`Group::runtime`].
    pub fn runtime(&self) -> &Runtime {
        self.door.node.runtime()
    }

    /// As [`Group::close`].
    pub fn close(&self) {
        self.door.node.close();
    }

    /// As [`Group::cancel`].
    pub fn cancel(&self, reason: impl Into<Reason>) {
        self.door.node.cancel(&reason.into(), false);
    }

    /// As [`Group::is_closing`].
    pub fn is_closing(&self) -> bool {
        self.door.node.flags() & CLOSING != 0
    }

    /// As [`Group::is_closed`].
    pub fn is_closed(&self) -> bool {
        self.door.node.is_closed()
    }

    /// As [`Group::closing`].
    pub fn closing(&self) -> Closing {
        Closing(Wait::new(&self.door.node, false))
    }

    /// As [`Group::closed`].
    pub fn closed(&self) -> Closed {
        Closed(Wait::new(&self.door.node, true))
    }
}

impl<E> Clone for GroupRef<E> {
    fn clone(&self) -> Self {
        Self {
            door: self.door.clone(),
        }
    }
}

impl<E> fmt::Debug for GroupRef<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupRef")
            .field("path", &self.door.node.path())
            .finish_non_exhaustive()
    }
}
