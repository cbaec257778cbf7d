use std::error::Error;
use std::fmt;
use std::io;

use super::Exit;

/// Why a process got no signal.
#[derive(Debug)]
pub struct SignalError(Kind);

#[derive(Debug)]
enum Kind {
    Ended(Exit),
    Refused(io::Error),
}

impl SignalError {
    pub(super) fn ended(exit: Exit) -> Self {
        Self(Kind::Ended(exit))
    }

    /// Whether it had ended before.
    pub fn is_ended(&self) -> bool {
        self.exit().is_some()
    }

    /// How it ended, if that is the reason.
    pub fn exit(&self) -> Option<Exit> {
        match self.0 {
            Kind::Ended(exit) => Some(exit),
            Kind::Refused(_) => None,
        }
    }
}

impl From<io::Error> for SignalError {
    fn from(error: io::Error) -> Self {
        Self(Kind::Refused(error))
    }
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Ended(exit) => write!(f, "the process has ended: {exit}"),
            Kind::Refused(_) => f.write_str("the system does not let us signal the process"),
        }
    }
}

impl Error for SignalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Ended(_) => None,
            Kind::Refused(error) => Some(error),
        }
    }
}
