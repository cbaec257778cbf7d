//! What is run when a group closes, or when something is done.

use std::future::Future;

use super::Group;
use super::child::{Host, Slot, ToHandle};
use super::door::Options;
use super::handle::Handle;
use super::member::{self, Member, OnCancel};

impl<E: Send + 'static> Group<E> {
    /// Runs `hook` when the group is cancelled, or, if it closes gracefully, after its last task.
    ///
    /// It runs once, also if the group is cancelled before any task was polled, and the group is
    /// not closed before it is done, which must be within the hard limit after a cancel. One that
    /// is added while the group closes runs at once. Its handle can cancel it once it runs. On a closed group it is dropped, and the
    /// handle says that it was cancelled. A panic in it that nobody reads goes to
    /// [`Runtime::on_unobserved`](crate::Runtime::on_unobserved).
    #[track_caller]
    pub fn on_closing<F>(&self, hook: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let node = &self.door.node;
        let label = Options::new(None).label;
        let hook_member = Member::new(node.clone(), label, OnCancel::Finish);
        let host = Host::of(node, node.setup.isolated);
        let (runnable, task) = member::make(&hook_member, Slot::Free, host, hook, ToHandle);
        if let Err(runnable) = node.add_hook(runnable, hook_member.clone()) {
            member::start(&hook_member, runnable);
        }
        Handle::of_hook(task, hook_member)
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
