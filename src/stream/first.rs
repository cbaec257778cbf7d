use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::set::BUDGET;

/// The first item of a stream, or `None` if it ends without one.
///
/// Takes the stream by value or, to go on with the rest of it, by mutable reference. A default is
/// `first(stream).await.unwrap_or(default)`: it stands for a stream that has ended, not for one
/// that has nothing yet.
///
/// # Cancel safety
///
/// Cancel safe: an item is taken from the stream only to be given.
///
/// # Examples
///
/// ```
/// use futures_lite::stream;
/// use untethered::stream::first;
///
/// # futures_lite::future::block_on(async {
/// let mut numbers = stream::iter([1, 2, 3]);
/// assert_eq!(first(&mut numbers).await, Some(1));
/// assert_eq!(first(numbers).await, Some(2));
/// assert_eq!(first(stream::empty()).await.unwrap_or(7), 7);
/// # });
/// ```
pub fn first<S: Stream>(stream: S) -> First<S> {
    First { stream }
}

pin_project! {
    /// The future of [`first`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct First<S> {
        #[pin]
        stream: S,
    }
}

impl<S: Stream> Future for First<S> {
    type Output = Option<S::Item>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.project().stream.poll_next(cx)
    }
}

impl<S> fmt::Debug for First<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("First").finish_non_exhaustive()
    }
}

/// The first item that `matches` says yes to, or `None` if the stream ends without one.
///
/// Nothing is taken from the stream behind that item. `matches` may wait: the stream stands still
/// meanwhile. After 128 items in a row it gives way to the rest of its task's thread.
///
/// # Cancel safety
///
/// Dropping it loses the item that `matches` is still deciding on, and no other. To interrupt it
/// without a loss, pin it and await it again.
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, stream};
/// use untethered::stream::first_where;
///
/// # futures_lite::future::block_on(async {
/// let mut numbers = stream::iter(1..10);
/// assert_eq!(first_where(&mut numbers, async |n| n % 4 == 0).await, Some(4));
/// assert_eq!(numbers.next().await, Some(5));
/// # });
/// ```
pub async fn first_where<S: Stream>(
    stream: S,
    mut matches: impl AsyncFnMut(&S::Item) -> bool,
) -> Option<S::Item> {
    let mut stream = pin!(stream);
    let mut in_a_row = 0;
    let mut next = |cx: &mut Context<'_>| {
        if in_a_row == BUDGET {
            in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        in_a_row += 1;
        stream.as_mut().poll_next(cx)
    };
    while let Some(item) = poll_fn(&mut next).await {
        if matches(&item).await {
            return Some(item);
        }
    }
    None
}
