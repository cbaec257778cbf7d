use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::outcome::Outcome;
use super::{JoinError, Reason, catch, catch_drop};
use crate::runtime::{Hook, Runtime};

/// Handle to a closure that runs where it may block. From [`Runtime::spawn_blocking`].
///
/// Awaiting it gives what the closure returned. Dropping it lets the closure run on: nothing can
/// stop a thread.
#[must_use = "await it for the output; dropping it lets the closure run on unobserved"]
pub struct BlockingTask<T> {
    outcome: Arc<Outcome<T>>,
}

impl<T> BlockingTask<T> {
    /// The handle, and what a thread has to run.
    pub(crate) fn new<F>(work: F, runtime: &Runtime) -> (Self, Box<dyn FnOnce() + Send>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, body) = Self::with_hook(work, runtime.hook());
        (task, Box::new(move || body.run()))
    }

    /// As `new`; a panic that nobody awaits goes to `hook`.
    pub(crate) fn with_hook<F: FnOnce() -> T>(
        work: F,
        hook: Arc<Hook>,
    ) -> (Self, BlockingBody<F, T>) {
        let outcome = Outcome::new(hook);
        let body = BlockingBody {
            work: Some(work),
            outcome: outcome.clone(),
        };
        (Self { outcome }, body)
    }

    /// Whether the closure has ended, or will never run.
    pub fn is_finished(&self) -> bool {
        self.outcome.is_finished()
    }
}

impl<T> Future for BlockingTask<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.outcome.poll_take(cx)
    }
}

impl<T> Drop for BlockingTask<T> {
    fn drop(&mut self) {
        self.outcome.release();
    }
}

impl<T> fmt::Debug for BlockingTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingTask")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// What a thread runs. Neither running nor dropping it unwinds.
pub(crate) struct BlockingBody<F, T> {
    /// `None` once it has run, or is not to.
    work: Option<F>,
    outcome: Arc<Outcome<T>>,
}

impl<F: FnOnce() -> T, T> BlockingBody<F, T> {
    pub(crate) fn run(mut self) {
        if let Some(work) = self.work.take() {
            let result = catch(work).map_err(JoinError::panicked);
            self.outcome.finish(result);
        }
    }
}

impl<F, T> BlockingBody<F, T> {
    /// Ends it unrun.
    pub(crate) fn cancel(mut self, reason: Option<Reason>) {
        self.end(reason);
    }

    /// The closure, for whoever wanted it to be run.
    pub(crate) fn into_work(mut self) -> Option<F> {
        self.work.take()
    }

    fn end(&mut self, reason: Option<Reason>) {
        if let Some(work) = self.work.take() {
            let result = match catch_drop(work) {
                Ok(()) => Err(JoinError::cancelled(reason)),
                Err(payload) => Err(JoinError::panicked(payload)),
            };
            self.outcome.finish(result);
        }
    }
}

impl<F, T> Drop for BlockingBody<F, T> {
    fn drop(&mut self) {
        self.end(None);
    }
}
