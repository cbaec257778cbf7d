//! Owners of tasks, with an orderly end.
//!
//! A [`Group`] owns the tasks that are spawned in it: it knows when they are gone, what failed, and
//! how to stop them in order. It means the same on every runtime.
//!
//! | You want | Take |
//! |---|---|
//! | to start a task and have its result | [`Group::spawn`] |
//! | to have errors of tasks handled in one place | [`Group::spawn_fallible`] and [`OnFailure`] |
//! | a task that cleans up when it is cancelled | [`Group::task`], [`OnCancel`], [`Context`] |
//! | no more work, but to finish what there is | [`Group::join`] |
//! | to stop all of it in an orderly way | [`Group::shutdown`] |
//! | groups inside groups | [`Group::subgroup`], or [`Group::builder`] with a group |
//!
//! # Examples
//!
//! ```
//! # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
//! use untethered::group::Group;
//!
//! let rt = untethered::runtime::threads(2);
//! let group = Group::builder(&rt).name("sums").limit(8).build();
//! let handles: Vec<_> = (0..100u32).map(|n| group.spawn(async move { n * n })).collect();
//! group.join().await.unwrap();
//! let mut sum = 0;
//! for handle in handles {
//!     sum += handle.await.unwrap();
//! }
//! assert_eq!(sum, 328_350);
//! # });
//! ```
//!
//! # How it runs
//!
//! A group is a small executor of its own: a few tasks of the runtime, its drivers, poll its
//! tasks. So a task costs the same on each runtime, and being dropped, cancelled or panicking
//! means the same. What looks at the tasks of the runtime from outside (ids, spans, consoles,
//! metrics) sees drivers. While a task of a group blocks its thread, its siblings run on
//! the other drivers; one that blocks often should be
//! [`isolated`](TaskBuilder::isolated).
//!
//! # Tracing
//!
//! With the feature `tracing` each task is polled, and its future dropped, in a span `task` of the
//! level debug and the target `untethered::group`, with its path in the field `path`. It is made
//! when somebody listens to it, and has no parent: `future.instrument(span)` puts a task below one
//! of yours. Events of the same target tell of the ends of tasks (failed, panicked, cancelled and
//! aborted at debug, finished at trace) and of the cancel and the shutdown of a group, with its
//! report; one that had to abort or left something behind is a warning. A [`Scope`] tells nothing: its tasks are in the span of the task they are in.

mod block;
mod body;
mod builder;
mod cancel_all;
mod child;
mod children;
mod context;
mod door;
mod driver;
#[cfg(all(test, untethered_loom))]
mod driver_model;
mod ending;
mod executor;
mod failure;
mod failures;
mod group_error;
mod handle;
mod hook;
mod host;
mod label;
mod member;
mod node;
mod output;
mod polled;
mod queue;
mod queues;
mod reference;
mod report;
mod resource;
mod results;
mod scope;
mod shutdown;
mod slot;
mod stall;
mod state;
mod stats;
mod subgroup;
mod task;
#[cfg_attr(not(feature = "tracing"), path = "untraced.rs")]
mod trace;
mod tree;
mod verdict;
mod watch;

use std::fmt;
use std::future::Future;

use self::door::{Door, Options};
use self::label::Name;
use self::node::CLOSING;
use self::state::Wait;
use self::verdict::ToHandle;
use crate::runtime::Runtime;
use crate::sync::Limit;
use crate::task::{CancellationToken, Reason};

pub use self::block::{BlockError, task_group};
pub use self::builder::{Builder, Parent};
pub use self::cancel_all::{Cancelled, cancel_all};
pub use self::context::{Context, Quit, Shield};
pub use self::door::TrySpawnError;
pub use self::failure::{BoxError, Failure, OnFailure};
pub use self::group_error::GroupError;
pub use self::handle::{Ended, Handle};
pub use self::member::OnCancel;
pub use self::reference::GroupRef;
pub use self::report::Report;
pub use self::resource::{Life, Resource, Shutdown};
pub use self::results::Results;
pub use self::scope::{
    Kind, Local, Scope, ScopeBuilder, ScopeHandle, ScopeRun, Sendable, scope, scope_local,
};
pub use self::state::{Closed, Closing, SelfWait};
pub use self::stats::GroupStats;
pub use self::subgroup::ClosedError;
pub use self::task::TaskBuilder;
pub use self::tree::{Activity, Stats, TaskInfo, Tree};

/// Owner of spawned tasks: it ends after all of them.
///
/// A group is open, then closing, then closed. It begins to close when it is
/// [closed](Self::close), [cancelled](Self::cancel) or dropped, or with its parent. It is closed
/// once the future of each of its tasks is dropped, each clean-up is over, and each subgroup is
/// closed; one without tasks is closed at once.
///
/// A group, and whatever leads to it or to one of its tasks, keeps its [`Runtime`]: the workers of
/// a [`threads`](crate::runtime::threads) do not end before those are dropped. (The runtimes of
/// others end when their owner says so, and their groups with them.)
///
/// Dropping the group cancels it and returns at once; [`shutdown`](Self::shutdown) and
/// [`closed`](Self::closed) wait, and [`detach`](Self::detach) lets the tasks go on alone.
/// A task that has ended leaves nothing behind in the group.
///
/// See the [module](self) for an example.
#[must_use = "dropping a group cancels its tasks"]
pub struct Group<E: Send + 'static = BoxError> {
    door: Door<E>,
    life: Life,
    detached: bool,
}

impl Group<BoxError> {
    /// Settings for a group that runs on `parent`: a [`Runtime`], or, for a subgroup, a group or
    /// the [`Context`] of a task.
    #[allow(clippy::new_ret_no_self, reason = "the settings lead to it")]
    pub fn builder<P: Parent>(parent: &P) -> Builder<P::Error> {
        Builder::new(parent)
    }
}

impl<E: Send + 'static> Group<E> {
    fn new(door: Door<E>) -> Self {
        Self {
            life: Life::new(door.node.clone()),
            door,
            detached: false,
        }
    }

    fn door(&self) -> &Door<E> {
        &self.door
    }

    /// Starts `future` as a task of the group.
    ///
    /// Above the group's limit it queues, without bound and in order; [`len`](Self::len) counts it,
    /// and [`try_spawn`](Self::try_spawn) and [`spawn_when_free`](Self::spawn_when_free) do
    /// not queue. A group that takes no more drops the future unrun, and the handle says that it
    /// was cancelled.
    ///
    /// The output, or a panic, goes to the [`Handle`]. Dropping that cancels nothing.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.door.spawn(future, ToHandle)
    }

    /// Starts `future`, whose errors and panics are the group's, to be handled as its
    /// [`OnFailure`] says.
    ///
    /// The handle gets the value, or a [`JoinError`](crate::task::JoinError) that
    /// [is failed](crate::task::JoinError::is_failed). Otherwise as [`spawn`](Self::spawn).
    ///
    /// Any error that becomes the group's will do, so that an `async` block with a `?` in it has to
    /// say which it has:
    ///
    /// ```
    /// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
    /// use untethered::group::{BoxError, Group};
    ///
    /// let group = Group::builder(&untethered::runtime::threads(1)).build();
    /// let sum = group.spawn_fallible(async {
    ///     Ok::<_, BoxError>("1".parse::<u32>()? + "2".parse::<u32>()?)
    /// });
    /// assert_eq!(sum.await.unwrap(), 3);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_fallible<F, T, X>(&self, future: F) -> Handle<T>
    where
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + Send + 'static,
    {
        self.door.spawn(future, self.door.to_group())
    }

    /// Says more about a task before it is started: its name, what a cancel does to it, whether it
    /// waits for a slot [before](TaskBuilder::when_free).
    #[track_caller]
    pub fn task(&self, name: impl Into<Name>) -> TaskBuilder<E> {
        TaskBuilder::new(self.door.clone(), Options::new(Some(name.into())))
    }

    /// Starts `future` now, or gives it back.
    ///
    /// # Errors
    ///
    /// [`TrySpawnError::Full`] if the limit is reached or somebody waits for a slot;
    /// [`TrySpawnError::Closed`] if the group takes no more.
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<Handle<F::Output>, TrySpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.door.try_spawn(future)
    }

    /// Waits for a slot under the limit, then starts `future`; gives it back if the group closes
    /// first. For one that may fail, or has a name, take [`TaskBuilder::when_free`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `future` unrun and gives up its place.
    ///
    /// # Errors
    ///
    /// [`TrySpawnError::Closed`] if the group takes no more.
    #[track_caller]
    pub fn spawn_when_free<F>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<Handle<F::Output>, TrySpawnError<F>>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.door.spawn_when_free(future)
    }

    /// A group that closes, and is cancelled, with this one, but not the other way round.
    ///
    /// It does with failures what this one does; [`Group::builder`] with this group can say
    /// more. This one is not closed before it is.
    ///
    /// # Errors
    ///
    /// [`ClosedError`] if this group takes no more.
    pub fn subgroup(&self, name: impl Into<Name>) -> Result<Self, ClosedError> {
        subgroup::of(Builder::new(self), name.into())
    }

    /// A clonable way into the group that does not own it.
    pub fn reference(&self) -> GroupRef<E> {
        GroupRef::new(self.door.clone())
    }

    /// Takes nothing more from outside, in this group and its subgroups.
    ///
    /// Tasks that run go on, and may start others through their [`Context`] until the last has
    /// ended.
    pub fn close(&self) {
        self.door.node.close();
    }

    /// Asks every task of this group and its subgroups to stop, those of subgroups first.
    ///
    /// Each is stopped as its [`OnCancel`] says; by default its future is dropped at its next
    /// await. Nothing more is started. The first reason counts. Returns at once.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        self.door.node.cancel(&reason.into(), false);
    }

    /// Drops every task of this group and its subgroups at its next await, whatever its
    /// [`OnCancel`] says; only a shield holds that off, and no longer than the hard limit.
    pub fn abort(&self) {
        self.door.node.cancel(&"aborted".into(), true);
    }

    /// Waits until the group begins to close.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub fn closing(&self) -> Closing {
        Closing(Wait::new(&self.door.node, false))
    }

    /// Waits until the group is closed. Does not close it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`SelfWait`] if a task of the group, or the body of a block below it, awaits it, as that
    /// would never end. Only one that polls this future itself is noticed.
    pub fn closed(&self) -> Closed {
        Closed(Wait::new(&self.door.node, true))
    }

    /// Whether the group takes nothing more from outside. Stays so once it is closed.
    pub fn is_closing(&self) -> bool {
        self.door.node.flags() & CLOSING != 0
    }

    /// Whether every task and subgroup has ended and none can come.
    pub fn is_closed(&self) -> bool {
        self.door.node.is_closed()
    }

    /// Why the group was cancelled, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.door.node.reason()
    }

    /// Fires when the group is cancelled. Cancelling this token does not cancel the group.
    pub fn token(&self) -> CancellationToken {
        self.door.node.token().child_token()
    }

    /// How many tasks of the group and its subgroups have not ended, those that wait for a slot
    /// included.
    pub fn len(&self) -> usize {
        self.door.node.len()
    }

    /// Whether no task is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the group.
    pub fn name(&self) -> Option<&str> {
        self.door.node.setup.name.as_deref()
    }

    /// The names from the outermost group down to this one, with `/` between.
    pub fn path(&self) -> String {
        self.door.node.path()
    }

    /// The limit of the group, to look at or resize.
    pub fn limit(&self) -> Option<&Limit> {
        self.door.node.setup.limit.as_ref()
    }

    /// The runtime the group runs on.
    pub fn runtime(&self) -> &Runtime {
        self.door.node.runtime()
    }

    /// The state of the group, for a [`Resource`] that keeps its tasks in it.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// Lets the tasks go on without an owner: the group closes, and nothing is cancelled.
    ///
    /// A parent still waits for them, and cancels them with itself.
    pub fn detach(mut self) {
        self.detached = true;
        self.door.node.close();
    }
}

impl<E: Send + 'static> Drop for Group<E> {
    fn drop(&mut self) {
        if !self.detached {
            self.door
                .node
                .cancel(&"its group was dropped".into(), false);
        }
        self.door.failures.release(&self.door.node);
    }
}

impl<E: Send + 'static> fmt::Debug for Group<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("path", &self.path())
            .field("len", &self.len())
            .field("is_closing", &self.is_closing())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
