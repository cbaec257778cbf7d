//! What [`gather`](super::gather()) and [`try_gather`](super::try_gather()) share.

use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::combine::IntoEntrants;
use crate::combine::as_completed::{AsCompleted, as_completed};
use crate::runtime::Sleep;
use crate::set::BUDGET;

pin_project! {
    /// Futures whose values are put in order.
    pub(super) struct Gathering<I, T>
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
pub(super) type Gathered<T, E> = Poll<Result<Vec<Option<T>>, (usize, E)>>;

impl<I, T> Gathering<I, T>
where
    I: Iterator,
    I::Item: Future,
{
    pub(super) fn new<Kind>(
        entrants: impl IntoEntrants<Kind, Entrants = I, Future = I::Item>,
    ) -> Self {
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

    pub(super) fn set_limit(&mut self, limit: NonZeroUsize) {
        self.limit = limit;
        self.outputs = self
            .outputs
            .take()
            .map(|outputs| outputs.limit_nonzero(limit));
    }

    /// Until all are done, or one is not to be had.
    pub(super) fn poll<E>(
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
    pub(super) fn poll_until<E>(
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

/// Of a run that was not cut short.
pub(super) fn unwrap_all<T>(outputs: Vec<Option<T>>) -> Vec<T> {
    let all = outputs.into_iter();
    all.map(|output| output.expect("all are done when their stream has ended"))
        .collect()
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

pub(super) use steps;
