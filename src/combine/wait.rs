use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::pack::Pack;
use super::{Empty, IntoEntrants};
use crate::runtime::{Runtime, Sleep};
use crate::task::or_clear;

/// Waits for the futures of `set`, and gives what is done; what is pending stays in the set.
///
/// Outputs come with the index of their future, in the order in which they came; several that
/// came at once are given together, in input order. Call it again to go on waiting:
/// `while let Ok(done) = wait(&mut set, Until::First).await` sees everything.
///
/// With a [`timeout`](Wait::timeout) it gives what is done by then, which may be nothing. Nobody
/// is cancelled by that. A panic of a future goes on once all that are pending have been dropped;
/// what is done stays in the set.
///
/// # Cancel safety
///
/// Cancel safe: futures stay in the set, and so does every output until it is given.
///
/// # Errors
///
/// [`Empty`] if nothing is left in the set.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::combine::{Until, WaitSet, wait};
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// sim.block_on(async {
///     let sleep = |seconds| rt.sleep(Duration::from_secs(seconds));
///     let mut set = WaitSet::new([sleep(3), sleep(1), sleep(2)]);
///     assert_eq!(wait(&mut set, Until::First).await.unwrap(), [(1, ())]);
///
///     // At 2 seconds another is done, and one is still pending.
///     let limit = Duration::from_millis(1500);
///     let done = wait(&mut set, Until::All).timeout(&rt, limit).await.unwrap();
///     assert_eq!((done, set.len()), (vec![(2, ())], 1));
///
///     assert_eq!(wait(&mut set, Until::All).await.unwrap(), [(0, ())]);
///     assert!(wait(&mut set, Until::All).await.is_err());
/// });
/// ```
pub fn wait<F: Future>(set: &mut WaitSet<F>, until: Until<F::Output>) -> Wait<'_, F> {
    Wait {
        set,
        until,
        sleep: None,
    }
}

/// What [`wait`] waits for.
#[derive(Clone, Copy)]
pub enum Until<T> {
    /// For one future at least.
    First,
    /// For all futures.
    All,
    /// For an output that this says yes to, or for all.
    FirstWhere(fn(&T) -> bool),
}

impl<T, E> Until<Result<T, E>> {
    /// For an error, or for all.
    #[allow(non_upper_case_globals, reason = "stands beside the variants")]
    pub const FirstError: Self = Self::FirstWhere(Result::is_err);
}

impl<T> fmt::Debug for Until<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "First",
            Self::All => "All",
            Self::FirstWhere(_) => "FirstWhere",
        })
    }
}

/// Futures to [`wait`] for, as often as it takes.
///
/// They run only while somebody waits. Dropping the set drops what is pending.
pub struct WaitSet<F: Future> {
    pending: Pack<F>,
    /// What has come and was not given yet.
    done: Vec<(usize, F::Output)>,
}

impl<F: Future> WaitSet<F> {
    /// A set of these futures. Their indexes count from nought.
    pub fn new<E, Kind>(entrants: E) -> Self
    where
        E: IntoEntrants<Kind, Future = F>,
    {
        Self {
            pending: Pack::new(entrants.into_entrants()),
            done: Vec::new(),
        }
    }

    /// How many futures are pending.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether no future is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The indexes of the futures that are pending.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        self.pending.indexes()
    }

    /// Drops the future with this index. Whether it was pending.
    pub fn remove(&mut self, index: usize) -> bool {
        self.pending.remove(index)
    }
}

impl<F: Future> fmt::Debug for WaitSet<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitSet")
            .field("pending", &self.pending.len())
            .field("done", &self.done.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`wait`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Wait<'a, F: Future> {
        set: &'a mut WaitSet<F>,
        until: Until<F::Output>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl<F: Future> Wait<'_, F> {
    /// Waits for at most `duration`, counted from this call.
    pub fn timeout(mut self, rt: &Runtime, duration: Duration) -> Self {
        self.sleep = Some(rt.sleep(duration));
        self
    }
}

impl<F: Future> Future for Wait<'_, F> {
    type Output = Result<Vec<(usize, F::Output)>, Empty>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let WaitSet { pending, done } = &mut **this.set;
        if pending.len() == 0 && done.is_empty() {
            return Poll::Ready(Err(Empty(())));
        }
        let mut poll = |cx: &mut Context<'_>| {
            or_clear(
                &mut *pending,
                |pending| pending.clear(),
                |pending| {
                    pending.poll(cx, |index, output| {
                        done.push((index, output));
                        ControlFlow::Continue(())
                    })
                },
            )
        };
        let mut polled_all = poll(cx);
        let late = this
            .sleep
            .as_pin_mut()
            .is_some_and(|sleep| sleep.poll(cx).is_ready());
        // What is ready by then is not lost to the time.
        while late && !polled_all {
            polled_all = poll(cx);
        }
        let enough = match this.until {
            Until::First => !done.is_empty(),
            Until::All => false,
            Until::FirstWhere(says_yes) => done.iter().any(|(_, output)| says_yes(output)),
        };
        if enough || pending.len() == 0 || late {
            return Poll::Ready(Ok(mem::take(done)));
        }
        Poll::Pending
    }
}

impl<F: Future> fmt::Debug for Wait<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("until", &self.until)
            .field("pending", &self.set.pending.len())
            .finish_non_exhaustive()
    }
}
