//! First come, first served: who waits, in which order, and how to wake them.

use std::task::Waker;

use slab::Slab;

use crate::task::{discard, quiet};

/// Waiters in the order they came. Lives inside its owner's lock.
///
/// A waiter keeps the [`Key`] of its entry and removes the entry when it is done or dropped. An
/// entry that was taken off the queue stays until then, so that the waiter can see it was served.
/// Waiting allocates nothing once the slab has grown, and the slab is given back when all have
/// gone. Beside its waker an entry holds what waiter and owner have to tell each other, `D`.
#[derive(Debug)]
pub(crate) struct WaitList<D = ()> {
    entries: Slab<Entry<D>>,
    /// First and last of those that still queue.
    ends: Option<(usize, usize)>,
}

/// The place of a waiter in its list.
#[derive(Debug)]
pub(crate) struct Key(usize);

#[derive(Debug)]
struct Entry<D> {
    waker: Option<Waker>,
    data: D,
    /// `None` once served.
    links: Option<Links>,
}

#[derive(Debug, Clone, Copy)]
struct Links {
    before: Link,
    after: Link,
}

/// The key of a neighbour, if there is one. Half as big as that would be: an entry takes 32 bytes
/// this way, and filling fresh memory is the greater part of what a first wait costs.
#[derive(Debug, Clone, Copy)]
struct Link(u32);

impl Link {
    const NONE: Self = Self(u32::MAX);

    fn to(key: usize) -> Self {
        match u32::try_from(key) {
            Ok(key) if key != u32::MAX => Self(key),
            _ => panic!("more than four thousand million waiters"),
        }
    }

    fn key(self) -> Option<usize> {
        (self.0 != u32::MAX).then_some(self.0 as usize)
    }
}

impl From<Option<usize>> for Link {
    fn from(key: Option<usize>) -> Self {
        key.map_or(Self::NONE, Self::to)
    }
}

/// How big an empty slab may stay.
const KEPT: usize = 64;

impl WaitList {
    /// Serves the first in the queue: its entry stays for it to find. `None` if nobody queues,
    /// else whom to wake.
    #[must_use = "wake it outside the lock"]
    pub(crate) fn serve_first(&mut self) -> Option<Option<Waker>> {
        self.serve_first_with().map(|(waker, _)| waker)
    }
}

impl<D> WaitList<D> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Slab::new(),
            ends: None,
        }
    }

    /// What the first in the queue has in its entry.
    pub(crate) fn first(&self) -> Option<&D> {
        self.ends.map(|(first, _)| &self.entries[first].data)
    }

    /// Queues a waiter behind all others, with `data` in its entry.
    fn push_with(&mut self, waker: Waker, data: D) -> Key {
        let before = self.ends.map(|(_, last)| last);
        let key = self.entries.insert(Entry {
            waker: Some(waker),
            data,
            links: Some(Links {
                before: before.into(),
                after: Link::NONE,
            }),
        });
        if let Some(last) = before {
            self.links_mut(last).after = Link::to(key);
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

    /// As `serve_first`, with what is in the entry.
    #[must_use = "wake it outside the lock"]
    pub(crate) fn serve_first_with(&mut self) -> Option<(Option<Waker>, &mut D)> {
        let (first, _) = self.ends?;
        self.unlink(first);
        let entry = &mut self.entries[first];
        Some((entry.waker.take(), &mut entry.data))
    }

    /// Takes everybody off the queue and forgets their entries, for owners that can tell by
    /// themselves which keys are void then. Takes no longer for many than for a few.
    pub(crate) fn take_all(&mut self) -> AllWakers<D> {
        let mut few = Wakers::default();
        let mut many = WaitList::new();
        if self.entries.len() > KEPT {
            many.entries = std::mem::take(&mut self.entries);
            many.ends = self.ends.take();
        } else {
            few.extend(self.drain());
        }
        AllWakers { few, many }
    }

    /// Removes the first in the queue, again and again.
    fn drain(&mut self) -> impl Iterator<Item = Waker> {
        let mut next = self.ends.take().map(|(first, _)| first);
        std::iter::from_fn(move || {
            let entry = self.entries.remove(next?);
            next = entry.links.and_then(|links| links.after.key());
            Some(entry.waker)
        })
        .flatten()
    }

    /// Whether the waiter was taken off the queue.
    pub(crate) fn is_served(&self, key: &Key) -> bool {
        self.entries[key.0].links.is_none()
    }

    /// Lets a waiter queue, with `data` in its entry if it is new, to be woken by `waker`. What it
    /// does with `spare` is said at [`remember`].
    pub(crate) fn queue(
        &mut self,
        place: &mut Option<Key>,
        waker: &Waker,
        spare: &mut Option<Waker>,
        data: impl FnOnce() -> D,
    ) -> Result<Queued, NeedsClone> {
        let known = match place {
            Some(key) => &mut self.entries[key.0].waker,
            None => {
                let clone = spare.take().ok_or(NeedsClone)?;
                *place = Some(self.push_with(clone, data()));
                return Ok(Queued { old: None });
            }
        };
        let old = remember(known, waker, spare)?;
        Ok(Queued { old })
    }

    /// Removes the waiter's entry, queued or served.
    pub(crate) fn remove(&mut self, key: Key) -> Removed<D> {
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
            data: entry.data,
        }
    }

    fn unlink(&mut self, key: usize) {
        let Some(links) = self.entries[key].links.take() else {
            return;
        };
        if let Some(before) = links.before.key() {
            self.links_mut(before).after = links.after;
        }
        if let Some(after) = links.after.key() {
            self.links_mut(after).before = links.before;
        }
        self.ends = self.ends.and_then(|(first, last)| {
            let first = if first == key {
                links.after.key()
            } else {
                Some(first)
            };
            let last = if last == key {
                links.before.key()
            } else {
                Some(last)
            };
            first.zip(last)
        });
    }

    fn links_mut(&mut self, key: usize) -> &mut Links {
        self.entries[key]
            .links
            .as_mut()
            .expect("only those that queue are linked")
    }
}

/// To be dropped outside the lock: it holds the waker that was known before.
#[must_use = "drop it outside the lock"]
pub(crate) struct Queued {
    old: Option<Waker>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        discard(self.old.take());
    }
}

/// The waker is to be cloned outside the lock first.
pub(crate) struct NeedsClone;

/// Makes `known` wake what `waker` does. Gives what is to be dropped outside the lock.
///
/// Cloning a waker runs the executor's code, which must not happen while the lock is held: if a
/// clone is needed and not in `spare`, says so, to be called again with one.
pub(crate) fn remember(
    known: &mut Option<Waker>,
    waker: &Waker,
    spare: &mut Option<Waker>,
) -> Result<Option<Waker>, NeedsClone> {
    if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
        return Ok(spare.take());
    }
    let clone = spare.take().ok_or(NeedsClone)?;
    Ok(known.replace(clone))
}

/// What is left of a waiter.
pub(crate) struct Removed<D = ()> {
    /// Whether it had been served.
    pub(crate) served: bool,
    /// To be dropped outside the lock.
    pub(crate) waker: Option<Waker>,
    pub(crate) data: D,
}

/// All who queued.
#[must_use = "wake them outside the lock"]
pub(crate) struct AllWakers<D> {
    few: Wakers,
    many: WaitList<D>,
}

impl<D> AllWakers<D> {
    /// Wakes them in the order in which they came.
    pub(crate) fn wake(mut self) {
        self.few.wake();
        wake_all(self.many.drain());
    }
}

/// Whom to wake once the lock is released. The first is kept without an allocation.
#[derive(Debug, Default)]
#[must_use = "wake them outside the lock"]
pub(crate) struct Wakers {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    pub(crate) fn append(&mut self, others: Self) {
        self.extend(others.first);
        self.extend(others.more);
    }

    #[inline]
    pub(crate) fn wake(self) {
        wake_all(self.first);
        if !self.more.is_empty() {
            wake_all(self.more);
        }
    }
}

impl Extend<Waker> for Wakers {
    fn extend<I: IntoIterator<Item = Waker>>(&mut self, wakers: I) {
        for waker in wakers {
            if self.first.is_none() {
                self.first = Some(waker);
            } else {
                self.more.push(waker);
            }
        }
    }
}

/// Wakes each; a waker that panics keeps nobody else from being woken.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(wake);
}

/// Wakes; if the waker panics, that goes nowhere.
pub(crate) fn wake(waker: Waker) {
    quiet(|| waker.wake());
}
