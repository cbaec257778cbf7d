use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::run::{Run, poll_collect};
use super::{Every, FailFast, IntoSource, Mode, OnRuntime, Source};
use crate::runtime::Runtime;

/// Runs the futures of `source`, so many at a time, and gives every output.
///
/// Errors are outputs like any other. The result is a stream, and a future of the list: see
/// [`Concurrent`] for how it runs, and what a slow consumer does to it.
///
/// # Examples
///
/// ```
/// use untethered::concurrent;
///
/// async fn length(word: &str) -> usize {
///     word.len()
/// }
///
/// # futures_lite::future::block_on(async {
/// let lengths = concurrent(["a", "bc", "def"].map(length)).limit(2).ordered().await;
/// assert_eq!(lengths, [1, 2, 3]);
/// # });
/// ```
pub fn concurrent<S>(source: S) -> Concurrent<S::Source>
where
    S: IntoSource,
    S::Source: Source<Error = Infallible>,
{
    Concurrent::new(source.into_source())
}

/// Runs the futures of `source`, so many at a time, until the first error.
///
/// The error is the last item of the stream: a [`ConcurrentError`](super::ConcurrentError) that
/// tells an error of the source from one of a task. Results that were there before it are
/// delivered first; whatever still runs is dropped, and the source with it, before the error is
/// given. In input order, results behind one that is missing are dropped too.
///
/// For errors of the source alone, have the futures answer `Ok::<_, Infallible>(output)`.
///
/// # Examples
///
/// ```
/// use untethered::try_concurrent;
///
/// # futures_lite::future::block_on(async {
/// let numbers = ["1", "2", "3"].map(|text| async move { text.parse::<i32>() });
/// assert_eq!(try_concurrent(numbers).ordered().await.unwrap(), [1, 2, 3]);
///
/// let numbers = ["1", "x", "3"].map(|text| async move { text.parse::<i32>() });
/// let error = try_concurrent(numbers).await.unwrap_err();
/// assert_eq!(error.to_string(), "task 1 failed");
/// # });
/// ```
pub fn try_concurrent<S, T, E>(source: S) -> Concurrent<S::Source, FailFast>
where
    S: IntoSource,
    <S::Source as Source>::Future: Future<Output = Result<T, E>>,
{
    Concurrent::new(source.into_source())
}

pin_project! {
    /// A limited number of futures at a time. From [`concurrent`] and [`try_concurrent`].
    ///
    /// A stream of outputs in completion order, or in input order with [`ordered`](Self::ordered);
    /// also a future of the list: `let outputs = concurrent(jobs).limit(8).await`.
    ///
    /// * At most [`limit`](Self::limit) futures run at once; by default 4 more than the machine
    ///   has cores, and never more than 32.
    /// * Nothing is taken from the source before the first poll. From then on it is asked only
    ///   when a place is free and everybody who was woken has been polled and delivered.
    ///   It may be endless, and it may wait: what runs goes on meanwhile.
    /// * Dropping it drops the futures that run and the source. Nothing is left behind.
    /// * After 128 polls of futures in a row it gives way to the rest of its task's thread, even
    ///   if more is ready.
    /// * A panic in a future goes on in the consumer, once all others have been dropped. The
    ///   stream is over then.
    ///
    /// # Slow consumers
    ///
    /// **The futures run only while this is polled.** A loop that awaits something else between
    /// two items lets all of them stand still meanwhile, also those that only had to answer to a
    /// server before it loses its patience. Then take one of these:
    ///
    /// * [`for_each`](Self::for_each) runs the futures while the handler of an item waits;
    /// * [`on`](Self::on) runs them on a runtime, whatever the consumer does;
    /// * let the futures do the slow part themselves.
    ///
    /// # Cancel safety
    ///
    /// `next()` on the stream is cancel safe: dropping it leaves every future and every output in
    /// the stream. The future of the list is not: what it has collected is dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::StreamExt;
    /// use untethered::concurrent;
    ///
    /// # futures_lite::future::block_on(async {
    /// let mut outputs = concurrent((0..).map(|n| async move { n * 2 })).limit(3);
    /// assert!(outputs.next().await.is_some());
    /// // Endless as its source is, the rest never runs.
    /// drop(outputs);
    /// # });
    /// ```
    #[must_use = "nothing runs unless it is polled or awaited"]
    pub struct Concurrent<S: Source, M: Mode<S> = Every> {
        #[pin]
        run: Run<S, M>,
    }
}

impl<S: Source, M: Mode<S>> Concurrent<S, M> {
    pub(super) fn new(source: S) -> Self {
        Self {
            run: Run::new(source, default_limit()),
        }
    }

    /// Lets at most `limit` futures run at once.
    ///
    /// # Panics
    ///
    /// If `limit` is nought: nothing could ever run. For a number that comes from outside take
    /// [`limit_nonzero`](Self::limit_nonzero).
    #[track_caller]
    pub fn limit(self, limit: usize) -> Self {
        self.limit_nonzero(
            NonZeroUsize::new(limit).expect("a limit of nought lets nothing run: give one or more"),
        )
    }

    /// As [`limit`](Self::limit), for a number that was checked already.
    pub fn limit_nonzero(mut self, limit: NonZeroUsize) -> Self {
        self.run.set_limit(limit);
        self
    }

    /// Lets all futures of the source run at once. An endless source then takes all memory.
    pub fn unlimited(self) -> Self {
        self.limit_nonzero(NonZeroUsize::MAX)
    }

    /// Gives outputs in the order of the source.
    ///
    /// Outputs that wait for their turn count against the limit: one slow future stops the others
    /// once so many are done, and no more than that are ever kept.
    ///
    /// # Panics
    ///
    /// If it has been polled already.
    #[track_caller]
    pub fn ordered(mut self) -> Self {
        assert!(
            !self.run.is_polled(),
            "the order of outputs must be chosen before the first is asked for"
        );
        self.run.set_ordered();
        self
    }

    /// Runs the futures on `runtime`, whether the stream is polled or not.
    ///
    /// The result gives the same as this one. See [`OnRuntime`] for the differences. Limit and
    /// order may be set before it or after it; what handles or collects the outputs of this one does not
    /// come after it: that is a stream like any other.
    ///
    /// # Panics
    ///
    /// If it has been polled already.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] {
    /// use untethered::{concurrent, runtime};
    ///
    /// let rt = runtime::threads(2);
    /// let squares = concurrent((1..=4).map(|n| async move { n * n })).ordered().on(&rt);
    /// let squares = futures_lite::future::block_on(squares.into_future());
    /// assert_eq!(squares, [1, 4, 9, 16]);
    ///
    /// // What runs there borrows nothing: each future has a clone of its own.
    /// let own = rt.clone();
    /// let hash = move |n: u64| {
    ///     let rt = own.clone();
    ///     async move { rt.spawn_blocking(move || n.wrapping_mul(31)).await }
    /// };
    /// let hashes = concurrent((1..=2).map(hash)).ordered().on(&rt);
    /// let hashes = futures_lite::future::block_on(hashes.into_future());
    /// assert_eq!(hashes.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [31, 62]);
    /// # }
    /// ```
    #[track_caller]
    pub fn on(self, runtime: &Runtime) -> OnRuntime<S, M>
    where
        S: Send + 'static,
        S::Future: Send + 'static,
        M: 'static,
        M::Value: Send + 'static,
        M::Failure: Send + 'static,
    {
        assert!(
            !self.run.is_polled(),
            "where the futures run must be chosen before the first output is asked for"
        );
        let (limit, ordered) = (self.run.limit(), self.run.is_ordered());
        let source = self.run.into_source();
        let source = source.expect("what was never polled has its source");
        OnRuntime::new(source, runtime, limit, ordered)
    }

    /// Hands every value to `handler`, one after the other, and runs the futures meanwhile.
    ///
    /// While the handler of one value waits, the futures are polled; values that are done by then
    /// wait in a list and count against the limit. After a failure the values that came before
    /// it are handled, then it is returned.
    ///
    /// The handler is called as `|value| async move { .. }`; what it captures by reference must
    /// be a reference already, for the future to be able to keep it.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping it drops the futures, the values that wait and the handler's
    /// future.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use untethered::concurrent;
    ///
    /// # futures_lite::future::block_on(async {
    /// let sum = &Cell::new(0);
    /// let jobs = (1..=10).map(|n| async move { n });
    /// concurrent(jobs).for_each(|n| async move { sum.set(sum.get() + n) }).await;
    /// assert_eq!(sum.get(), 55);
    /// # });
    /// ```
    pub async fn for_each<H, F>(self, mut handler: H) -> M::Outcome<()>
    where
        H: FnMut(M::Value) -> F,
        F: Future<Output = ()>,
    {
        let mut run = pin!(self.run);
        let mut values = VecDeque::new();
        let mut end = None;
        loop {
            let value = match values.pop_front() {
                Some(value) => value,
                None if end.is_some() => break,
                None => match poll_fn(|cx| run.as_mut().poll_value(cx)).await {
                    Some(Ok(value)) => value,
                    Some(Err(failure)) => return M::outcome(Err(failure)),
                    None => break,
                },
            };
            let mut handling = pin!(handler(value));
            poll_fn(|cx| {
                ready_or(handling.as_mut().poll(cx), || {
                    while end.is_none() {
                        run.as_mut().set_held(values.len());
                        match run.as_mut().poll_value(cx) {
                            Poll::Ready(Some(Ok(value))) => values.push_back(value),
                            Poll::Ready(Some(Err(failure))) => end = Some(Err(failure)),
                            Poll::Ready(None) => end = Some(Ok(())),
                            Poll::Pending => break,
                        }
                    }
                })
            })
            .await;
            run.as_mut().set_held(values.len());
        }
        M::outcome(end.unwrap_or(Ok(())))
    }
}

/// Does something else unless `poll` is ready.
fn ready_or(poll: Poll<()>, otherwise: impl FnOnce()) -> Poll<()> {
    if poll.is_pending() {
        otherwise();
    }
    poll
}

impl<S: Source, M: Mode<S>> Stream for Concurrent<S, M> {
    type Item = M::Outcome<M::Value>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let value = ready!(self.project().run.poll_value(cx));
        Poll::Ready(value.map(M::outcome))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = self.run.size_hint();
        (M::fewest(low), high)
    }
}

impl<S: Source, M: Mode<S>> FusedStream for Concurrent<S, M> {
    fn is_terminated(&self) -> bool {
        self.run.is_over()
    }
}

impl<S: Source, M: Mode<S>> IntoFuture for Concurrent<S, M> {
    type Output = M::Outcome<Vec<M::Value>>;
    type IntoFuture = Collect<S, M>;

    fn into_future(self) -> Collect<S, M> {
        Collect {
            run: self.run,
            values: Some(Vec::new()),
        }
    }
}

impl<S: Source, M: Mode<S>> fmt::Debug for Concurrent<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrent")
            .field("limit", &self.run.limit())
            .field("ordered", &self.run.is_ordered())
            .field("running", &self.run.running())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of a [`Concurrent`]: all values, or what ended the run.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all futures under way, and the values so far.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Collect<S: Source, M: Mode<S> = Every> {
        #[pin]
        run: Run<S, M>,
        // `None` once given away.
        values: Option<Vec<M::Value>>,
    }
}

impl<S: Source, M: Mode<S>> Future for Collect<S, M> {
    type Output = M::Outcome<Vec<M::Value>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        poll_collect::<S, M>(this.values, || this.run.as_mut().poll_value(cx))
    }
}

impl<S: Source, M: Mode<S>> fmt::Debug for Collect<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collect").finish_non_exhaustive()
    }
}

/// 4 more than there are cores, at most 32. Cores that can not be counted are none.
fn default_limit() -> NonZeroUsize {
    // Asked once: on Linux the answer is read from files.
    static LIMIT: OnceLock<NonZeroUsize> = OnceLock::new();
    *LIMIT.get_or_init(|| limit_for(available_parallelism().map_or(0, NonZeroUsize::get)))
}

fn limit_for(cores: usize) -> NonZeroUsize {
    NonZeroUsize::new(cores.saturating_add(4).min(32)).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::limit_for;

    #[test]
    fn default_limits() {
        let limits = [0, 1, 2, 4, 28, 73, usize::MAX].map(|cores| limit_for(cores).get());
        assert_eq!(limits, [4, 5, 6, 8, 32, 32, 32]);
    }
}
