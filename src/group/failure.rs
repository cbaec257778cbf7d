use std::any::Any;
use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::runtime::Unobserved;
use crate::task::JoinError;

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
    /// It can not await either. What takes longer, as to write to a server, goes through a queue to
    /// a task, by `try_push`; what does not fit when it is full is lost, so count it, or cancel the
    /// group:
    ///
    /// ```
    /// # #[cfg(feature = "sim")] {
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use untethered::Queue;
    /// use untethered::group::{Group, OnFailure};
    /// use untethered::sim::Sim;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let (failures, to_tell) = Queue::bounded(2).into_halves();
    /// let lost = Arc::new(AtomicUsize::new(0));
    /// let count = lost.clone();
    /// let policy = OnFailure::report(move |failure| {
    ///     if failures.try_push(failure).is_err() {
    ///         count.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// let group = Group::builder(&rt).on_failure(policy).build();
    /// for _ in 0..3 {
    ///     group.spawn_fallible(async { Err::<(), _>("hung up") });
    /// }
    /// sim.block_on(async {
    ///     group.join().await.unwrap();
    ///     drop(group); // and with it the hook and the sender
    ///     while let Some(failure) = to_tell.pop().await {
    ///         assert!(failure.to_string().ends_with("hung up"));
    ///     }
    /// });
    /// assert_eq!(lost.load(Ordering::Relaxed), 1);
    /// # }
    /// ```
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

    /// The text of the panic, if the task panicked with one.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.cause {
            Cause::Error(_) => None,
            Cause::Panic(error) => error.panic_message(),
        }
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
    pub(super) fn as_error(&self, views: Views<E>) -> &(dyn Error + 'static) {
        match &self.cause {
            Cause::Error(error) => (views.as_error)(error),
            Cause::Panic(error) => error,
        }
    }

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
