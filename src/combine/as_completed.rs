use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::IntoEntrants;
use crate::stream::{Concurrent, FromIter, concurrent};

/// A stream of the outputs of several futures as they are done, each with its index.
///
/// All futures run at once, or as many as [`limit`](AsCompleted::limit) says; then the others are
/// taken from the iterator as places become free, and it may be endless. Nothing runs before the
/// first poll. It is a [`Concurrent`] with the index beside each output, and what is said there of
/// slow consumers holds here too.
///
/// Errors are outputs like any other. Dropping the stream drops all futures.
///
/// # Cancel safety
///
/// `next()` on the stream is cancel safe: every future and every output stays in the stream.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use futures_lite::StreamExt;
/// use untethered::combine::as_completed;
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let jobs = [15, 5, 10].map(|seconds| rt.sleep(Duration::from_secs(seconds)));
/// let order: Vec<_> = sim.block_on(as_completed(jobs).map(|(index, ())| index).collect());
/// assert_eq!(order, [1, 2, 0]);
/// ```
pub fn as_completed<E, Kind>(entrants: E) -> AsCompleted<E::Entrants>
where
    E: IntoEntrants<Kind>,
{
    let entrants = Numbered {
        iter: entrants.into_entrants(),
        next: 0,
    };
    AsCompleted {
        outputs: concurrent(entrants).unlimited(),
    }
}

pin_project! {
    /// The stream of [`as_completed`].
    #[must_use = "streams do nothing unless polled"]
    pub struct AsCompleted<I>
    where
        I: Iterator,
        I::Item: Future,
    {
        #[pin]
        outputs: Concurrent<FromIter<Numbered<I>>>,
    }
}

impl<I> AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    /// Lets at most `limit` futures run at once.
    ///
    /// # Panics
    ///
    /// If `limit` is nought. For a number that comes from outside take
    /// [`limit_nonzero`](Self::limit_nonzero).
    #[track_caller]
    pub fn limit(self, limit: usize) -> Self {
        self.limit_nonzero(
            NonZeroUsize::new(limit).expect("a limit of nought lets nothing run: give one or more"),
        )
    }

    /// As [`limit`](Self::limit), for a number that was checked already.
    pub fn limit_nonzero(self, limit: NonZeroUsize) -> Self {
        Self {
            outputs: self.outputs.limit_nonzero(limit),
        }
    }
}

impl<I> Stream for AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Item = (usize, <I::Item as Future>::Output);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.project().outputs.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.outputs.size_hint()
    }
}

impl<I> FusedStream for AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    fn is_terminated(&self) -> bool {
        self.outputs.is_terminated()
    }
}

impl<I> fmt::Debug for AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsCompleted").field(&self.outputs).finish()
    }
}

/// Numbers futures from nought.
#[derive(Debug)]
pub(super) struct Numbered<I> {
    iter: I,
    next: usize,
}

impl<I> Iterator for Numbered<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Item = WithIndex<I::Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let future = self.iter.next()?;
        let index = self.next;
        self.next += 1;
        Some(WithIndex { index, future })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

pin_project! {
    /// A future whose output comes with an index.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub(super) struct WithIndex<F> {
        index: usize,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for WithIndex<F> {
    type Output = (usize, F::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        Poll::Ready((*this.index, output))
    }
}
