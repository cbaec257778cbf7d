use std::fmt;
use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::IntoEntrants;
use super::grace::Grace;
use super::pack::Pack;
use crate::runtime::Runtime;
use crate::task::{CancellationToken, or_clear};

/// A future of a `Result`, so that its two types have a name. Every such future is one.
pub trait Fallible: Future<Output = Result<Self::Ok, Self::Error>> {
    /// Of a success.
    type Ok;
    /// Of a failure.
    type Error;
}

impl<F, T, E> Fallible for F
where
    F: Future<Output = Result<T, E>>,
{
    type Ok = T;
    type Error = E;
}

/// Waits until `needed` of several futures have succeeded. The others are dropped before it is
/// seen.
///
/// As soon as too many have failed for that, it ends with [`QuorumError`]: also at once, if there
/// are fewer futures than are needed. Futures are polled in the order in which they were given,
/// and all of them are started. A panic of one goes on once all others have been dropped.
///
/// # Cancel safety
///
/// Dropping it drops all futures and what has come so far.
///
/// # Errors
///
/// [`QuorumError`] with every success and every failure until then.
///
/// # Panics
///
/// If `needed` is nought. For a number that comes from outside take [`quorum_nonzero`].
///
/// # Examples
///
/// ```
/// use untethered::combine::quorum;
///
/// async fn write(replica: u32) -> Result<u32, String> {
///     if replica == 1 { Err("disk full".into()) } else { Ok(replica) }
/// }
///
/// # futures_lite::future::block_on(async {
/// let written = quorum(2, (0..3).map(write)).await.unwrap();
/// assert_eq!(written.successes, [(0, 0), (2, 2)]);
/// assert_eq!(written.failures, [(1, "disk full".to_string())]);
///
/// let error = quorum(3, (0..3).map(write)).await.unwrap_err();
/// assert_eq!(error.to_string(), "1 of the 3 successes needed came, 1 future failed");
/// # });
/// ```
#[track_caller]
pub fn quorum<E, Kind>(needed: usize, entrants: E) -> Quorum<E::Future>
where
    E: IntoEntrants<Kind>,
    E::Future: Fallible,
{
    let needed = NonZeroUsize::new(needed);
    quorum_nonzero(
        needed.expect("a quorum of nought is there without asking: need one or more"),
        entrants,
    )
}

/// As [`quorum`], for a number that was checked already.
pub fn quorum_nonzero<E, Kind>(needed: NonZeroUsize, entrants: E) -> Quorum<E::Future>
where
    E: IntoEntrants<Kind>,
    E::Future: Fallible,
{
    Quorum {
        ballot: Ballot::new(needed.get(), entrants.into_entrants()),
    }
}

pin_project! {
    /// The future of [`quorum`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Quorum<F: Fallible> {
        // Not pinned: the futures are in boxes.
        ballot: Ballot<F>,
    }
}

impl<F: Fallible> Quorum<F> {
    /// Ends at the first failure that `tolerate` does not let pass.
    pub fn tolerate(mut self, tolerate: impl FnMut(&F::Error) -> bool + Send + 'static) -> Self {
        self.ballot.tolerate = Some(Box::new(tolerate));
        self
    }

    /// Asks the futures that are left to stop before they are dropped: see
    /// [`Race::grace`](super::Race::grace).
    pub fn grace(mut self, rt: &Runtime, length: Duration, token: &CancellationToken) -> Self {
        self.ballot.grace = Some(Box::new(Grace::new(rt, length, token)));
        self
    }
}

impl<F: Fallible> Future for Quorum<F> {
    type Output = Result<Quorate<F::Ok, F::Error>, QuorumError<F::Ok, F::Error>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ballot = self.project().ballot;
        let verdict = ready!(ballot.poll(cx));
        let (successes, failures) = (
            mem::take(&mut ballot.successes),
            mem::take(&mut ballot.failures),
        );
        Poll::Ready(match verdict {
            Verdict::Reached => Ok(Quorate {
                successes,
                failures,
            }),
            verdict => Err(QuorumError {
                needed: ballot.needed,
                successes,
                failures,
                intolerable: verdict == Verdict::Intolerable,
            }),
        })
    }
}

impl<F: Fallible> fmt::Debug for Quorum<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quorum")
            .field("needed", &self.ballot.needed)
            .field("running", &self.ballot.pack.len())
            .finish_non_exhaustive()
    }
}

/// Values, each with the index of the future that gave it, in the order in which they came.
pub type Indexed<T> = Vec<(usize, T)>;

/// Enough successes: what a [`quorum`](super::quorum()) gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorate<T, E> {
    /// As many as were needed, each with the index of its future, in the order in which they came.
    pub successes: Vec<(usize, T)>,
    /// The failures that came before, each with its index, in the order in which they came.
    pub failures: Vec<(usize, E)>,
}

/// Not enough successes.
///
/// # Examples
///
/// ```
/// use untethered::combine::quorum;
///
/// # futures_lite::future::block_on(async {
/// let answers = [Ok("yes"), Err("down"), Err("late")].map(|answer| async move { answer });
/// let error = quorum(2, answers).await.unwrap_err();
/// assert_eq!(error.successes(), [(0, "yes")]);
/// assert_eq!(error.failures(), [(1, "down"), (2, "late")]);
/// # });
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct QuorumError<T, E> {
    needed: usize,
    successes: Vec<(usize, T)>,
    failures: Vec<(usize, E)>,
    intolerable: bool,
}

impl<T, E> QuorumError<T, E> {
    /// The successes that came, each with the index of its future.
    pub fn successes(&self) -> &[(usize, T)] {
        &self.successes
    }

    /// The failures, each with the index of its future, in the order in which they came.
    pub fn failures(&self) -> &[(usize, E)] {
        &self.failures
    }

    /// Whether the last failure was one that was not to be tolerated.
    pub fn is_intolerable(&self) -> bool {
        self.intolerable
    }

    /// Successes and failures.
    pub fn into_parts(self) -> (Indexed<T>, Indexed<E>) {
        (self.successes, self.failures)
    }
}

impl<T, E: fmt::Debug> fmt::Debug for QuorumError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuorumError")
            .field("needed", &self.needed)
            .field("successes", &self.successes.len())
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl<T, E> fmt::Display for QuorumError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (came, needed) = (self.successes.len(), self.needed);
        match self.failures.last() {
            None => write!(f, "{needed} successes were needed of fewer futures"),
            Some((index, _)) if self.intolerable => write!(f, "future {index} failed"),
            Some(_) => {
                let failed = futures(self.failures.len());
                write!(
                    f,
                    "{came} of the {needed} successes needed came, {failed} failed"
                )
            }
        }
    }
}

fn futures(count: usize) -> String {
    match count {
        1 => "1 future".into(),
        count => format!("{count} futures"),
    }
}

impl<T, E: std::error::Error + 'static> std::error::Error for QuorumError<T, E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failures.last().map(|(_, error)| error as _)
    }
}

/// Futures that succeed or fail, counted until the outcome is certain.
pub(super) struct Ballot<F: Fallible> {
    pub(super) pack: Pack<F>,
    pub(super) needed: usize,
    pub(super) successes: Vec<(usize, F::Ok)>,
    pub(super) failures: Vec<(usize, F::Error)>,
    pub(super) tolerate: Option<Box<Tolerate<F::Error>>>,
    pub(super) grace: Option<Box<Grace>>,
    verdict: Option<Verdict>,
    over: bool,
}

pub(super) type Tolerate<E> = dyn FnMut(&E) -> bool + Send;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Reached,
    OutOfReach,
    Intolerable,
}

impl<F: Fallible> Ballot<F> {
    pub(super) fn new(needed: usize, futures: impl Iterator<Item = F>) -> Self {
        Self {
            pack: Pack::new(futures),
            needed,
            successes: Vec::new(),
            failures: Vec::new(),
            tolerate: None,
            grace: None,
            verdict: None,
            over: false,
        }
    }

    /// The verdict, once all others are gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        assert!(!self.over, "polled after it was ready");
        let clear = |ballot: &mut &mut Self| {
            ballot.over = true;
            ballot.pack.clear();
        };
        or_clear(self, clear, |ballot| ballot.poll_stages(cx))
    }

    fn poll_stages(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        let verdict = match self.verdict {
            Some(verdict) => verdict,
            None => ready!(self.poll_verdict(cx)),
        };
        if let Some(grace) = &mut self.grace {
            grace.begin();
            self.pack.poll(cx, |_, _| ControlFlow::Continue(()));
            if self.pack.len() > 0 && grace.poll_over(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.pack.clear();
        self.over = true;
        Poll::Ready(verdict)
    }

    fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        let missing = self.needed - self.successes.len();
        let mut reachable = self.pack.len() >= missing;
        let mut verdict = (!reachable).then_some(Verdict::OutOfReach);
        if reachable {
            let mut may_fail = self.pack.len() - missing;
            self.pack.poll(cx, |index, result| {
                match result {
                    Ok(value) => {
                        self.successes.push((index, value));
                        if self.successes.len() == self.needed {
                            verdict = Some(Verdict::Reached);
                        }
                    }
                    Err(error) => {
                        let tolerate = self.tolerate.as_mut();
                        if !tolerate.is_none_or(|tolerate| tolerate(&error)) {
                            verdict = Some(Verdict::Intolerable);
                        }
                        self.failures.push((index, error));
                        reachable = may_fail > 0;
                        may_fail = may_fail.saturating_sub(1);
                        if !reachable {
                            verdict = verdict.or(Some(Verdict::OutOfReach));
                        }
                    }
                }
                match verdict {
                    Some(_) => ControlFlow::Break(()),
                    None => ControlFlow::Continue(()),
                }
            });
        }
        self.verdict = verdict;
        verdict.map_or(Poll::Pending, Poll::Ready)
    }
}
