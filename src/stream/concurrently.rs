use std::convert::Infallible;
use std::fmt;
use std::future::{IntoFuture, ready};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::map_blocking::Calls;
use super::{
    Blocking, Concurrent, ConcurrentError, FailFast, FilterMap, Filtered, FromStream, Inflate,
    Mode, TryInflate, from_stream,
};
use crate::runtime::Runtime;

/// Adds [`concurrently`](Self::concurrently) to streams.
pub trait StreamConcurrently: Stream {
    /// Does something with the items of the stream, so many at a time.
    ///
    /// What it is and with how many items is for [`Concurrently`] to say.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::stream;
    /// use untethered::stream::StreamConcurrently;
    ///
    /// # futures_lite::future::block_on(async {
    /// let doubled = stream::iter(1..=3).concurrently().limit(2).ordered().map(async |n| n * 2);
    /// assert_eq!(doubled.await, [2, 4, 6]);
    /// # });
    /// ```
    fn concurrently(self) -> Concurrently<Self>
    where
        Self: Sized,
    {
        Concurrently {
            stream: self,
            limit: None,
            ordered: false,
        }
    }
}

impl<S: Stream + ?Sized> StreamConcurrently for S {}

/// Items of a stream to be worked on so many at a time. From
/// [`StreamConcurrently::concurrently`].
///
/// | Step | Gives |
/// |---|---|
/// | [`map`](Self::map), [`try_map`](Self::try_map) | a [`Concurrent`] of what a future makes of each item |
/// | [`filter_map`](Self::filter_map), [`filter`](Self::filter) | a stream of what is left |
/// | [`inflate`](Self::inflate), [`try_inflate`](Self::try_inflate) | a `Concurrent` of the items with what several futures make of each |
/// | [`map_blocking`](Self::map_blocking) | the same as `map`, with closures that may block |
/// | [`for_each`](Self::for_each), [`try_for_each`](Self::try_for_each) | a future of the end |
///
/// **All but the last two work only while they are polled**, as [`Concurrent`] says: in a loop that
/// awaits something slow between two items they stand still. The `for_each` forms do all of the
/// work inside, and so does awaiting a [`Concurrent`].
///
/// Nothing is taken from the stream before the first poll, and then only when a place is free.
#[must_use = "nothing runs before a step says what to do"]
pub struct Concurrently<S> {
    stream: S,
    limit: Option<NonZeroUsize>,
    ordered: bool,
}

impl<S: Stream> Concurrently<S> {
    /// Works on at most `limit` items at once. By default as a [`Concurrent`] does.
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
        self.limit = Some(limit);
        self
    }

    /// Keeps the order of the stream: see [`Concurrent::ordered`].
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// What `f` makes of each item.
    pub fn map<F, Fut>(self, f: F) -> Concurrent<FromStream<Mapped<S, F>>>
    where
        F: FnMut(S::Item) -> Fut,
        Fut: IntoFuture,
    {
        self.start(|stream| Mapped { stream, f })
    }

    /// What `f` makes of each item, until the first error: see
    /// [`try_concurrent`](super::try_concurrent).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::stream;
    /// use untethered::stream::StreamConcurrently;
    ///
    /// # futures_lite::future::block_on(async {
    /// let words = stream::iter(["1", "x", "3"]).concurrently().ordered();
    /// let error = words.try_map(async |word| word.parse::<i32>()).await.unwrap_err();
    /// assert_eq!(error.to_string(), "task 1 failed");
    /// # });
    /// ```
    pub fn try_map<F, Fut, T, E>(self, f: F) -> Concurrent<FromStream<Mapped<S, F>>, FailFast>
    where
        F: FnMut(S::Item) -> Fut,
        Fut: IntoFuture<Output = Result<T, E>>,
    {
        self.start(|stream| Mapped { stream, f })
    }

    fn start<T, M>(self, with: impl FnOnce(S) -> T) -> Concurrent<FromStream<T>, M>
    where
        T: Stream,
        T::Item: IntoFuture,
        M: Mode<FromStream<T>>,
    {
        let mut outputs = Concurrent::new(from_stream(with(self.stream)));
        if let Some(limit) = self.limit {
            outputs = outputs.limit_nonzero(limit);
        }
        if self.ordered {
            outputs = outputs.ordered();
        }
        outputs
    }

    /// What `f` makes of each item, without those of which it makes `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::{StreamExt, stream};
    /// use untethered::stream::StreamConcurrently;
    ///
    /// # futures_lite::future::block_on(async {
    /// let words = stream::iter(["1", "x", "3"]).concurrently().ordered();
    /// let numbers = words.filter_map(|word| async move { word.parse::<i32>().ok() });
    /// assert_eq!(numbers.collect::<Vec<_>>().await, [1, 3]);
    /// # });
    /// ```
    pub fn filter_map<F, Fut, T>(self, f: F) -> FilterMap<FromStream<Mapped<S, F>>>
    where
        F: FnMut(S::Item) -> Fut,
        Fut: IntoFuture<Output = Option<T>>,
    {
        FilterMap {
            outputs: self.map(f),
        }
    }

    /// The items to which the future that `f` makes of them says yes.
    ///
    /// The future can not borrow the item: it takes what it needs of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::{StreamExt, stream};
    /// use untethered::stream::StreamConcurrently;
    ///
    /// # futures_lite::future::block_on(async {
    /// let even = stream::iter(1..=6).concurrently().ordered().filter(|&n| async move { n % 2 == 0 });
    /// assert_eq!(even.collect::<Vec<_>>().await, [2, 4, 6]);
    /// # });
    /// ```
    pub fn filter<F, Fut>(self, f: F) -> FilterMap<FromStream<Filtered<S, F>>>
    where
        F: FnMut(&S::Item) -> Fut,
        Fut: IntoFuture<Output = bool>,
    {
        FilterMap {
            outputs: self.start(|stream| Filtered { stream, f }),
        }
    }

    /// Each item once all of the futures that `parts` makes of it are done, with what they gave.
    ///
    /// As [`inflate`](super::inflate), for a stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::stream;
    /// use untethered::stream::StreamConcurrently;
    ///
    /// # futures_lite::future::block_on(async {
    /// let words = stream::iter(["ab", "c"]).concurrently().ordered();
    /// let words = words.inflate(|word| word.chars().map(async |letter| letter as u32)).await;
    /// assert_eq!(words, [("ab", vec![97, 98]), ("c", vec![99])]);
    /// # });
    /// ```
    pub fn inflate<P, J>(self, parts: P) -> Concurrent<FromStream<Inflate<S, P>>>
    where
        P: FnMut(&S::Item) -> J,
        J: IntoIterator,
        J::Item: IntoFuture,
    {
        self.start(|objects| Inflate { objects, parts })
    }

    /// As [`inflate`](Self::inflate), until the first error.
    ///
    /// As [`try_inflate`](super::try_inflate), for a stream.
    pub fn try_inflate<P, J, T, E>(
        self,
        parts: P,
    ) -> Concurrent<FromStream<TryInflate<S, P>>, FailFast>
    where
        P: FnMut(&S::Item) -> J,
        J: IntoIterator,
        J::Item: IntoFuture<Output = Result<T, E>>,
    {
        self.start(|objects| TryInflate { objects, parts })
    }

    /// What `f` makes of each item, on threads of the runtime where it may block.
    ///
    /// As [`map_blocking`](super::map_blocking), for a stream: of [`batches`](super::batches),
    /// say.
    pub fn map_blocking<F, T>(
        self,
        rt: &Runtime,
        f: F,
    ) -> Concurrent<FromStream<MappedBlocking<S, F>>>
    where
        S::Item: Send + 'static,
        F: Fn(S::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let calls = Calls::new(rt, f);
        self.start(|stream| MappedBlocking { stream, calls })
    }

    /// Does `f` with each item, until the stream has ended and all is done.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping it drops what is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use futures_lite::stream;
    /// use untethered::stream::StreamConcurrently;
    ///
    /// # futures_lite::future::block_on(async {
    /// let sum = Cell::new(0);
    /// stream::iter(1..=4).concurrently().for_each(async |n| sum.set(sum.get() + n)).await;
    /// assert_eq!(sum.get(), 10);
    /// # });
    /// ```
    pub async fn for_each<F, Fut>(self, f: F)
    where
        F: FnMut(S::Item) -> Fut,
        Fut: IntoFuture<Output = ()>,
    {
        self.map(f).for_each(|()| ready(())).await;
    }

    /// Does `f` with each item, until all is done or one has failed. Then the others are dropped
    /// before the error is seen.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping it drops what is under way.
    ///
    /// # Errors
    ///
    /// The first error, with the place of its item in the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::stream;
    /// use untethered::stream::StreamConcurrently;
    ///
    /// # futures_lite::future::block_on(async {
    /// let jobs = stream::iter([1, 0, 2]).concurrently();
    /// let divide = async |n: u32| 6_u32.checked_div(n).map(drop).ok_or("division by nought");
    /// let error = jobs.try_for_each(divide).await.unwrap_err();
    /// assert_eq!(error.into_task(), "division by nought");
    /// # });
    /// ```
    pub async fn try_for_each<F, Fut, E>(self, f: F) -> Result<(), ConcurrentError<Infallible, E>>
    where
        F: FnMut(S::Item) -> Fut,
        Fut: IntoFuture<Output = Result<(), E>>,
    {
        self.try_map(f).for_each(|()| ready(())).await
    }
}

impl<S> fmt::Debug for Concurrently<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrently")
            .field("limit", &self.limit)
            .field("ordered", &self.ordered)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The futures that a closure makes of the items of a stream.
    ///
    /// # Cancel safety
    ///
    /// It holds nothing but the stream: an item that is not given yet stays there.
    #[must_use = "streams do nothing unless polled"]
    pub struct Mapped<S, F> {
        #[pin]
        stream: S,
        f: F,
    }
}

pin_project! {
    /// The calls of a closure with the items of a stream, where it may block. From
    /// [`Concurrently::map_blocking`].
    ///
    /// # Cancel safety
    ///
    /// It holds nothing but the stream: an item that is not given yet stays there.
    #[must_use = "streams do nothing unless polled"]
    pub struct MappedBlocking<S, F> {
        #[pin]
        stream: S,
        calls: Calls<F>,
    }
}

impl<S, F, T> Stream for Mapped<S, F>
where
    S: Stream,
    F: FnMut(S::Item) -> T,
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        this.stream.poll_next(cx).map(|item| item.map(this.f))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<S, F, T> Stream for MappedBlocking<S, F>
where
    S: Stream,
    S::Item: Send + 'static,
    F: Fn(S::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Blocking<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let item = ready!(this.stream.poll_next(cx));
        Poll::Ready(item.map(|item| this.calls.start(item)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

debug!(Mapped MappedBlocking);
