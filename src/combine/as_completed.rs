use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::IntoEntrants;
use crate::set::{Set, Turn};
use crate::task::or_clear;

/// A stream of the outputs of several futures as they are done, each with its index.
///
/// All futures run at once, or as many as [`limit`](AsCompleted::limit) says; then the others are
/// taken from the iterator as places become free, and it may be endless. Nothing runs before the
/// first poll. **The futures run only while this is polled**: in a loop that awaits something slow
/// between two outputs they stand still. [`Concurrent`](crate::stream::Concurrent) has forms that
/// go on meanwhile.
///
/// Errors are outputs like any other. Dropping the stream drops all futures. A panic of one goes on
/// in the consumer, once all others have been dropped; the stream is over then.
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
    AsCompleted {
        entrants: Some(entrants.into_entrants()),
        running: Set::new(),
        limit: NonZeroUsize::MAX,
        started: 0,
        over: false,
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
        // Not pinned: an iterator is called by reference, and the futures are in boxes. `None` once
        // it has ended.
        entrants: Option<I>,
        running: Set<I::Item>,
        limit: NonZeroUsize,
        started: usize,
        over: bool,
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
    pub fn limit_nonzero(mut self, limit: NonZeroUsize) -> Self {
        self.limit = limit;
        self
    }
}

impl<I> AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    /// How many futures are running.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    #[inline]
    fn poll_output(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Completed<I>>> {
        let this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        this.running.begin();
        loop {
            match this.running.poll_woken() {
                Turn::Output(index, output) => return Poll::Ready(Some((index, output))),
                Turn::GiveWay => {
                    this.running.give_way(cx);
                    return Poll::Pending;
                }
                Turn::Over => {}
            }
            // From here on everybody who was woken has been polled.
            if this.running.len() >= this.limit.get() {
                break;
            }
            let Some(entrant) = this.entrants.as_mut().and_then(Iterator::next) else {
                *this.entrants = None;
                *this.over = this.running.len() == 0;
                if *this.over {
                    return Poll::Ready(None);
                }
                break;
            };
            let index = *this.started;
            *this.started += 1;
            if let Poll::Ready(output) = this.running.enter(index, entrant) {
                return Poll::Ready(Some((index, output)));
            }
        }
        this.running.park(cx);
        Poll::Pending
    }

    /// Drops everything that is left.
    fn clear(self: Pin<&mut Self>) {
        let this = self.project();
        *this.over = true;
        // The panic that is on its way goes on, not this one.
        this.running.clear().ok();
        *this.entrants = None;
    }
}

/// An output with its index.
type Completed<I> = (usize, <<I as Iterator>::Item as Future>::Output);

impl<I> Stream for AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Item = (usize, <I::Item as Future>::Output);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let clear = |stream: &mut Pin<&mut Self>| stream.as_mut().clear();
        or_clear(self, clear, |stream| stream.as_mut().poll_output(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let running = self.running.len();
        let (low, high) = match &self.entrants {
            Some(entrants) => entrants.size_hint(),
            None => (0, Some(0)),
        };
        (
            low.saturating_add(running),
            high.and_then(|high| high.checked_add(running)),
        )
    }
}

impl<I> FusedStream for AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<I> fmt::Debug for AsCompleted<I>
where
    I: Iterator,
    I::Item: Future,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("limit", &self.limit)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}
