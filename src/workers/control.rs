use std::fmt;
use std::sync::Arc;

use crate::primitives::Mutex;
use crate::sync::Event;
use crate::task::Reason;

/// Stops and reloads workers from anywhere in the parent. From
/// [`Workers::control`](super::Workers::control).
///
/// Calls are remembered until the workers run, and do nothing after they have ended. In a worker
/// process they do nothing at all. Clones control the same workers.
#[derive(Clone, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Event,
}

/// What was asked for since the last look. Twice is once.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) stop: Option<Reason>,
    pub(super) kill: bool,
    pub(super) reload: bool,
}

impl Control {
    /// Asks all workers to stop, and kills those that do not in time. The first reason stays.
    pub fn stop(&self, reason: impl Into<Reason>) {
        let reason = reason.into();
        self.want(|wanted| {
            wanted.stop.get_or_insert(reason);
        });
    }

    /// Starts new workers and then, once all of them are ready, stops the old ones.
    ///
    /// If a new one does not come up, the others of the new ones are stopped and the old ones go
    /// on. A call while a reload is under way has another one follow. Workers that are stopping, or
    /// that run to completion, are not reloaded.
    pub fn reload(&self) {
        self.want(|wanted| wanted.reload = true);
    }

    /// Kills all workers now. Threads can not be killed: they are left behind.
    pub fn kill(&self) {
        self.want(|wanted| wanted.kill = true);
    }

    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.shared.wanted.lock());
        self.shared.changed.set();
    }

    /// Waits until something is wanted, and takes it.
    pub(super) async fn wanted(&self) -> Wanted {
        self.shared.changed.wait().await;
        // Cleared before it is taken: what comes in between sets it again.
        self.shared.changed.clear();
        std::mem::take(&mut *self.shared.wanted.lock())
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}
