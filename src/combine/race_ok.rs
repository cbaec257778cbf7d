use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::IntoEntrants;
use super::grace::Grace;
use super::quorum::{Ballot, Fallible, Verdict};
use crate::runtime::Runtime;
use crate::task::CancellationToken;

/// Waits for the first of several futures to succeed. The others are dropped before it is seen.
///
/// Failures before that are kept and handed over with the success, or with the error if nobody
/// succeeds. [`tolerate`](RaceOk::tolerate) says which errors to go on after; by default all.
/// Futures are polled in the order in which they were given: of several that succeed at one poll
/// the first one wins. A panic of one goes on once all others have been dropped.
///
/// # Cancel safety
///
/// Dropping it drops all futures and what has come so far.
///
/// # Errors
///
/// [`Failures`] if all have failed, if one failed in a way that is not tolerated, or if there was
/// no future at all.
///
/// # Examples
///
/// ```
/// use untethered::combine::race_ok;
///
/// async fn ask(server: u32) -> Result<&'static str, String> {
///     if server == 2 { Ok("found") } else { Err(format!("no {server}")) }
/// }
///
/// # futures_lite::future::block_on(async {
/// let won = race_ok((0..4).map(ask)).await.unwrap();
/// assert_eq!((won.index, won.value), (2, "found"));
/// assert_eq!(won.failures, [(0, "no 0".to_string()), (1, "no 1".to_string())]);
///
/// let failures = race_ok([ask(7), ask(8)]).await.unwrap_err();
/// assert_eq!(failures.to_string(), "all 2 futures failed, future 1 last");
/// # });
/// ```
pub fn race_ok<E, Kind>(entrants: E) -> RaceOk<E::Future>
where
    E: IntoEntrants<Kind>,
    E::Future: Fallible,
{
    RaceOk {
        ballot: Ballot::new(1, entrants.into_entrants()),
    }
}

pin_project! {
    /// The future of [`race_ok`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct RaceOk<F: Fallible> {
        // Not pinned: the futures are in boxes.
        ballot: Ballot<F>,
    }
}

impl<F: Fallible> RaceOk<F> {
    /// Ends at the first failure that `tolerate` does not let pass.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    /// use untethered::combine::race_ok;
    ///
    /// # futures_lite::future::block_on(async {
    /// let answers = [ErrorKind::TimedOut, ErrorKind::PermissionDenied, ErrorKind::Other]
    ///     .map(|kind| async move { Err::<(), _>(Error::from(kind)) });
    /// let failures = race_ok(answers)
    ///     .tolerate(|error| error.kind() == ErrorKind::TimedOut)
    ///     .await
    ///     .unwrap_err();
    /// assert!(failures.is_intolerable());
    /// assert_eq!(failures.errors().last().unwrap().0, 1);
    /// # });
    /// ```
    pub fn tolerate(mut self, tolerate: impl FnMut(&F::Error) -> bool + Send + 'static) -> Self {
        self.ballot.tolerate = Some(Box::new(tolerate));
        self
    }

    /// Asks the losers to stop before they are dropped: see
    /// [`Race::grace`](super::Race::grace).
    pub fn grace(mut self, rt: &Runtime, length: Duration, token: &CancellationToken) -> Self {
        self.ballot.grace = Some(Box::new(Grace::new(rt, length, token)));
        self
    }
}

impl<F: Fallible> Future for RaceOk<F> {
    type Output = Result<Success<F::Ok, F::Error>, Failures<F::Error>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ballot = self.project().ballot;
        let verdict = ready!(ballot.poll(cx));
        let failures = mem::take(&mut ballot.failures);
        Poll::Ready(match ballot.successes.pop() {
            Some((index, value)) => Ok(Success {
                index,
                value,
                failures,
            }),
            None => Err(Failures::new(failures, verdict == Verdict::Intolerable)),
        })
    }
}

impl<F: Fallible> fmt::Debug for RaceOk<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaceOk")
            .field("running", &self.ballot.pack.len())
            .finish_non_exhaustive()
    }
}

/// The first success, of [`race_ok`] or [`hedge`](super::hedge).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success<T, E> {
    /// The index of the future.
    pub index: usize,
    /// What it gave.
    pub value: T,
    /// The failures that came before, each with its index, in the order in which they came.
    pub failures: Vec<(usize, E)>,
}

/// Nobody succeeded, of [`race_ok`] or [`hedge`](super::hedge).
///
/// [`source`](std::error::Error::source) is the last error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures<E> {
    errors: Vec<(usize, E)>,
    intolerable: bool,
}

impl<E> Failures<E> {
    pub(super) fn new(errors: Vec<(usize, E)>, intolerable: bool) -> Self {
        Self {
            errors,
            intolerable,
        }
    }

    /// Every error with the index of its future, in the order in which they came.
    pub fn errors(&self) -> &[(usize, E)] {
        &self.errors
    }

    /// As [`errors`](Self::errors), by value.
    pub fn into_errors(self) -> Vec<(usize, E)> {
        self.errors
    }

    /// Whether the last error was one that was not to be tolerated.
    pub fn is_intolerable(&self) -> bool {
        self.intolerable
    }

    /// Whether there was no future at all.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }
}

impl<E> fmt::Display for Failures<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.errors[..] {
            [] => f.write_str("there was no future to wait for"),
            [.., (index, _)] if self.intolerable => write!(f, "future {index} failed"),
            [_] => f.write_str("the only future failed"),
            [.., (index, _)] => write!(
                f,
                "all {} futures failed, future {index} last",
                self.errors.len()
            ),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Failures<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.errors.last().map(|(_, error)| error as _)
    }
}
