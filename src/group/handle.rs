use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use async_task::FallibleTask;

use super::label::{ChildId, Name, Stop};
use super::member::Member;
use super::node::Node;
use super::output::Output;
use super::state::Wait;
use crate::task::{CancelledOwned, JoinError, Reason, discard};

/// The result of a task of a [`Group`](super::Group).
///
/// Awaiting it gives the output, or a [`JoinError`]: the task was cancelled, it panicked, or, if
/// it was started with a `spawn_fallible`, it failed and its group has the error. The future is
/// dropped before its result can be seen.
///
/// Dropping the handle cancels nothing: the group owns the task. (The handle of a
/// [`Runtime::spawn`](crate::Runtime::spawn) is a [`Task`](crate::Task), which does cancel.) A
/// panic that nobody reads then goes to
/// [`Runtime::on_unobserved`](crate::Runtime::on_unobserved).
pub struct Handle<T> {
    /// `None` where the group took no more.
    task: Option<FallibleTask<Output<T>>>,
    node: Arc<Node>,
    id: ChildId,
    /// Has the place of one that did not begin when its handle was made.
    hook: Option<Arc<Member>>,
    /// Whom a poll has told to be woken.
    waiter: Option<Arc<Waiter>>,
}

impl<T> Handle<T> {
    pub(super) fn new(task: FallibleTask<Output<T>>, node: Arc<Node>, id: ChildId) -> Self {
        Self {
            task: Some(task),
            node,
            id,
            hook: None,
            waiter: None,
        }
    }

    /// The handle of a task that its group did not take.
    pub(super) fn refused(node: Arc<Node>) -> Self {
        Self {
            task: None,
            node,
            id: ChildId::NONE,
            hook: None,
            waiter: None,
        }
    }

    /// The handle of a task that is in no list yet.
    pub(super) fn of_hook(task: FallibleTask<Output<T>>, hook: Arc<Member>) -> Self {
        Self {
            task: Some(task),
            node: hook.node.clone(),
            id: ChildId::NONE,
            hook: Some(hook),
            waiter: None,
        }
    }

    fn id(&self) -> ChildId {
        match &self.hook {
            Some(hook) => hook.id(),
            None => self.id,
        }
    }

    /// What the task was named. `None` if it was not, or has ended.
    pub fn name(&self) -> Option<String> {
        let label = self.node.label_of(self.id())?;
        label.name.map(Name::into_owned)
    }

    /// Whether the task has ended: its future is dropped, its clean-up is over.
    pub fn is_finished(&self) -> bool {
        match (&self.hook, &self.task) {
            (Some(hook), Some(task)) if hook.id() == ChildId::NONE => task.is_finished(),
            _ => !self.node.has_child(self.id()),
        }
    }

    /// Asks the task to stop, by the means its [`OnCancel`](super::OnCancel) says. The first
    /// reason counts.
    ///
    /// Returns at once; await the handle to know that the task is gone.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        self.stop(Stop {
            reason: Some(reason.into()),
            hard: false,
        });
    }

    /// Has the future dropped at its next await, whatever its [`OnCancel`](super::OnCancel) says.
    pub fn abort(&self) {
        self.stop(Stop {
            reason: None,
            hard: true,
        });
    }

    fn stop(&self, stop: Stop) {
        match &self.hook {
            Some(hook) => self.node.stop_hook(hook, stop),
            None => self.node.stop(self.id, stop),
        }
    }

    /// Waits until the task has ended, and leaves its result in the handle.
    ///
    /// Any number may wait at the same time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub fn ended(&self) -> Ended {
        let hook = self.hook.as_ref();
        let token = hook.and_then(|hook| self.node.hook_ended(hook));
        Ended(match token.or_else(|| self.node.ended(self.id())) {
            Some(token) => Waiting::Task(token.cancelled_owned()),
            None if self.is_finished() => Waiting::Over,
            // A hook that is about to begin is over before its group is.
            None => Waiting::Group(Wait::new(&self.node, true)),
        })
    }
}

impl<T> Future for Handle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(task) = &mut this.task else {
            return Poll::Ready(Err(JoinError::cancelled(this.node.reason())));
        };
        // A task that has ended needs no waker, and most are awaited after that.
        let mut ended = Poll::Pending;
        if task.is_finished() {
            ended = Pin::new(&mut *task).poll(&mut Context::from_waker(Waker::noop()));
        }
        // One that was cancelled may count as finished while its future is still being dropped.
        if ended.is_pending() {
            let waiter = match &this.waiter {
                Some(waiter) if waiter.will_wake(cx.waker()) => waiter,
                _ => this
                    .waiter
                    .insert(Arc::new(Waiter(Some(cx.waker().clone())))),
            };
            let waker = waiter.clone().into();
            ended = Pin::new(task).poll(&mut Context::from_waker(&waker));
        }
        ended.map(|output| match output {
            Some(output) => output.take(),
            None => {
                let taken_back = this.hook.as_ref().and_then(|hook| hook.has_quit());
                Err(JoinError::cancelled(
                    taken_back.or_else(|| this.node.reason()),
                ))
            }
        })
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// The waker of who awaits a handle. A task aborts the process if its waiter's waker unwinds: this
/// one does not.
struct Waiter(Option<Waker>);

impl Waiter {
    fn will_wake(&self, waker: &Waker) -> bool {
        self.0.as_ref().is_some_and(|own| own.will_wake(waker))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        crate::task::quiet(|| {
            if let Some(waker) = &self.0 {
                waker.wake_by_ref();
            }
        });
    }
}

/// The future of [`Handle::ended`]; the handle is what [`Group::spawn`](super::Group::spawn) gives.
#[must_use = "futures do nothing unless awaited"]
pub struct Ended(Waiting);

enum Waiting {
    Task(CancelledOwned),
    Group(Wait),
    Over,
}

impl Future for Ended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Waiting::Task(waiter) => Pin::new(waiter).poll(cx),
            Waiting::Group(wait) => wait.poll(cx),
            Waiting::Over => Poll::Ready(()),
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").finish_non_exhaustive()
    }
}
