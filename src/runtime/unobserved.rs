use std::any::Any;
use std::error::Error;
use std::fmt;

use crate::task::{panic_message, quiet};

/// What went wrong in a task and has nobody to take it.
///
/// A panic of a task whose handle was dropped or detached, or a failure of a
/// [`Group`](crate::group::Group) that has no other owner. Goes to the hook of
/// [`Runtime::on_unobserved`](super::Runtime::on_unobserved).
pub struct Unobserved {
    what: What,
}

enum What {
    Panic(Box<dyn Any + Send>),
    /// The error, and which task it comes from.
    Error(String, Box<dyn Error + Send + Sync>),
}

impl Unobserved {
    pub(crate) fn error(task: String, error: Box<dyn Error + Send + Sync>) -> Self {
        Self {
            what: What::Error(task, error),
        }
    }

    pub(crate) fn panic(payload: Box<dyn Any + Send>) -> Self {
        Self {
            what: What::Panic(payload),
        }
    }

    /// The text of the panic, if the task panicked with one.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.what {
            What::Panic(payload) => panic_message(&**payload),
            What::Error(..) => None,
        }
    }

    /// What the task panicked with.
    ///
    /// # Errors
    ///
    /// Gives itself back if the task returned an error.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.what {
            What::Panic(payload) => Ok(payload),
            What::Error(..) => Err(self),
        }
    }

    /// The error the task returned.
    ///
    /// # Errors
    ///
    /// Gives itself back if the task panicked.
    pub fn into_error(self) -> Result<Box<dyn Error + Send + Sync>, Self> {
        match self.what {
            What::Error(_, error) => Ok(error),
            What::Panic(_) => Err(self),
        }
    }
}

impl fmt::Debug for Unobserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unobserved")
            .field(&self.to_string())
            .finish()
    }
}

impl fmt::Display for Unobserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Panic(payload) => {
                f.write_str("a task that nobody waits for panicked")?;
                match panic_message(&**payload) {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                }
            }
            What::Error(task, error) => write!(f, "{task} failed: {error}"),
        }
    }
}

pub(crate) type Hook = dyn Fn(Unobserved) + Send + Sync;

/// What is done where nobody says otherwise: one line on standard error.
pub(crate) fn print_unobserved(unobserved: Unobserved) {
    eprintln!("untethered: {unobserved}");
}

/// Hands `payload` to `hook`. A panic of the hook is dropped.
pub(crate) fn report_unobserved(hook: &Hook, payload: Box<dyn Any + Send>) {
    quiet(|| hook(Unobserved::panic(payload)));
}
