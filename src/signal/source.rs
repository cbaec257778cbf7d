use std::fmt;
use std::sync::Arc;

use super::shutdown::Shared;
use super::{ShutdownSignals, Signal};

/// Raises signals by hand, for tests. From [`ShutdownSignals::manual`].
///
/// What it sends goes to its own [`ShutdownSignals`] only; the process is not told.
#[derive(Clone)]
pub struct Source(Arc<Shared>);

impl Source {
    pub(super) fn new(signals: &ShutdownSignals) -> Self {
        Self(signals.shared().clone())
    }

    /// Has `signal` arrive. When it returns, tokens are cancelled and waits are woken.
    pub fn send(&self, signal: Signal) {
        self.0.deliver(signal);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}
