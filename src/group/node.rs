//! What a group is inside: its children, its place in the tree, and its states.

use std::borrow::Cow;
use std::cell::Cell;
use std::mem;
use std::panic::Location;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_task::Runnable;
use slab::Slab;

use super::driver::{Executor, Job, Owner};
use super::member::Member;
use super::report::Tally;
use super::watch::Watch;
use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::runtime::Runtime;
use crate::sync::{Key, Limit, WaitList, wake_all};
use crate::task::{CancellationToken, Reason, Task, discard};

pub(super) type Name = Cow<'static, str>;

/// A child that is ready to be polled.
pub(super) struct Ready(pub(super) Runnable);

impl Job for Ready {
    fn run(self) {
        self.0.run();
    }
}

pub(super) struct Node {
    /// `CLOSING`, `CANCELLED`.. Written under the lock of `state`, read by every poll of a child.
    flags: AtomicUsize,
    /// Shared with all groups below.
    pub(super) executor: Arc<Executor<Ready>>,
    pub(super) setup: Setup,
    parent: Option<Parent>,
    /// Set before `CANCELLED` is.
    reason: OnceLock<Reason>,
    state: Mutex<State>,
}

/// What a builder says about a group.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) name: Option<Name>,
    pub(super) limit: Option<Limit>,
    pub(super) hard_limit: Duration,
    pub(super) isolated: bool,
    pub(super) observed: bool,
    /// The task in whose shield the group was made.
    pub(super) shield: Option<Weak<Member>>,
}

struct Parent {
    node: Arc<Node>,
    /// Our place among its subgroups.
    key: usize,
}

struct State {
    children: Slab<Child>,
    spawned: u64,
    /// Whatever else keeps the group from being closed.
    holds: usize,
    subgroups: Slab<Weak<Node>>,
    /// How many children are to be stopped one by one.
    stops: usize,
    token: Option<CancellationToken>,
    /// What is to be run when the group closes, and its place in the list by then.
    hooks: Vec<(Runnable, Arc<Member>)>,
    closing: WaitList,
    closed: WaitList,
    tally: Tally,
    /// Cancels the group at its deadline.
    deadline: Option<Task<()>>,
}

pub(super) struct Child {
    number: u64,
    /// `None` once it was taken to wake the child for good.
    waker: Option<Waker>,
    pub(super) label: Label,
    stop: Option<Stop>,
    /// Cancelled when the child has left the list.
    ended: Option<CancellationToken>,
    pub(super) member: Option<Arc<Member>>,
    pub(super) watch: Option<Arc<Watch>>,
}

/// What a child is called, and where it comes from.
#[derive(Clone)]
pub(super) struct Label {
    pub(super) name: Option<Name>,
    pub(super) spawned_at: &'static Location<'static>,
}

/// A request to one child.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) reason: Option<Reason>,
    /// Whether to drop the future without a grace.
    pub(super) hard: bool,
}

impl Stop {
    pub(super) fn reason(&self) -> Reason {
        self.reason
            .clone()
            .unwrap_or_else(|| Reason::from("aborted"))
    }
}

impl Label {
    /// The path of a task of `node`.
    pub(super) fn path(&self, node: &Node) -> String {
        self.path_below(&node.path())
    }

    pub(super) fn path_below(&self, group: &str) -> String {
        match &self.name {
            Some(name) => format!("{group}/{name}"),
            None => format!("{group}/{}", self.spawned_at),
        }
    }
}

impl ChildId {
    /// The place of no child.
    pub(super) const NONE: Self = Self {
        key: usize::MAX,
        number: 0,
    };
}

/// The place of a child in its list. Places are used again, numbers are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChildId {
    pub(super) key: usize,
    pub(super) number: u64,
}

/// On whose behalf something is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Refused once the group closes.
    Outside,
    /// A member: refused once the group is cancelled or its last member has ended.
    Member,
    /// Something a member relies on: refused once its last member has ended.
    CleanUp,
    /// Part of the end of the group.
    Hook,
}

/// How a child came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Failed,
    Panicked,
    Cancelled,
    /// Its future was dropped against its `OnCancel`.
    Aborted,
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
const CLOSED: usize = 16;

/// How big an empty list may stay.
const KEPT: usize = 64;

impl Node {
    /// A group of its own.
    pub(super) fn root(runtime: &Runtime, setup: Setup) -> Arc<Self> {
        Arc::new_cyclic(|node: &Weak<Self>| {
            let executor = Arc::new(Executor::new(runtime.clone(), node.clone(), None));
            Self::new(executor, setup, None)
        })
    }

    /// A group that was closed before it began, because `parent` took no more.
    pub(super) fn refused(parent: &Self, setup: Setup) -> Arc<Self> {
        let node = Self::new(parent.executor.clone(), setup, None);
        let reason = parent
            .reason()
            .unwrap_or_else(|| Reason::from("its parent is closed"));
        node.reason.get_or_init(|| reason);
        node.set(CLOSING | CANCELLED | CLOSED);
        Arc::new(node)
    }

    /// A group below `parent`; `None` if that takes no more.
    pub(super) fn below(parent: &Arc<Self>, setup: Setup, who: Who) -> Option<Arc<Self>> {
        let mut refused = false;
        let node = Arc::new_cyclic(|node: &Weak<Self>| {
            let mut state = parent.state.lock();
            refused = !parent.admits(&state, who);
            let place = if refused {
                None
            } else {
                state.holds += 1;
                Some(Parent {
                    node: parent.clone(),
                    key: state.subgroups.insert(node.clone()),
                })
            };
            drop(state);
            Self::new(parent.executor.clone(), setup, place)
        });
        (!refused).then_some(node)
    }

    fn new(executor: Arc<Executor<Ready>>, setup: Setup, parent: Option<Parent>) -> Self {
        Self {
            flags: AtomicUsize::new(0),
            executor,
            setup,
            parent,
            reason: OnceLock::new(),
            state: Mutex::new(State {
                children: Slab::new(),
                spawned: 0,
                holds: 0,
                subgroups: Slab::new(),
                stops: 0,
                token: None,
                hooks: Vec::new(),
                closing: WaitList::new(),
                closed: WaitList::new(),
                tally: Tally::default(),
                deadline: None,
            }),
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.executor.runtime()
    }

    pub(super) fn flags(&self) -> usize {
        // With the release in `set`: the reason is there when the flag is.
        self.flags.load(Ordering::Acquire)
    }

    /// Under the lock of `state`.
    fn set(&self, flags: usize) -> usize {
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
        self.setup
            .observed
            .then(|| Arc::new(Watch::new(self.runtime())))
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
        let state = self.state.lock();
        state
            .subgroups
            .iter()
            .filter_map(|(_, node)| node.upgrade())
            .collect()
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

    fn admits(&self, state: &State, who: Who) -> bool {
        let flags = self.flags();
        let closing = flags & CLOSING != 0;
        match who {
            Who::Outside => !closing,
            Who::Member => flags & (CANCELLED | CLOSED) == 0 && (!closing || state.is_busy()),
            Who::CleanUp => flags & CLOSED == 0 && (!closing || state.is_busy()),
            Who::Hook => flags & CLOSED == 0,
        }
    }

    /// Whether [`add`](Self::add) would let something in just now.
    pub(super) fn is_open_to(&self, who: Who) -> bool {
        self.admits(&self.state.lock(), who)
    }

    /// Adds a child that `make` builds from `parts` for its place. Gives what there is to run it
    /// by, or the parts if the group takes no more.
    pub(super) fn add<P, R>(
        &self,
        who: Who,
        label: Label,
        member: Option<Arc<Member>>,
        watch: Option<Arc<Watch>>,
        parts: P,
        make: impl FnOnce(P, ChildId) -> (Waker, R),
    ) -> Result<(ChildId, R), P> {
        let mut state = self.state.lock();
        if !self.admits(&state, who) {
            return Err(parts);
        }
        state.spawned += 1;
        let number = state.spawned;
        let place = state.children.vacant_entry();
        let id = ChildId {
            key: place.key(),
            number,
        };
        // Puts a task together; nothing of it runs.
        let (waker, made) = make(parts, id);
        place.insert(Child {
            number,
            waker: Some(waker),
            label,
            stop: None,
            ended: None,
            member,
            watch,
        });
        Ok((id, made))
    }

    /// Takes a child off the list, whose future has been dropped.
    pub(super) fn remove(self: &Arc<Self>, id: ChildId, end: End) {
        let mut state = self.state.lock();
        let child = state.children.remove(id.key);
        debug_assert_eq!(child.number, id.number);
        if child.stop.is_some() {
            state.stops -= 1;
            if state.stops == 0 {
                self.flags.fetch_and(!STOPS, Ordering::AcqRel);
            }
        }
        if state.children.is_empty() && state.children.capacity() > KEPT {
            state.children = Slab::new();
        }
        state.tally.count(end);
        let left = state.is_busy();
        drop(state);
        if let Some(ended) = &child.ended {
            ended.cancel("the task has ended");
        }
        discard(child);
        if !left {
            self.emptied();
        }
    }

    /// Changes something about a child that is still there.
    pub(super) fn with_child<T>(&self, id: ChildId, f: impl FnOnce(&mut Child) -> T) -> Option<T> {
        let mut state = self.state.lock();
        match state.children.get_mut(id.key) {
            Some(child) if child.number == id.number => Some(f(child)),
            _ => None,
        }
    }

    pub(super) fn has_child(&self, id: ChildId) -> bool {
        self.with_child(id, |_| ()).is_some()
    }

    /// The path of a child that is still there.
    pub(super) fn path_of(&self, id: ChildId) -> String {
        match self.label_of(id) {
            Some(label) => label.path(self),
            None => self.path(),
        }
    }

    pub(super) fn label_of(&self, id: ChildId) -> Option<Label> {
        self.with_child(id, |child| child.label.clone())
    }

    /// A token that is cancelled once the child has ended.
    pub(super) fn ended(&self, id: ChildId) -> Option<CancellationToken> {
        self.with_child(id, |child| {
            child
                .ended
                .get_or_insert_with(CancellationToken::new)
                .clone()
        })
    }

    /// What the child was asked to do. Called by itself, when a flag says there may be something.
    pub(super) fn stop_of(&self, id: ChildId, flags: usize) -> Option<Stop> {
        let own = if flags & STOPS == 0 {
            None
        } else {
            self.with_child(id, |child| child.stop.clone()).flatten()
        };
        let group = (flags & CANCELLED != 0).then(|| Stop {
            reason: self.reason(),
            hard: flags & ABORTED != 0,
        });
        match (own, group) {
            (Some(own), Some(group)) => Some(Stop {
                reason: own.reason,
                hard: own.hard || group.hard,
            }),
            (own, group) => own.or(group),
        }
    }

    /// Asks one child to stop.
    pub(super) fn stop(&self, id: ChildId, stop: Stop) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(child) = state.children.get_mut(id.key) else {
            return;
        };
        if child.number != id.number {
            return;
        }
        match &mut child.stop {
            // The first reason counts.
            Some(first) => first.hard |= stop.hard,
            first => {
                *first = Some(stop.clone());
                state.stops += 1;
                self.set(STOPS);
            }
        }
        let (waker, member) = (child.waker.clone(), child.member.clone());
        drop(guard);
        // Before it is polled: the task sees its token fired when it runs next.
        if let Some(member) = member {
            member.fire(&stop);
        }
        wake_all(waker);
    }

    /// Takes nothing more from outside, in this group and all below. Running tasks go on.
    pub(super) fn close(self: &Arc<Self>) {
        let tree = self.tree_marked(CLOSING, None);
        for node in tree.iter().rev() {
            node.wake_closing();
            node.settle();
        }
    }

    /// Asks every task in this group and all below to stop; with `hard`, drops them.
    ///
    /// All are marked before any is woken, and those below are woken first.
    pub(super) fn cancel(self: &Arc<Self>, reason: &Reason, hard: bool) {
        let hard = if hard { ABORTED } else { 0 };
        let tree = self.tree_marked(CLOSING | CANCELLED | hard, Some(reason));
        for node in tree.iter().rev() {
            node.wake_closing();
            node.wake_children();
            node.settle();
        }
    }

    /// Marks this group and those below that no shield covers, each before those below it.
    fn tree_marked(self: &Arc<Self>, flags: usize, reason: Option<&Reason>) -> Vec<Arc<Self>> {
        let mut tree = vec![self.clone()];
        let mut next = 0;
        while let Some(node) = tree.get(next).cloned() {
            let state = node.state.lock();
            if let Some(reason) = reason {
                node.reason.get_or_init(|| reason.clone());
            }
            node.set(flags);
            drop(state);
            // A shield defers a cancel; a group that only closes does not mind.
            let below = node.subgroups().into_iter();
            tree.extend(below.filter(|node| reason.is_none() || !node.is_shielded()));
            next += 1;
        }
        tree
    }

    fn is_shielded(&self) -> bool {
        self.setup
            .shield
            .as_ref()
            .is_some_and(|shield| shield.upgrade().is_some_and(|member| member.is_shielded()))
    }

    fn wake_closing(&self) {
        let mut wakers = Vec::new();
        let mut state = self.state.lock();
        while let Some(waker) = state.closing.serve_first() {
            wakers.extend(waker);
        }
        drop(state);
        wake_all(wakers);
    }

    fn wake_children(self: &Arc<Self>) {
        self.run_hooks();
        let mut state = self.state.lock();
        let token = state.token.clone();
        let mut wakers = Vec::with_capacity(state.children.len());
        for (_, child) in &mut state.children {
            wakers.extend(match child.member {
                // It may take a grace, and has to be woken again to lose it.
                Some(_) => child.waker.clone(),
                None => child.waker.take(),
            });
        }
        drop(state);
        // Before they are polled: a task sees the token fired when it runs next.
        if let (Some(token), Some(reason)) = (token, self.reason()) {
            token.cancel(reason);
        }
        wake_all(wakers);
    }

    /// Runs after `close`, before anybody is told of the end: the hooks, once.
    fn run_hooks(&self) {
        let mut state = self.state.lock();
        let hooks = mem::take(&mut state.hooks);
        drop(state);
        for (runnable, member) in hooks {
            super::member::start(&member, runnable);
        }
    }

    /// Keeps `runnable` to be run when the group closes.
    pub(super) fn add_hook(&self, runnable: Runnable, member: Arc<Member>) -> Result<(), Runnable> {
        let mut state = self.state.lock();
        if self.flags() & CLOSING != 0 {
            return Err(runnable);
        }
        state.hooks.push((runnable, member));
        Ok(())
    }

    /// The last child or hold has gone.
    fn emptied(self: &Arc<Self>) {
        if self.parent.is_none() {
            self.executor.last_child_gone();
        }
        if self.flags() & CLOSING != 0 {
            self.settle();
        }
    }

    /// Ends the group if it closes and nothing is left, and those above that waited for it.
    fn settle(self: &Arc<Self>) {
        let mut node = self.clone();
        loop {
            let state = node.state.lock();
            if state.is_busy() || node.flags() & (CLOSING | CLOSED) != CLOSING {
                return;
            }
            if !state.hooks.is_empty() {
                drop(state);
                // They are children now: when the last of them has ended we come again.
                node.run_hooks();
                return;
            }
            let mut state = state;
            node.set(CLOSED);
            let mut wakers = Vec::new();
            while let Some(waker) = state.closed.serve_first() {
                wakers.extend(waker);
            }
            let deadline = state.deadline.take();
            let tally = state.tally.clone();
            drop(state);
            wake_all(wakers);
            drop(deadline);
            let Some(Parent { node: above, key }) = &node.parent else {
                return;
            };
            let above = above.clone();
            let mut state = above.state.lock();
            state.subgroups.remove(*key);
            if state.subgroups.is_empty() && state.subgroups.capacity() > KEPT {
                state.subgroups = Slab::new();
            }
            state.tally.add(&tally);
            state.holds -= 1;
            let left = state.is_busy();
            drop(state);
            if left {
                return;
            }
            if above.parent.is_none() {
                above.executor.last_child_gone();
            }
            node = above;
        }
    }

    /// Cancels the group when `task` says so; ends with the group.
    pub(super) fn set_deadline(&self, task: Task<()>) {
        let mut state = self.state.lock();
        if self.is_closed() {
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

    /// Waits until the group closes, or with `closed` until it is closed.
    pub(super) fn poll_state(
        &self,
        closed: bool,
        key: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut state = self.state.lock();
        let flag = if closed { CLOSED } else { CLOSING };
        if self.flags() & flag != 0 {
            return Poll::Ready(());
        }
        let waiters = state.waiters(closed);
        let old = match key {
            Some(key) => waiters.update(key, cx),
            None => {
                *key = Some(waiters.push(cx.waker().clone()));
                None
            }
        };
        drop(state);
        discard(old);
        Poll::Pending
    }

    pub(super) fn forget_waiter(&self, closed: bool, key: Key) {
        let removed = self.state.lock().waiters(closed).remove(key);
        discard(removed.waker);
    }

    /// The paths of all tasks of this group and those below.
    pub(super) fn paths(self: &Arc<Self>) -> Vec<String> {
        let mut paths = Vec::new();
        for node in self.tree() {
            let mut labels = Vec::new();
            node.each_child(|_, child| labels.push(child.label.clone()));
            paths.extend(labels.iter().map(|label| label.path(&node)));
        }
        paths
    }

    /// Calls `f` for each child, under the lock.
    pub(super) fn each_child(&self, mut f: impl FnMut(ChildId, &Child)) {
        for (key, child) in &self.state.lock().children {
            let number = child.number;
            f(ChildId { key, number }, child);
        }
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

impl State {
    fn is_busy(&self) -> bool {
        self.holds > 0 || !self.children.is_empty()
    }

    fn waiters(&mut self, closed: bool) -> &mut WaitList {
        if closed {
            &mut self.closed
        } else {
            &mut self.closing
        }
    }
}

impl Owner for Node {
    fn has_children(&self) -> bool {
        self.state.lock().is_busy()
    }

    fn runtime_gone(self: Arc<Self>) {
        self.cancel(&Reason::from("its runtime is gone"), true);
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

crate::primitives::per_thread! {
    /// The address of the group whose child is polled on this thread.
    static POLLED: Cell<usize> = Cell::new(0);
}

fn polled_here() -> Option<usize> {
    POLLED
        .try_with(Cell::get)
        .ok()
        .filter(|&address| address != 0)
}

/// Marks this thread as polling a child of `node` until it is dropped.
pub(super) struct Polled {
    outer: usize,
}

impl Polled {
    pub(super) fn enter(node: &Node) -> Self {
        let outer = POLLED.try_with(|polled| polled.replace(node.address()));
        Self {
            outer: outer.unwrap_or(0),
        }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        POLLED.try_with(|polled| polled.set(self.outer)).ok();
    }
}
