use std::any::Any;
use std::fmt;
use std::time::{Duration, Instant};

use crate::task::{CancellationToken, panic_message};

/// One tick of a [`Timer`](super::Timer).
#[derive(Debug, Clone)]
pub struct Tick {
    pub(super) number: u64,
    pub(super) due: Instant,
    pub(super) period: Duration,
    pub(super) token: CancellationToken,
}

impl Tick {
    /// Its number, from nought. The skipped ones are counted, so that a gap tells of them.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was due, without the jitter. It never starts before that.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// The period of the timer.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Asks this tick to stop: the timer is stopped, or the next tick is due under
    /// [`Overlap::CancelPrevious`](super::Overlap::CancelPrevious).
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

/// A tick that failed or panicked.
pub struct TickFailure<E> {
    pub(super) number: u64,
    pub(super) cause: Cause<E>,
}

pub(super) enum Cause<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

impl<E> TickFailure<E> {
    /// The number of the tick.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether it panicked: in the callback, in its future, or while that was dropped.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panic(_))
    }

    /// The text of the panic, if it panicked with one.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.cause {
            Cause::Error(_) => None,
            Cause::Panic(payload) => panic_message(&**payload),
        }
    }

    /// The error that the tick gave.
    ///
    /// # Errors
    ///
    /// What it panicked with, if it did.
    pub fn into_error(self) -> Result<E, Box<dyn Any + Send>> {
        match self.cause {
            Cause::Error(error) => Ok(error),
            Cause::Panic(payload) => Err(payload),
        }
    }
}

impl<E: fmt::Display> fmt::Display for TickFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Error(error) => write!(f, "tick {} failed: {error}", self.number),
            Cause::Panic(payload) => {
                write!(f, "tick {} panicked", self.number)?;
                match panic_message(&**payload) {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl<E> fmt::Debug for TickFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TickFailure")
            .field("number", &self.number)
            .field("is_panic", &self.is_panic())
            .finish_non_exhaustive()
    }
}
