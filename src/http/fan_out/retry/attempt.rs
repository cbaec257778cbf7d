use std::time::Duration;

use http::StatusCode;

use crate::http::ErrorKind;

/// An attempt that was followed by another one.
///
/// From [`Fetched::earlier_attempts`](crate::http::Fetched::earlier_attempts) and
/// [`FetchError::earlier_attempts`](crate::http::FetchError::earlier_attempts).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub(in crate::http::fan_out) outcome: Outcome,
    pub(in crate::http::fan_out) elapsed: Duration,
    pub(in crate::http::fan_out) delay: Duration,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::fan_out) enum Outcome {
    Status(StatusCode),
    Error(ErrorKind),
}

impl Attempt {
    /// The status it was answered with, if it was answered.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            Outcome::Status(status) => Some(status),
            Outcome::Error(_) => None,
        }
    }

    /// What it failed with, if it got no answer.
    pub fn error(&self) -> Option<ErrorKind> {
        match self.outcome {
            Outcome::Status(_) => None,
            Outcome::Error(kind) => Some(kind),
        }
    }

    /// How long it took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// How long was waited after it at least; slots and the rate limit come on top.
    pub fn delay(&self) -> Duration {
        self.delay
    }
}
