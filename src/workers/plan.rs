use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{Notice, OnDeath};
use crate::signal::{ShutdownSignals, Signal};

/// What the builder was told, as far as it does not depend on how workers run.
#[derive(Clone)]
pub(super) struct Plan {
    /// Of each worker, by index.
    pub(super) names: Vec<String>,
    pub(super) stop_signals: Vec<Signal>,
    pub(super) reload_signals: Vec<Signal>,
    pub(super) on_death: OnDeath,
    pub(super) ready_within: Duration,
    pub(super) stop_within: Duration,
    pub(super) to_completion: bool,
    pub(super) notice: Arc<dyn Fn(&Notice) + Send + Sync>,
}

impl Plan {
    pub(super) fn listen_for_signals(&self) -> io::Result<ShutdownSignals> {
        let signals = self.stop_signals.iter().chain(&self.reload_signals);
        ShutdownSignals::listen_for(signals.copied())
    }
}
