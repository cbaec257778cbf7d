//! What is run when a group closes, or when something is done.

use std::future::Future;
use std::mem;
use std::sync::Arc;

use async_task::Runnable;

use super::Group;
use super::body;
use super::door::Options;
use super::executor::Owner;
use super::handle::Handle;
use super::host::Host;
use super::label::{ChildId, Stop};
use super::member::{self, Member};
use super::node::{CLOSING, Node};
use super::slot::Slot;
use super::verdict::ToHandle;
use crate::task::{CancellationToken, discard};

impl<E: Send + 'static> Group<E> {
    /// Runs `hook` when the group is cancelled, or, if it closes gracefully, after its last task.
    ///
    /// It runs once, also if the group is cancelled before any task was polled, and the group is
    /// not closed before it is done, which must be within the hard limit after a cancel. One that
    /// is added while the group closes runs at once; on a closed group it is dropped, and the handle
    /// says that it was cancelled. A [`Handle::cancel`] or [`Handle::abort`] before it begins takes
    /// it back: it is dropped unrun. A panic in it that nobody reads goes to
    /// [`Runtime::on_unobserved`](crate::Runtime::on_unobserved).
    #[track_caller]
    pub fn on_closing<F>(&self, hook: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let node = &self.door.node;
        let label = Options::new(None).label;
        let host = Host::of(node, node.setup.isolated, || label.clone());
        let member = Member::of_hook(node.clone(), label);
        let (runnable, task) = body::make(&member, Slot::Free, host, hook, ToHandle);
        let hook = Hook {
            runnable,
            member: member.clone(),
            ended: None,
        };
        if let Err(hook) = node.add_hook(hook) {
            hook.start();
        }
        Handle::of_hook(task, member)
    }

    /// Runs `hook` with what `future` gives, in the group.
    ///
    /// `future` may be a [`Handle`]: the hook gets its outcome, a cancelled one included. If
    /// the group is cancelled first, both are dropped and the hook does not run.
    #[track_caller]
    pub fn on_done<F, H, R>(&self, future: F, hook: H) -> Handle<R::Output>
    where
        F: IntoFuture,
        F::IntoFuture: Send + 'static,
        F::Output: Send + 'static,
        H: FnOnce(F::Output) -> R + Send + 'static,
        R: Future + Send + 'static,
        R::Output: Send + 'static,
    {
        let future = future.into_future();
        self.spawn(async move { hook(future.await).await })
    }
}

/// What is to be run when the group closes, and its place in the list by then.
pub(super) struct Hook {
    runnable: Runnable,
    member: Arc<Member>,
    /// Cancelled when it has ended.
    ended: Option<CancellationToken>,
}

impl Hook {
    fn start(self) {
        member::start(&self.member, self.runnable, self.ended);
    }
}

impl Node {
    /// Keeps `hook` for when the group closes; gives it back if it does already.
    fn add_hook(&self, hook: Hook) -> Result<(), Hook> {
        let mut state = self.state.lock();
        if self.flags() & CLOSING != 0 {
            return Err(hook);
        }
        state.hooks.push(hook);
        Ok(())
    }

    /// Starts the hooks, once. Whoever calls it settles the group afterwards.
    pub(super) fn run_hooks(&self) {
        let mut state = self.state.lock();
        let hooks = mem::take(&mut state.hooks);
        if hooks.is_empty() {
            return;
        }
        // Else the group would be closed if its last task ended before they are its children.
        state.holds += 1;
        drop(state);
        hooks.into_iter().for_each(Hook::start);
        let mut state = self.state.lock();
        state.holds -= 1;
        let left = state.is_busy();
        drop(state);
        if !left && self.parent.is_none() {
            self.executor().last_child_gone();
        }
    }

    /// Drops the hook of `member` unrun if it has not begun; stops it as any task if it has.
    pub(super) fn stop_hook(&self, member: &Arc<Member>, stop: Stop) {
        let mut state = self.state.lock();
        let place = (state.hooks.iter()).position(|hook| Arc::ptr_eq(&hook.member, member));
        let hook = place.map(|place| state.hooks.remove(place));
        if hook.is_none() && member.id() != ChildId::NONE {
            drop(state);
            self.stop(member.id(), stop);
            return;
        }
        // One that is about to begin, and is not in the list yet, looks at this.
        member.quit(stop.reason());
        drop(state);
        if let Some(hook) = hook {
            discard(hook.runnable);
            if let Some(ended) = hook.ended {
                ended.cancel("the task has ended");
            }
        }
    }

    /// A token that is cancelled once the hook of `member` has ended. `None` if it has begun.
    pub(super) fn hook_ended(&self, member: &Arc<Member>) -> Option<CancellationToken> {
        let mut state = self.state.lock();
        let hook = (state.hooks.iter_mut()).find(|hook| Arc::ptr_eq(&hook.member, member))?;
        let ended = hook.ended.get_or_insert_with(CancellationToken::new);
        Some(ended.clone())
    }
}
