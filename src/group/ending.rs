//! How a group closes, is cancelled and ends: down the tree and up again, without recursion.

use std::sync::Arc;
use std::task::{Context, Poll};

use slab::Slab;

use super::executor::Owner;
use super::node::{ABORTED, CANCELLED, CLOSED, CLOSING, KEPT, Node, Parent};
use super::trace;
use crate::sync::{Key, NeedsClone, Wakers, wake_all};
use crate::task::{Reason, discard};

impl Node {
    /// Takes nothing more from outside, in this group and all below. Running tasks go on.
    pub(super) fn close(self: &Arc<Self>) {
        let below = self.mark_all(CLOSING, None);
        for node in below.iter().rev().chain([self]) {
            node.wake_closing();
            node.settle();
        }
    }

    /// Asks every task in this group and all below to stop; with `hard`, drops them.
    ///
    /// All are marked before any is woken, and those below are woken first.
    pub(super) fn cancel(self: &Arc<Self>, reason: &Reason, hard: bool) {
        let hard = if hard { ABORTED } else { 0 };
        if self.is_closed() {
            // Nobody is left to be told, but who holds its token.
            self.mark(CANCELLED | hard, Some(reason));
            self.fire_token();
            return;
        }
        let is_first = self.flags() & CANCELLED == 0;
        let below = self.mark_all(CLOSING | CANCELLED | hard, Some(reason));
        if is_first {
            trace::group_cancelled(self);
        }
        for node in below.iter().rev().chain([self]) {
            node.wake_closing();
            node.wake_children();
            node.settle();
        }
    }

    /// Marks this group and those below that no shield covers. Gives those below, each before
    /// those below it.
    fn mark_all(self: &Arc<Self>, flags: usize, reason: Option<&Reason>) -> Vec<Arc<Self>> {
        let mut below = self.mark(flags, reason);
        let mut next = 0;
        while let Some(node) = below.get(next).cloned() {
            below.extend(node.mark(flags, reason));
            next += 1;
        }
        below
    }

    /// Marks this group alone, and gives the ones to be marked with it.
    fn mark(&self, flags: usize, reason: Option<&Reason>) -> Vec<Arc<Self>> {
        let state = self.state.lock();
        if let Some(reason) = reason {
            self.reason.get_or_init(|| reason.clone());
        }
        self.set(flags);
        let mut below: Vec<_> = state.subgroups().collect();
        drop(state);
        // A shield defers a cancel; a group that only closes does not mind.
        below.retain(|node| reason.is_none() || !node.is_shielded());
        below
    }

    fn is_shielded(&self) -> bool {
        self.setup
            .shield
            .as_ref()
            .is_some_and(|shield| shield.upgrade().is_some_and(|member| member.is_shielded()))
    }

    fn wake_closing(&self) {
        let mut wakers = Wakers::default();
        let mut state = self.state.lock();
        while let Some(waker) = state.closing.serve_first() {
            wakers.extend(waker);
        }
        drop(state);
        if self.setup.has_body {
            wakers.extend(self.body.take());
        }
        wakers.wake();
    }

    fn fire_token(&self) {
        let token = self.state.lock().token.clone();
        if let (Some(token), Some(reason)) = (token, self.reason()) {
            token.cancel(reason);
        }
    }

    fn wake_children(self: &Arc<Self>) {
        self.run_hooks();
        // Before they are polled: a task sees the token fired when it runs next.
        self.fire_token();
        let mut state = self.state.lock();
        let mut wakers = Vec::with_capacity(state.children.len());
        for (_, child) in &mut state.children {
            wakers.extend(match child.member {
                // It may take a grace, and has to be woken again to lose it.
                Some(_) => child.waker.clone(),
                None => child.waker.take(),
            });
        }
        drop(state);
        wake_all(wakers);
    }

    /// The last child or hold has gone.
    pub(super) fn emptied(self: &Arc<Self>) {
        if self.parent.is_none() {
            self.executor().last_child_gone();
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
            let mut wakers = Wakers::default();
            while let Some(waker) = state.closed.serve_first() {
                wakers.extend(waker);
            }
            let body_runs = state.body_runs;
            drop(state);
            wakers.wake();
            if body_runs {
                // Which may be cancelled yet, and leaves when it is over.
                return;
            }
            match node.leave() {
                Some(above) => node = above,
                None => return,
            }
        }
    }

    /// The body of a block is over: nothing but tasks keeps the group any more.
    pub(super) fn body_over(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.body_runs = false;
        let closed = self.is_closed();
        drop(state);
        discard(self.body.take());
        if closed {
            if let Some(above) = self.leave() {
                above.settle();
            }
        }
    }

    /// Takes a closed group off the one above, once. Gives that one if nothing is left in it.
    fn leave(&self) -> Option<Arc<Self>> {
        let mut state = self.state.lock();
        let deadline = state.deadline.take();
        let tally = state.tally.clone();
        drop(state);
        drop(deadline);
        let Parent { node: above, key } = self.parent.as_ref()?;
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
            return None;
        }
        if above.parent.is_none() {
            above.executor().last_child_gone();
        }
        Some(above.clone())
    }

    /// Waits until the group closes, or with `closed` until it is closed.
    pub(super) fn poll_state(
        &self,
        closed: bool,
        key: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let flag = if closed { CLOSED } else { CLOSING };
        if self.flags() & flag != 0 {
            return Poll::Ready(());
        }
        let mut spare = key.is_none().then(|| cx.waker().clone());
        loop {
            let mut state = self.state.lock();
            if self.flags() & flag != 0 {
                drop(state);
                discard(spare);
                return Poll::Ready(());
            }
            let waiters = state.waiters(closed);
            let queued = waiters.queue(key, cx.waker(), &mut spare, || ());
            drop(state);
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// As [`poll_state`](Self::poll_state), for the body of a block, which waits for a close. There
    /// is one, so it needs no place in a list.
    pub(super) fn poll_closing_body(&self, cx: &Context<'_>) -> Poll<()> {
        if self.flags() & CLOSING == 0 {
            self.body.register(cx.waker());
            // Whoever set the flag meanwhile has found this waker, or we find the flag.
            if self.flags() & CLOSING == 0 {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    pub(super) fn forget_waiter(&self, closed: bool, key: Key) {
        let removed = self.state.lock().waiters(closed).remove(key);
        discard(removed.waker);
    }
}
