use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::{Concurrent, Source};

pin_project! {
    /// The stream of [`Concurrently::filter_map`](super::Concurrently::filter_map) and [`Concurrently::filter`](super::Concurrently::filter).
    ///
    /// # Cancel safety
    ///
    /// An item that was not given yet stays for the next poll. Dropping it drops what is under way.
    #[must_use = "streams do nothing unless polled"]
    pub struct FilterMap<S: Source<Error = Infallible>> {
        #[pin]
        pub(super) outputs: Concurrent<S>,
    }
}

impl<S, T> Stream for FilterMap<S>
where
    S: Source<Error = Infallible>,
    S::Future: Future<Output = Option<T>>,
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut outputs = self.project().outputs;
        loop {
            // It gives way by itself after so many outputs.
            match ready!(outputs.as_mut().poll_next(cx)) {
                Some(Some(item)) => return Poll::Ready(Some(item)),
                Some(None) => {}
                None => return Poll::Ready(None),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.outputs.size_hint().1)
    }
}

impl<S, T> FusedStream for FilterMap<S>
where
    S: Source<Error = Infallible>,
    S::Future: Future<Output = Option<T>>,
{
    fn is_terminated(&self) -> bool {
        self.outputs.is_terminated()
    }
}

impl<S: Source<Error = Infallible>> fmt::Debug for FilterMap<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FilterMap").field(&self.outputs).finish()
    }
}

pin_project! {
    /// The items of a stream, each with a future that says whether it is kept. From
    /// [`Concurrently::filter`](super::Concurrently::filter).
    ///
    /// # Cancel safety
    ///
    /// It holds nothing but the stream: an item that is not given yet stays there.
    #[must_use = "streams do nothing unless polled"]
    pub struct Filtered<S, F> {
        #[pin]
        pub(super) stream: S,
        pub(super) f: F,
    }
}

impl<S, F, T> Stream for Filtered<S, F>
where
    S: Stream,
    F: FnMut(&S::Item) -> T,
    T: IntoFuture,
{
    type Item = Kept<S::Item, T::IntoFuture>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let item = ready!(this.stream.poll_next(cx));
        Poll::Ready(item.map(|item| Kept {
            keeps: (this.f)(&item).into_future(),
            item: Some(item),
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

pin_project! {
    /// An item, if a future says yes to it. For [`Concurrently::filter`](super::Concurrently::filter).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future and the item.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Kept<T, F> {
        #[pin]
        keeps: F,
        // `None` once given away.
        item: Option<T>,
    }
}

impl<T, F: Future<Output = bool>> Future for Kept<T, F> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        let keeps = ready!(this.keeps.poll(cx));
        Poll::Ready(this.item.take().filter(|_| keeps))
    }
}

debug!(Filtered Kept);
