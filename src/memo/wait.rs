use std::any::Any;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::inner::{Answer, Inner, RunOf};
use super::run::poll_with;
use super::table::Place;
use crate::runtime::BoxFuture;
use crate::sync::Key;
use crate::task::{catch, catch_drop, discard};

/// A place among those who wait for a run. Left when dropped.
pub(super) struct Wait<'a, K, V, E> {
    memo: &'a Inner<K, V, E>,
    entry: Place,
    pub(super) run: Arc<RunOf<V, E>>,
    /// Whether the load is made by its function, which it has no more.
    is_maker: bool,
    pub(super) place: Option<Key>,
    /// Whether the run has ended: there is nothing to leave.
    pub(super) over: bool,
}

impl<'a, K, V, E> Wait<'a, K, V, E> {
    pub(super) fn new(
        memo: &'a Inner<K, V, E>,
        entry: Place,
        run: Arc<RunOf<V, E>>,
        is_maker: bool,
    ) -> Self {
        Self {
            memo,
            entry,
            run,
            is_maker,
            place: None,
            over: false,
        }
    }
}

impl<K, V, E> Wait<'_, K, V, E>
where
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Polls the future of the run, which is ours to poll. No answer if it panicked for another.
    pub(super) fn drive(
        &mut self,
        future: impl FnOnce() -> BoxFuture<'static, Result<V, E>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Answer<V, E>>> {
        let turn = Driving { wait: self };
        let mut future = future();
        let result = match catch(|| poll_with(&turn.wait.run, &mut future)) {
            Ok(Poll::Pending) => {
                turn.give_back(future, cx);
                return Poll::Pending;
            }
            Ok(Poll::Ready(result)) => catch_drop(future).map(|()| result),
            Err(payload) => {
                // Before another load can begin.
                discard(future);
                Err(payload)
            }
        };
        match result {
            Ok(result) => {
                let answer = result.map(Arc::new).map_err(Arc::new);
                turn.finish(answer.clone());
                Poll::Ready(Some(answer))
            }
            Err(payload) => {
                turn.fail(payload);
                Poll::Ready(None)
            }
        }
    }
}

impl<K, V, E> Wait<'_, K, V, E> {
    /// What the load panicked with, if that is ours to go on with.
    pub(super) fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.is_maker.then(|| self.run.take_panic())?
    }
}

impl<K, V, E> Drop for Wait<'_, K, V, E> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if self.is_maker {
            self.run.forget_maker();
        }
        self.run.forget(self.place.take());
        self.memo.leave(self.entry, &self.run);
    }
}

/// The turn to poll.
struct Driving<'w, 'a, K, V, E> {
    wait: &'w mut Wait<'a, K, V, E>,
}

impl<K, V, E> Driving<'_, '_, K, V, E> {
    fn give_back(self, future: BoxFuture<'static, Result<V, E>>, cx: &mut Context<'_>) {
        let wait = &mut *self.wait;
        wait.run.give_back(future, &mut wait.place, cx);
        std::mem::forget(self);
    }

    fn finish(self, answer: Answer<V, E>) {
        self.wait.memo.finish(self.wait.entry, &answer);
        self.wait.run.finish(answer);
        self.wait.over = true;
        std::mem::forget(self);
    }

    /// # Panics
    ///
    /// With `payload`, if nobody else is to.
    fn fail(self, payload: Box<dyn Any + Send>) {
        self.wait.memo.abandon(self.wait.entry);
        if self.wait.is_maker {
            self.wait.run.forget_maker();
        }
        let payload = self.wait.run.fail(payload);
        if payload.is_some() {
            self.wait.over = true;
        }
        std::mem::forget(self);
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}

impl<K, V, E> Drop for Driving<'_, '_, K, V, E> {
    /// What panicked is not the load: the function that makes it, or a waker.
    fn drop(&mut self) {
        self.wait.memo.abandon(self.wait.entry);
        if self.wait.is_maker {
            self.wait.run.forget_maker();
        }
        let payload = Box::new("a task that polled the load panicked");
        self.wait.run.fail(payload);
        self.wait.over = true;
    }
}
