use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::set::BUDGET;

/// A stream of what `f` gives each time, until that equals `sentinel`, which is not given.
///
/// For errors have `f` give a `Result`: with an `Ok` as the sentinel they are items like any
/// other; [`try_poll_until`] ends at the first. After 128 items in a row it gives way to the rest
/// of its task's thread.
///
/// # Cancel safety
///
/// `next()` on the stream is cancel safe: a future that is under way stays in the stream.
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use untethered::stream::poll_until;
///
/// # futures_lite::future::block_on(async {
/// let mut lines = ["a", "b", "", "c"].into_iter();
/// let lines = poll_until(|| std::future::ready(lines.next().unwrap()), "");
/// assert_eq!(lines.collect::<Vec<_>>().await, ["a", "b"]);
/// # });
/// ```
pub fn poll_until<F, Fut, T>(f: F, sentinel: T) -> PollUntil<F, Fut::IntoFuture, Equal<T>>
where
    F: FnMut() -> Fut,
    Fut: IntoFuture<Output = T>,
    T: PartialEq,
{
    PollUntil::new(f, Equal(sentinel))
}

/// A stream of what `f` gives each time, until that is `None`.
///
/// As [`poll_until`].
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use untethered::stream::poll_until_none;
///
/// # futures_lite::future::block_on(async {
/// let mut countdown = 3_u32;
/// let numbers = poll_until_none(|| {
///     let next = countdown.checked_sub(1);
///     countdown = next.unwrap_or_default();
///     async move { next }
/// });
/// assert_eq!(numbers.collect::<Vec<_>>().await, [2, 1, 0]);
/// # });
/// ```
pub fn poll_until_none<F, Fut, T>(f: F) -> PollUntil<F, Fut::IntoFuture, IsNone>
where
    F: FnMut() -> Fut,
    Fut: IntoFuture<Output = Option<T>>,
{
    PollUntil::new(f, IsNone)
}

/// A stream of what `f` gives each time, until that equals `sentinel` or is an error, which is
/// the last item then.
///
/// As [`poll_until`].
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use untethered::stream::try_poll_until;
///
/// # futures_lite::future::block_on(async {
/// let mut reads = [Ok(7), Err("reset"), Ok(8)].into_iter();
/// let reads = try_poll_until(|| std::future::ready(reads.next().unwrap()), 0);
/// assert_eq!(reads.collect::<Vec<_>>().await, [Ok(7), Err("reset")]);
/// # });
/// ```
pub fn try_poll_until<F, Fut, T, E>(
    f: F,
    sentinel: T,
) -> PollUntil<F, Fut::IntoFuture, EqualOrError<T>>
where
    F: FnMut() -> Fut,
    Fut: IntoFuture<Output = Result<T, E>>,
    T: PartialEq,
{
    PollUntil::new(f, EqualOrError(sentinel))
}

pin_project! {
    /// The stream of [`poll_until`] and its siblings.
    #[must_use = "streams do nothing unless polled"]
    pub struct PollUntil<F, Fut, E> {
        f: F,
        #[pin]
        next: Option<Fut>,
        end: E,
        over: bool,
        // Items since it last gave way or waited.
        spent: usize,
    }
}

impl<F, Fut, E> PollUntil<F, Fut, E> {
    fn new(f: F, end: E) -> Self {
        Self {
            f,
            next: None,
            end,
            over: false,
            spent: 0,
        }
    }
}

impl<F, I, E> Stream for PollUntil<F, I::IntoFuture, E>
where
    F: FnMut() -> I,
    I: IntoFuture,
    E: End<I::Output>,
{
    type Item = E::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E::Item>> {
        let mut this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        if *this.spent >= BUDGET {
            *this.spent = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.next.is_none() {
            this.next.set(Some((this.f)().into_future()));
        }
        let next = this.next.as_mut().as_pin_mut();
        let Poll::Ready(value) = next.expect("it was just made").poll(cx) else {
            *this.spent = 0;
            return Poll::Pending;
        };
        *this.spent += 1;
        this.next.set(None);
        let (item, last) = this.end.sort(value);
        *this.over = last;
        Poll::Ready(item)
    }
}

impl<F, I, E> FusedStream for PollUntil<F, I::IntoFuture, E>
where
    F: FnMut() -> I,
    I: IntoFuture,
    E: End<I::Output>,
{
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<F, Fut, E> fmt::Debug for PollUntil<F, Fut, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollUntil")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// What ends a [`poll_until`]. Sealed.
pub trait End<T>: sealed::Sealed {
    /// What the stream gives.
    type Item;

    /// What to give for a value, if anything, and whether that was the last.
    #[doc(hidden)]
    fn sort(&self, value: T) -> (Option<Self::Item>, bool);
}

/// A value that equals this one.
#[derive(Debug, Clone)]
pub struct Equal<T>(T);

/// `None`.
#[derive(Debug, Clone)]
pub struct IsNone;

/// A value that equals this one, or an error.
#[derive(Debug, Clone)]
pub struct EqualOrError<T>(T);

impl<T: PartialEq> End<T> for Equal<T> {
    type Item = T;

    fn sort(&self, value: T) -> (Option<T>, bool) {
        let last = value == self.0;
        ((!last).then_some(value), last)
    }
}

impl<T> End<Option<T>> for IsNone {
    type Item = T;

    fn sort(&self, value: Option<T>) -> (Option<T>, bool) {
        let last = value.is_none();
        (value, last)
    }
}

impl<T: PartialEq, E> End<Result<T, E>> for EqualOrError<T> {
    type Item = Result<T, E>;

    fn sort(&self, value: Result<T, E>) -> (Option<Self::Item>, bool) {
        match value {
            Ok(value) if value == self.0 => (None, true),
            value => {
                let last = value.is_err();
                (Some(value), last)
            }
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Equal<T> {}
    impl Sealed for super::IsNone {}
    impl<T> Sealed for super::EqualOrError<T> {}
}
