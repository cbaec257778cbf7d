use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use super::Reason;

/// Why a task gave no output: it was cancelled, it panicked, or its group has its error.
pub struct JoinError {
    repr: Repr,
}

enum Repr {
    Cancelled(Option<Reason>),
    Failed,
    Panicked(Box<Panic>),
}

struct Panic {
    /// The lock is there because a payload need not be `Sync` and an error should be.
    payload: Mutex<Box<dyn Any + Send>>,
    /// A copy, to be read without the lock.
    message: Option<Box<str>>,
}

impl JoinError {
    pub(crate) fn cancelled(reason: Option<Reason>) -> Self {
        Self {
            repr: Repr::Cancelled(reason),
        }
    }

    pub(crate) fn failed() -> Self {
        Self { repr: Repr::Failed }
    }

    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self {
            repr: Repr::Panicked(Box::new(Panic {
                message: panic_message(&*payload).map(Into::into),
                payload: Mutex::new(payload),
            })),
        }
    }

    /// Whether the task was dropped before it ended: aborted, or its runtime went away.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.repr, Repr::Cancelled(_))
    }

    /// Whether the task failed and its [`Group`](crate::group::Group) has the error: it was started
    /// with a `spawn_fallible`, and returned an `Err` or panicked.
    pub fn is_failed(&self) -> bool {
        matches!(self.repr, Repr::Failed)
    }

    /// Whether the task panicked, while it ran or while it was dropped.
    pub fn is_panic(&self) -> bool {
        matches!(self.repr, Repr::Panicked(_))
    }

    /// The text of the panic, if the task panicked with one.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.repr {
            Repr::Panicked(panic) => panic.message.as_deref(),
            Repr::Cancelled(_) | Repr::Failed => None,
        }
    }

    /// Why the task was cancelled, where whoever cancelled it said so.
    pub fn reason(&self) -> Option<&Reason> {
        match &self.repr {
            Repr::Cancelled(reason) => reason.as_ref(),
            Repr::Failed | Repr::Panicked(_) => None,
        }
    }

    /// What the task panicked with.
    ///
    /// # Errors
    ///
    /// Gives the error back if the task did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.repr {
            Repr::Panicked(panic) => {
                let payload = panic.payload.into_inner();
                Ok(payload.unwrap_or_else(PoisonError::into_inner))
            }
            repr => Err(Self { repr }),
        }
    }

    /// Goes on with the task's panic on this thread; does nothing if the task was cancelled.
    ///
    /// # Panics
    ///
    /// If the task panicked, with its payload.
    pub fn resume_panic(self) -> Self {
        match self.into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(error) => error,
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinError").field(&self.to_string()).finish()
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr {
            Repr::Failed => f.write_str("task failed, its group has the error"),
            Repr::Cancelled(None) => f.write_str("task was cancelled"),
            Repr::Cancelled(Some(reason)) => write!(f, "task was cancelled: {reason}"),
            Repr::Panicked(panic) => match &panic.message {
                Some(message) => write!(f, "task panicked: {message}"),
                None => f.write_str("task panicked"),
            },
        }
    }
}

impl std::error::Error for JoinError {}

/// The text of a panic, where its payload is one.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
