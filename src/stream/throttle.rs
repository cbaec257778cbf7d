use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::runtime::Runtime;
use crate::sync::{AcquireRate, RateLimit};

/// Items of a stream, no more of them in a period than `rate` allows.
///
/// An item is taken from the stream first and waits for its turn then: a stream that is slow uses
/// up nothing of the rate. The rate may be shared with others.
///
/// # Cancel safety
///
/// `next()` on the stream is cancel safe: an item that waits for its turn stays in the stream, in
/// its place of the queue.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use futures_lite::{StreamExt, stream};
/// use untethered::sim::Sim;
/// use untethered::stream::throttle;
/// use untethered::sync::RateLimit;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let rate = RateLimit::new(2, Duration::from_secs(1));
/// sim.block_on(throttle(stream::iter(0..6), &rt, &rate).count());
/// assert_eq!(sim.elapsed(), Duration::from_secs(2));
/// ```
pub fn throttle<'a, S: Stream>(stream: S, rt: &'a Runtime, rate: &'a RateLimit) -> Throttle<'a, S> {
    Throttle {
        stream,
        rt,
        rate,
        item: None,
        turn: None,
    }
}

pin_project! {
    /// The stream of [`throttle`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Throttle<'a, S: Stream> {
        #[pin]
        stream: S,
        rt: &'a Runtime,
        rate: &'a RateLimit,
        // Waits for its turn.
        item: Option<S::Item>,
        #[pin]
        turn: Option<AcquireRate<'a>>,
    }
}

impl<S: Stream> Stream for Throttle<'_, S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        if this.item.is_none() {
            let item = ready!(this.stream.poll_next(cx));
            if item.is_none() {
                return Poll::Ready(None);
            }
            *this.item = item;
            this.turn.set(Some(this.rate.acquire(this.rt)));
        }
        if let Some(turn) = this.turn.as_mut().as_pin_mut() {
            ready!(turn.poll(cx));
            this.turn.set(None);
        }
        Poll::Ready(this.item.take())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let held = usize::from(self.item.is_some());
        let (low, high) = self.stream.size_hint();
        (
            low.saturating_add(held),
            high.and_then(|high| high.checked_add(held)),
        )
    }
}

impl<S: Stream> fmt::Debug for Throttle<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}
