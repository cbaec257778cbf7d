//! The future of a task that knows its group: its grace, its shields, its clean-up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_task::{FallibleTask, Runnable};
use pin_project_lite::pin_project;

use super::child::{poll_watched, run_on};
use super::host::{Host, Stay};
use super::label::{ChildId, Stop};
use super::member::{Member, OnCancel};
use super::node::{CANCELLED, STOPS};
use super::output::Output;
use super::slot::Slot;
use super::trace::TaskSpan;
use super::tree::Activity;
use super::verdict::{Ended, Verdict};
use crate::runtime::{BoxFuture, Sleep};
use crate::task::{catch, discard};

/// The task of `member`, not started and not in the list.
pub(super) fn make<F, V>(
    member: &Arc<Member>,
    slot: Slot,
    host: Host,
    future: F,
    verdict: V,
) -> (Runnable, FallibleTask<Output<V::Value>>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    V: Verdict<F::Output>,
{
    let body = Body {
        future: Some(future),
        verdict,
        slot,
        member: Some(member.clone()),
        polled: false,
        drop_at: None,
        sleep: None,
        ended: None,
        exit: None,
        span: TaskSpan::new(),
        _stays: host.stay(),
    };
    run_on(host, member.watch.clone(), body)
}

pin_project! {
    struct Body<F: Future, V: Verdict<F::Output>> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        verdict: V,
        slot: Slot,
        // `None` once the child has left the list.
        member: Option<Arc<Member>>,
        polled: bool,
        // When the future is to be dropped. `None` while nobody asked; beyond the clock is never.
        drop_at: Option<Option<Instant>>,
        // In a box: few tasks ever need it, and all have its place.
        sleep: Option<Pin<Box<Sleep>>>,
        // Set while the clean-up runs.
        ended: Option<Ended<F::Output>>,
        exit: Option<BoxFuture<'static, ()>>,
        span: TaskSpan,
        _stays: Option<Stay>,
    }

    impl<F, V> PinnedDrop for Body<F, V>
    where
        F: Future,
        V: Verdict<F::Output>,
    {
        fn drop(mut this: Pin<&mut Self>) {
            // The runtime is gone: nobody polls any more.
            if this.member.is_some() {
                if this.ended.is_none() {
                    this.as_mut().drop_future(Ended::Stopped(None));
                }
                drop(this.end());
            }
        }
    }
}

impl<F, V> Body<F, V>
where
    F: Future,
    V: Verdict<F::Output>,
{
    /// Polls the future, until it is done or has to be dropped.
    fn poll_future(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<F::Output>> {
        let mut this = self.project();
        let (Some(member), Some(mut future)) = (&*this.member, this.future.as_mut().as_pin_mut())
        else {
            unreachable!("a task is not polled after its end");
        };
        let node = &member.node;
        let runtime = node.runtime();
        loop {
            let flags = node.flags();
            let stop = match flags & (CANCELLED | STOPS) {
                0 => None,
                _ => node.stop_of(member.id(), flags),
            };
            if let Some(stop) = &stop {
                let wait = match member.on_cancel {
                    _ if stop.hard => Duration::ZERO,
                    OnCancel::Drop => Duration::ZERO,
                    OnCancel::Grace(grace) => grace,
                    OnCancel::Finish => node.setup.hard_limit,
                };
                let at = runtime.now().checked_add(wait);
                // A later request may shorten the wait, but not begin it again.
                *this.drop_at = match *this.drop_at {
                    Some(Some(before)) => Some(Some(at.map_or(before, |at| at.min(before)))),
                    _ => Some(at),
                };
                // Drops need no more than one look, and must not run what never ran.
                if !*this.polled && (stop.hard || member.on_cancel == OnCancel::Drop) {
                    return Poll::Ready(member.stopped(stop));
                }
            }
            if let (Some(stop), Some(Some(at))) = (&stop, *this.drop_at) {
                let now = runtime.now();
                if now >= at && !member.is_shielded() && *this.polled {
                    return Poll::Ready(member.stopped(stop));
                }
                if at
                    .checked_add(node.setup.hard_limit)
                    .is_some_and(|end| now >= end)
                {
                    node.note_overrun(member.path());
                    return Poll::Ready(member.stopped(stop));
                }
            }
            if this.slot.poll(cx).is_ready() {
                if !*this.polled {
                    // A hook that was taken back when it was about to begin.
                    if let Some(reason) = member.has_quit() {
                        return Poll::Ready(Ended::Stopped(Some(reason)));
                    }
                }
                *this.polled = true;
                let (id, watch, span) = (member.id(), member.watch.as_ref(), &mut *this.span);
                let poll = poll_watched(node, id, watch, || {
                    span.poll(node, id, || future.as_mut().poll(cx))
                });
                match poll {
                    Ok(Poll::Ready(output)) => return Poll::Ready(Ended::Output(output)),
                    Err(payload) => return Poll::Ready(Ended::Panicked(payload)),
                    Ok(Poll::Pending) => {}
                }
                if let Some(reason) = member.has_quit() {
                    return Poll::Ready(Ended::Stopped(Some(reason)));
                }
            }
            if !*this.polled {
                member.note(Activity::Slot);
            }
            let (Some(stop), Some(Some(at))) = (&stop, *this.drop_at) else {
                return Poll::Pending;
            };
            // What the poll did may have ended a shield, and nobody would wake us for that.
            let next = if runtime.now() < at {
                member.note(Activity::Grace);
                Some(at)
            } else if member.is_shielded() {
                member.note(Activity::Shield);
                at.checked_add(node.setup.hard_limit)
            } else {
                return Poll::Ready(member.stopped(stop));
            };
            let Some(next) = next else {
                return Poll::Pending;
            };
            let sleep = this
                .sleep
                .get_or_insert_with(|| Box::pin(runtime.sleep_until(next)));
            if sleep.deadline() != Some(next) {
                sleep.as_mut().reset_at(next);
            }
            std::task::ready!(sleep.as_mut().poll(cx));
        }
    }

    /// Drops the future and gives back its slot.
    fn drop_future(self: Pin<&mut Self>, ended: Ended<F::Output>) {
        let mut this = self.project();
        let ended = ended.after_drop(catch(|| this.span.again(|| this.future.set(None))));
        *this.slot = Slot::Free;
        *this.sleep = None;
        *this.ended = Some(ended);
    }

    /// Runs what the task left to be done, the last first, within the hard limit.
    fn poll_exits(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let Some(member) = &*this.member else {
            return Poll::Ready(());
        };
        let runtime = member.node.runtime();
        loop {
            if this.exit.is_none() {
                *this.exit = member.next_exit();
            }
            let Some(exit) = this.exit else {
                return Poll::Ready(());
            };
            let watch = member.watch.as_ref();
            let poll = poll_watched(&member.node, member.id(), watch, || {
                this.span.again(|| exit.as_mut().poll(cx))
            });
            match poll {
                Ok(Poll::Pending) => {
                    member.note(Activity::CleanUp);
                    let limit = member.node.setup.hard_limit;
                    let sleep = this
                        .sleep
                        .get_or_insert_with(|| Box::pin(runtime.sleep(limit)));
                    std::task::ready!(sleep.as_mut().poll(cx));
                    member.node.note_overrun(member.path());
                    discard(this.exit.take());
                    member.drop_exits();
                }
                Ok(Poll::Ready(())) => discard(this.exit.take()),
                Err(payload) => {
                    runtime.report_unobserved(payload);
                    discard(this.exit.take());
                }
            }
        }
    }

    /// Leaves the list.
    fn end(self: Pin<&mut Self>) -> Option<Output<V::Value>> {
        let this = self.project();
        let member = this.member.take()?;
        let ended = this.ended.take()?;
        discard(this.exit.take());
        member.drop_exits();
        let node = &member.node;
        let (result, end) = ended.settle(this.verdict, node, member.id());
        // A hook that never ran is in no list.
        if member.id() != ChildId::NONE {
            node.remove(member.id(), end);
        }
        Some(Output::new(result, node.clone()))
    }
}

impl Member {
    fn stopped<O>(&self, stop: &Stop) -> Ended<O> {
        match self.on_cancel {
            OnCancel::Drop => Ended::Stopped(stop.reason.clone()),
            OnCancel::Grace(_) | OnCancel::Finish => Ended::Aborted(stop.reason.clone()),
        }
    }
}

impl<F, V> Future for Body<F, V>
where
    F: Future,
    V: Verdict<F::Output>,
{
    type Output = Output<V::Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.ended.is_none() {
            let ended = std::task::ready!(self.as_mut().poll_future(cx));
            self.as_mut().drop_future(ended);
        }
        std::task::ready!(self.as_mut().poll_exits(cx));
        match self.end() {
            Some(output) => Poll::Ready(output),
            None => unreachable!("it was there at the beginning of this poll"),
        }
    }
}
