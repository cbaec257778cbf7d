use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::set::BUDGET;
use crate::task::or_clear;

/// Items of two streams in pairs, until either has ended.
///
/// Both are polled: one does not wait for the other to have something. At most one item of each is
/// held; an item whose partner never comes is dropped with the stream. After 128 pairs in a row it
/// gives way to the rest of its task's thread. A panic of one goes on in the consumer, once the other
/// has been dropped.
///
/// # Cancel safety
///
/// `next()` on the stream is cancel safe: an item that waits for its partner stays in the stream.
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, stream};
/// use untethered::stream::zip;
///
/// # futures_lite::future::block_on(async {
/// let pairs = zip(stream::iter(["a", "b", "c"]), stream::iter(1..=2));
/// assert_eq!(pairs.collect::<Vec<_>>().await, [("a", 1), ("b", 2)]);
/// # });
/// ```
pub fn zip<A: Stream, B: Stream>(a: A, b: B) -> Zip<A, B> {
    Zip {
        a: Some(a),
        b: Some(b),
        left: None,
        right: None,
        spent: 0,
    }
}

pin_project! {
    /// The stream of [`zip`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Zip<A: Stream, B: Stream> {
        // Both `None` once either has ended.
        #[pin]
        a: Option<A>,
        #[pin]
        b: Option<B>,
        left: Option<A::Item>,
        right: Option<B::Item>,
        // Pairs since it last gave way or waited.
        spent: usize,
    }
}

impl<A: Stream, B: Stream> Zip<A, B> {
    fn poll_pair(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(A::Item, B::Item)>> {
        let mut this = self.as_mut().project();
        if *this.spent >= BUDGET {
            *this.spent = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (Some(a), Some(b)) = (this.a.as_mut().as_pin_mut(), this.b.as_mut().as_pin_mut())
        else {
            return Poll::Ready(None);
        };
        let a_ended = this.left.is_none() && fill(this.left, a.poll_next(cx));
        // Not asked for an item that could only be dropped.
        let ended = a_ended || this.right.is_none() && fill(this.right, b.poll_next(cx));
        if ended {
            self.clear();
            return Poll::Ready(None);
        }
        if this.left.is_none() || this.right.is_none() {
            *this.spent = 0;
            return Poll::Pending;
        }
        *this.spent += 1;
        Poll::Ready(this.left.take().zip(this.right.take()))
    }

    /// Drops both streams and what waits for its partner.
    fn clear(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.a.set(None);
        this.b.set(None);
        *this.left = None;
        *this.right = None;
    }
}

impl<A: Stream, B: Stream> Stream for Zip<A, B> {
    type Item = (A::Item, B::Item);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let clear = |zip: &mut Pin<&mut Self>| zip.as_mut().clear();
        or_clear(self, clear, |zip| zip.as_mut().poll_pair(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (Some(a), Some(b)) = (&self.a, &self.b) else {
            return (0, Some(0));
        };
        let with = |hint: (usize, Option<usize>), held: bool| {
            let held = usize::from(held);
            (
                hint.0.saturating_add(held),
                hint.1.and_then(|high| high.checked_add(held)),
            )
        };
        let a = with(a.size_hint(), self.left.is_some());
        let b = with(b.size_hint(), self.right.is_some());
        let high = match (a.1, b.1) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        (a.0.min(b.0), high)
    }
}

/// Keeps an item that has come. Whether the stream has ended instead.
fn fill<T>(held: &mut Option<T>, item: Poll<Option<T>>) -> bool {
    match item {
        Poll::Ready(Some(item)) => *held = Some(item),
        Poll::Ready(None) => return true,
        Poll::Pending => {}
    }
    false
}

impl<A: Stream, B: Stream> FusedStream for Zip<A, B> {
    fn is_terminated(&self) -> bool {
        self.a.is_none()
    }
}

impl<A: Stream, B: Stream> fmt::Debug for Zip<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zip").finish_non_exhaustive()
    }
}
