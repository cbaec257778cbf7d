use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Key, NeedsClone, WaitList};
use crate::primitives::SpinLock;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::task::discard;

/// A flag to wait for.
///
/// Level-triggered: while it is set, nobody waits. Whoever waits when it is set gets through, even
/// if it is cleared before they run, and they are woken in the order in which they came. Clones
/// are the same event. Needs no runtime.
///
/// For a request to stop that reaches whole trees of tasks see
/// [`CancellationToken`](crate::CancellationToken), which is never cleared.
///
/// # Examples
///
/// ```
/// use untethered::sync::Event;
///
/// let event = Event::new();
/// event.set();
/// assert!(event.is_set());
/// # futures_lite::future::block_on(async {
/// event.wait().await;
/// # });
/// event.clear();
/// assert!(!event.is_set());
/// ```
#[derive(Clone)]
pub struct Event {
    flag: Arc<Flag>,
}

struct Flag {
    /// The lowest bit says whether it is set, the others count how often it was. Changed under the
    /// lock only.
    state: AtomicUsize,
    /// Those who wait since it was set last.
    waiters: SpinLock<WaitList>,
}

const SET: usize = 1;

/// Which of the times at which it was set a state belongs to.
fn round(state: usize) -> usize {
    state & !SET
}

impl Event {
    /// An event that is not set.
    pub fn new() -> Self {
        Self {
            flag: Arc::new(Flag {
                state: AtomicUsize::new(0),
                waiters: SpinLock::new(WaitList::new()),
            }),
        }
    }

    /// Sets the event and wakes all who wait.
    ///
    /// What was done before is seen by those who get through.
    pub fn set(&self) {
        let mut waiters = self.flag.waiters.lock();
        let state = self.flag.state.load(Ordering::Relaxed);
        let next = if state & SET == 0 {
            state.wrapping_add(SET << 1) | SET
        } else {
            state
        };
        // Pairs with the acquire of those who look without the lock. Stored even if it is set
        // already, so that they see what was done before this call too.
        self.flag.state.store(next, Ordering::Release);
        let wakers = waiters.take_all();
        drop(waiters);
        wakers.wake();
    }

    /// Clears the event. Whoever waited when it was set still gets through.
    pub fn clear(&self) {
        let _waiters = self.flag.waiters.lock();
        let state = self.flag.state.load(Ordering::Relaxed);
        self.flag.state.store(round(state), Ordering::Release);
    }

    /// Whether the event is set.
    pub fn is_set(&self) -> bool {
        self.flag.state.load(Ordering::Acquire) & SET != 0
    }

    /// Waits until the event is set.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub fn wait(&self) -> WaitSet<'_> {
        WaitSet {
            flag: &self.flag,
            key: None,
            round: 0,
        }
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish()
    }
}

/// The future of [`Event::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitSet<'a> {
    flag: &'a Flag,
    key: Option<Key>,
    /// In which it began to wait. Once that is over the key is void.
    round: usize,
}

impl WaitSet<'_> {
    /// Whether it was set since this wait began.
    fn is_over(&self, state: usize) -> bool {
        state & SET != 0 || (self.key.is_some() && self.round != round(state))
    }
}

impl Future for WaitSet<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.is_over(this.flag.state.load(Ordering::Acquire)) {
            return Poll::Ready(());
        }
        // Cloning a waker runs the executor's code: not while the lock is held.
        let mut spare = this.key.is_none().then(|| cx.waker().clone());
        loop {
            let mut waiters = this.flag.waiters.lock();
            let state = this.flag.state.load(Ordering::Relaxed);
            if this.is_over(state) {
                drop(waiters);
                discard(spare);
                return Poll::Ready(());
            }
            let queued = waiters.queue(&mut this.key, cx.waker(), &mut spare, || ());
            this.round = round(state);
            drop(waiters);
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }
}

impl Drop for WaitSet<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else {
            return;
        };
        if round(self.flag.state.load(Ordering::Relaxed)) != self.round {
            return;
        }
        let mut waiters = self.flag.waiters.lock();
        // It may have been set since we looked.
        if round(self.flag.state.load(Ordering::Relaxed)) == self.round {
            let removed = waiters.remove(key);
            drop(waiters);
            discard(removed.waker);
        }
    }
}

impl fmt::Debug for WaitSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitSet").finish_non_exhaustive()
    }
}
