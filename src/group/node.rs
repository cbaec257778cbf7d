//! What a group is inside: its children, its place in the tree, and its states.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_task::Runnable;
use slab::Slab;

use super::children::Child;
use super::executor::{Executor, Job, Owner};
use super::failures::Kept;
use super::hook::Hook;
use super::label::{Name, Who};
use super::member::Member;
use super::polled::polled_here;
use super::report::Tally;
use super::stall::Stall;
use super::tree;
use super::watch::Watch;
use crate::primitives::SpinLock;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::runtime::Runtime;
use crate::sync::{Limit, TaskWaker, WaitList};
use crate::task::{CancellationToken, Reason, Task};

/// A child that is ready to be polled.
pub(super) struct Ready(pub(super) Runnable);

impl Job for Ready {
    fn run(self) {
        self.0.run();
    }
}

// In this order: what many threads write all the time, the count of those who hold the node, the
// queues, the lock of the state, lies far from the rest and from one another.
#[repr(C)]
pub(super) struct Node {
    pub(super) setup: Setup,
    pub(super) parent: Option<Parent>,
    /// Set before `CANCELLED` is.
    pub(super) reason: OnceLock<Reason>,
    /// `CLOSING`, `CANCELLED`.. Written under the lock of `state`, read by every poll of a child.
    pub(super) flags: AtomicUsize,
    runs_on: RunsOn,
    pub(super) state: SpinLock<State>,
    /// Who polls the body of the block, to be told when that closes.
    pub(super) body: TaskWaker,
}

/// What polls the children of a group.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would cost every group an allocation"
)]
enum RunsOn {
    /// Its own, which those below share.
    Own(Executor<Ready>),
    Root(Arc<Node>),
}

/// What a builder says about a group.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) name: Option<Name>,
    pub(super) limit: Option<Limit>,
    pub(super) hard_limit: Duration,
    pub(super) isolated: bool,
    pub(super) observed: bool,
    /// Who is told of tasks that do not move.
    pub(super) stall: Option<Stall>,
    /// The task in whose shield the group was made.
    pub(super) shield: Option<Weak<Member>>,
    /// Whether it is a block, with a body.
    pub(super) has_body: bool,
}

pub(super) struct Parent {
    pub(super) node: Arc<Node>,
    /// Our place among its subgroups. Empty only if it did not take us.
    pub(super) key: OnceLock<usize>,
}

pub(super) struct State {
    pub(super) children: Slab<Child>,
    pub(super) spawned: u64,
    /// Whatever else keeps the group from being closed.
    pub(super) holds: usize,
    /// The body of the block runs: the group above waits for that too.
    pub(super) body_runs: bool,
    pub(super) subgroups: Slab<Weak<Node>>,
    /// How many children are to be stopped one by one.
    pub(super) stops: usize,
    pub(super) token: Option<CancellationToken>,
    /// What is to be run when the group closes.
    pub(super) hooks: Vec<Hook>,
    pub(super) closing: WaitList,
    pub(super) closed: WaitList,
    pub(super) tally: Tally,
    /// Cancels the group at its deadline.
    pub(super) deadline: Option<Task<()>>,
    pub(super) kept: Kept,
}

/// Takes nothing more from outside.
pub(super) const CLOSING: usize = 1;
/// Every child is asked to stop.
pub(super) const CANCELLED: usize = 2;
/// Every child is dropped, graces or not.
pub(super) const ABORTED: usize = 4;
/// Some child is to be stopped alone.
pub(super) const STOPS: usize = 8;
/// Nothing is left.
pub(super) const CLOSED: usize = 16;

/// How big an empty list may stay.
pub(super) const KEPT: usize = 64;

impl Node {
    /// A group of its own.
    pub(super) fn root(runtime: &Runtime, setup: Setup) -> Arc<Self> {
        let executor = Executor::new(runtime.clone(), None);
        Arc::new(Self::new(RunsOn::Own(executor), setup, None))
    }

    /// A group that was closed before it began, because `parent` took no more.
    pub(super) fn refused(parent: &Arc<Self>, setup: Setup) -> Arc<Self> {
        let node = Self::new(RunsOn::Root(parent.top().clone()), setup, None);
        let reason = parent
            .reason()
            .unwrap_or_else(|| Reason::from("its parent is closed"));
        node.reason.get_or_init(|| reason);
        node.set(CLOSING | CANCELLED | CLOSED);
        Arc::new(node)
    }

    /// A group below `parent`; `None` if that takes no more.
    pub(super) fn below(parent: &Arc<Self>, setup: Setup, who: Who) -> Option<Arc<Self>> {
        let place = Parent {
            node: parent.clone(),
            key: OnceLock::new(),
        };
        let made = Arc::new(Self::new(
            RunsOn::Root(parent.top().clone()),
            setup,
            Some(place),
        ));
        let mut state = parent.state.lock();
        if !parent.admits(&state, who) {
            drop(state);
            return None;
        }
        state.holds += 1;
        // It is complete before a close or a cancel of the parent can meet it.
        let key = state.subgroups.insert(Arc::downgrade(&made));
        if let Some(place) = &made.parent {
            place.key.set(key).ok();
        }
        drop(state);
        Some(made)
    }

    fn new(runs_on: RunsOn, setup: Setup, parent: Option<Parent>) -> Self {
        Self {
            flags: AtomicUsize::new(0),
            runs_on,
            parent,
            reason: OnceLock::new(),
            body: TaskWaker::new(),
            state: SpinLock::new(State {
                children: Slab::new(),
                spawned: 0,
                holds: 0,
                body_runs: setup.has_body,
                subgroups: Slab::new(),
                stops: 0,
                token: None,
                hooks: Vec::new(),
                closing: WaitList::new(),
                closed: WaitList::new(),
                tally: Tally::default(),
                deadline: None,
                kept: Kept::Nothing,
            }),
            setup,
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.executor().runtime()
    }

    fn top(self: &Arc<Self>) -> &Arc<Self> {
        match &self.runs_on {
            RunsOn::Own(_) => self,
            RunsOn::Root(root) => root,
        }
    }

    /// Makes a child ready to be polled. `again` is one that woke itself while it was polled.
    pub(super) fn push(self: &Arc<Self>, child: Runnable, again: bool) {
        let top = self.top();
        top.executor().push(top, Ready(child), again);
    }

    pub(super) fn flags(&self) -> usize {
        // With the release in `set`: the reason is there when the flag is.
        self.flags.load(Ordering::Acquire)
    }

    /// Under the lock of `state`.
    pub(super) fn set(&self, flags: usize) -> usize {
        self.flags.fetch_or(flags, Ordering::AcqRel)
    }

    /// The state, in a word.
    pub(super) fn state_name(&self) -> &'static str {
        match self.flags() {
            flags if flags & CLOSED != 0 => "closed",
            flags if flags & CANCELLED != 0 => "cancelled",
            flags if flags & CLOSING != 0 => "closing",
            _ => "open",
        }
    }

    /// What is to watch a new child.
    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        let watched = self.setup.observed || self.executor().is_watched();
        watched.then(|| Arc::new(Watch::new(self.runtime())))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.flags() & CLOSED != 0
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        if self.flags() & CANCELLED == 0 {
            return None;
        }
        self.reason.get().cloned()
    }

    /// Tasks of this group and the groups below that have not ended.
    pub(super) fn len(self: &Arc<Self>) -> usize {
        let tree = self.tree();
        tree.iter()
            .map(|node| node.state.lock().children.len())
            .sum()
    }

    /// This group and all below, each before those below it.
    pub(super) fn tree(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let mut tree = vec![self.clone()];
        let mut next = 0;
        while let Some(node) = tree.get(next).cloned() {
            tree.extend(node.subgroups());
            next += 1;
        }
        tree
    }

    pub(super) fn subgroups(&self) -> Vec<Arc<Self>> {
        self.state.lock().subgroups().collect()
    }

    /// The names from the root down to this group.
    pub(super) fn path(&self) -> String {
        let mut names = Vec::new();
        let mut node = Some(self);
        while let Some(this) = node {
            names.push(this.setup.name.as_deref().unwrap_or("group"));
            node = this.parent.as_ref().map(|parent| &*parent.node);
        }
        names.reverse();
        names.join("/")
    }

    /// Cancelled with the group.
    pub(super) fn token(&self) -> CancellationToken {
        let mut state = self.state.lock();
        let token = state
            .token
            .get_or_insert_with(CancellationToken::new)
            .clone();
        drop(state);
        // A cancel that came before found no token to cancel.
        if let Some(reason) = self.reason() {
            token.cancel(reason);
        }
        token
    }

    /// Cancels the group when `task` says so; ends with the group.
    pub(super) fn set_deadline(&self, task: Task<()>) {
        let mut state = self.state.lock();
        if self.is_closed() && !state.body_runs {
            drop(state);
            drop(task);
        } else {
            state.deadline = Some(task);
        }
    }

    pub(super) fn tally(self: &Arc<Self>) -> Tally {
        let mut tally = Tally::default();
        for node in self.tree() {
            tally.add(&node.state.lock().tally);
        }
        tally
    }

    pub(super) fn note_overrun(&self, name: String) {
        self.state.lock().tally.overrun(name);
    }

    /// The paths of all tasks of this group and those below.
    pub(super) fn paths(self: &Arc<Self>) -> Vec<String> {
        let mut paths = Vec::new();
        for node in self.tree() {
            let mut labels = Vec::new();
            node.each_child(|_, child| labels.push(child.label()));
            paths.extend(labels.iter().map(|label| label.path(&node)));
        }
        paths
    }

    /// Whether a task of this group, or of one below, is polled on this thread.
    pub(super) fn is_polled_here(self: &Arc<Self>) -> bool {
        let Some(polled) = polled_here() else {
            return false;
        };
        self.tree().iter().any(|node| node.address() == polled)
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

impl Owner for Node {
    type Job = Ready;

    fn lines(self: Arc<Self>) -> Vec<String> {
        tree::lines(&self)
    }

    fn name(&self) -> Option<&str> {
        self.setup.name.as_deref()
    }

    fn executor(&self) -> &Executor<Ready> {
        match &self.runs_on {
            RunsOn::Own(executor) => executor,
            RunsOn::Root(root) => root.executor(),
        }
    }

    fn has_children(&self) -> bool {
        self.state.lock().is_busy()
    }

    fn runtime_gone(self: &Arc<Self>) {
        self.cancel(&Reason::from("its runtime is gone"), true);
    }
}

impl State {
    pub(super) fn is_busy(&self) -> bool {
        self.holds > 0 || !self.children.is_empty()
    }

    pub(super) fn subgroups(&self) -> impl Iterator<Item = Arc<Node>> {
        let nodes = self.subgroups.iter();
        nodes.filter_map(|(_, node)| node.upgrade())
    }

    pub(super) fn waiters(&mut self, closed: bool) -> &mut WaitList {
        if closed {
            &mut self.closed
        } else {
            &mut self.closing
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // In a loop: a chain of ten thousand groups must not be dropped by recursion.
        let mut parent = self.parent.take();
        while let Some(Parent { node, .. }) = parent {
            parent = Arc::into_inner(node).and_then(|mut node| node.parent.take());
        }
    }
}
