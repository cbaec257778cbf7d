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
        /// What cut the clean-up off.
        second: Option<Signal>,
    },
    Signals(io::Error),
}

impl RunError {
    pub(super) fn cancelled(signals: &ShutdownSignals) -> Self {
        let reason = signals.token().reason();
        Self(Kind::Cancelled {
            reason: reason.unwrap_or_else(|| Reason::from("cancelled")),
            signal: signals.first(),
            second: None,
        })
    }

    /// As [`cancelled`](Self::cancelled), by a second signal.
    pub(super) fn cut_off(signals: &ShutdownSignals) -> Self {
        let mut error = Self::cancelled(signals);
        if let Kind::Cancelled { second, .. } = &mut error.0 {
            *second = signals.second();
        }
        error
    }

    pub(super) fn signals(error: io::Error) -> Self {
        Self(Kind::Signals(error))
    }

    /// Whether main was dropped because it was to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Kind::Cancelled { .. })
    }

    /// The signal that asked it to stop: the first one.
    pub fn signal(&self) -> Option<Signal> {
        match self.0 {
            Kind::Cancelled { signal, .. } => signal,
            Kind::Signals(_) => None,
        }
    }

    /// The signal that cut off the clean-up, if a second one did.
    pub fn second_signal(&self) -> Option<Signal> {
        match self.0 {
            Kind::Cancelled { second, .. } => second,
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
            Kind::Cancelled { reason, second, .. } => {
                write!(f, "stopped: {reason}")?;
                match second {
                    Some(second) => write!(f, ", cut off: {second}"),
                    None => Ok(()),
                }
            }
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
