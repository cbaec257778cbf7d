mod gathering;
mod try_gather;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use self::gathering::{Gathering, steps, unwrap_all};
pub use self::try_gather::{TryGather, TryGatherUntil, try_gather};
use super::IntoEntrants;
use crate::runtime::{Runtime, Sleep};

/// Waits for all of several futures. Gives their outputs in input order.
///
/// All run at once, or as many as [`limit`](Gather::limit) says. Errors are outputs like any
/// other: nobody is stopped by them. With a [`deadline`](Gather::deadline) it gives what is done
/// by then. No futures give an empty list.
///
/// # Cancel safety
///
/// Dropping it drops all futures and the outputs that have come.
/// [`as_completed`](super::as_completed) hands each one over as it comes.
///
/// # Examples
///
/// ```
/// use untethered::combine::gather;
///
/// # futures_lite::future::block_on(async {
/// let lengths = gather(["one", "three"].map(|word| async move { word.len() })).limit(8).await;
/// assert_eq!(lengths, [3, 5]);
/// # });
/// ```
pub fn gather<E, Kind>(entrants: E) -> Gather<E::Entrants>
where
    E: IntoEntrants<Kind>,
{
    Gather {
        gathering: Gathering::new(entrants),
    }
}

pin_project! {
    /// The future of [`gather`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Gather<I>
    where
        I: Iterator,
        I::Item: Future,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Future>::Output>,
    }
}

pin_project! {
    /// The future of [`gather`] with a deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all futures, and the outputs that were there.
    #[must_use = "futures do nothing unless awaited"]
    pub struct GatherUntil<I>
    where
        I: Iterator,
        I::Item: Future,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Future>::Output>,
        #[pin]
        sleep: Sleep,
    }
}

steps!(Gather, GatherUntil, Future);

impl<I> Future for Gather<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Output = Vec<<I::Item as Future>::Output>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gathering = self.project().gathering;
        ready!(gathering.poll(cx, Ok))
            .map(unwrap_all)
            .map_or_else(never, Poll::Ready)
    }
}

impl<I> Future for GatherUntil<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Output = Vec<Option<<I::Item as Future>::Output>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        ready!(this.gathering.poll_until(cx, this.sleep, Ok)).map_or_else(never, Poll::Ready)
    }
}

fn never<T>((_, error): (usize, Infallible)) -> T {
    match error {}
}
