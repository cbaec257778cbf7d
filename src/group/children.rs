//! The list of a group's children.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use super::label::{ChildId, End, Label, Stop, Who};
use super::member::Member;
use super::node::{ABORTED, CANCELLED, CLOSED, CLOSING, KEPT, Node, STOPS, State};
use super::watch::Watch;
use crate::primitives::atomic::Ordering;
use crate::sync::wake_all;
use crate::task::{CancellationToken, discard};

pub(super) struct Child {
    number: u64,
    /// `None` once it was taken to wake the child for good.
    pub(super) waker: Option<Waker>,
    spawned_at: &'static Location<'static>,
    /// Also has the name, where there is one.
    pub(super) member: Option<Arc<Member>>,
    pub(super) watch: Option<Arc<Watch>>,
    asked: Option<Box<Asked>>,
}

/// What somebody asked of one child alone. Few have it: a child without is half as big.
#[derive(Default)]
pub(super) struct Asked {
    stop: Option<Stop>,
    /// Cancelled when the child has left the list.
    pub(super) ended: Option<CancellationToken>,
}

impl Node {
    pub(super) fn admits(&self, state: &State, who: Who) -> bool {
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
        spawned_at: &'static Location<'static>,
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
            spawned_at,
            member,
            watch,
            asked: None,
        });
        Ok((id, made))
    }

    /// Takes a child off the list, whose future has been dropped.
    pub(super) fn remove(self: &Arc<Self>, id: ChildId, end: End) {
        let mut state = self.state.lock();
        let child = state.children.remove(id.key);
        debug_assert_eq!(child.number, id.number);
        if child.stop().is_some() {
            state.stops -= 1;
            if state.stops == 0 {
                self.flags.fetch_and(!STOPS, Ordering::AcqRel);
            }
        }
        if state.children.is_empty() && state.children.capacity() > KEPT {
            state.children = Slab::new();
        }
        if !(child.is_hook() && end == End::Finished) {
            state.tally.count(end);
        }
        let left = state.is_busy();
        drop(state);
        if let Some(ended) = child.asked.as_ref().and_then(|asked| asked.ended.as_ref()) {
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
        self.with_child(id, |child| child.label())
    }

    /// A token that is cancelled once the child has ended.
    pub(super) fn ended(&self, id: ChildId) -> Option<CancellationToken> {
        self.with_child(id, |child| {
            child
                .asked()
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
            self.with_child(id, |child| child.stop().cloned()).flatten()
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
        match &mut child.asked().stop {
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

    /// Calls `f` for each child, under the lock.
    pub(super) fn each_child(&self, mut f: impl FnMut(ChildId, &Child)) {
        for (key, child) in &self.state.lock().children {
            let number = child.number;
            f(ChildId { key, number }, child);
        }
    }
}

impl Child {
    pub(super) fn label(&self) -> Label {
        match &self.member {
            Some(member) => member.label.clone(),
            None => Label::unnamed(self.spawned_at),
        }
    }

    fn is_hook(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.is_hook)
    }

    fn stop(&self) -> Option<&Stop> {
        self.asked.as_ref()?.stop.as_ref()
    }

    pub(super) fn asked(&mut self) -> &mut Asked {
        self.asked.get_or_insert_default()
    }
}
