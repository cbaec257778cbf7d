use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::outcome::Outcome;
use super::{JoinError, catch, catch_drop};
use crate::runtime::Runtime;

/// Owner of a spawned future and of its output.
///
/// Awaiting it gives the output, or a [`JoinError`] if the task panicked or was cancelled. The
/// future is dropped before its output can be seen.
///
/// Dropping the handle cancels the future: it is woken, and dropped where it would have been
/// polled. The drop of the handle does not wait for that; [`cancel`](Self::cancel) does.
/// [`detach`](Self::detach) lets the future go on alone.
///
/// # Cancel safety
///
/// Awaiting `&mut task` and dropping that loses nothing. Dropping the task itself cancels it, and
/// drops an output that was there already.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// # let rt = untethered::runtime::threads(1);
/// let task = rt.spawn(async { "done" });
/// assert_eq!(futures_lite::future::block_on(task).unwrap(), "done");
///
/// let endless = rt.spawn(std::future::pending::<()>());
/// let error = futures_lite::future::block_on(endless.cancel()).unwrap_err();
/// assert!(error.is_cancelled());
/// # }
/// ```
#[must_use = "dropping a task cancels it: await it, keep it, or call detach()"]
pub struct Task<T> {
    outcome: Arc<Outcome<T>>,
    detached: bool,
}

impl<T> Task<T> {
    /// The handle, and what the runtime has to run.
    pub(crate) fn new<F>(
        future: F,
        runtime: &Runtime,
    ) -> (Self, impl Future<Output = ()> + Send + use<F, T>)
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let outcome = Outcome::new(runtime.hook());
        let body = Body {
            future: Some(future),
            outcome: outcome.clone(),
        };
        let task = Self {
            outcome,
            detached: false,
        };
        (task, body)
    }

    /// Whether the task has ended: its output is there, or it panicked or was cancelled.
    pub fn is_finished(&self) -> bool {
        self.outcome.is_finished()
    }

    /// Makes the runtime drop the future at its next await.
    ///
    /// Returns at once; await the handle to know that it is gone. A future that had already
    /// ended keeps its output. One that was never polled is dropped unrun.
    pub fn abort(&self) {
        self.outcome.abort();
    }

    /// Aborts the task, waits until its future is dropped, and gives the output if it came first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future leaves the abort in force.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task was cancelled before it ended, or panicked.
    pub async fn cancel(self) -> Result<T, JoinError> {
        self.abort();
        self.await
    }

    /// Lets the task go on without a handle. A panic of it goes to
    /// [`Runtime::on_unobserved`].
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl<T: Send + 'static> Task<T> {
    /// A handle that can only abort the task, and outlives this one.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle {
            outcome: self.outcome.clone(),
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.outcome.poll_take(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.outcome.abort();
        }
        self.outcome.release();
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Aborts a task without owning its output. From [`Task::abort_handle`].
#[derive(Clone)]
pub struct AbortHandle {
    outcome: Arc<dyn Abort>,
}

impl AbortHandle {
    /// As [`Task::abort`].
    pub fn abort(&self) {
        self.outcome.abort();
    }

    /// As [`Task::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.outcome.is_finished()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

trait Abort: Send + Sync {
    fn abort(&self);
    fn is_finished(&self) -> bool;
}

impl<T: Send> Abort for Outcome<T> {
    fn abort(&self) {
        Outcome::abort(self);
    }

    fn is_finished(&self) -> bool {
        Outcome::is_finished(self)
    }
}

pin_project! {
    /// What the runtime runs: never unwinds, and drops the future before the outcome is visible.
    struct Body<F: Future> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        outcome: Arc<Outcome<F::Output>>,
    }

    impl<F: Future> PinnedDrop for Body<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.future.is_some() {
                this.end(Err(JoinError::cancelled(None)));
            }
        }
    }
}

impl<F: Future> Body<F> {
    fn end(self: Pin<&mut Self>, result: Result<F::Output, JoinError>) {
        let mut this = self.project();
        let result = match catch(|| this.future.set(None)) {
            Ok(()) => result,
            Err(payload) => match result {
                // The first panic is the outcome, the second is told elsewhere.
                Err(first) if first.is_panic() => {
                    this.outcome.report(payload);
                    Err(first)
                }
                lost => {
                    if let Err(second) = catch_drop(lost) {
                        this.outcome.report(second);
                    }
                    Err(JoinError::panicked(payload))
                }
            },
        };
        this.outcome.finish(result);
    }
}

impl<F: Future> Future for Body<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Ready(());
        };
        let result = if this.outcome.poll_aborted(cx) {
            Err(JoinError::cancelled(None))
        } else {
            match catch(|| future.poll(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(value)) => Ok(value),
                Err(payload) => Err(JoinError::panicked(payload)),
            }
        };
        self.end(result);
        Poll::Ready(())
    }
}
