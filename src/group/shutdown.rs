//! Ways to the end of a group that wait for it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Group;
use super::group_error::GroupError;
use super::node::Node;
use super::report::Report;
use super::state::{SelfWait, Wait};
use super::trace;
use crate::runtime::Sleep;

impl<E: Send + 'static> Group<E> {
    /// Closes the group and waits until it is closed. Tasks run to their own end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the returned future leaves the group closing; it may be called again.
    ///
    /// # Errors
    ///
    /// [`GroupError`] with the failures the group keeps, by [`OnFailure::CancelAll`] or
    /// [`OnFailure::Collect`], each given once. [`GroupError::is_self_wait`] if a task of the
    /// group awaits it.
    ///
    /// [`OnFailure::CancelAll`]: super::OnFailure::CancelAll
    /// [`OnFailure::Collect`]: super::OnFailure::Collect
    pub async fn join(&self) -> Result<(), GroupError<E>> {
        self.close();
        match self.closed().await {
            Ok(()) => self.door.failures.take(&self.door.node),
            Err(SelfWait { .. }) => Err(self.door.failures.self_wait()),
        }
    }

    /// Cancels the group, waits for `grace`, aborts what is left, waits, and reports.
    ///
    /// It returns within `grace` and the group's [hard limit](super::Builder::hard_limit), five
    /// seconds unless it was said otherwise; tasks that are not gone by then are named in the
    /// [`Report`]. Which of them holds a thread and which only waits for one is known in an
    /// [observed](super::Builder::observed) group: look at [`tree`](Self::tree), where it is
    /// [`Polled`](super::Activity::Polled). Failures that the group keeps stay for [`join`](Self::join), which
    /// may follow.
    ///
    /// Called by a task of the group, it does not wait for that task. Note that the call cancels
    /// its caller: an [`OnCancel::Drop`](super::OnCancel::Drop) task is dropped in it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future, once it was polled, leaves the cancel in force.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
    /// use std::time::Duration;
    /// use untethered::group::Group;
    ///
    /// let rt = untethered::runtime::threads(1);
    /// let group = Group::builder(&rt).build();
    /// group.spawn(std::future::pending::<()>());
    /// let report = group.shutdown(Duration::from_secs(10)).await;
    /// assert_eq!(report.cancelled, 1);
    /// assert!(report.is_clean());
    /// # });
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> Report {
        of(self.door().node.clone(), grace).await
    }
}

pub(super) async fn of(node: Arc<Node>, grace: Duration) -> Report {
    let before = node.tally();
    node.cancel(&"shutdown".into(), false);
    let mut closed = Wait::new(&node, true);
    let runtime = node.runtime();
    let mut done = wait_until(&mut closed, runtime.sleep(grace)).await;
    if done.is_none() {
        node.cancel(&"shutdown".into(), true);
        done = wait_until(&mut closed, runtime.sleep(node.setup.hard_limit)).await;
    }
    let stuck = match done {
        Some(Ok(())) => Vec::new(),
        Some(Err(SelfWait { .. })) | None => node.paths(),
    };
    let report = Report::between(&before, &node.tally(), stuck);
    trace::shut_down(&node, &report);
    report
}

/// Waits for whichever comes first; `None` if that is the timer.
async fn wait_until(closed: &mut Wait, timer: Sleep) -> Option<Result<(), SelfWait>> {
    let mut timer = pin!(timer);
    poll_fn(|cx: &mut Context<'_>| {
        if let Poll::Ready(closed) = closed.poll_outside(cx) {
            return Poll::Ready(Some(closed));
        }
        Pin::new(&mut timer).poll(cx).map(|()| None)
    })
    .await
}
