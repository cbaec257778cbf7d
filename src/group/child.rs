//! What a group runs for a plain task: one future, dropped when the group is cancelled.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_task::{FallibleTask, Runnable, ScheduleInfo, WithInfo};
use pin_project_lite::pin_project;

use super::handle::Handle;
use super::host::{Host, Stay};
use super::label::{ChildId, Label, Who};
use super::node::{ABORTED, CANCELLED, Node, STOPS};
use super::output::Output;
use super::polled::Polled;
use super::slot::Slot;
use super::trace::TaskSpan;
use super::tree::Activity;
use super::verdict::{Ended, Verdict};
use super::watch::Watch;
use crate::task::catch;

/// Starts `future` as a child of `node`. A group that takes no more gives it back.
pub(super) fn spawn<F, V>(
    node: &Arc<Node>,
    who: Who,
    spawned_at: &'static Location<'static>,
    slot: Slot,
    future: F,
    verdict: V,
) -> Result<Handle<V::Value>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    V: Verdict<F::Output>,
{
    let host = Host::of(node, node.setup.isolated, || Label::unnamed(spawned_at));
    let watch = node.watch();
    let parts = (future, verdict, slot, host);
    let added = node.add(who, spawned_at, None, watch.clone(), parts, |parts, id| {
        let (future, verdict, slot, host) = parts;
        let child = Plain {
            future: Some(future),
            verdict,
            slot,
            node: Some(node.clone()),
            id,
            watch: watch.clone(),
            span: TaskSpan::new(),
            _stays: host.stay(),
        };
        let (runnable, task) = run_on(host, watch, child);
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

/// A task that is polled by the drivers of `host` whenever it is woken.
pub(super) fn run_on<F>(
    host: Host,
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
        host.push(runnable, info.woken_while_running);
    });
    let (runnable, task) = async_task::Builder::new().spawn(move |()| future, schedule);
    (runnable, task.fallible())
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
        span: TaskSpan,
        _stays: Option<Stay>,
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

impl<F, V> Plain<F, V>
where
    F: Future,
    V: Verdict<F::Output>,
{
    /// Drops the future, gives back the slot, leaves the list, in this order.
    fn end(self: Pin<&mut Self>, ended: Ended<F::Output>) -> Option<Output<V::Value>> {
        let mut this = self.project();
        let node = this.node.take()?;
        let ended = ended.after_drop(catch(|| this.span.again(|| this.future.set(None))));
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
            let (id, span) = (*this.id, this.span);
            let poll = poll_watched(node, id, this.watch.as_ref(), || {
                span.poll(node, id, || future.poll(cx))
            });
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
