use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{Concurrent, FailFast, FromIter, concurrent, try_concurrent};
use crate::combine::{Entrants, Fallible, Gather, TryGather, gather, try_gather};

/// Gives each object once all of the futures that `parts` makes of it are done, with what they
/// gave.
///
/// The futures of an object run all at once, and objects so many at a time: the
/// [`limit`](Concurrent::limit) counts objects. To bound their futures too, have them
/// [acquire](crate::sync::Limit::acquire) a shared limit. An object without futures is given as it
/// is. Errors are outputs like any other, and all of them are given; with [`try_inflate`] the
/// first one ends the run. For the objects of a stream take
/// [`Concurrently::inflate`](super::Concurrently::inflate).
///
/// # Examples
///
/// ```
/// use untethered::stream::inflate;
///
/// # futures_lite::future::block_on(async {
/// let words = inflate(["ab", "c", ""], |word| word.chars().map(async |letter| letter as u32));
/// let words = words.limit(2).ordered().await;
/// assert_eq!(words, [("ab", vec![97, 98]), ("c", vec![99]), ("", vec![])]);
/// # });
/// ```
pub fn inflate<I, P, J>(objects: I, parts: P) -> Concurrent<FromIter<Inflate<I::IntoIter, P>>>
where
    I: IntoIterator,
    P: FnMut(&I::Item) -> J,
    J: IntoIterator,
    J::Item: IntoFuture,
{
    concurrent(Inflate {
        objects: objects.into_iter(),
        parts,
    })
}

/// As [`inflate`], until the first error: then everything else is dropped before it is seen.
///
/// For the objects of a stream take [`Concurrently::try_inflate`](super::Concurrently::try_inflate).
///
/// # Examples
///
/// ```
/// use untethered::stream::try_inflate;
///
/// # futures_lite::future::block_on(async {
/// let check = |word: &&str| {
///     let letters: Vec<char> = word.chars().collect();
///     letters.into_iter().map(async |letter| letter.to_digit(10).ok_or(letter))
/// };
/// let error = try_inflate(["12", "3x"], check).await.unwrap_err();
/// assert_eq!(error.into_task(), 'x');
/// # });
/// ```
pub fn try_inflate<I, P, J, T, E>(
    objects: I,
    parts: P,
) -> Concurrent<FromIter<TryInflate<I::IntoIter, P>>, FailFast>
where
    I: IntoIterator,
    P: FnMut(&I::Item) -> J,
    J: IntoIterator,
    J::Item: IntoFuture<Output = Result<T, E>>,
{
    try_concurrent(TryInflate {
        objects: objects.into_iter(),
        parts,
    })
}

pin_project! {
    /// The objects of [`inflate`], each with its futures.
    ///
    /// # Cancel safety
    ///
    /// It holds nothing but the objects: one that is not given yet stays there.
    #[must_use = "streams do nothing unless polled"]
    pub struct Inflate<I, P> {
        // Pinned for streams; an iterator is called by reference.
        #[pin]
        pub(super) objects: I,
        pub(super) parts: P,
    }
}

pin_project! {
    /// The objects of [`try_inflate`], each with its futures.
    ///
    /// # Cancel safety
    ///
    /// It holds nothing but the objects: one that is not given yet stays there.
    #[must_use = "streams do nothing unless polled"]
    pub struct TryInflate<I, P> {
        // Pinned as in `Inflate`.
        #[pin]
        pub(super) objects: I,
        pub(super) parts: P,
    }
}

type Parts<J> = Entrants<<J as IntoIterator>::IntoIter>;

impl<I, P, J> Iterator for Inflate<I, P>
where
    I: Iterator,
    P: FnMut(&I::Item) -> J,
    J: IntoIterator,
    J::Item: IntoFuture,
{
    type Item = Inflated<I::Item, Gather<Parts<J>>>;

    fn next(&mut self) -> Option<Self::Item> {
        let object = self.objects.next()?;
        Some(Inflated {
            parts: gather((self.parts)(&object)),
            object: Some(object),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.objects.size_hint()
    }
}

impl<S, P, J> Stream for Inflate<S, P>
where
    S: Stream,
    P: FnMut(&S::Item) -> J,
    J: IntoIterator,
    J::Item: IntoFuture,
{
    type Item = Inflated<S::Item, Gather<Parts<J>>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let object = ready!(this.objects.poll_next(cx));
        Poll::Ready(object.map(|object| Inflated {
            parts: gather((this.parts)(&object)),
            object: Some(object),
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.objects.size_hint()
    }
}

impl<I, P, J> Iterator for TryInflate<I, P>
where
    I: Iterator,
    P: FnMut(&I::Item) -> J,
    J: IntoIterator,
    J::Item: IntoFuture,
    <J::Item as IntoFuture>::IntoFuture: Fallible,
{
    type Item = TryInflated<I::Item, TryGather<Parts<J>>>;

    fn next(&mut self) -> Option<Self::Item> {
        let object = self.objects.next()?;
        Some(TryInflated {
            parts: try_gather((self.parts)(&object)),
            object: Some(object),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.objects.size_hint()
    }
}

impl<S, P, J> Stream for TryInflate<S, P>
where
    S: Stream,
    P: FnMut(&S::Item) -> J,
    J: IntoIterator,
    J::Item: IntoFuture,
    <J::Item as IntoFuture>::IntoFuture: Fallible,
{
    type Item = TryInflated<S::Item, TryGather<Parts<J>>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let object = ready!(this.objects.poll_next(cx));
        Poll::Ready(object.map(|object| TryInflated {
            parts: try_gather((this.parts)(&object)),
            object: Some(object),
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.objects.size_hint()
    }
}

pin_project! {
    /// An object and its futures, of [`inflate`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future and the item.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Inflated<T, G> {
        #[pin]
        parts: G,
        // `None` once given away.
        object: Option<T>,
    }
}

pin_project! {
    /// An object and its futures, of [`try_inflate`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future and the item.
    #[must_use = "futures do nothing unless awaited"]
    pub struct TryInflated<T, G> {
        #[pin]
        parts: G,
        // `None` once given away.
        object: Option<T>,
    }
}

impl<T, G: Future> Future for Inflated<T, G> {
    type Output = (T, G::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let parts = ready!(this.parts.poll(cx));
        let object = this.object.take().expect("polled after it was ready");
        Poll::Ready((object, parts))
    }
}

impl<T, G, O, E> Future for TryInflated<T, G>
where
    G: Future<Output = Result<O, (usize, E)>>,
{
    type Output = Result<(T, O), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let parts = ready!(this.parts.poll(cx));
        let object = this.object.take().expect("polled after it was ready");
        Poll::Ready(match parts {
            Ok(parts) => Ok((object, parts)),
            Err((_, error)) => Err(error),
        })
    }
}

debug!(Inflate TryInflate Inflated TryInflated);
