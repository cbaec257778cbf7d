//! How a group closes, is cancelled and ends: down the tree and up again, without recursion.

use std::sync::Arc;
use std::task::{Context, Poll};

use slab::Slab;

use super::executor::Owner;
use super::node::{ABORTED, CANCELLED, CLOSED, CLOSING, KEPT, Node, Parent};
use super::tree;
use crate::sync::{Key, wake_all};
use crate::task::{Reason, discard};

impl Node {
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

    /// The last child or hold has gone.
    pub(super) fn emptied(self: &Arc<Self>) {
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
                // They are children now: when the last of them has ended we come again. If they
                // have ended already, because the runtime is gone, we go on.
                node.run_hooks();
                continue;
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
            if let Some(&key) = key.get() {
                state.subgroups.remove(key);
            }
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
}

impl Owner for Node {
    fn has_children(&self) -> bool {
        self.state.lock().is_busy()
    }

    fn children(self: Arc<Self>) -> Vec<String> {
        tree::lines(&self)
    }

    fn runtime_gone(self: Arc<Self>) {
        self.cancel(&Reason::from("its runtime is gone"), true);
    }
}
