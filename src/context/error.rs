use std::error::Error;
use std::fmt;

/// The step of an acquire, use and release that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The acquire: there was nothing to use or to release.
    Acquire,
    /// The use. What was acquired has been released.
    Use,
    /// A release, after a use that succeeded.
    Release,
}

/// What failed first, and what failed after it.
///
/// Displays all of it: `the query failed; then: the connection is gone`. What caused that is not in
/// `source()`, as an `E` need not be an [`Error`]: ask [`error`](Self::error) and
/// [`others`](Self::others).
#[derive(Debug)]
pub struct ContextError<E> {
    stage: Stage,
    error: E,
    others: Vec<E>,
}

impl<E> ContextError<E> {
    pub(super) fn new(stage: Stage, error: E) -> Self {
        Self::of_use(stage, error, Vec::new())
    }

    pub(super) fn of_use(stage: Stage, error: E, others: Vec<E>) -> Self {
        Self {
            stage,
            error,
            others,
        }
    }

    /// The errors of releases that nothing failed before.
    pub(super) fn of_releases(errors: Vec<E>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let error = errors.next()?;
        Some(Self::of_use(Stage::Release, error, errors.collect()))
    }

    /// Which step failed first.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What failed first.
    pub fn error(&self) -> &E {
        &self.error
    }

    /// Takes what failed first.
    pub fn into_error(self) -> E {
        self.error
    }

    /// What failed in releases after it, in the order in which they ran.
    pub fn others(&self) -> &[E] {
        &self.others
    }

    /// Takes all of it, what failed first at the front.
    pub fn into_errors(self) -> impl Iterator<Item = E> {
        std::iter::once(self.error).chain(self.others)
    }
}

impl<E: fmt::Display> fmt::Display for ContextError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        self.others
            .iter()
            .try_for_each(|other| write!(f, "; then: {other}"))
    }
}

impl<E: fmt::Debug + fmt::Display> Error for ContextError<E> {}
