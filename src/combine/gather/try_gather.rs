use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::gathering::{Gathering, steps, unwrap_all};
use crate::combine::IntoEntrants;
use crate::combine::quorum::Fallible;
use crate::runtime::{Runtime, Sleep};

/// Waits for all of several futures to succeed. Gives their values in input order.
///
/// As [`gather`](super::gather()), but the first error ends it: all others are dropped before it is seen.
///
/// # Errors
///
/// The first error, with the index of its future.
///
/// # Examples
///
/// ```
/// use untethered::combine::try_gather;
///
/// # futures_lite::future::block_on(async {
/// let parse = |text: &'static str| async move { text.parse::<u8>() };
/// assert_eq!(try_gather(["1", "2"].map(parse)).await.unwrap(), [1, 2]);
/// let (index, _error) = try_gather(["1", "x", "3"].map(parse)).await.unwrap_err();
/// assert_eq!(index, 1);
/// # });
/// ```
pub fn try_gather<E, Kind>(entrants: E) -> TryGather<E::Entrants>
where
    E: IntoEntrants<Kind>,
    E::Future: Fallible,
{
    TryGather {
        gathering: Gathering::new(entrants),
    }
}

pin_project! {
    /// The future of [`try_gather`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all futures, and the outputs that were there.
    #[must_use = "futures do nothing unless awaited"]
    pub struct TryGather<I>
    where
        I: Iterator,
        I::Item: Fallible,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Fallible>::Ok>,
    }
}

pin_project! {
    /// The future of [`try_gather`] with a deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all futures, and the outputs that were there.
    #[must_use = "futures do nothing unless awaited"]
    pub struct TryGatherUntil<I>
    where
        I: Iterator,
        I::Item: Fallible,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Fallible>::Ok>,
        #[pin]
        sleep: Sleep,
    }
}

steps!(TryGather, TryGatherUntil, Fallible);

impl<I> Future for TryGather<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    type Output = Result<Vec<<I::Item as Fallible>::Ok>, (usize, <I::Item as Fallible>::Error)>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gathering = self.project().gathering;
        Poll::Ready(ready!(gathering.poll(cx, |output| output)).map(unwrap_all))
    }
}

impl<I> Future for TryGatherUntil<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    type Output =
        Result<Vec<Option<<I::Item as Fallible>::Ok>>, (usize, <I::Item as Fallible>::Error)>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.gathering.poll_until(cx, this.sleep, |output| output)
    }
}
