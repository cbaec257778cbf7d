use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::executor::Shared;
use crate::primitives::park_timeout;
use crate::primitives::thread::{self, Thread};
use crate::runtime::present;

/// Work that the simulation waits for instead of moving time. From
/// [`Sim::outside_work`](super::Sim::outside_work).
///
/// Move it to the thread that does the work, and drop it there when the work is done and whoever
/// waits for it was woken.
#[must_use = "dropping it says that the work is done"]
pub struct OutsideWork {
    shared: Arc<Shared>,
}

impl OutsideWork {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.lock().outside.count += 1;
        Self {
            shared: shared.clone(),
        }
    }
}

impl Drop for OutsideWork {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.outside.count -= 1;
        state.outside.notify();
    }
}

impl fmt::Debug for OutsideWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutsideWork").finish_non_exhaustive()
    }
}

/// What other threads do for the simulation, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Outside {
    count: usize,
    waiting: Option<Thread>,
}

impl Outside {
    /// Something became ready, or some work has ended.
    pub(super) fn notify(&mut self) {
        if let Some(thread) = self.waiting.take() {
            thread.unpark();
        }
    }
}

/// What came of waiting for other threads.
pub(super) enum Waited {
    /// There is nobody to wait for.
    Not,
    /// It is worth to look again.
    Changed,
    /// For so long, in vain.
    Gone(Duration),
}

impl Shared {
    /// Parks the thread until other threads have made something ready, unless something that was
    /// put off is: they may wait for that, and time does not move meanwhile.
    pub(super) fn wait_for_outside(&self) -> Waited {
        let mut state = self.lock();
        if state.outside.count == 0 {
            return Waited::Not;
        }
        let longest = state.settings.outside_limit;
        let give_up = present().checked_add(longest);
        loop {
            if state.has_ready() || state.release() || state.outside.count == 0 {
                return Waited::Changed;
            }
            let left = give_up.map_or(longest, until);
            if left.is_zero() {
                return Waited::Gone(longest);
            }
            state.outside.waiting = Some(thread::current());
            drop(state);
            park_timeout(left);
            state = self.lock();
            state.outside.waiting = None;
        }
    }
}

fn until(moment: Instant) -> Duration {
    moment.saturating_duration_since(present())
}
