//! What a group runs for a task that knows its group: with a grace, shields and a clean-up.

use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_task::Runnable;

use super::body;
use super::handle::Handle;
use super::host::Host;
use super::label::{ChildId, Label, Stop, Who};
use super::node::{ABORTED, Node, STOPS};
use super::slot::Slot;
use super::tree::Activity;
use super::verdict::Verdict;
use super::watch::Watch;
use crate::primitives::Mutex;
use crate::runtime::BoxFuture;
use crate::task::{CancellationToken, Reason, discard};

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
    /// The future is asked by its token, and dropped this long after the request.
    ///
    /// It is polled at least once, so that it can see the request, but for one that waits for a
    /// slot under the group's limit until its grace is over: that never began, and is dropped
    /// unpolled. So tasks that wait for slots do not make a shutdown longer.
    Grace(Duration),
    /// As [`Grace`](Self::Grace), with the group's hard limit for the grace.
    Finish,
}

/// What a task, its context and its group share.
pub(super) struct Member {
    pub(super) node: Arc<Node>,
    id: OnceLock<ChildId>,
    pub(super) label: Label,
    token: OnceLock<CancellationToken>,
    pub(super) on_cancel: OnCancel,
    /// Part of the end of the group, and no task of its users.
    pub(super) is_hook: bool,
    pub(super) watch: Option<Arc<Watch>>,
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
        Self::made(node, label, on_cancel, false)
    }

    pub(super) fn of_hook(node: Arc<Node>, label: Label) -> Arc<Self> {
        Self::made(node, label, OnCancel::Finish, true)
    }

    fn made(node: Arc<Node>, label: Label, on_cancel: OnCancel, is_hook: bool) -> Arc<Self> {
        let watch = node.watch();
        Arc::new(Self {
            node,
            watch,
            id: OnceLock::new(),
            label,
            token: OnceLock::new(),
            on_cancel,
            is_hook,
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

    pub(super) fn next_exit(&self) -> Option<BoxFuture<'static, ()>> {
        let mut state = self.state.lock();
        let next = state.exits.as_mut().and_then(Vec::pop);
        if next.is_none() {
            state.exits = None;
        }
        next
    }

    pub(super) fn drop_exits(&self) {
        let exits = self.state.lock().exits.take();
        for exit in exits.into_iter().flatten() {
            discard(exit);
        }
    }

    /// What the poll that is under way leaves the task doing, for who watches it.
    pub(super) fn note(&self, activity: Activity) {
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
            let (runnable, task) = body::make(member, slot, host, future, verdict);
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

/// Puts a task that [`body::make`] made in the list and starts it.
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
