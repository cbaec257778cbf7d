//! Blocks: a body and its tasks, which all have ended when the block has.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Group;
use super::builder::{Builder, Parent};
use super::failure::{BoxError, OnFailure};
use super::group_error::GroupError;
use super::node::{CANCELLED, Node};
use super::polled::Polled;
use super::reference::GroupRef;
use super::state::{SelfWait, Wait};
use crate::task::{CancelledOwned, Reason, catch, discard, forget_panic};

/// Runs `body` and the tasks it starts; returns when all have ended.
///
/// The first failure, of the body or of a task started by a `spawn_fallible`, cancels all others
/// and the body, and comes first in the error. The block belongs to `parent`: made from a group or
/// from a task's [`Context`](super::Context) it is a subgroup, so that its tasks are waited for
/// even if the block is dropped half-way. For other ways to treat failures, a limit, a deadline or a
/// name take [`Builder::run`].
///
/// # Cancel safety
///
/// Dropping the returned future drops `body` and cancels the tasks.
///
/// # Errors
///
/// [`BlockError`]: what failed, or why the block was cancelled.
///
/// # Panics
///
/// If `body` does, with its panic, once all tasks have ended.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
/// use untethered::group::task_group;
///
/// let rt = untethered::runtime::threads(2);
/// let sum = task_group(&rt, |group| async move {
///     let one = group.spawn_fallible(async { "1".parse::<u32>() });
///     let two = group.spawn_fallible(async { "2".parse::<u32>() });
///     Ok(one.await? + two.await?)
/// });
/// assert_eq!(sum.await.unwrap(), 3);
/// # });
/// ```
pub async fn task_group<P, B, F, T>(parent: &P, body: B) -> Result<T, BlockError<P::Error>>
where
    P: Parent,
    B: FnOnce(GroupRef<P::Error>) -> F,
    F: Future<Output = Result<T, P::Error>>,
{
    Builder::new(parent)
        .on_failure(OnFailure::CancelAll)
        .run(body)
        .await
}

impl<E: Send + 'static> Builder<E> {
    /// Runs `body` with a new group, then waits for what it started.
    ///
    /// An `Err` of `body` cancels the tasks. Under a policy that keeps failures,
    /// [`OnFailure::CancelAll`] or [`OnFailure::Collect`], it is one of them, the first if it came
    /// first; else it comes out unchanged as [`BlockError::Body`]. If the group is cancelled, by a
    /// failure, its deadline, its parent or somebody else, `body` is dropped. A close does not end
    /// it, and the parent is not closed before it is over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `body` and cancels the tasks.
    ///
    /// # Errors
    ///
    /// [`BlockError`]: what failed, or why the block was cancelled.
    ///
    /// # Panics
    ///
    /// If `body` does, with its panic, once all tasks have ended.
    pub async fn run<B, F, T>(mut self, body: B) -> Result<T, BlockError<E>>
    where
        B: FnOnce(GroupRef<E>) -> F,
        F: Future<Output = Result<T, E>>,
    {
        self.setup.has_body = true;
        let group = self.build();
        let failures = &group.door.failures;
        let node = &group.door.node;
        let held = Held(node);
        let ended = match catch(|| body(group.reference())) {
            Ok(future) => RunBody::new(future, node).await,
            Err(payload) => Ended::Panicked(payload),
        };
        drop(held);
        let (value, own) = match ended {
            Ended::Body(Ok(value)) => (Some(value), None),
            Ended::Body(Err(error)) => (None, failures.record_body(error, node)),
            Ended::Dropped(Err(payload)) | Ended::Panicked(payload) => {
                node.cancel(&"the body of the block panicked".into(), false);
                wait(&group).await;
                resume_unwind(payload);
            }
            Ended::Dropped(Ok(())) => (None, None),
        };
        wait(&group).await;
        if let Some(error) = own {
            return Err(BlockError::Body(error));
        }
        match (failures.take(node), value) {
            (Err(error), value) => {
                discard(value);
                Err(BlockError::Tasks(error))
            }
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => {
                let reason = node.reason().unwrap_or_else(|| Reason::from("closed"));
                Err(BlockError::Cancelled(reason))
            }
        }
    }
}

/// Keeps the parent from being closed while the body runs.
struct Held<'a>(&'a Arc<Node>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.body_over();
    }
}

enum Ended<T, E> {
    Body(Result<T, E>),
    /// The group was cancelled first; with what the destructor of the body panicked.
    Dropped(Result<(), Box<dyn std::any::Any + Send>>),
    Panicked(Box<dyn std::any::Any + Send>),
}

pin_project! {
    /// Polls the body until it is done or the group is cancelled.
    struct RunBody<F> {
        // `None` once it has been dropped.
        #[pin]
        body: Option<F>,
        node: Arc<Node>,
        // Made once the group closes without being cancelled, which a body may outlast.
        cancelled: Option<CancelledOwned>,
    }
}

impl<F> RunBody<F> {
    fn new(body: F, node: &Arc<Node>) -> Self {
        Self {
            body: Some(body),
            node: node.clone(),
            cancelled: None,
        }
    }

    fn poll_cancelled(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        ready!(this.node.poll_closing_body(cx));
        if this.node.flags() & CANCELLED != 0 {
            return Poll::Ready(());
        }
        let node = &this.node;
        let cancelled = this
            .cancelled
            .get_or_insert_with(|| node.token().cancelled_owned());
        Pin::new(cancelled).poll(cx)
    }
}

impl<F, T, X> Future for RunBody<F>
where
    F: Future<Output = Result<T, X>>,
{
    type Output = Ended<T, X>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let cancelled = self.as_mut().poll_cancelled(cx).is_ready();
        let this = self.project();
        let (mut body, node) = (this.body, &*this.node);
        let Some(future) = body.as_mut().as_pin_mut() else {
            unreachable!("it is awaited once");
        };
        let ended = if cancelled {
            None
        } else {
            let _polled = Polled::enter_body(node);
            match catch(|| future.poll(cx)) {
                Ok(Poll::Ready(result)) => Some(Ended::Body(result)),
                Err(payload) => Some(Ended::Panicked(payload)),
                Ok(Poll::Pending) => return Poll::Pending,
            }
        };
        let dropped = catch(|| body.set(None));
        Poll::Ready(match (ended, dropped) {
            (None, dropped) => Ended::Dropped(dropped),
            (Some(ended), Ok(())) => ended,
            // The first panic counts.
            (Some(Ended::Panicked(first)), Err(second)) => {
                forget_panic(second);
                Ended::Panicked(first)
            }
            (Some(lost), Err(payload)) => {
                discard(lost);
                Ended::Panicked(payload)
            }
        })
    }
}

/// Closes the group and waits for its end.
async fn wait<E: Send + 'static>(group: &Group<E>) {
    group.close();
    let mut closed = Wait::new(&group.door.node, true);
    // The body is no task of its group, so this is never a task that waits for itself; a block
    // that a task of it polls would be one.
    let _: Result<(), SelfWait> = poll_fn(|cx| closed.poll_outside(cx)).await;
}

/// Why a block gave no value.
///
/// An error of the body is displayed as it is. What caused it is not in `source()`, as an `E` need
/// not be an [`Error`]: take it out of [`Body`](Self::Body) and ask it.
pub enum BlockError<E = BoxError> {
    /// The body failed, in a block that keeps no failures.
    Body(E),
    /// Tasks failed, and with them the block. Has the body's error too, if it failed.
    Tasks(GroupError<E>),
    /// The block was cancelled, for this reason: by its deadline, by what it belongs to, or by
    /// somebody who has its group.
    Cancelled(Reason),
}

impl<E> BlockError<E> {
    /// What failed in tasks, or in the body of a block that keeps failures.
    pub fn into_tasks(self) -> Option<GroupError<E>> {
        match self {
            Self::Tasks(error) => Some(error),
            _ => None,
        }
    }

    /// Whether nothing failed, but the block was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }
}

impl<E: fmt::Debug> fmt::Debug for BlockError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => f.debug_tuple("Body").field(error).finish(),
            Self::Tasks(error) => f.debug_tuple("Tasks").field(error).finish(),
            Self::Cancelled(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for BlockError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Tasks(error) => error.fmt(f),
            Self::Cancelled(reason) => write!(f, "the block was cancelled: {reason}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for BlockError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Tasks(error) => error.source(),
            Self::Body(_) | Self::Cancelled(_) => None,
        }
    }
}
