use std::task::Waker;

use crate::primitives::SpinLock;
use crate::task::discard;

/// Whom to wake: left by a task, taken by whoever wakes it.
///
/// Cloning and dropping a waker runs the executor's code, which neither does under the lock.
pub(crate) struct TaskWaker(SpinLock<Option<Waker>>);

impl TaskWaker {
    pub(crate) fn new() -> Self {
        Self(SpinLock::new(None))
    }

    /// Has `waker` woken, and no other. Only the task itself calls this.
    pub(crate) fn register(&self, waker: &Waker) {
        let known = self.0.lock();
        if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        drop(known);
        let new = waker.clone();
        let old = self.0.lock().replace(new);
        discard(old);
    }

    /// To be woken, or dropped, by who took it.
    pub(crate) fn take(&self) -> Option<Waker> {
        self.0.lock().take()
    }
}
