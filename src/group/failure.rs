use std::any::Any;
use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::child::Verdict;
use super::label::ChildId;
use super::node::Node;
use crate::primitives::Mutex;
use crate::runtime::Unobserved;
use crate::task::{JoinError, Reason, quiet};

/// The error of a group that was not told which.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a group does with the errors and panics of the tasks started by `spawn_fallible`.
///
/// Every failure has one owner and is told once. A task that is cancelled has not failed.
pub enum OnFailure<E = BoxError> {
    /// Hands each to a hook and goes on. Make it with [`OnFailure::report`].
    Report(Arc<dyn Fn(Failure<E>) + Send + Sync>),
    /// Keeps the first and cancels the group; keeps those that follow from it too.
    /// [`Group::join`](super::Group::join) gives them.
    CancelAll,
    /// Keeps as many as this and goes on; those beyond go to
    /// [`Runtime::on_unobserved`](crate::Runtime::on_unobserved).
    /// [`Group::join`](super::Group::join) gives them.
    Collect(NonZeroUsize),
}

impl<E> OnFailure<E> {
    /// Hands each failure to `hook`, which runs where the task ended and must not block.
    ///
    /// A panic of the hook goes to [`Runtime::on_unobserved`](crate::Runtime::on_unobserved).
    pub fn report(hook: impl Fn(Failure<E>) + Send + Sync + 'static) -> Self {
        Self::Report(Arc::new(hook))
    }

    /// Keeps up to `max` failures.
    ///
    /// # Panics
    ///
    /// If `max` is nought: all would be lost. For a number that comes from outside take
    /// [`OnFailure::Collect`].
    #[track_caller]
    pub fn collect(max: usize) -> Self {
        Self::Collect(
            NonZeroUsize::new(max)
                .expect("a group that collects nought failures loses all of them"),
        )
    }
}

impl<E> Clone for OnFailure<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Report(hook) => Self::Report(hook.clone()),
            Self::CancelAll => Self::CancelAll,
            Self::Collect(max) => Self::Collect(*max),
        }
    }
}

impl<E> fmt::Debug for OnFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report(_) => f.write_str("Report(..)"),
            Self::CancelAll => f.write_str("CancelAll"),
            Self::Collect(max) => f.debug_tuple("Collect").field(max).finish(),
        }
    }
}

/// How a task failed: with an error or a panic.
pub struct Failure<E = BoxError> {
    task: String,
    cause: Cause<E>,
}

enum Cause<E> {
    Error(E),
    Panic(JoinError),
}

impl<E> Failure<E> {
    pub(super) fn error_of(task: String, error: E) -> Self {
        Self {
            task,
            cause: Cause::Error(error),
        }
    }

    pub(super) fn panic_of(task: String, payload: Box<dyn Any + Send>) -> Self {
        Self {
            task,
            cause: Cause::Panic(JoinError::panicked(payload)),
        }
    }

    /// Which task: the names of its group and of those above, and its own, with `/` between.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The error, if it was not a panic.
    pub fn error(&self) -> Option<&E> {
        match &self.cause {
            Cause::Error(error) => Some(error),
            Cause::Panic(_) => None,
        }
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panic(_))
    }

    /// The error.
    ///
    /// # Errors
    ///
    /// What the task panicked with, if it did.
    pub fn into_error(self) -> Result<E, Box<dyn Any + Send>> {
        match self.cause {
            Cause::Error(error) => Ok(error),
            Cause::Panic(error) => match error.into_panic() {
                Ok(payload) => Err(payload),
                Err(_) => unreachable!("made of a panic"),
            },
        }
    }
}

impl<E> Failure<E> {
    /// For a hook of those that nobody else takes.
    pub(super) fn into_unobserved(self, views: Views<E>) -> Unobserved {
        let task = self.task.clone();
        match self.into_error() {
            Ok(error) => Unobserved::error(task, (views.into_box)(error)),
            Err(payload) => Unobserved::panic(payload),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.task)?;
        match &self.cause {
            Cause::Error(error) => error.fmt(f),
            Cause::Panic(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Failure");
        debug.field("task", &self.task);
        match &self.cause {
            Cause::Error(error) => debug.field("error", error),
            Cause::Panic(error) => debug.field("panic", error),
        };
        debug.finish()
    }
}

/// What went wrong in a group, the root cause first.
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
        write!(f, "task {} {verb}", first.task)?;
        match self.failures.len() - 1 {
            0 => {}
            1 => f.write_str(", and 1 more")?,
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
        match &self.failures.first()?.cause {
            Cause::Error(error) => Some((self.views.as_error)(error)),
            Cause::Panic(error) => Some(error),
        }
    }
}

/// How to look at an `E` as an error: it may be one, or be the box of one, and no trait says both.
pub(super) struct Views<E> {
    pub(super) as_error: fn(&E) -> &(dyn Error + 'static),
    pub(super) into_box: fn(E) -> BoxError,
}

impl<E> Clone for Views<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Views<E> {}

impl Views<BoxError> {
    pub(super) fn of_box() -> Self {
        Self {
            as_error: |error| &**error,
            into_box: |error| error,
        }
    }
}

impl<E: Error + Send + Sync + 'static> Views<E> {
    pub(super) fn of_error() -> Self {
        Self {
            as_error: |error| error,
            into_box: |error| Box::new(error),
        }
    }
}

/// The failures of one group and what is to be done with them.
pub(super) struct Failures<E> {
    /// `None`: the runtime's hook takes them.
    pub(super) policy: Option<OnFailure<E>>,
    pub(super) views: Views<E>,
    /// `None` once nobody will ask for them.
    kept: Mutex<Option<Vec<Failure<E>>>>,
}

impl<E: Send + 'static> Failures<E> {
    pub(super) fn new(policy: Option<OnFailure<E>>, views: Views<E>) -> Arc<Self> {
        Arc::new(Self {
            policy,
            views,
            kept: Mutex::new(Some(Vec::new())),
        })
    }

    pub(super) fn record(&self, failure: Failure<E>, node: &Arc<Node>) {
        let left = match &self.policy {
            None => Some(failure),
            Some(OnFailure::Report(hook)) => {
                if let Err(payload) = crate::task::catch(|| hook(failure)) {
                    node.runtime().report_unobserved(payload);
                }
                None
            }
            Some(OnFailure::CancelAll) => {
                let reason = Reason::from(format!("{} failed", failure.task));
                let left = self.keep(failure, usize::MAX);
                node.cancel(&reason, false);
                left
            }
            Some(OnFailure::Collect(max)) => self.keep(failure, max.get()),
        };
        if let Some(failure) = left {
            self.unobserved(failure, node);
        }
    }

    /// The body of a block failed, which cancels it. Gives the error back if the policy keeps none.
    pub(super) fn record_body(&self, error: E, node: &Arc<Node>) -> Option<E> {
        let failure = match self.policy {
            Some(OnFailure::CancelAll) => {
                // One of the failures, after those that came before.
                self.record(Failure::error_of(node.path(), error), node);
                return None;
            }
            // There is room for this one whatever the tasks left.
            Some(OnFailure::Collect(_)) => {
                let failure = Failure::error_of(node.path(), error);
                self.keep(failure, usize::MAX)
            }
            Some(OnFailure::Report(_)) | None => Some(Failure::error_of(String::new(), error)),
        };
        node.cancel(&"the body of the block failed".into(), false);
        failure.and_then(|failure| failure.into_error().ok())
    }

    /// Gives back what it has no room for.
    fn keep(&self, failure: Failure<E>, max: usize) -> Option<Failure<E>> {
        match &mut *self.kept.lock() {
            Some(kept) if kept.len() < max => {
                kept.push(failure);
                None
            }
            _ => Some(failure),
        }
    }

    /// What was kept, if anything was.
    pub(super) fn take(&self, node: &Arc<Node>) -> Result<(), GroupError<E>> {
        let failures = self.kept.lock().as_mut().map(std::mem::take);
        let failures = failures.unwrap_or_default();
        if failures.is_empty() {
            return Ok(());
        }
        Err(GroupError {
            failures,
            cancelled: node.tally().cancelled(),
            views: self.views,
        })
    }

    pub(super) fn self_wait(&self) -> GroupError<E> {
        GroupError {
            failures: Vec::new(),
            cancelled: 0,
            views: self.views,
        }
    }

    fn unobserved(&self, failure: Failure<E>, node: &Arc<Node>) {
        // The conversion is the user's.
        quiet(|| node.runtime().report(failure.into_unobserved(self.views)));
    }

    /// Nobody will ask for them: what was kept goes to the runtime's hook.
    pub(super) fn release(&self, node: &Arc<Node>) {
        let failures = self.kept.lock().take();
        for failure in failures.into_iter().flatten() {
            self.unobserved(failure, node);
        }
    }
}

/// `Err` and panics go to the group.
pub(super) struct ToGroup<E>(pub(super) Arc<Failures<E>>);

impl<T, X, E> Verdict<Result<T, X>> for ToGroup<E>
where
    T: Send + 'static,
    X: Into<E> + Send + 'static,
    E: Send + 'static,
{
    type Value = T;

    fn judge(&self, output: Result<T, X>, node: &Arc<Node>, id: ChildId) -> Result<T, JoinError> {
        output.map_err(|error| {
            match crate::task::catch(|| error.into()) {
                Ok(error) => self
                    .0
                    .record(Failure::error_of(node.path_of(id), error), node),
                Err(payload) => {
                    self.0
                        .record(Failure::panic_of(node.path_of(id), payload), node);
                }
            }
            JoinError::failed()
        })
    }

    fn judge_panic(
        &self,
        payload: Box<dyn Any + Send>,
        node: &Arc<Node>,
        id: ChildId,
    ) -> JoinError {
        self.0
            .record(Failure::panic_of(node.path_of(id), payload), node);
        JoinError::failed()
    }
}
