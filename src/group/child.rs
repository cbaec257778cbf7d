//! What a group runs for a plain task: one future, dropped when the group is cancelled.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use async_task::{FallibleTask, Runnable, ScheduleInfo, WithInfo};
use pin_project_lite::pin_project;

use super::executor::{Executor, Owner};
use super::handle::Handle;
use super::label::{ChildId, End, Label, Who};
use super::node::{ABORTED, CANCELLED, Node, Ready, STOPS};
use super::polled::Polled;
use super::tree::Activity;
use super::watch::Watch;
use crate::sync::{AcquireOwned, Limit, OwnedPermit};
use crate::task::{JoinError, Reason, catch, catch_drop, discard, forget_panic};

/// What a task leaves for its handle. Dropped unread, a panic in it is reported.
pub(super) struct Output<T> {
    result: Option<Result<T, JoinError>>,
    node: Arc<Node>,
}

impl<T> Output<T> {
    pub(super) fn new(result: Result<T, JoinError>, node: Arc<Node>) -> Self {
        Self {
            result: Some(result),
            node,
        }
    }

    pub(super) fn take(mut self) -> Result<T, JoinError> {
        self.result
            .take()
            .expect("only this takes it, and consumes the output")
    }
}

impl<T> Drop for Output<T> {
    fn drop(&mut self) {
        let payload = match self.result.take() {
            None => return,
            Some(Ok(value)) => catch_drop(value).err(),
            Some(Err(error)) => error.into_panic().ok(),
        };
        if let Some(payload) = payload {
            self.node.runtime().report_unobserved(payload);
        }
    }
}

/// Whose are the errors of a task, and what its handle gets.
pub(super) trait Verdict<O>: Send + 'static {
    type Value: Send + 'static;

    /// Called once the future has been dropped.
    fn judge(&self, output: O, node: &Arc<Node>, id: ChildId) -> Result<Self::Value, JoinError>;

    /// As [`judge`](Self::judge), for a task that panicked.
    fn judge_panic(
        &self,
        payload: Box<dyn std::any::Any + Send>,
        node: &Arc<Node>,
        id: ChildId,
    ) -> JoinError;
}

/// Everything goes to the handle.
pub(super) struct ToHandle;

impl<O: Send + 'static> Verdict<O> for ToHandle {
    type Value = O;

    fn judge(&self, output: O, _node: &Arc<Node>, _id: ChildId) -> Result<O, JoinError> {
        Ok(output)
    }

    fn judge_panic(
        &self,
        payload: Box<dyn std::any::Any + Send>,
        _node: &Arc<Node>,
        _id: ChildId,
    ) -> JoinError {
        JoinError::panicked(payload)
    }
}

/// A place under the limit of the group, or in the queue for one.
pub(super) enum Slot {
    Free,
    Waiting(AcquireOwned),
    Held(OwnedPermit),
}

impl Slot {
    /// Takes a place, or the next in the queue.
    pub(super) fn of(limit: Option<&Limit>) -> Self {
        let Some(limit) = limit else {
            return Self::Free;
        };
        let mut wait = limit.acquire_owned();
        // Queues at once; whom to wake it learns when the task is first polled.
        match Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Self::Held(permit),
            Poll::Pending => Self::Waiting(wait),
        }
    }

    pub(super) fn into_permit(self) -> Option<OwnedPermit> {
        match self {
            Self::Held(permit) => Some(permit),
            Self::Free | Self::Waiting(_) => None,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(wait) = self {
            let permit = std::task::ready!(Pin::new(wait).poll(cx));
            *self = Self::Held(permit);
        }
        Poll::Ready(())
    }
}

/// Starts `future` as a child of `node`. A group that takes no more gives it back.
pub(super) fn spawn<F, V>(
    node: &Arc<Node>,
    who: Who,
    label: Label,
    slot: Slot,
    future: F,
    verdict: V,
) -> Result<Handle<V::Value>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    V: Verdict<F::Output>,
{
    let host = Host::of(node, node.setup.isolated, &label);
    let watch = node.watch();
    let parts = (future, verdict, slot, host);
    let added = node.add(who, label, None, watch.clone(), parts, |parts, id| {
        let (future, verdict, slot, Host { executor, keep }) = parts;
        let child = Plain {
            future: Some(future),
            verdict,
            slot,
            node: Some(node.clone()),
            id,
            watch: watch.clone(),
            _host: keep,
        };
        let (runnable, task) = run_on(executor, watch, child);
        (runnable.waker(), (runnable, task))
    });
    match added {
        Ok((id, (runnable, task))) => {
            runnable.schedule();
            Ok(Handle::new(task, node.clone(), id))
        }
        Err((future, ..)) => Err(future),
    }
}

/// A task that `executor` polls whenever it is woken.
pub(super) fn run_on<F>(
    executor: Arc<Executor<Ready>>,
    watch: Option<Arc<Watch>>,
    future: F,
) -> (Runnable, FallibleTask<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let schedule = WithInfo(move |runnable, info: ScheduleInfo| {
        if let Some(watch) = &watch {
            watch.woken();
        }
        executor.push(Ready(runnable), info.woken_while_running);
    });
    let (runnable, task) = async_task::Builder::new().spawn(move |()| future, schedule);
    (runnable, task.fallible())
}

/// Where a child runs: with all others, or as a task of the runtime of its own.
pub(super) struct Host {
    pub(super) executor: Arc<Executor<Ready>>,
    /// Keeps the executor of an isolated child going for as long as it lives.
    pub(super) keep: Option<Arc<Solo>>,
}

/// The owner of an executor with a single child.
pub(super) struct Solo {
    node: Arc<Node>,
    label: Label,
}

impl Host {
    pub(super) fn of(node: &Arc<Node>, isolated: bool, label: &Label) -> Self {
        if !isolated {
            return Self {
                executor: node.executor.clone(),
                keep: None,
            };
        }
        let solo = Arc::new(Solo {
            node: node.clone(),
            label: label.clone(),
        });
        let owner = Arc::downgrade(&solo) as Weak<dyn Owner>;
        Self {
            executor: Arc::new(Executor::new(node.runtime().clone(), owner, Some(1))),
            keep: Some(solo),
        }
    }
}

impl Owner for Solo {
    fn has_children(&self) -> bool {
        // It is held by the child only.
        true
    }

    fn children(self: Arc<Self>) -> Vec<String> {
        vec![format!("{}, isolated", self.label.line(&self.node.path()))]
    }

    fn runtime_gone(self: Arc<Self>) {
        self.node.clone().runtime_gone();
    }
}

pin_project! {
    struct Plain<F: Future, V: Verdict<F::Output>> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        verdict: V,
        slot: Slot,
        // `None` once the child has left the list.
        node: Option<Arc<Node>>,
        id: ChildId,
        watch: Option<Arc<Watch>>,
        _host: Option<Arc<Solo>>,
    }

    impl<F: Future, V: Verdict<F::Output>> PinnedDrop for Plain<F, V> {
        fn drop(this: Pin<&mut Self>) {
            // The runtime is gone: nobody polls any more.
            if let Some(output) = this.end(Ended::Stopped(None)) {
                drop(output);
            }
        }
    }
}

/// Polls what belongs to a child of `node`.
pub(super) fn poll_watched<T>(
    node: &Node,
    id: ChildId,
    watch: Option<&Arc<Watch>>,
    poll: impl FnOnce() -> Poll<T>,
) -> std::thread::Result<Poll<T>> {
    let _polled = Polled::enter(node);
    if let Some(watch) = watch {
        let waited = watch.poll_begins();
        node.note_stall(id, watch, Activity::Ready, waited);
    }
    let poll = catch(poll);
    if let Some(watch) = watch {
        let took = watch.poll_ends(Activity::Waiting);
        node.note_stall(id, watch, Activity::Polled, took);
    }
    poll
}

/// How a future came to its end.
pub(super) enum Ended<O> {
    Output(O),
    Panicked(Box<dyn std::any::Any + Send>),
    Stopped(Option<Reason>),
    /// Dropped because its grace was over.
    Aborted(Option<Reason>),
}

impl<O> Ended<O> {
    /// What the handle gets, and what the group counts.
    pub(super) fn settle<V: Verdict<O>>(
        self,
        verdict: &V,
        node: &Arc<Node>,
        id: ChildId,
    ) -> (Result<V::Value, JoinError>, End) {
        match self {
            Self::Output(output) => match verdict.judge(output, node, id) {
                Ok(value) => (Ok(value), End::Finished),
                Err(error) => (Err(error), End::Failed),
            },
            Self::Panicked(payload) => (Err(verdict.judge_panic(payload, node, id)), End::Panicked),
            Self::Stopped(reason) => (Err(JoinError::cancelled(reason)), End::Cancelled),
            Self::Aborted(reason) => (Err(JoinError::cancelled(reason)), End::Aborted),
        }
    }

    /// With the panic of the future's destructor, if it had one. The first panic counts.
    pub(super) fn after_drop(self, dropped: Result<(), Box<dyn std::any::Any + Send>>) -> Self {
        match (dropped, self) {
            (Ok(()), ended) => ended,
            (Err(second), Self::Panicked(first)) => {
                forget_panic(second);
                Self::Panicked(first)
            }
            (Err(payload), lost) => {
                discard(lost);
                Self::Panicked(payload)
            }
        }
    }
}

impl<F, V> Plain<F, V>
where
    F: Future,
    V: Verdict<F::Output>,
{
    /// Drops the future, gives back the slot, leaves the list, in this order.
    fn end(self: Pin<&mut Self>, ended: Ended<F::Output>) -> Option<Output<V::Value>> {
        let mut this = self.project();
        let node = this.node.take()?;
        let ended = ended.after_drop(catch(|| this.future.set(None)));
        *this.slot = Slot::Free;
        let (result, end) = ended.settle(this.verdict, &node, *this.id);
        node.remove(*this.id, end);
        Some(Output::new(result, node))
    }
}

impl<F, V> Future for Plain<F, V>
where
    F: Future,
    V: Verdict<F::Output>,
{
    type Output = Output<V::Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let (Some(node), Some(future)) = (&*this.node, this.future.as_pin_mut()) else {
            unreachable!("a task is not polled after its end");
        };
        let flags = node.flags();
        let stop = if flags & (CANCELLED | ABORTED | STOPS) == 0 {
            None
        } else {
            node.stop_of(*this.id, flags)
        };
        let ended = if let Some(stop) = stop {
            Ended::Stopped(stop.reason)
        } else {
            if this.slot.poll(cx).is_pending() {
                if let Some(watch) = this.watch {
                    watch.note(Activity::Slot);
                }
                return Poll::Pending;
            }
            let poll = poll_watched(node, *this.id, this.watch.as_ref(), || future.poll(cx));
            match poll {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => Ended::Output(output),
                Err(payload) => Ended::Panicked(payload),
            }
        };
        match self.end(ended) {
            Some(output) => Poll::Ready(output),
            None => unreachable!("it was there at the beginning of this poll"),
        }
    }
}
