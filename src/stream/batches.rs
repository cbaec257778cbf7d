use std::fmt;
use std::future::Future;
use std::iter::Fuse;
use std::mem;
use std::num::NonZeroUsize;
use std::ops::{Bound, RangeBounds};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::runtime::{Runtime, Sleep};
use crate::set::BUDGET;

/// Items of a stream in lists of `size`. The last one may be shorter.
///
/// [`within`](Batches::within) gives a list earlier, when its first item has waited long enough.
/// After 128 items in a row it gives way to the rest of its task's thread.
///
/// # Cancel safety
///
/// `next()` on the stream is cancel safe: items that were taken stay in the next list. Dropping
/// the stream itself drops the list it has begun, up to `size` - 1 items that the stream below has
/// given already. Where they must not be lost, at the end of a drain that is cut off say, take
/// them out before: [`take_begun`](Batches::take_begun), [`into_parts`](Batches::into_parts).
///
/// # Panics
///
/// If `size` is nought. For a number that comes from outside take [`batches_nonzero`].
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, stream};
/// use untethered::stream::batches;
///
/// # futures_lite::future::block_on(async {
/// let lists: Vec<_> = batches(stream::iter(1..=5), 2).collect().await;
/// assert_eq!(lists, [vec![1, 2], vec![3, 4], vec![5]]);
/// # });
/// ```
#[track_caller]
pub fn batches<S: Stream>(stream: S, size: usize) -> Batches<S> {
    batches_nonzero(stream, checked(size))
}

/// As [`batches`], for a number that was checked already.
pub fn batches_nonzero<S: Stream>(stream: S, size: NonZeroUsize) -> Batches<S> {
    Batches {
        stream: Some(stream),
        size,
        items: Vec::new(),
        wait: None,
        spent: 0,
    }
}

#[track_caller]
fn checked(size: usize) -> NonZeroUsize {
    NonZeroUsize::new(size).expect("a batch of nought items is never full: give one or more")
}

pin_project! {
    /// The stream of [`batches`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Batches<S: Stream> {
        // `None` once it has ended.
        #[pin]
        stream: Option<S>,
        size: NonZeroUsize,
        items: Vec<S::Item>,
        wait: Option<Wait>,
        // Polls of the stream since it last gave way or waited.
        spent: usize,
    }
}

/// How long the first item of a list may wait.
struct Wait {
    length: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl<S: Stream> Batches<S> {
    /// Gives a list at the latest when its first item has been in it for `length`.
    ///
    /// With nought, a list holds what the stream has ready at one moment. For lists by time alone
    /// take a size of [`usize::MAX`], if the memory is there for what can come in that time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures_lite::StreamExt;
    /// use untethered::sim::Sim;
    /// use untethered::stream::batches;
    /// use untethered::time::interval;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let ticks = interval(&rt, Duration::from_secs(1)).take(5); // at 0, 1, 2, 3, 4 seconds
    /// let lists = batches(ticks, 100).within(&rt, Duration::from_millis(2500));
    /// let lengths: Vec<_> = sim.block_on(lists.map(|list| list.len()).collect());
    /// assert_eq!(lengths, [3, 2]);
    /// ```
    pub fn within(mut self, rt: &Runtime, length: Duration) -> Self {
        self.wait = Some(Wait {
            length,
            sleep: Box::pin(rt.sleep(length)),
        });
        self
    }

    /// Takes out the list that is begun, and begins another; empty if none is.
    ///
    /// # Examples
    ///
    /// A writer that is cut off while it waits for a list to be full:
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::time::Duration;
    /// use futures_lite::{StreamExt, stream};
    /// use untethered::sim::Sim;
    /// use untethered::stream::batches;
    /// use untethered::time::timeout;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// sim.block_on(async {
    ///     let lines = stream::iter(["a", "b", "c"]).chain(stream::pending());
    ///     let mut lists = pin!(batches(lines, 2));
    ///     let mut written = Vec::new();
    ///     let drain = async {
    ///         while let Some(list) = lists.next().await {
    ///             written.push(list);
    ///         }
    ///     };
    ///     timeout(&rt, Duration::from_secs(5), drain).await.unwrap_err();
    ///     written.push(lists.as_mut().take_begun());
    ///     assert_eq!(written, [vec!["a", "b"], vec!["c"]]);
    /// });
    /// ```
    pub fn take_begun(self: Pin<&mut Self>) -> Vec<S::Item> {
        mem::take(self.project().items)
    }

    /// The stream below, unless it has ended, and the list that is begun.
    pub fn into_parts(self) -> (Option<S>, Vec<S::Item>) {
        (self.stream, self.items)
    }
}

impl<S: Stream> Stream for Batches<S> {
    type Item = Vec<S::Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        while let Some(stream) = this.stream.as_mut().as_pin_mut() {
            let item = if *this.spent < BUDGET {
                stream.poll_next(cx)
            } else {
                cx.waker().wake_by_ref();
                Poll::Pending
            };
            *this.spent += 1;
            match item {
                Poll::Ready(Some(item)) => {
                    if this.items.is_empty() {
                        if let Some(wait) = this.wait {
                            wait.sleep.as_mut().reset(wait.length);
                        }
                    }
                    this.items.push(item);
                    if this.items.len() >= this.size.get() {
                        return Poll::Ready(Some(mem::take(this.items)));
                    }
                }
                Poll::Ready(None) => this.stream.set(None),
                Poll::Pending => {
                    *this.spent = 0;
                    // Only now: what the stream has ready goes in before the time is looked at.
                    let late = match this.wait {
                        Some(wait) if !this.items.is_empty() => {
                            wait.sleep.as_mut().poll(cx).is_ready()
                        }
                        _ => false,
                    };
                    if late {
                        return Poll::Ready(Some(mem::take(this.items)));
                    }
                    return Poll::Pending;
                }
            }
        }
        let rest = mem::take(this.items);
        Poll::Ready((!rest.is_empty()).then_some(rest))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = match &self.stream {
            Some(stream) => stream.size_hint(),
            None => (0, Some(0)),
        };
        let held = self.items.len();
        let most = match self.wait {
            // Each may come alone.
            Some(_) => high.and_then(|high| high.checked_add(held)),
            None => high.and_then(|high| Some(high.checked_add(held)?.div_ceil(self.size.get()))),
        };
        (low.saturating_add(held).div_ceil(self.size.get()), most)
    }
}

impl<S: Stream> fmt::Debug for Batches<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("size", &self.size)
            .field("held", &self.items.len())
            .finish_non_exhaustive()
    }
}

/// Items of an iterator in lists of `size`. The last one may be shorter.
///
/// As [`batches`], without waiting.
///
/// # Panics
///
/// If `size` is nought.
///
/// # Examples
///
/// ```
/// use untethered::stream::chunks;
///
/// assert!(chunks(1..=5, 2).eq([vec![1, 2], vec![3, 4], vec![5]]));
/// ```
#[track_caller]
pub fn chunks<I: IntoIterator>(items: I, size: usize) -> Chunks<I::IntoIter> {
    Chunks {
        items: items.into_iter().fuse(),
        size: checked(size),
    }
}

/// The iterator of [`chunks`].
#[derive(Debug, Clone)]
pub struct Chunks<I> {
    items: Fuse<I>,
    size: NonZeroUsize,
}

impl<I: Iterator> Iterator for Chunks<I> {
    type Item = Vec<I::Item>;

    fn next(&mut self) -> Option<Vec<I::Item>> {
        let chunk: Vec<_> = self.items.by_ref().take(self.size.get()).collect();
        (!chunk.is_empty()).then_some(chunk)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = self.items.size_hint();
        let chunks = |items: usize| items.div_ceil(self.size.get());
        (chunks(low), high.map(chunks))
    }
}

/// How many of `jobs` go in a batch, so that each of `workers` has one.
///
/// The even share, rounded to the nearest and from the middle to the even number, and kept in
/// `bounds`. Where the bounds cross each other the lower one wins. Never nought.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use untethered::stream::batch_size;
///
/// let workers = NonZeroUsize::new(4).unwrap();
/// assert_eq!(batch_size(100, workers, ..), 25);
/// assert_eq!(batch_size(100, workers, ..=10), 10);
/// assert_eq!(batch_size(100, workers, 40..=10), 40);
/// assert_eq!(batch_size(1, workers, ..), 1);
/// ```
pub fn batch_size(jobs: usize, workers: NonZeroUsize, bounds: impl RangeBounds<usize>) -> usize {
    let share = jobs / workers;
    let rest = jobs % workers;
    let up = match rest.cmp(&(workers.get() - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => share % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    let min = match bounds.start_bound() {
        Bound::Included(&min) => min,
        Bound::Excluded(&min) => min.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let max = match bounds.end_bound() {
        Bound::Included(&max) => max,
        Bound::Excluded(&max) => max.saturating_sub(1),
        Bound::Unbounded => usize::MAX,
    };
    (share + usize::from(up)).min(max).max(min).max(1)
}
