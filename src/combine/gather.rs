use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::IntoEntrants;
use super::as_completed::{AsCompleted, as_completed};
use super::quorum::Fallible;
use crate::runtime::{Runtime, Sleep};
use crate::set::BUDGET;

/// Waits for all of several futures. Gives their outputs in input order.
///
/// All run at once, or as many as [`limit`](Gather::limit) says. Errors are outputs like any
/// other: nobody is stopped by them. With a [`deadline`](Gather::deadline) it gives what is done
/// by then. No futures give an empty list.
///
/// # Cancel safety
///
/// Dropping it drops all futures and the outputs that have come.
/// [`as_completed`](super::as_completed) hands each one over as it comes.
///
/// # Examples
///
/// ```
/// use untethered::combine::gather;
///
/// # futures_lite::future::block_on(async {
/// let lengths = gather(["one", "three"].map(|word| async move { word.len() })).limit(8).await;
/// assert_eq!(lengths, [3, 5]);
/// # });
/// ```
pub fn gather<E, Kind>(entrants: E) -> Gather<E::Entrants>
where
    E: IntoEntrants<Kind>,
{
    Gather {
        gathering: Gathering::new(entrants),
    }
}

/// Waits for all of several futures to succeed. Gives their values in input order.
///
/// As [`gather`], but the first error ends it: all others are dropped before it is seen.
///
/// # Errors
///
/// The first error, with the index of its future.
///
/// # Examples
///
/// ```
/// use untethered::combine::try_gather;
///
/// # futures_lite::future::block_on(async {
/// let parse = |text: &'static str| async move { text.parse::<u8>() };
/// assert_eq!(try_gather(["1", "2"].map(parse)).await.unwrap(), [1, 2]);
/// let (index, _error) = try_gather(["1", "x", "3"].map(parse)).await.unwrap_err();
/// assert_eq!(index, 1);
/// # });
/// ```
pub fn try_gather<E, Kind>(entrants: E) -> TryGather<E::Entrants>
where
    E: IntoEntrants<Kind>,
    E::Future: Fallible,
{
    TryGather {
        gathering: Gathering::new(entrants),
    }
}

/// Steps of both futures, and of both when they have a deadline.
macro_rules! steps {
    ($name:ident, $until:ident, $bound:ident) => {
        impl<I> $name<I>
        where
            I: Iterator,
            I::Item: $bound,
        {
            /// Lets at most `limit` futures run at once. The others are taken from the iterator
            /// as places become free.
            ///
            /// # Panics
            ///
            /// If `limit` is nought. For a number that comes from outside take
            /// [`limit_nonzero`](Self::limit_nonzero).
            #[track_caller]
            pub fn limit(self, limit: usize) -> Self {
                let limit = NonZeroUsize::new(limit);
                self.limit_nonzero(
                    limit.expect("a limit of nought lets nothing run: give one or more"),
                )
            }

            /// As [`limit`](Self::limit), for a number that was checked already.
            pub fn limit_nonzero(mut self, limit: NonZeroUsize) -> Self {
                self.gathering.set_limit(limit);
                self
            }

            /// Gives what is done at `deadline`, with `None` in the places of what is not. That is
            /// dropped before.
            ///
            /// There is a place for every future that the input says it has, so that arrays,
            /// vectors and the like always give as many as they had. Of an input that does not
            /// say how many it has at most, the list ends with the last that is done.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::time::Duration;
            /// use untethered::combine::gather;
            /// use untethered::sim::Sim;
            ///
            /// let sim = Sim::new();
            /// let rt = sim.runtime();
            /// let jobs = [1, 60, 2].map(|seconds| rt.sleep(Duration::from_secs(seconds)));
            /// let done = sim.block_on(gather(jobs).timeout(&rt, Duration::from_secs(10)));
            /// assert_eq!(done, [Some(()), None, Some(())]);
            /// ```
            pub fn deadline(self, rt: &Runtime, deadline: Instant) -> $until<I> {
                $until {
                    gathering: self.gathering,
                    sleep: rt.sleep_until(deadline),
                }
            }

            /// As [`deadline`](Self::deadline), counted from this call.
            pub fn timeout(self, rt: &Runtime, duration: Duration) -> $until<I> {
                $until {
                    gathering: self.gathering,
                    sleep: rt.sleep(duration),
                }
            }
        }

        impl<I> fmt::Debug for $name<I>
        where
            I: Iterator,
            I::Item: $bound,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl<I> fmt::Debug for $until<I>
        where
            I: Iterator,
            I::Item: $bound,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($until))
                    .field("sleep", &self.sleep)
                    .finish_non_exhaustive()
            }
        }
    };
}

pin_project! {
    /// The future of [`gather`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Gather<I>
    where
        I: Iterator,
        I::Item: Future,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Future>::Output>,
    }
}

pin_project! {
    /// The future of [`gather`] with a deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all futures, and the outputs that were there.
    #[must_use = "futures do nothing unless awaited"]
    pub struct GatherUntil<I>
    where
        I: Iterator,
        I::Item: Future,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Future>::Output>,
        #[pin]
        sleep: Sleep,
    }
}

pin_project! {
    /// The future of [`try_gather`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all futures, and the outputs that were there.
    #[must_use = "futures do nothing unless awaited"]
    pub struct TryGather<I>
    where
        I: Iterator,
        I::Item: Fallible,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Fallible>::Ok>,
    }
}

pin_project! {
    /// The future of [`try_gather`] with a deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all futures, and the outputs that were there.
    #[must_use = "futures do nothing unless awaited"]
    pub struct TryGatherUntil<I>
    where
        I: Iterator,
        I::Item: Fallible,
    {
        #[pin]
        gathering: Gathering<I, <I::Item as Fallible>::Ok>,
        #[pin]
        sleep: Sleep,
    }
}

steps!(Gather, GatherUntil, Future);
steps!(TryGather, TryGatherUntil, Fallible);

impl<I> Future for Gather<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Output = Vec<<I::Item as Future>::Output>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gathering = self.project().gathering;
        ready!(gathering.poll(cx, Ok))
            .map(unwrap_all)
            .map_or_else(never, Poll::Ready)
    }
}

impl<I> Future for GatherUntil<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Output = Vec<Option<<I::Item as Future>::Output>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        ready!(this.gathering.poll_until(cx, this.sleep, Ok)).map_or_else(never, Poll::Ready)
    }
}

impl<I> Future for TryGather<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    type Output = Result<Vec<<I::Item as Fallible>::Ok>, (usize, <I::Item as Fallible>::Error)>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gathering = self.project().gathering;
        Poll::Ready(ready!(gathering.poll(cx, |output| output)).map(unwrap_all))
    }
}

impl<I> Future for TryGatherUntil<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    type Output =
        Result<Vec<Option<<I::Item as Fallible>::Ok>>, (usize, <I::Item as Fallible>::Error)>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.gathering.poll_until(cx, this.sleep, |output| output)
    }
}

fn unwrap_all<T>(outputs: Vec<Option<T>>) -> Vec<T> {
    let all = outputs.into_iter();
    all.map(|output| output.expect("all are done when their stream has ended"))
        .collect()
}

fn never<T>((_, error): (usize, Infallible)) -> T {
    match error {}
}

pin_project! {
    /// Futures whose values are put in order.
    struct Gathering<I, T>
    where
        I: Iterator,
        I::Item: Future,
    {
        // `None` once it is over.
        #[pin]
        outputs: Option<AsCompleted<I>>,
        values: Vec<Option<T>>,
        limit: NonZeroUsize,
        // How many futures the input said it has; nought if it set no bound.
        expected: usize,
    }
}

/// The values, or the first error with its index.
type Gathered<T, E> = Poll<Result<Vec<Option<T>>, (usize, E)>>;

impl<I, T> Gathering<I, T>
where
    I: Iterator,
    I::Item: Future,
{
    fn new<Kind>(entrants: impl IntoEntrants<Kind, Entrants = I, Future = I::Item>) -> Self {
        let outputs = as_completed(entrants);
        let (least, most) = outputs.size_hint();
        Self {
            // An endless input says that it has as many as can be counted.
            expected: most.map_or(0, |_| least),
            outputs: Some(outputs),
            values: Vec::new(),
            limit: NonZeroUsize::MAX,
        }
    }

    fn set_limit(&mut self, limit: NonZeroUsize) {
        self.limit = limit;
        self.outputs = self
            .outputs
            .take()
            .map(|outputs| outputs.limit_nonzero(limit));
    }

    /// Until all are done, or one is not to be had.
    fn poll<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut sort: impl FnMut(<I::Item as Future>::Output) -> Result<T, E>,
    ) -> Gathered<T, E> {
        let mut this = self.project();
        let outputs = this.outputs.as_mut().as_pin_mut();
        let mut outputs = outputs.expect("polled after it was ready");
        while let Some((index, output)) = ready!(outputs.as_mut().poll_next(cx)) {
            match sort(output) {
                Ok(value) => {
                    if index >= this.values.len() {
                        this.values.resize_with(index + 1, || None);
                    }
                    this.values[index] = Some(value);
                }
                Err(error) => {
                    this.outputs.set(None);
                    this.values.clear();
                    return Poll::Ready(Err((index, error)));
                }
            }
        }
        this.outputs.set(None);
        Poll::Ready(Ok(mem::take(this.values)))
    }

    /// As [`poll`](Self::poll), or until the sleep is over. What is ready by then is taken first.
    fn poll_until<E>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sleep: Pin<&mut Sleep>,
        mut sort: impl FnMut(<I::Item as Future>::Output) -> Result<T, E>,
    ) -> Gathered<T, E> {
        if let Poll::Ready(result) = self.as_mut().poll(cx, &mut sort) {
            return Poll::Ready(result);
        }
        ready!(sleep.poll(cx));
        // One poll may stop before everybody who was woken had a turn.
        let left = self.outputs.as_ref().map_or(0, |outputs| {
            match outputs.size_hint() {
                (least, Some(_)) => least,
                // More than those that run may be without end.
                (_, None) => outputs.running(),
            }
        });
        for _ in 0..self.limit.get().min(left).div_ceil(BUDGET) {
            if let Poll::Ready(result) = self.as_mut().poll(cx, &mut sort) {
                return Poll::Ready(result);
            }
        }
        let mut this = self.project();
        this.outputs.set(None);
        let mut values = mem::take(this.values);
        if values.len() < *this.expected {
            values.resize_with(*this.expected, || None);
        }
        Poll::Ready(Ok(values))
    }
}
