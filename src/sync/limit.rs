use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Key, WaitList, wake_all};
use crate::primitives::Mutex;
use crate::task::catch_drop;

/// At most so many at once: slots, taken one at a time and given back by dropping the permit.
///
/// Strictly first come, first served: neither [`acquire`](Self::acquire) nor
/// [`try_acquire`](Self::try_acquire) passes somebody who waits. A slot that becomes free belongs
/// to the first waiter from that moment on; if that waiter is dropped before it runs, the next one
/// gets it. Clones share the slots. Needs no runtime.
///
/// # Examples
///
/// ```
/// use untethered::sync::Limit;
///
/// # futures_lite::future::block_on(async {
/// let limit = Limit::new(2);
/// let first = limit.acquire().await;
/// let second = limit.acquire().await;
/// assert!(limit.try_acquire().is_none());
/// drop(first);
/// assert!(limit.try_acquire().is_some());
/// # drop(second);
/// # });
/// ```
#[derive(Clone)]
pub struct Limit {
    slots: Arc<Slots>,
}

struct Slots {
    state: Mutex<State>,
}

/// Somebody waits only while no slot is free.
struct State {
    total: NonZeroUsize,
    /// More than `total` after that was lowered, until enough are given back.
    taken: usize,
    waiters: WaitList,
}

impl Limit {
    /// A limit of `total` slots.
    ///
    /// # Panics
    ///
    /// If `total` is nought: nobody could ever get a slot. For a number that comes from outside
    /// take `Limit::from(NonZeroUsize)`.
    #[track_caller]
    pub fn new(total: usize) -> Self {
        NonZeroUsize::new(total)
            .expect("a limit of nought lets nobody in: give one or more")
            .into()
    }

    /// Waits for a slot.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait gives up its place in the queue, and a slot that was already
    /// its own goes to the next.
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire {
            wait: Wait::new(&self.slots),
        }
    }

    /// As [`acquire`](Self::acquire), with a permit that borrows nothing.
    pub fn acquire_owned(&self) -> AcquireOwned {
        AcquireOwned {
            wait: Wait::new(self.slots.clone()),
        }
    }

    /// A slot, if one is free and nobody waits.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.slots.try_take().then(|| Permit {
            slot: Slot { slots: &self.slots },
        })
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that borrows nothing.
    pub fn try_acquire_owned(&self) -> Option<OwnedPermit> {
        self.slots.try_take().then(|| OwnedPermit {
            slot: Slot {
                slots: self.slots.clone(),
            },
        })
    }

    /// Changes the number of slots.
    ///
    /// More slots serve waiters at once. With fewer, permits that are out stay valid, and nobody
    /// is let in until enough of them were given back.
    ///
    /// # Panics
    ///
    /// If `total` is nought.
    #[track_caller]
    pub fn set_total(&self, total: usize) {
        let total =
            NonZeroUsize::new(total).expect("a limit of nought lets nobody in: give one or more");
        let mut wakers = Vec::new();
        let mut state = self.slots.state.lock();
        state.total = total;
        while let Some(waker) = state.serve_next() {
            wakers.extend(waker);
        }
        drop(state);
        wake_all(wakers);
    }

    /// How many slots there are.
    pub fn total(&self) -> usize {
        self.slots.state.lock().total.get()
    }

    /// How many slots are free.
    pub fn available(&self) -> usize {
        let state = self.slots.state.lock();
        state.total.get().saturating_sub(state.taken)
    }
}

impl From<NonZeroUsize> for Limit {
    fn from(total: NonZeroUsize) -> Self {
        Self {
            slots: Arc::new(Slots {
                state: Mutex::new(State {
                    total,
                    taken: 0,
                    waiters: WaitList::new(),
                }),
            }),
        }
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.slots.state.lock();
        f.debug_struct("Limit")
            .field("total", &state.total)
            .field("taken", &state.taken)
            .finish_non_exhaustive()
    }
}

impl State {
    fn has_free(&self) -> bool {
        self.taken < self.total.get()
    }

    /// Gives a free slot to the first waiter; `None` if there is no slot or no waiter.
    fn serve_next(&mut self) -> Option<Option<Waker>> {
        if !self.has_free() {
            return None;
        }
        let waker = self.waiters.serve_first()?;
        self.taken += 1;
        Some(waker)
    }
}

impl Slots {
    fn try_take(&self) -> bool {
        let mut state = self.state.lock();
        let free = state.has_free() && state.waiters.is_empty();
        if free {
            state.taken += 1;
        }
        free
    }

    fn give_back(&self) {
        let mut state = self.state.lock();
        state.taken -= 1;
        // One slot came back: at most one waiter can be served.
        let waker = state.serve_next().flatten();
        drop(state);
        wake_all(waker);
    }
}

/// A taken slot.
struct Slot<S: AsRef<Slots>> {
    slots: S,
}

impl<S: AsRef<Slots>> Drop for Slot<S> {
    fn drop(&mut self) {
        self.slots.as_ref().give_back();
    }
}

/// One wait for a slot.
struct Wait<S: AsRef<Slots>> {
    slots: S,
    key: Option<Key>,
}

impl<S: AsRef<Slots> + Clone> Wait<S> {
    fn new(slots: S) -> Self {
        Self { slots, key: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Slot<S>> {
        let mut state = self.slots.as_ref().state.lock();
        let old = match self.key.take() {
            None if state.has_free() && state.waiters.is_empty() => {
                state.taken += 1;
                None
            }
            None => {
                self.key = Some(state.waiters.push(cx.waker().clone()));
                return Poll::Pending;
            }
            Some(key) if state.waiters.is_served(&key) => state.waiters.remove(key).waker,
            Some(key) => {
                let old = state.waiters.update(&key, cx);
                self.key = Some(key);
                drop(state);
                catch_drop(old).ok();
                return Poll::Pending;
            }
        };
        drop(state);
        catch_drop(old).ok();
        Poll::Ready(Slot {
            slots: self.slots.clone(),
        })
    }
}

impl<S: AsRef<Slots>> Drop for Wait<S> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let slots = self.slots.as_ref();
        let removed = slots.state.lock().waiters.remove(key);
        if removed.served {
            slots.give_back();
        }
        catch_drop(removed.waker).ok();
    }
}

/// The future of [`Limit::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a> {
    wait: Wait<&'a Arc<Slots>>,
}

/// The future of [`Limit::acquire_owned`].
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireOwned {
    wait: Wait<Arc<Slots>>,
}

/// A slot of a [`Limit`]. Dropping it gives the slot back.
#[must_use = "dropping a permit gives its slot back"]
pub struct Permit<'a> {
    #[expect(dead_code, reason = "held for its drop")]
    slot: Slot<&'a Arc<Slots>>,
}

/// A slot of a [`Limit`] that borrows nothing. Dropping it gives the slot back.
#[must_use = "dropping a permit gives its slot back"]
pub struct OwnedPermit {
    #[expect(dead_code, reason = "held for its drop")]
    slot: Slot<Arc<Slots>>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Permit<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        self.wait.poll(cx).map(|slot| Permit { slot })
    }
}

impl Future for AcquireOwned {
    type Output = OwnedPermit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OwnedPermit> {
        self.wait.poll(cx).map(|slot| OwnedPermit { slot })
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

impl fmt::Debug for AcquireOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireOwned").finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
