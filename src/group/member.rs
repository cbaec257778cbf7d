//! What a group runs for a task that knows its group: with a grace, shields and a clean-up.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_task::{FallibleTask, Runnable};
use pin_project_lite::pin_project;

use super::child::{Ended, Host, Output, Slot, Stay, Verdict, poll_watched, run_on};
use super::handle::Handle;
use super::label::{ChildId, Label, Stop, Who};
use super::node::{ABORTED, CANCELLED, Node, STOPS};
use super::tree::Activity;
use super::watch::Watch;
use crate::primitives::Mutex;
use crate::runtime::{BoxFuture, Sleep};
use crate::task::{CancellationToken, Reason, catch, discard};

/// What becomes of a task when it, or its group, is cancelled.
///
/// In each case the task's token fires at once, and what ends the future in the end is its drop
/// at an await.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnCancel {
    /// The future is dropped at its next await. One that was never polled does not run.
    #[default]
    Drop,
    /// The future is asked by its token, and dropped after this long. It is polled at least once.
    Grace(Duration),
    /// The future is asked by its token, and dropped after the group's hard limit. It is polled
    /// at least once.
    Finish,
}

/// What a task, its context and its group share.
pub(super) struct Member {
    pub(super) node: Arc<Node>,
    id: OnceLock<ChildId>,
    pub(super) label: Label,
    token: OnceLock<CancellationToken>,
    on_cancel: OnCancel,
    watch: Option<Arc<Watch>>,
    state: Mutex<State>,
}

struct State {
    shields: usize,
    /// Groups that were made inside a shield.
    covered: Vec<Weak<Node>>,
    /// Run when the task ends, the last first. `None` once they are over.
    exits: Option<Vec<BoxFuture<'static, ()>>>,
    /// Why the task ends itself, or, of a hook, why it was taken back.
    quit: Option<Reason>,
}

impl Member {
    pub(super) fn new(node: Arc<Node>, label: Label, on_cancel: OnCancel) -> Arc<Self> {
        let watch = node.watch();
        Arc::new(Self {
            node,
            watch,
            id: OnceLock::new(),
            label,
            token: OnceLock::new(),
            on_cancel,
            state: Mutex::new(State {
                shields: 0,
                covered: Vec::new(),
                exits: Some(Vec::new()),
                quit: None,
            }),
        })
    }

    pub(super) fn id(&self) -> ChildId {
        self.id.get().copied().unwrap_or(ChildId::NONE)
    }

    /// Cancelled with the task, or with its group.
    pub(super) fn token(&self) -> &CancellationToken {
        let mut made = false;
        let token = self.token.get_or_init(|| {
            made = true;
            self.node.token().child_token()
        });
        if made {
            // A stop that came before found no token to cancel.
            if let Some(stop) = self.node.stop_of(self.id(), STOPS) {
                token.cancel(stop.reason());
            }
        }
        token
    }

    /// Fires the token, if there is one yet, for a stop the node knows of.
    pub(super) fn fire(&self, stop: &Stop) {
        if let Some(token) = self.token.get() {
            token.cancel(stop.reason());
        }
    }

    pub(super) fn is_shielded(&self) -> bool {
        self.state.lock().shields > 0
    }

    pub(super) fn enter_shield(&self) {
        self.state.lock().shields += 1;
    }

    /// Gives the cancel that the shield held off to the groups it covered.
    pub(super) fn leave_shield(&self) {
        let mut state = self.state.lock();
        state.shields -= 1;
        if state.shields > 0 {
            return;
        }
        let covered = std::mem::take(&mut state.covered);
        drop(state);
        let Some(reason) = self.node.reason() else {
            return;
        };
        let hard = self.node.flags() & ABORTED != 0;
        for node in covered.iter().filter_map(Weak::upgrade) {
            node.cancel(&reason, hard);
        }
    }

    /// The group is cancelled once no shield covers it any more.
    pub(super) fn cover(&self, node: &Arc<Node>) {
        let mut state = self.state.lock();
        if state.shields > 0 {
            state.covered.retain(|node| node.strong_count() > 0);
            state.covered.push(Arc::downgrade(node));
        }
    }

    /// Keeps `exit` to be run when the task has ended; gives it back if that is over.
    pub(super) fn on_exit(
        &self,
        exit: BoxFuture<'static, ()>,
    ) -> Result<(), BoxFuture<'static, ()>> {
        match &mut self.state.lock().exits {
            Some(exits) => {
                exits.push(exit);
                Ok(())
            }
            None => Err(exit),
        }
    }

    fn next_exit(&self) -> Option<BoxFuture<'static, ()>> {
        let mut state = self.state.lock();
        let next = state.exits.as_mut().and_then(Vec::pop);
        if next.is_none() {
            state.exits = None;
        }
        next
    }

    fn drop_exits(&self) {
        let exits = self.state.lock().exits.take();
        for exit in exits.into_iter().flatten() {
            discard(exit);
        }
    }

    /// What the poll that is under way leaves the task doing, for who watches it.
    fn note(&self, activity: Activity) {
        if let Some(watch) = &self.watch {
            watch.note(activity);
        }
    }

    pub(super) fn quit(&self, reason: Reason) {
        self.state.lock().quit.get_or_insert(reason);
    }

    pub(super) fn has_quit(&self) -> Option<Reason> {
        self.state.lock().quit.clone()
    }

    /// The path of the task.
    pub(super) fn path(&self) -> String {
        self.label.path(&self.node)
    }
}

/// Starts `future` as the task of `member`. A group that takes no more gives it back.
pub(super) fn spawn<F, V>(
    member: &Arc<Member>,
    who: Who,
    isolated: bool,
    slot: Slot,
    future: F,
    verdict: V,
) -> Result<Handle<V::Value>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    V: Verdict<F::Output>,
{
    let node = &member.node;
    let host = Host::of(node, isolated || node.setup.isolated, || {
        member.label.clone()
    });
    let parts = (future, verdict, slot, host);
    let kept = Some(member.clone());
    let added = node.add(
        who,
        member.label.spawned_at,
        kept,
        member.watch.clone(),
        parts,
        |parts, id| {
            let (future, verdict, slot, host) = parts;
            member.id.set(id).ok();
            let (runnable, task) = make(member, slot, host, future, verdict);
            (runnable.waker(), (runnable, task))
        },
    );
    match added {
        Ok((id, (runnable, task))) => {
            runnable.schedule();
            Ok(Handle::new(task, node.clone(), id))
        }
        Err((future, ..)) => Err(future),
    }
}

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
        _stays: host.stay(),
    };
    run_on(host, member.watch.clone(), body)
}

/// Puts a task that [`make`] made in the list and starts it.
pub(super) fn start(member: &Arc<Member>, runnable: Runnable, ended: Option<CancellationToken>) {
    let added = member.node.add(
        Who::Hook,
        member.label.spawned_at,
        Some(member.clone()),
        member.watch.clone(),
        (),
        |(), id| {
            member.id.set(id).ok();
            (runnable.waker(), ())
        },
    );
    match added {
        Ok((id, ())) => {
            if let Some(ended) = ended {
                member
                    .node
                    .with_child(id, |child| child.asked().ended = Some(ended));
            }
            runnable.schedule();
        }
        // A group that is closed drops it.
        Err(()) => {
            drop(runnable);
            if let Some(ended) = ended {
                ended.cancel("the task has ended");
            }
        }
    }
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
                *this.polled = true;
                let watch = member.watch.as_ref();
                match poll_watched(node, member.id(), watch, || future.as_mut().poll(cx)) {
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
        let ended = ended.after_drop(catch(|| this.future.set(None)));
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
            match poll_watched(&member.node, member.id(), watch, || exit.as_mut().poll(cx)) {
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
        if member.id.get().is_some() {
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
