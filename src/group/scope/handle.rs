use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::place::Place;
use crate::task::{JoinError, Reason};

/// The result of a task of a [`Scope`](super::Scope), from [`Scope::spawn`](super::Scope::spawn).
///
/// As a [`Handle`](crate::group::Handle): awaiting it gives the output or a [`JoinError`], and
/// dropping it cancels nothing. A panic that nobody reads goes on in the task that polls the scope.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` and dropping that loses nothing. Dropping the handle drops the result,
/// once there is one.
pub struct ScopeHandle<T> {
    place: Arc<Place<T>>,
    /// Whether the place may know whom to wake.
    waits: bool,
}

impl<T> ScopeHandle<T> {
    pub(super) fn new(place: Arc<Place<T>>) -> Self {
        Self {
            place,
            waits: false,
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.place.is_finished()
    }

    /// Has the task dropped at its next await. The first reason counts.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        self.place.stop(reason.into());
    }
}

impl<T> Future for ScopeHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = self.place.poll(cx);
        self.waits = result.is_pending();
        result
    }
}

impl<T> Drop for ScopeHandle<T> {
    fn drop(&mut self) {
        if self.waits {
            self.place.wait_no_more();
        }
    }
}

impl<T> fmt::Debug for ScopeHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
