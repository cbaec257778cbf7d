use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

/// Tells `hook` how far a stream has come, after each item.
///
/// The total is what the stream says it has; a run that goes on where another one stopped
/// counts from there with [`resumed_at`](WithProgress::resumed_at).
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, stream};
/// use untethered::stream::with_progress;
///
/// # futures_lite::future::block_on(async {
/// let mut lines = Vec::new();
/// let mut first = with_progress(stream::iter(0..4), |progress| lines.push(progress.to_string()));
/// first.next().await;
/// let (rest, done) = (first.done(), first.into_inner());
/// // Interrupted after one; the rest follows later.
/// let second = with_progress(done, |progress| lines.push(progress.to_string()));
/// assert_eq!(second.resumed_at(rest).count().await, 3);
/// assert_eq!(lines, ["1/4", "2/4", "3/4", "4/4"]);
/// # });
/// ```
pub fn with_progress<S, H>(stream: S, hook: H) -> WithProgress<S, H>
where
    S: Stream,
    H: FnMut(Progress),
{
    WithProgress {
        stream,
        hook,
        done: 0,
    }
}

pin_project! {
    /// The stream of [`with_progress`].
    ///
    /// # Cancel safety
    ///
    /// It holds nothing but the stream: an item that is not given yet stays there.
    #[must_use = "streams do nothing unless polled"]
    pub struct WithProgress<S, H> {
        #[pin]
        stream: S,
        hook: H,
        done: usize,
    }
}

impl<S, H> WithProgress<S, H> {
    /// Counts on from `done` items of an earlier run.
    pub fn resumed_at(mut self, done: usize) -> Self {
        self.done = done;
        self
    }

    /// How many items there were, those of earlier runs included.
    pub fn done(&self) -> usize {
        self.done
    }

    /// The stream, to go on without it.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S, H> Stream for WithProgress<S, H>
where
    S: Stream,
    H: FnMut(Progress),
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let item = ready!(this.stream.as_mut().poll_next(cx));
        if item.is_some() {
            *this.done = this.done.saturating_add(1);
            let total = match this.stream.size_hint() {
                (low, Some(high)) if low == high => high.checked_add(*this.done),
                _ => None,
            };
            (this.hook)(Progress {
                done: *this.done,
                total,
            });
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<S, H> fmt::Debug for WithProgress<S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithProgress")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// How far a stream has come. Shown as `3/10`, or `3` if nobody knows of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many items there were.
    pub done: usize,
    /// How many there will have been at the end, if the stream knows.
    pub total: Option<usize>,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            Some(total) => write!(f, "{}/{total}", self.done),
            None => write!(f, "{}", self.done),
        }
    }
}
