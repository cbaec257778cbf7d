use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::executor::Shared;
use super::tasks::TaskId;
use crate::runtime::{BoxFuture, Sleeper};
use crate::task::discard;

/// Virtual time and who waits for it. Lives inside the lock of [`Shared`].
#[derive(Debug)]
pub(super) struct Timers {
    base: Instant,
    now: Instant,
    armed: BTreeMap<Key, Armed>,
    created: u64,
}

/// Timers fire by deadline, then in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    deadline: Instant,
    number: u64,
}

#[derive(Debug)]
struct Armed {
    waker: Waker,
    /// The task that polled it last, for reports.
    task: Option<TaskId>,
}

impl Timers {
    pub(super) fn new() -> Self {
        let base = crate::runtime::present();
        Self {
            base,
            now: base,
            armed: BTreeMap::new(),
            created: 0,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.base
    }

    pub(super) fn len(&self) -> usize {
        self.armed.len()
    }

    /// Moves to `until` if no timer is due before.
    pub(super) fn move_to(&mut self, until: Instant) {
        debug_assert!(self.next_deadline().is_none_or(|next| next > until));
        self.now = self.now.max(until);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.armed.first_key_value().map(|(key, _)| key.deadline)
    }

    /// Moves to the next deadline, if there is one by `until`, and gives whom to wake for it.
    pub(super) fn fire_next(&mut self, until: Option<Instant>) -> Option<Vec<Waker>> {
        let deadline = self.next_deadline()?;
        if until.is_some_and(|until| until < deadline) {
            return None;
        }
        self.now = self.now.max(deadline);
        let mut wakers = Vec::new();
        while let Some(entry) = self.armed.first_entry() {
            if entry.key().deadline > deadline {
                break;
            }
            wakers.push(entry.remove().waker);
        }
        Some(wakers)
    }

    /// Forgets all timers; gives their wakers, to be dropped outside the lock.
    pub(super) fn clear(&mut self) -> Vec<Waker> {
        let armed = std::mem::take(&mut self.armed);
        armed.into_values().map(|armed| armed.waker).collect()
    }

    /// When the timers of `task` end, counted from the start.
    pub(super) fn deadlines_of(&self, task: TaskId) -> Vec<Duration> {
        self.armed
            .iter()
            .filter(|(_, armed)| armed.task == Some(task))
            .map(|(key, _)| key.deadline.saturating_duration_since(self.base))
            .collect()
    }
}

/// The [`Sleeper`] of a [`Sim`](super::Sim).
pub(super) struct SimSleeper(pub(super) Arc<Shared>);

impl Sleeper for SimSleeper {
    fn now(&self) -> Instant {
        self.0.lock().timers.now()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        let mut state = self.0.lock();
        let number = state.timers.created;
        state.timers.created += 1;
        drop(state);
        Box::pin(Timer {
            shared: self.0.clone(),
            key: Key { deadline, number },
        })
    }
}

struct Timer {
    shared: Arc<Shared>,
    key: Key,
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.closed {
            return Poll::Pending;
        }
        if state.timers.now >= self.key.deadline {
            return Poll::Ready(());
        }
        let armed = Armed {
            waker: cx.waker().clone(),
            task: state.current,
        };
        let old = state.timers.armed.insert(self.key, armed);
        drop(state);
        discard(old);
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let armed = self.shared.lock().timers.armed.remove(&self.key);
        discard(armed);
    }
}
