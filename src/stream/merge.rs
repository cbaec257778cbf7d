use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::set::{BUDGET, Set, Turn};
use crate::task::or_clear;

/// Items of two streams as they come, until both have ended.
///
/// Neither can keep the other waiting: where both have something ready they take turns. After 128
/// items in a row it gives way to the rest of its task's thread. A panic of one goes on in the
/// consumer, once the other has been dropped. For more than two streams, of one type, take
/// [`merge_all`].
///
/// # Cancel safety
///
/// `next()` on the stream is cancel safe: nothing is taken from either stream but to be given.
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, stream};
/// use untethered::stream::merge;
///
/// # futures_lite::future::block_on(async {
/// let merged = merge(stream::iter([1, 3, 5]), stream::repeat(2).take(2));
/// assert_eq!(merged.collect::<Vec<_>>().await, [1, 2, 3, 2, 5]);
/// # });
/// ```
pub fn merge<A, B>(a: A, b: B) -> Merge<A, B>
where
    A: Stream,
    B: Stream<Item = A::Item>,
{
    Merge {
        a: Some(a),
        b: Some(b),
        b_first: false,
        spent: 0,
    }
}

pin_project! {
    /// The stream of [`merge`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Merge<A, B> {
        // Both `None` once they have ended.
        #[pin]
        a: Option<A>,
        #[pin]
        b: Option<B>,
        b_first: bool,
        // Items since it last gave way or waited.
        spent: usize,
    }
}

impl<A, B> Stream for Merge<A, B>
where
    A: Stream,
    B: Stream<Item = A::Item>,
{
    type Item = A::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A::Item>> {
        let mut this = self.project();
        if *this.spent >= BUDGET {
            *this.spent = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let b_first = *this.b_first;
        for b in [b_first, !b_first] {
            let both = (this.a.as_mut(), this.b.as_mut());
            let clear = |(a, b): &mut (Pin<&mut Option<A>>, Pin<&mut Option<B>>)| {
                a.set(None);
                b.set(None);
            };
            let item = or_clear(both, clear, |(one, other)| match b {
                false => poll_one(one.as_mut(), cx),
                true => poll_one(other.as_mut(), cx),
            });
            if item.is_some() {
                *this.b_first = !b;
                *this.spent += 1;
                return Poll::Ready(item);
            }
        }
        if this.a.is_none() && this.b.is_none() {
            return Poll::Ready(None);
        }
        *this.spent = 0;
        Poll::Pending
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let a = self.a.as_ref().map_or((0, Some(0)), Stream::size_hint);
        let b = self.b.as_ref().map_or((0, Some(0)), Stream::size_hint);
        let high = a.1.zip(b.1).and_then(|(a, b)| a.checked_add(b));
        (a.0.saturating_add(b.0), high)
    }
}

/// The next item, if there is one now. A stream that has ended is dropped.
fn poll_one<S: Stream>(mut stream: Pin<&mut Option<S>>, cx: &mut Context<'_>) -> Option<S::Item> {
    match stream.as_mut().as_pin_mut()?.poll_next(cx) {
        Poll::Ready(None) => {
            stream.set(None);
            None
        }
        Poll::Ready(item) => item,
        Poll::Pending => None,
    }
}

impl<A, B> FusedStream for Merge<A, B>
where
    A: Stream,
    B: Stream<Item = A::Item>,
{
    fn is_terminated(&self) -> bool {
        self.a.is_none() && self.b.is_none()
    }
}

impl<A, B> fmt::Debug for Merge<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").finish_non_exhaustive()
    }
}

/// Items of many streams as they come, until all have ended.
///
/// Each is polled when it was woken, and those that always have something ready take turns.
/// After 128 polls in a row it gives way to the rest of its task's thread. A panic of one goes on
/// in the consumer, once all others have been dropped. Streams of different types go in as
/// `Pin<Box<dyn Stream<Item = T>>>`.
///
/// # Cancel safety
///
/// `next()` on the stream is cancel safe: nothing is taken from a stream but to be given.
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, stream};
/// use untethered::stream::merge_all;
///
/// # futures_lite::future::block_on(async {
/// let merged = merge_all([0, 10, 20].map(|n| stream::iter([n, n + 1])));
/// assert_eq!(merged.collect::<Vec<_>>().await, [0, 10, 20, 1, 11, 21]);
/// # });
/// ```
pub fn merge_all<I>(streams: I) -> MergeAll<I::Item>
where
    I: IntoIterator,
    I::Item: Stream,
{
    MergeAll {
        waiting: Set::new(),
        turns: streams.into_iter().map(Box::pin).collect(),
    }
}

pin_project! {
    /// The stream of [`merge_all`].
    #[must_use = "streams do nothing unless polled"]
    pub struct MergeAll<S: Stream> {
        // Not pinned: the streams are in boxes.
        waiting: Set<Next<S>>,
        // Those that were not polled yet, or gave an item when they were.
        turns: VecDeque<Pin<Box<S>>>,
    }
}

/// The next item of a stream, and the stream.
struct Next<S> {
    /// `None` once given back.
    stream: Option<Pin<Box<S>>>,
}

impl<S: Stream> Future for Next<S> {
    type Output = Option<(S::Item, Pin<Box<S>>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stream = self.stream.as_mut().expect("polled after it was ready");
        let item = ready!(stream.as_mut().poll_next(cx));
        Poll::Ready(item.zip(self.stream.take()))
    }
}

impl<S: Stream> Stream for MergeAll<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let clear = |stream: &mut Pin<&mut Self>| {
            let this = stream.as_mut().project();
            // The panic that is on its way goes on, not this one.
            this.waiting.clear().ok();
            this.turns.clear();
        };
        or_clear(self, clear, |stream| stream.as_mut().poll_item(cx))
    }
}

impl<S: Stream> MergeAll<S> {
    fn poll_item(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        this.waiting.begin();
        loop {
            let next = match this.waiting.poll_woken() {
                Turn::Output(_, next) => next,
                Turn::GiveWay => {
                    this.waiting.give_way(cx);
                    return Poll::Pending;
                }
                Turn::Over => {
                    let Some(stream) = this.turns.pop_front() else {
                        break;
                    };
                    let stream = Some(stream);
                    match this.waiting.enter(0, Next { stream }) {
                        Poll::Ready(next) => next,
                        Poll::Pending => continue,
                    }
                }
            };
            if let Some((item, stream)) = next {
                this.turns.push_back(stream);
                return Poll::Ready(Some(item));
            }
        }
        if this.waiting.len() == 0 {
            return Poll::Ready(None);
        }
        this.waiting.park(cx);
        Poll::Pending
    }
}

impl<S: Stream> FusedStream for MergeAll<S> {
    fn is_terminated(&self) -> bool {
        self.turns.is_empty() && self.waiting.len() == 0
    }
}

impl<S: Stream> fmt::Debug for MergeAll<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeAll")
            .field("streams", &(self.turns.len() + self.waiting.len()))
            .finish_non_exhaustive()
    }
}
