//! The one way into a group, under every handle that can spawn.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::child;
use super::failures::{Failures, ToGroup};
use super::handle::Handle;
use super::label::{Label, Name, Who};
use super::member::{self, Member, OnCancel};
use super::node::Node;
use super::slot::Slot;
use super::state::Wait;
use super::verdict::{ToHandle, Verdict};
use crate::sync::OwnedPermit;
use crate::task::catch_drop;

pub(super) struct Door<E> {
    pub(super) node: Arc<Node>,
    pub(super) failures: Failures<E>,
    pub(super) who: Who,
}

impl<E> Clone for Door<E> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            failures: self.failures.clone(),
            who: self.who,
        }
    }
}

/// What is said about one task.
pub(super) struct Options {
    pub(super) label: Label,
    pub(super) on_cancel: OnCancel,
    pub(super) isolated: bool,
    /// Taken before the task is there.
    pub(super) permit: Option<OwnedPermit>,
}

impl Options {
    #[track_caller]
    pub(super) fn new(name: Option<Name>) -> Self {
        Self {
            label: Label {
                name,
                spawned_at: Location::caller(),
            },
            on_cancel: OnCancel::default(),
            isolated: false,
            permit: None,
        }
    }
}

impl<E: Send + 'static> Door<E> {
    pub(super) fn to_group(&self) -> ToGroup<E> {
        ToGroup(self.failures.clone())
    }

    /// Starts `future`; a group that takes no more drops it.
    #[track_caller]
    pub(super) fn spawn<F, V>(&self, future: F, verdict: V) -> Handle<V::Value>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        V: Verdict<F::Output>,
    {
        let slot = self.slot();
        let caller = Location::caller();
        match child::spawn(&self.node, self.who, caller, slot, future, verdict) {
            Ok(handle) => handle,
            Err(future) => self.refuse(future),
        }
    }

    /// As [`spawn`](Self::spawn), with what was said about the task.
    pub(super) fn spawn_with<F, V>(
        &self,
        member: &Arc<Member>,
        isolated: bool,
        permit: Option<OwnedPermit>,
        future: F,
        verdict: V,
    ) -> Handle<V::Value>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        V: Verdict<F::Output>,
    {
        let slot = permit.map_or_else(|| self.slot(), Slot::Held);
        match member::spawn(member, self.who, isolated, slot, future, verdict) {
            Ok(handle) => handle,
            Err(future) => self.refuse(future),
        }
    }

    /// Starts `future` if the group is open and a slot is free.
    #[track_caller]
    pub(super) fn try_spawn<F>(&self, future: F) -> Result<Handle<F::Output>, TrySpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let slot = match self.slot_if_free() {
            Ok(slot) => slot,
            Err(refused) => return Err(refused.map(|()| future)),
        };
        let caller = Location::caller();
        child::spawn(&self.node, self.who, caller, slot, future, ToHandle)
            .map_err(TrySpawnError::Closed)
    }

    /// Waits for a slot, or for the group to close.
    // Not an `async fn`: there the caller would be the place in here.
    #[track_caller]
    pub(super) fn spawn_when_free<F>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<Handle<F::Output>, TrySpawnError<F>>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let caller = Location::caller();
        async move {
            let Some(slot) = self.slot_when_free().await else {
                return Err(TrySpawnError::Closed(future));
            };
            child::spawn(&self.node, self.who, caller, slot, future, ToHandle)
                .map_err(TrySpawnError::Closed)
        }
    }

    /// A slot now. The error says why there is none.
    pub(super) fn slot_if_free(&self) -> Result<Slot, TrySpawnError<()>> {
        if !self.node.is_open_to(self.who) {
            return Err(TrySpawnError::Closed(()));
        }
        match &self.node.setup.limit {
            None => Ok(Slot::Free),
            Some(limit) => match limit.try_acquire_owned() {
                Some(permit) => Ok(Slot::Held(permit)),
                None => Err(TrySpawnError::Full(())),
            },
        }
    }

    /// A slot, once one is free. `None` if the group takes no more before.
    pub(super) async fn slot_when_free(&self) -> Option<Slot> {
        let Some(limit) = &self.node.setup.limit else {
            return self.node.is_open_to(self.who).then_some(Slot::Free);
        };
        let mut shut = pin!(self.shut());
        let mut wait = pin!(limit.acquire_owned());
        poll_fn(|cx| match shut.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => wait
                .as_mut()
                .poll(cx)
                .map(|permit| Some(Slot::Held(permit))),
        })
        .await
    }

    /// Waits until nothing more is taken from here: from a member that is later than from others.
    async fn shut(&self) {
        let outside = self.who == Who::Outside;
        let mut ending = Wait::new(&self.node, !outside);
        // A member that cleans up holds the end of a cancelled group off.
        let cancel = (self.who == Who::Member).then(|| self.node.token());
        let mut cancelled = pin!(async {
            match &cancel {
                Some(token) => token.cancelled().await,
                None => pending().await,
            }
        });
        poll_fn(|cx| {
            if self.node.is_open_to(self.who) && cancelled.as_mut().poll(cx).is_pending() {
                ending.poll(cx)
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    pub(super) fn refuse<F, T>(&self, future: F) -> Handle<T> {
        if let Err(payload) = catch_drop(future) {
            self.node.runtime().report_unobserved(payload);
        }
        Handle::refused(self.node.clone())
    }

    fn slot(&self) -> Slot {
        match &self.node.setup.limit {
            // One that is refused is not worth a place in the queue.
            Some(limit) if self.node.is_open_to(self.who) => Slot::of(limit),
            _ => Slot::Free,
        }
    }
}

/// Why a [`Group`](super::Group) did not take a future, or a [`TaskBuilder`](super::TaskBuilder),
/// which it gives back.
pub enum TrySpawnError<F> {
    /// The group takes no more.
    Closed(F),
    /// The limit is reached.
    Full(F),
}

impl<F> TrySpawnError<F> {
    pub(super) fn map<T>(self, to: impl FnOnce(F) -> T) -> TrySpawnError<T> {
        match self {
            Self::Closed(future) => TrySpawnError::Closed(to(future)),
            Self::Full(future) => TrySpawnError::Full(to(future)),
        }
    }

    /// What was not started.
    pub fn into_inner(self) -> F {
        match self {
            Self::Closed(future) | Self::Full(future) => future,
        }
    }

    /// Whether the group takes no more.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Whether the limit is reached.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "the group takes no more tasks",
            Self::Full(_) => "the limit of the group is reached",
        })
    }
}

impl<F> std::error::Error for TrySpawnError<F> {}
