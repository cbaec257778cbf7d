use std::any::Any;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::runtime::{Hook, Unobserved, print_unobserved};
use crate::task::{catch_drop, quiet};

/// Nothing is started any more.
pub(super) const OVER: usize = 1;
/// Tasks were started that are not in the set yet.
pub(super) const FRESH: usize = 2;
/// Handles have cancelled tasks.
const STOPS: usize = 4;

/// What reaches a scope from outside of its poll: that there is something to do, and panics.
pub(super) struct Mailbox {
    /// [`OVER`], [`FRESH`] and [`STOPS`].
    flags: AtomicUsize,
    /// Wakes the task that polls the scope.
    bell: Waker,
    /// Slots of the tasks whose handles have cancelled them.
    stops: Mutex<Vec<usize>>,
    /// The first that nobody else has.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// `None`: a line on standard error.
    unobserved: Option<Arc<Hook>>,
}

impl Mailbox {
    pub(super) fn new(bell: Waker, unobserved: Option<Arc<Hook>>) -> Self {
        Self {
            flags: AtomicUsize::new(0),
            bell,
            stops: Mutex::new(Vec::new()),
            panic: Mutex::new(None),
            unobserved,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.flags.load(Ordering::Acquire) == 0
    }

    #[inline]
    pub(super) fn is(&self, flag: usize) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    /// Sets a flag, and has the scope polled if it was not set. Not under a lock: a waker may be the
    /// executor's.
    pub(super) fn raise(&self, flag: usize) {
        if self.flags.fetch_or(flag, Ordering::AcqRel) & flag == 0 {
            quiet(|| self.bell.wake_by_ref());
        }
    }

    /// Sets [`OVER`]; the scope is being polled.
    pub(super) fn close(&self) {
        self.flags.fetch_or(OVER, Ordering::AcqRel);
    }

    /// Whoever takes what a flag stands for clears it before, so that what comes beside it is
    /// found by the next look.
    pub(super) fn lower(&self, flag: usize) {
        self.flags.fetch_and(!flag, Ordering::AcqRel);
    }

    /// Has the scope drop the task in a slot, if its handle has cancelled it.
    pub(super) fn stop(&self, slot: usize) {
        self.stops.lock().push(slot);
        self.raise(STOPS);
    }

    /// The slots of those that were stopped since.
    pub(super) fn take_stops(&self) -> Vec<usize> {
        if !self.is(STOPS) {
            return Vec::new();
        }
        self.lower(STOPS);
        mem::take(&mut self.stops.lock())
    }

    /// Keeps a panic, which goes on in the task that polls the scope once all have ended. There is
    /// room for one.
    pub(super) fn keep_panic(&self, payload: Box<dyn Any + Send>) {
        let mut first = self.panic.lock();
        let second = match &*first {
            None => first.replace(payload),
            Some(_) => Some(payload),
        };
        drop(first);
        if let Some(second) = second {
            self.tell(|| Unobserved::panic(second));
        }
    }

    pub(super) fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.panic.lock().take()
    }

    /// Drops `value`, and keeps a panic of its destructor.
    pub(super) fn drop_kept<T>(&self, value: T) {
        if let Err(payload) = catch_drop(value) {
            self.keep_panic(payload);
        }
    }

    /// Gives the hook what nobody else takes.
    pub(super) fn tell(&self, what: impl FnOnce() -> Unobserved) {
        // To make it may be the user's code, as the hook is.
        quiet(|| match &self.unobserved {
            Some(hook) => hook(what()),
            None => print_unobserved(what()),
        });
    }

    /// Nobody polls the scope any more: gives the hook the panic that is kept.
    pub(super) fn tell_panic(&self) {
        if let Some(payload) = self.take_panic() {
            self.tell(|| Unobserved::panic(payload));
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // That of a handle which outlived its scope.
        self.tell_panic();
    }
}
