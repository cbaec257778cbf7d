//! First come, first served: who waits, in which order, and how to wake them.

use std::task::{Context, Waker};

use slab::Slab;

use crate::task::quiet;

/// Waiters in the order they came. Lives inside its owner's lock.
///
/// A waiter keeps the [`Key`] of its entry and removes the entry when it is done or dropped. An
/// entry that was taken off the queue stays until then, so that the waiter can see it was served.
/// Waiting allocates nothing once the slab has grown, and the slab is given back when all have
/// gone.
#[derive(Debug)]
pub(crate) struct WaitList {
    entries: Slab<Entry>,
    /// First and last of those that still queue.
    ends: Option<(usize, usize)>,
}

/// The place of a waiter in its list.
#[derive(Debug)]
pub(crate) struct Key(usize);

#[derive(Debug)]
struct Entry {
    waker: Option<Waker>,
    /// `None` once served.
    links: Option<Links>,
}

#[derive(Debug, Clone, Copy)]
struct Links {
    before: Option<usize>,
    after: Option<usize>,
}

/// How big an empty slab may stay.
const KEPT: usize = 64;

impl WaitList {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Slab::new(),
            ends: None,
        }
    }

    /// Queues a waiter behind all others.
    pub(crate) fn push(&mut self, waker: Waker) -> Key {
        let before = self.ends.map(|(_, last)| last);
        let key = self.entries.insert(Entry {
            waker: Some(waker),
            links: Some(Links {
                before,
                after: None,
            }),
        });
        if let Some(last) = before {
            self.links_mut(last).after = Some(key);
        }
        self.ends = Some((self.ends.map_or(key, |(first, _)| first), key));
        Key(key)
    }

    /// Whether nobody queues.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    /// Whether the waiter is the first in the queue.
    pub(crate) fn is_first(&self, key: &Key) -> bool {
        self.ends.is_some_and(|(first, _)| first == key.0)
    }

    /// Whom to wake so that the first in the queue looks again. It stays in the queue.
    pub(crate) fn take_first_waker(&mut self) -> Option<Waker> {
        let (first, _) = self.ends?;
        self.entries[first].waker.take()
    }

    /// Serves the first in the queue: its entry stays for it to find. `None` if nobody queues,
    /// else whom to wake.
    #[must_use = "wake it outside the lock"]
    pub(crate) fn serve_first(&mut self) -> Option<Option<Waker>> {
        let (first, _) = self.ends?;
        self.unlink(first);
        Some(self.entries[first].waker.take())
    }

    /// Whether the waiter was taken off the queue.
    pub(crate) fn is_served(&self, key: &Key) -> bool {
        self.entries[key.0].links.is_none()
    }

    /// Remembers whom to wake from now on. Gives back a waker that is to be dropped outside the lock.
    #[must_use = "drop it outside the lock"]
    pub(crate) fn update(&mut self, key: &Key, cx: &Context<'_>) -> Option<Waker> {
        match &mut self.entries[key.0].waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            waker => waker.replace(cx.waker().clone()),
        }
    }

    /// Removes the waiter's entry, queued or served.
    pub(crate) fn remove(&mut self, key: Key) -> Removed {
        let served = self.is_served(&key);
        if !served {
            self.unlink(key.0);
        }
        let entry = self.entries.remove(key.0);
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            self.entries = Slab::new();
        }
        Removed {
            served,
            waker: entry.waker,
        }
    }

    fn unlink(&mut self, key: usize) {
        let Some(links) = self.entries[key].links.take() else {
            return;
        };
        if let Some(before) = links.before {
            self.links_mut(before).after = links.after;
        }
        if let Some(after) = links.after {
            self.links_mut(after).before = links.before;
        }
        self.ends = match self.ends {
            Some((first, last)) if first == key || last == key => {
                let first = if first == key {
                    links.after
                } else {
                    Some(first)
                };
                let last = if last == key {
                    links.before
                } else {
                    Some(last)
                };
                first.zip(last)
            }
            ends => ends,
        };
    }

    fn links_mut(&mut self, key: usize) -> &mut Links {
        self.entries[key]
            .links
            .as_mut()
            .expect("only those that queue are linked")
    }
}

/// What is left of a waiter.
pub(crate) struct Removed {
    /// Whether it had been served.
    pub(crate) served: bool,
    /// To be dropped outside the lock.
    pub(crate) waker: Option<Waker>,
}

/// Wakes each; a waker that panics keeps nobody else from being woken.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        quiet(|| waker.wake());
    }
}
