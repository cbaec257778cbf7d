use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as PollContext, Poll};

use pin_project_lite::pin_project;

use super::door::{Door, Options};
use super::failure::BoxError;
use super::failures::Failures;
use super::handle::Handle;
use super::label::{Name, Who};
use super::member::{self, Member, OnCancel};
use super::reference::GroupRef;
use super::slot::Slot;
use super::task::TaskBuilder;
use super::verdict::ToHandle;
use crate::runtime::Runtime;
use crate::task::{CancellationToken, Reason, discard};

/// What a task of a [`Group`](super::Group) knows of itself and of its group.
///
/// It comes from [`TaskBuilder::spawn_with`]. It may spawn for as long as a task of the group
/// lives, also while the group drains, but not once it is cancelled.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::group::{Group, OnCancel};
///
/// let rt = untethered::runtime::threads(1);
/// let group = Group::builder(&rt).build();
/// let handle = group.task("worker").on_cancel(OnCancel::Finish).spawn_with(|cx| async move {
///     cx.token().cancelled().await;
///     "cleaned up"
/// });
/// group.cancel("enough");
/// assert_eq!(futures_lite::future::block_on(handle).unwrap(), "cleaned up");
/// # }
/// ```
pub struct Context<E = BoxError> {
    member: Arc<Member>,
    failures: Failures<E>,
}

impl<E: Send + 'static> Context<E> {
    pub(super) fn new(member: Arc<Member>, failures: Failures<E>) -> Self {
        Self { member, failures }
    }

    /// Fires when this task or its group is cancelled.
    pub fn token(&self) -> CancellationToken {
        self.member.token().clone()
    }

    /// Whether this task or its group is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.member.token().is_cancelled()
    }

    /// The name of this task.
    pub fn name(&self) -> Option<&str> {
        self.member.label.name.as_deref()
    }

    /// The runtime of the group.
    pub fn runtime(&self) -> &Runtime {
        self.member.node.runtime()
    }

    /// Keeps this task from being dropped until `future` is done.
    ///
    /// A cancel that comes meanwhile is held off, not lost: the value of `future` is returned,
    /// and then the task is dropped at its next await, or goes on, as its [`OnCancel`] says. The
    /// token fires at once all the same. A group made inside is not cancelled with this one until
    /// the shield is over. Shields may be nested. They hold for the group's hard limit at most,
    /// counted from when the task would have been dropped. A timeout inside this task drops
    /// `future` on time; what must survive that belongs in
    /// [`uncancellable`](Self::uncancellable).
    pub fn shield<F: IntoFuture>(&self, future: F) -> Shield<F::IntoFuture> {
        Shield {
            future: Some(future.into_future()),
            member: self.member.clone(),
            entered: false,
        }
    }

    /// Runs `future` to its end in the group, even if this task is dropped.
    ///
    /// It starts at once. The handle may be awaited or dropped; either way the group is not closed
    /// before `future` is done, or dropped at the hard limit after a cancel.
    #[track_caller]
    pub fn uncancellable<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let label = Options::new(None).label;
        let node = self.member.node.clone();
        let other = Member::new(node, label, OnCancel::Finish);
        let door = self.door(Who::CleanUp);
        match member::spawn(&other, Who::CleanUp, false, Slot::Free, future, ToHandle) {
            Ok(handle) => handle,
            Err(future) => door.refuse(future),
        }
    }

    /// Keeps `clean_up` to be run by the group once this task's future is gone, however it ends.
    ///
    /// What was kept last runs first. All of it together may take the group's hard limit; what is
    /// left then is dropped, and a [`Report`](super::Report) names the task. A panic in it goes to
    /// [`Runtime::on_unobserved`]. If the runtime goes away it is dropped unrun.
    pub fn on_exit(&self, clean_up: impl Future<Output = ()> + Send + 'static) {
        if let Err(late) = self.member.on_exit(Box::pin(clean_up)) {
            discard(late);
        }
    }

    /// Ends this task as cancelled: await it, and the task is dropped there.
    pub fn cancel(&self, reason: impl Into<Reason>) -> Quit {
        Quit {
            member: self.member.clone(),
            reason: Some(reason.into()),
        }
    }

    /// Starts a task in the group of this one. As [`Group::spawn`](super::Group::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.door(Who::Member).spawn(future, ToHandle)
    }

    /// Starts a task that may fail. As
    /// [`Group::spawn_fallible`](super::Group::spawn_fallible).
    #[track_caller]
    pub fn spawn_fallible<F, T, X>(&self, future: F) -> Handle<T>
    where
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + Send + 'static,
    {
        let door = self.door(Who::Member);
        let verdict = door.to_group();
        door.spawn(future, verdict)
    }

    /// Says more about a task before it is started. As [`Group::task`](super::Group::task).
    #[track_caller]
    pub fn task(&self, name: impl Into<Name>) -> TaskBuilder<E> {
        TaskBuilder::new(self.door(Who::Member), Options::new(Some(name.into())))
    }

    /// A handle to the group that can go elsewhere.
    pub fn group(&self) -> GroupRef<E> {
        GroupRef::new(self.door(Who::Member))
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    pub(super) fn failures(&self) -> &Failures<E> {
        &self.failures
    }

    fn door(&self, who: Who) -> Door<E> {
        Door {
            node: self.member.node.clone(),
            failures: self.failures.clone(),
            who,
        }
    }
}

impl<E> fmt::Debug for Context<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("task", &self.member.path())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Context::shield`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future inside: the shield holds off the cancel of the group, not
    /// whoever owns the task.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Shield<F> {
        // `None` once it is done.
        #[pin]
        future: Option<F>,
        member: Arc<Member>,
        entered: bool,
    }

    impl<F> PinnedDrop for Shield<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.entered {
                this.member.leave_shield();
            }
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if !*this.entered {
            *this.entered = true;
            this.member.enter_shield();
        }
        let future = this.future.as_mut().as_pin_mut();
        let output = std::task::ready!(future.expect("polled after it was ready").poll(cx));
        this.future.set(None);
        *this.entered = false;
        this.member.leave_shield();
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").finish_non_exhaustive()
    }
}

/// The future of [`Context::cancel`].
///
/// # Cancel safety
///
/// Dropping it leaves the task to go on, unless it was polled: what was polled once has asked, and
/// the task goes at its next await.
#[must_use = "the task goes on until this is awaited"]
pub struct Quit {
    member: Arc<Member>,
    reason: Option<Reason>,
}

impl Future for Quit {
    type Output = Infallible;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut PollContext<'_>) -> Poll<Infallible> {
        if let Some(reason) = self.reason.take() {
            self.member.quit(reason);
        }
        Poll::Pending
    }
}

impl fmt::Debug for Quit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quit").finish_non_exhaustive()
    }
}
