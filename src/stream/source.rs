use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

/// Where the futures of a [`Concurrent`](super::Concurrent) come from.
///
/// Sealed. These are sources:
///
/// | Source | Made by |
/// |---|---|
/// | an iterator of futures | itself, also whatever turns into one |
/// | a stream of futures | [`from_stream`] |
/// | an iterator of `Result<future, error>` | [`try_from_iter`] |
/// | a stream of `Result<future, error>` | [`try_from_stream`] |
///
/// Wherever a future is asked for, something that turns into one will do.
pub trait Source: sealed::Sealed {
    /// One of the futures.
    type Future: Future;
    /// Why there are no more. [`Infallible`] if the source can not fail.
    type Error;

    /// The next future, if there is one.
    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Self::Future, Self::Error>>>;

    /// How many futures will come: at least, and at most.
    fn size_hint(&self) -> (usize, Option<usize>);
}

/// What can be made a [`Source`]: iterators of futures, and what the functions named there give.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of futures",
    note = "an iterator of futures is one; for a stream use `from_stream`, for an iterator or a \
            stream of results `try_from_iter` and `try_from_stream`"
)]
pub trait IntoSource {
    /// The source.
    type Source: Source;

    /// Makes it the source.
    fn into_source(self) -> Self::Source;
}

impl<I> IntoSource for I
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    type Source = FromIter<I::IntoIter>;

    fn into_source(self) -> Self::Source {
        FromIter {
            iter: self.into_iter(),
        }
    }
}

/// A source from a stream of futures.
///
/// # Examples
///
/// ```
/// use untethered::concurrent;
/// use untethered::stream::from_stream;
///
/// # futures_lite::future::block_on(async {
/// let numbers = futures_lite::stream::iter([1, 2, 3]);
/// let jobs = futures_lite::StreamExt::map(numbers, |n| async move { n * 2 });
/// assert_eq!(concurrent(from_stream(jobs)).ordered().await, [2, 4, 6]);
/// # });
/// ```
pub fn from_stream<S>(stream: S) -> FromStream<S>
where
    S: Stream,
    S::Item: IntoFuture,
{
    FromStream { stream }
}

/// A source from an iterator that can fail. Its first error ends the run.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
///
/// use untethered::stream::{ConcurrentError, try_from_iter};
/// use untethered::try_concurrent;
///
/// # futures_lite::future::block_on(async {
/// let jobs = ["1", "2", "x"].map(|text| {
///     let n: i32 = text.parse()?;
///     Ok::<_, std::num::ParseIntError>(async move { Ok::<_, Infallible>(n) })
/// });
/// let error = try_concurrent(try_from_iter(jobs)).await.unwrap_err();
/// assert!(matches!(error, ConcurrentError::Source(_)));
/// # });
/// ```
pub fn try_from_iter<I, F, E>(iter: I) -> TryFromIter<I::IntoIter>
where
    I: IntoIterator<Item = Result<F, E>>,
    F: IntoFuture,
{
    TryFromIter {
        iter: iter.into_iter(),
    }
}

/// A source from a stream that can fail. Its first error ends the run.
///
/// # Examples
///
/// ```
/// use std::future::ready;
/// use futures_lite::stream;
/// use untethered::stream::{ConcurrentError, try_concurrent, try_from_stream};
///
/// # futures_lite::future::block_on(async {
/// let jobs = stream::iter([Ok(ready(Ok::<_, &str>(1))), Err("no more jobs"), Ok(ready(Ok(2)))]);
/// let values = try_concurrent(try_from_stream(jobs)).await;
/// assert_eq!(values, Err(ConcurrentError::Source("no more jobs")));
/// # });
/// ```
pub fn try_from_stream<S, F, E>(stream: S) -> TryFromStream<S>
where
    S: Stream<Item = Result<F, E>>,
    F: IntoFuture,
{
    TryFromStream { stream }
}

/// An iterator as a [`Source`].
pub struct FromIter<I> {
    // Not pinned: an iterator is called by reference, so this is `Unpin` whatever it is.
    iter: I,
}

/// The source of [`try_from_iter`].
pub struct TryFromIter<I> {
    // Not pinned, as in `FromIter`.
    iter: I,
}

impl<I> Unpin for FromIter<I> {}
impl<I> Unpin for TryFromIter<I> {}

pin_project! {
    /// The source of [`from_stream`].
    pub struct FromStream<S> {
        #[pin]
        stream: S,
    }
}

pin_project! {
    /// The source of [`try_from_stream`].
    pub struct TryFromStream<S> {
        #[pin]
        stream: S,
    }
}

impl<I> Source for FromIter<I>
where
    I: Iterator,
    I::Item: IntoFuture,
{
    type Future = <I::Item as IntoFuture>::IntoFuture;
    type Error = Infallible;

    #[inline]
    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Self::Future, Infallible>>> {
        Poll::Ready(self.iter.next().map(|item| Ok(item.into_future())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl<I, F, E> Source for TryFromIter<I>
where
    I: Iterator<Item = Result<F, E>>,
    F: IntoFuture,
{
    type Future = F::IntoFuture;
    type Error = E;

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Self::Future, E>>> {
        let item = self.iter.next();
        Poll::Ready(item.map(|item| item.map(IntoFuture::into_future)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl<S> Source for FromStream<S>
where
    S: Stream,
    S::Item: IntoFuture,
{
    type Future = <S::Item as IntoFuture>::IntoFuture;
    type Error = Infallible;

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Self::Future, Infallible>>> {
        let item = ready!(self.project().stream.poll_next(cx));
        Poll::Ready(item.map(|item| Ok(item.into_future())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<S, F, E> Source for TryFromStream<S>
where
    S: Stream<Item = Result<F, E>>,
    F: IntoFuture,
{
    type Future = F::IntoFuture;
    type Error = E;

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Self::Future, E>>> {
        let item = ready!(self.project().stream.poll_next(cx));
        Poll::Ready(item.map(|item| item.map(IntoFuture::into_future)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What the sources have in common.
macro_rules! source {
    ($($name:ident)*) => {$(
        impl<T> sealed::Sealed for $name<T> {}

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

/// Those that are made by name. `FromIter` is made by any iterator.
macro_rules! into_source {
    ($($name:ident)*) => {$(
        impl<T> IntoSource for $name<T>
        where
            Self: Source,
        {
            type Source = Self;

            fn into_source(self) -> Self {
                self
            }
        }
    )*};
}

source!(FromIter FromStream TryFromIter TryFromStream);
into_source!(FromStream TryFromIter TryFromStream);
