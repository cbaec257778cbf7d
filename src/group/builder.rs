use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Group;
use super::context::Context;
use super::door::Door;
use super::failure::{BoxError, OnFailure, Views};
use super::failures::Failures;
use super::label::{Name, Who};
use super::member::Member;
use super::node::{Node, Setup};
use super::reference::GroupRef;
use super::stall::Stall;
use super::tree::TaskInfo;
use crate::runtime::Runtime;
use crate::sync::Limit;

/// How long what may not be cut off at once is waited for, unless the builder says otherwise.
const HARD_LIMIT: Duration = Duration::from_secs(5);

/// What a new group belongs to: a [`Runtime`], a [`Group`], a [`GroupRef`] or a task's
/// [`Context`].
///
/// A group made from another is a subgroup of it: it closes and is cancelled with it, and the
/// other is not closed before it is.
#[diagnostic::on_unimplemented(
    message = "no group can be made from `{Self}`",
    label = "not a `Runtime`, a `Group`, a `GroupRef` or a `Context`",
    note = "get a `Runtime` from a constructor in `untethered::runtime`, and lend it: `&rt`"
)]
pub trait Parent: sealed::Origin {}

impl<P: sealed::Origin> Parent for P {}

mod sealed {
    use super::Start;

    #[diagnostic::on_unimplemented(
        message = "no group can be made from `{Self}`",
        label = "not a `Runtime`, a `Group`, a `GroupRef` or a `Context`",
        note = "get a `Runtime` from a constructor in `untethered::runtime`, and lend it: `&rt`"
    )]
    pub trait Origin {
        type Error: Send + 'static;

        #[doc(hidden)]
        fn start(&self) -> Start<Self::Error>;
    }
}

/// Where a new group begins.
#[allow(missing_debug_implementations, reason = "nobody can name it")]
pub struct Start<E> {
    from: From,
    /// To be inherited.
    policy: Option<OnFailure<E>>,
    views: Views<E>,
    hard_limit: Duration,
    observed: bool,
    stall: Option<Stall>,
}

enum From {
    Runtime(Runtime),
    Group {
        node: Arc<Node>,
        who: Who,
        /// The task that makes it, if that has a shield up.
        member: Option<Arc<Member>>,
    },
}

impl<E: Send + 'static> Start<E> {
    fn below(door: &Door<E>, member: Option<&Arc<Member>>) -> Self {
        let member = member.filter(|member| member.is_shielded()).cloned();
        Self {
            from: From::Group {
                node: door.node.clone(),
                // Work in a shield may begin after the cancel that the shield holds off.
                who: if member.is_some() {
                    Who::CleanUp
                } else {
                    door.who
                },
                member,
            },
            policy: door.failures.policy.clone(),
            views: door.failures.views,
            hard_limit: door.node.setup.hard_limit,
            observed: door.node.setup.observed,
            stall: door.node.setup.stall.clone(),
        }
    }
}

impl sealed::Origin for Runtime {
    type Error = BoxError;

    fn start(&self) -> Start<BoxError> {
        Start {
            from: From::Runtime(self.clone()),
            policy: None,
            views: Views::of_box(),
            hard_limit: HARD_LIMIT,
            observed: false,
            stall: None,
        }
    }
}

impl<E: Send + 'static> sealed::Origin for Group<E> {
    type Error = E;

    fn start(&self) -> Start<E> {
        Start::below(self.door(), None)
    }
}

impl<E: Send + 'static> sealed::Origin for GroupRef<E> {
    type Error = E;

    fn start(&self) -> Start<E> {
        Start::below(self.door(), None)
    }
}

impl<E: Send + 'static> sealed::Origin for Context<E> {
    type Error = E;

    fn start(&self) -> Start<E> {
        let door = Door {
            node: self.member().node.clone(),
            failures: self.failures().clone(),
            who: Who::Member,
        };
        Start::below(&door, Some(self.member()))
    }
}

/// Settings of a new [`Group`]. From [`Group::builder`].
#[must_use = "a builder does nothing before build() or run()"]
pub struct Builder<E = BoxError> {
    start: Start<E>,
    pub(super) setup: Setup,
    deadline: Option<Duration>,
}

impl<E: Send + 'static> Builder<E> {
    pub(super) fn new(parent: &impl sealed::Origin<Error = E>) -> Self {
        let start = parent.start();
        let setup = Setup {
            name: None,
            limit: None,
            hard_limit: start.hard_limit,
            isolated: false,
            observed: start.observed,
            stall: start.stall.clone(),
            shield: None,
            has_body: false,
        };
        Self {
            start,
            setup,
            deadline: None,
        }
    }

    /// The name of the group, for reports.
    pub fn name(mut self, name: impl Into<Name>) -> Self {
        self.setup.name = Some(name.into());
        self
    }

    /// Lets at most `limit` tasks of the group run at once; others wait for their turn in the order in
    /// which they were spawned.
    ///
    /// [`Group::spawn`] queues without bound above it.
    ///
    /// # Panics
    ///
    /// If `limit` is nought: no task could ever run. For a number that comes from outside take
    /// [`shared_limit`](Self::shared_limit) with `Limit::from(NonZeroUsize)`.
    #[track_caller]
    pub fn limit(self, limit: usize) -> Self {
        let limit =
            NonZeroUsize::new(limit).expect("a group with a limit of nought never runs a task");
        self.shared_limit(&Limit::from(limit))
    }

    /// As [`limit`](Self::limit), with slots that others take from too.
    pub fn shared_limit(mut self, limit: &Limit) -> Self {
        self.setup.limit = Some(limit.clone());
        self
    }

    /// What is done with errors and panics of the tasks started by a `spawn_fallible`.
    ///
    /// By default a subgroup does as its parent, and a group without one gives them to
    /// [`Runtime::on_unobserved`].
    pub fn on_failure(mut self, policy: OnFailure<E>) -> Self {
        self.start.policy = Some(policy);
        self
    }

    /// Takes errors of the type `E2` from here on. What was said by
    /// [`on_failure`](Self::on_failure) before, or is inherited, is forgotten.
    pub fn errors<E2: Error + Send + Sync + 'static>(self) -> Builder<E2> {
        Builder {
            start: Start {
                from: self.start.from,
                policy: None,
                views: Views::of_error(),
                hard_limit: self.start.hard_limit,
                observed: self.start.observed,
                stall: self.start.stall,
            },
            setup: self.setup,
            deadline: self.deadline,
        }
    }

    /// How long a shield, a clean-up, an [`OnCancel::Finish`](super::OnCancel::Finish) or the
    /// last wait of a shutdown may take. Five seconds by default, or what the parent has.
    pub fn hard_limit(mut self, limit: Duration) -> Self {
        self.setup.hard_limit = limit;
        self
    }

    /// Cancels the group after `duration` from its start, with the reason "deadline".
    pub fn deadline(mut self, duration: Duration) -> Self {
        self.deadline = Some(duration);
        self
    }

    /// Looks closely at each task of this group and its subgroups: what it does, its age, its
    /// polls. [`Group::tree`] tells.
    ///
    /// Costs an allocation a task and two looks at the clock a poll.
    pub fn observed(mut self) -> Self {
        self.setup.observed = true;
        self
    }

    /// Tells `hook` of each task that was woken and not polled for longer than `threshold`, or
    /// was polled for longer than that in one go.
    ///
    /// The [`TaskInfo`] says which of the two, and for how long. The hook runs where the task is polled,
    /// before that poll or after it, and must not block; a panic in it goes to
    /// [`Runtime::on_unobserved`]. Of a poll that has not ended yet [`Tree::stalled`] knows. Subgroups
    /// do the same. Costs what [`observed`](Self::observed) does, which it turns on.
    ///
    /// [`Tree::stalled`]: super::Tree::stalled
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
    /// use std::sync::mpsc::channel;
    /// use std::time::Duration;
    /// use untethered::group::Group;
    ///
    /// let rt = untethered::runtime::threads(1);
    /// let (tell, told) = channel();
    /// let group = Group::builder(&rt)
    ///     .stall_after(Duration::from_millis(1), move |task| tell.send(task).unwrap())
    ///     .build();
    /// let blocks = group.task("blocks");
    /// blocks.spawn(async { std::thread::sleep(Duration::from_millis(5)) });
    /// group.join().await.unwrap();
    /// assert!(told.try_iter().any(|task| task.path == "group/blocks"));
    /// # });
    /// ```
    pub fn stall_after(
        mut self,
        threshold: Duration,
        hook: impl Fn(TaskInfo) + Send + Sync + 'static,
    ) -> Self {
        self.setup.stall = Some(Stall::new(threshold, hook));
        self.observed()
    }

    /// Runs each task as one of the runtime. As
    /// [`TaskBuilder::isolated`](super::TaskBuilder::isolated), for all.
    pub fn isolated(mut self) -> Self {
        self.setup.isolated = true;
        self
    }

    /// The group.
    ///
    /// Below a parent that takes no more, it is closed from the start, and starts nothing.
    pub fn build(self) -> Group<E> {
        self.try_build().unwrap_or_else(|refused| refused)
    }

    /// The group; closed from the start as the error, if its parent takes no more.
    pub(super) fn try_build(mut self) -> Result<Group<E>, Group<E>> {
        let (node, taken) = match &self.start.from {
            From::Runtime(runtime) => (Node::root(runtime, self.setup), true),
            From::Group { node, who, member } => {
                self.setup.shield = member.as_ref().map(Arc::downgrade);
                match Node::below(node, self.setup.clone(), *who) {
                    Some(made) => {
                        if let Some(member) = member {
                            member.cover(&made);
                        }
                        (made, true)
                    }
                    None => (Node::refused(node, self.setup), false),
                }
            }
        };
        if let (Some(deadline), true) = (self.deadline, taken) {
            let watched: Weak<Node> = Arc::downgrade(&node);
            let sleep = node.runtime().sleep(deadline);
            let task = node.runtime().spawn(async move {
                sleep.await;
                if let Some(node) = watched.upgrade() {
                    node.cancel(&"deadline".into(), false);
                }
            });
            node.set_deadline(task);
        }
        let failures = Failures {
            policy: self.start.policy,
            views: self.start.views,
        };
        let group = Group::new(Door {
            node,
            failures,
            who: Who::Outside,
        });
        if taken { Ok(group) } else { Err(group) }
    }
}

impl<E> fmt::Debug for Builder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.setup.name)
            .field("limit", &self.setup.limit)
            .field("hard_limit", &self.setup.hard_limit)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
