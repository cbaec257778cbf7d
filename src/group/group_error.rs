use std::error::Error;
use std::fmt;

use super::failure::{BoxError, Failure, Views};

/// What went wrong in a group, the root cause first. From [`Group::join`](super::Group::join) or a
/// [`task_group`](super::task_group()).
///
/// [`source`](Error::source) is the error of the first failure.
pub struct GroupError<E = BoxError> {
    /// In the order in which they happened. Empty: a member waited for its own group.
    failures: Vec<Failure<E>>,
    cancelled: usize,
    views: Views<E>,
}

impl<E> GroupError<E> {
    pub(super) fn new(failures: Vec<Failure<E>>, cancelled: usize, views: Views<E>) -> Self {
        Self {
            failures,
            cancelled,
            views,
        }
    }

    /// The failures, in the order in which they happened: the first is the root cause.
    pub fn failures(&self) -> &[Failure<E>] {
        &self.failures
    }

    /// As [`failures`](Self::failures), to own them.
    pub fn into_failures(self) -> Vec<Failure<E>> {
        self.failures
    }

    /// How many tasks of the group were cancelled.
    pub fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Whether nothing failed, but a member waited for its own group, which can not end before
    /// that wait.
    pub fn is_self_wait(&self) -> bool {
        self.failures.is_empty()
    }
}

impl<E> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.failures.first() else {
            return f.write_str("a task waited for the group it belongs to");
        };
        let verb = if first.is_panic() {
            "panicked"
        } else {
            "failed"
        };
        write!(f, "task {} {verb}", first.task())?;
        match self.failures.len() - 1 {
            0 => {}
            more => write!(f, ", and {more} more")?,
        }
        match self.cancelled {
            0 => Ok(()),
            1 => f.write_str("; 1 task was cancelled"),
            cancelled => write!(f, "; {cancelled} tasks were cancelled"),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupError")
            .field("failures", &self.failures)
            .field("cancelled", &self.cancelled)
            .finish()
    }
}

impl<E: fmt::Debug> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.failures.first()?.as_error(self.views))
    }
}
