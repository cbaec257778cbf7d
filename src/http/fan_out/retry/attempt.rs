use std::time::Duration;

use http::StatusCode;

use crate::http::{ErrorKind, HttpError};

/// An attempt that was followed by another one ([`Retry`](crate::http::Retry)), or was beside it.
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
    /// Dropped, since the one beside it was answered.
    Lost,
}

impl Attempt {
    pub(in crate::http::fan_out) fn lost(elapsed: Duration) -> Self {
        Self {
            outcome: Outcome::Lost,
            elapsed,
            delay: Duration::ZERO,
        }
    }

    /// One that is followed by none.
    pub(in crate::http::fan_out) fn failed(error: &HttpError, elapsed: Duration) -> Self {
        Self {
            outcome: Outcome::Error(error.kind()),
            ..Self::lost(elapsed)
        }
    }

    /// The status it was answered with, if it was answered.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            Outcome::Status(status) => Some(status),
            Outcome::Error(_) | Outcome::Lost => None,
        }
    }

    /// What it failed with, if it failed.
    pub fn error(&self) -> Option<ErrorKind> {
        match self.outcome {
            Outcome::Status(_) | Outcome::Lost => None,
            Outcome::Error(kind) => Some(kind),
        }
    }

    /// Whether it was dropped because the one beside it ([`Hedge`](crate::http::Hedge)) was answered
    /// first.
    pub fn is_lost(&self) -> bool {
        self.outcome == Outcome::Lost
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
