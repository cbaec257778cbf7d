use std::convert::Infallible;
use std::fmt;
use std::future::Future;

use super::Source;

/// What a [`Concurrent`](super::Concurrent) does with outputs: [`Every`] or [`FailFast`]. Sealed.
pub trait Mode<S: Source>: sealed::Sealed {
    /// What an output is when nothing failed.
    type Value;
    /// What ends the run.
    type Failure;
    /// `T`, or a `Result` of it if the run can fail.
    type Outcome<T>;

    /// Sorts an output.
    #[doc(hidden)]
    fn sort(
        index: usize,
        output: <S::Future as Future>::Output,
    ) -> Result<Self::Value, Self::Failure>;

    /// What an error of the source ends the run with.
    #[doc(hidden)]
    fn source_failed(error: S::Error) -> Self::Failure;

    /// What the user sees.
    #[doc(hidden)]
    fn outcome<T>(result: Result<T, Self::Failure>) -> Self::Outcome<T>;

    /// How many items will come at least of so many that are expected.
    #[doc(hidden)]
    fn fewest(expected: usize) -> usize;
}

/// Every output is delivered, errors too. The mode of [`concurrent`](super::concurrent).
#[derive(Debug)]
pub enum Every {}

/// The first error ends the run. The mode of [`try_concurrent`](super::try_concurrent).
#[derive(Debug)]
pub enum FailFast {}

impl<S: Source<Error = Infallible>> Mode<S> for Every {
    type Value = <S::Future as Future>::Output;
    type Failure = Infallible;
    type Outcome<T> = T;

    fn sort(_: usize, output: Self::Value) -> Result<Self::Value, Infallible> {
        Ok(output)
    }

    fn source_failed(error: Infallible) -> Infallible {
        error
    }

    fn outcome<T>(result: Result<T, Infallible>) -> T {
        match result {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    fn fewest(expected: usize) -> usize {
        expected
    }
}

impl<S, T, E> Mode<S> for FailFast
where
    S: Source,
    S::Future: Future<Output = Result<T, E>>,
{
    type Value = T;
    type Failure = ConcurrentError<S::Error, E>;
    type Outcome<U> = Result<U, Self::Failure>;

    fn sort(index: usize, output: Result<T, E>) -> Result<T, Self::Failure> {
        output.map_err(|error| ConcurrentError::Task { index, error })
    }

    fn source_failed(error: S::Error) -> Self::Failure {
        ConcurrentError::Source(error)
    }

    fn outcome<U>(result: Result<U, Self::Failure>) -> Self::Outcome<U> {
        result
    }

    fn fewest(expected: usize) -> usize {
        // The next may be the error that ends it.
        expected.min(1)
    }
}

/// What ended a run of [`try_concurrent`](super::try_concurrent).
///
/// [`source`](std::error::Error::source) is the error itself.
///
/// # Examples
///
/// ```
/// use untethered::try_concurrent;
///
/// # futures_lite::future::block_on(async {
/// let jobs = [Ok(1), Err("disk full")].map(std::future::ready);
/// let error = try_concurrent(jobs).await.unwrap_err();
/// assert_eq!(error.to_string(), "task 1 failed");
/// assert_eq!(error.into_task(), "disk full");
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConcurrentError<S, E> {
    /// The source of futures failed.
    Source(S),
    /// One of the futures failed.
    Task {
        /// Its place in the source, counted from nought.
        index: usize,
        /// What it failed with.
        error: E,
    },
}

impl<E> ConcurrentError<Infallible, E> {
    /// What the future failed with, where the source can not fail.
    pub fn into_task(self) -> E {
        let Self::Task { error, .. } = self;
        error
    }
}

impl<S, E> fmt::Display for ConcurrentError<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(_) => f.write_str("the source of tasks failed"),
            Self::Task { index, .. } => write!(f, "task {index} failed"),
        }
    }
}

impl<S, E> std::error::Error for ConcurrentError<S, E>
where
    S: std::error::Error + 'static,
    E: std::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Source(error) => Some(error),
            Self::Task { error, .. } => Some(error),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Every {}
    impl Sealed for super::FailFast {}
}
