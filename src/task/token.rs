use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use slab::Slab;

use super::cancelled::{Cancelled, CancelledOwned, RunUntilCancelled, Waiter};
use super::{Reason, Task};
use crate::primitives::SpinLock;
use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::sync::WaitList;

/// A request to stop that tasks can look at and wait for.
///
/// Level-triggered: once cancelled it stays so. Clones are the same token. A
/// [child](Self::child_token) is cancelled with its parent, but not the other way round. The
/// first cancel gives the [`Reason`], later ones change nothing. Needs no runtime.
///
/// # Examples
///
/// ```
/// use untethered::CancellationToken;
///
/// let token = CancellationToken::new();
/// let child = token.child_token();
/// token.cancel("config reload");
/// token.cancel("too late to be the reason");
/// assert_eq!(child.reason().unwrap().as_str(), "config reload");
/// # futures_lite::future::block_on(async {
/// child.cancelled().await;
/// # });
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    pub(super) node: Arc<Node>,
}

pub(super) struct Node {
    /// Set last, under the lock: whoever sees it sees the reason too.
    cancelled: AtomicBool,
    reason: OnceLock<Reason>,
    pub(super) state: SpinLock<State>,
    /// Its own, if that is earlier than the parent's.
    pub(super) deadline: Option<Instant>,
    pub(super) parent: Option<Arc<Node>>,
    /// Where it stands among the children of its parent. Empty if that was cancelled before.
    place: OnceLock<usize>,
}

pub(super) struct State {
    /// Those who wait. Once cancelled there are none, and their keys are void.
    pub(super) waiters: WaitList,
    children: Slab<Weak<Node>>,
    /// Cancels the token at its deadline.
    pub(super) timer: Option<Task<()>>,
}

/// How big an empty list of children may stay.
const KEPT: usize = 64;

impl CancellationToken {
    /// A token that is not cancelled and has no parent.
    pub fn new() -> Self {
        Self {
            node: Arc::new(Node::new(None)),
        }
    }

    /// A token that is cancelled with this one, for the same reason.
    ///
    /// It may be cancelled alone. Dropping it leaves nothing behind in the parent.
    pub fn child_token(&self) -> Self {
        self.child(None)
    }

    pub(super) fn child(&self, deadline: Option<Instant>) -> Self {
        let mut node = Node::new(Some(self.node.clone()));
        node.deadline = deadline;
        let node = Arc::new(node);
        let mut state = self.node.state.lock();
        if !self.is_cancelled() {
            // The child is complete before a cancel can meet it, and nobody else sets its place.
            node.place
                .set(state.children.insert(Arc::downgrade(&node)))
                .ok();
        }
        drop(state);
        if let Some(reason) = self.reason() {
            cancel_tree(node.clone(), &reason);
        }
        Self { node }
    }

    /// Asks whoever holds this token, or a child of it, to stop.
    ///
    /// When it returns, this token and all its descendants are cancelled and their waiters woken:
    /// those of a token in the order they came, and before those of its children. A waiter that
    /// wakes sees all of them cancelled. If another thread is at it already, this
    /// does nothing and does not wait for it.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        if !self.is_cancelled() {
            cancel_tree(self.node.clone(), &reason.into());
        }
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Why, once cancelled.
    pub fn reason(&self) -> Option<Reason> {
        if self.is_cancelled() {
            self.node.reason.get().cloned()
        } else {
            None
        }
    }

    /// Waits until a stop is asked for.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled {
            waiter: Waiter::new(&self.node),
        }
    }

    /// As [`cancelled`](Self::cancelled), owning the token.
    pub fn cancelled_owned(self) -> CancelledOwned {
        CancelledOwned {
            waiter: Waiter::new(self.node),
        }
    }

    /// Runs `future` until it is done or a stop is asked for.
    ///
    /// `future` is polled before the token is looked at: what is ready is returned even if a stop
    /// was asked for meanwhile. Gives `None` if the stop came first; `future` is dropped by then.
    pub fn run_until_cancelled<F>(&self, future: F) -> RunUntilCancelled<'_, F::IntoFuture>
    where
        F: IntoFuture,
    {
        RunUntilCancelled {
            future: Some(future.into_future()),
            cancelled: self.cancelled(),
        }
    }

    /// A guard that cancels the token when it is dropped.
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("reason", &self.reason())
            .finish()
    }
}

impl Node {
    fn new(parent: Option<Arc<Node>>) -> Self {
        Self {
            cancelled: AtomicBool::new(false),
            reason: OnceLock::new(),
            state: SpinLock::new(State {
                waiters: WaitList::new(),
                children: Slab::new(),
                timer: None,
            }),
            deadline: None,
            parent,
            place: OnceLock::new(),
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        // Pairs with the release in `cancel_tree`: the reason is there when the flag is.
        self.cancelled.load(Ordering::Acquire)
    }

    fn forget_child(&self, place: usize) {
        let children = &mut self.state.lock().children;
        // A cancel has emptied the list already.
        children.try_remove(place);
        if children.is_empty() && children.capacity() > KEPT {
            *children = Slab::new();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // In a loop: a chain of ten thousand tokens must not be dropped by recursion.
        let mut above = (self.parent.take(), self.place.take());
        while let (Some(parent), place) = above {
            if let Some(place) = place {
                parent.forget_child(place);
            }
            above = match Arc::into_inner(parent) {
                Some(mut last) => (last.parent.take(), last.place.take()),
                None => (None, None),
            };
        }
    }
}

/// Cancels `root` and what descends from it, without recursion.
pub(super) fn cancel_tree(root: Arc<Node>, reason: &Reason) {
    let mut woken = Vec::new();
    let mut pending = VecDeque::from([root]);
    while let Some(node) = pending.pop_front() {
        let mut state = node.state.lock();
        if !node.is_cancelled() {
            node.reason.set(reason.clone()).ok();
            node.cancelled.store(true, Ordering::Release);
            if !state.waiters.is_empty() {
                woken.push(state.waiters.take_all());
            }
        }
        let children = std::mem::take(&mut state.children);
        let timer = state.timer.take();
        drop(state);
        drop(timer);
        pending.extend(
            children
                .into_iter()
                .filter_map(|(_, child)| child.upgrade()),
        );
    }
    // Last: whoever is woken by one of these tokens sees all of them cancelled.
    for wakers in woken {
        wakers.wake();
    }
}

/// Cancels its token when dropped. From [`CancellationToken::drop_guard`].
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token"]
pub struct DropGuard {
    /// `None` once disarmed.
    token: Option<CancellationToken>,
}

impl DropGuard {
    /// Gives the token back without cancelling it.
    pub fn disarm(mut self) -> CancellationToken {
        self.token
            .take()
            .expect("only disarm takes it, and that consumes the guard")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel("its guard was dropped");
        }
    }
}
