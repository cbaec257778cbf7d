use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::signal::{ShutdownSignals, Signal};
use crate::task::Reason;

/// Why a main gave no value.
#[derive(Debug)]
pub struct RunError(Kind);

#[derive(Debug)]
enum Kind {
    Cancelled {
        reason: Reason,
        signal: Option<Signal>,
    },
    Signals(io::Error),
}

impl RunError {
    pub(super) fn cancelled(signals: &ShutdownSignals) -> Self {
        let reason = signals.token().reason();
        Self(Kind::Cancelled {
            reason: reason.unwrap_or_else(|| Reason::from("cancelled")),
            signal: signals.first(),
        })
    }

    pub(super) fn signals(error: io::Error) -> Self {
        Self(Kind::Signals(error))
    }

    /// Whether main was dropped because it was to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Kind::Cancelled { .. })
    }

    /// The signal that stopped it.
    pub fn signal(&self) -> Option<Signal> {
        match self.0 {
            Kind::Cancelled { signal, .. } => signal,
            Kind::Signals(_) => None,
        }
    }

    /// What to return from the program's `main`: [`Signal::exit_code`] if a signal stopped it,
    /// else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self.signal() {
            Some(signal) => signal.exit_code(),
            None => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cancelled { reason, .. } => write!(f, "stopped: {reason}"),
            Kind::Signals(_) => f.write_str("can not listen for signals"),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Cancelled { .. } => None,
            Kind::Signals(error) => Some(error),
        }
    }
}
