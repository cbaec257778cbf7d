use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::runtime::{Runtime, Sleep};

/// Limits how long `future` may take, counted from this call.
///
/// Gives its output, or [`Elapsed`]. The future is polled before the clock is looked at: what is
/// ready is never lost to the limit, not even to one of nought. [`Duration::MAX`] is no limit.
///
/// Awaited by value, an unfinished future is dropped before [`Elapsed`] is seen. To keep it, pin
/// the [`Timeout`] and [`reset`](Timeout::reset) it, or limit a pinned reference.
///
/// # Cancel safety
///
/// As `future`: dropping the timeout drops it.
///
/// # Errors
///
/// [`Elapsed`] if the time was over before `future` was done.
///
/// # Examples
///
/// ```
/// use std::pin::pin;
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::timeout;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// sim.block_on(async {
///     let mut work = pin!(async {
///         rt.sleep(Duration::from_secs(3)).await;
///         "done"
///     });
///     let second = Duration::from_secs(1);
///     // Not done yet, but nothing is lost: the same work goes on under the next limit.
///     assert!(timeout(&rt, second, work.as_mut()).await.is_err());
///     assert_eq!(timeout(&rt, 5 * second, work).await.unwrap(), "done");
/// });
/// ```
pub fn timeout<F: IntoFuture>(
    rt: &Runtime,
    duration: Duration,
    future: F,
) -> Timeout<F::IntoFuture> {
    Timeout {
        future: Some(future.into_future()),
        sleep: rt.sleep(duration),
        limit: Limit::Duration(duration),
        name: None,
    }
}

/// Limits `future` to be done at `deadline`.
///
/// As [`timeout`]. With a deadline that has passed, `future` is polled once.
///
/// # Errors
///
/// [`Elapsed`] if the deadline had passed before `future` was done.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::timeout_at;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let deadline = rt.now() + Duration::from_secs(1);
/// sim.block_on(async {
///     for _ in 0..10 {
///         timeout_at(&rt, deadline, async {}).await.unwrap();
///     }
///     let error = timeout_at(&rt, deadline, std::future::pending::<()>()).await.unwrap_err();
///     assert_eq!(error.deadline(), Some(deadline));
/// });
/// ```
pub fn timeout_at<F: IntoFuture>(
    rt: &Runtime,
    deadline: Instant,
    future: F,
) -> Timeout<F::IntoFuture> {
    Timeout {
        future: Some(future.into_future()),
        sleep: rt.sleep_until(deadline),
        limit: Limit::Deadline(deadline),
        name: None,
    }
}

/// Runs `future` for at most `duration`, and goes on without its output if it is not done then.
///
/// As [`timeout`], for when being late is no error. Only its own limit gives `None`: a time-out
/// inside of `future` is its output.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::move_on_after;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// sim.block_on(async {
///     let quick = move_on_after(&rt, Duration::from_secs(1), async { 7 }).await;
///     let slow = move_on_after(&rt, Duration::from_secs(1), std::future::pending::<u8>()).await;
///     assert_eq!((quick, slow), (Some(7), None));
/// });
/// ```
pub fn move_on_after<F: IntoFuture>(
    rt: &Runtime,
    duration: Duration,
    future: F,
) -> MoveOnAfter<F::IntoFuture> {
    MoveOnAfter {
        timeout: timeout(rt, duration, future),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    ///
    /// After [`Elapsed`] it still has its future, and can be [`reset`](Self::reset) and awaited
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::time::Duration;
    /// use untethered::sim::Sim;
    /// use untethered::time::timeout;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// sim.block_on(async {
    ///     let second = Duration::from_secs(1);
    ///     let mut work = pin!(timeout(&rt, second, rt.sleep(3 * second)));
    ///     let mut patience = 0;
    ///     while work.as_mut().await.is_err() {
    ///         patience += 1;
    ///         work.as_mut().reset(second);
    ///     }
    ///     assert_eq!(patience, 2);
    /// });
    /// ```
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        // `None` once it is done.
        #[pin]
        future: Option<F>,
        #[pin]
        sleep: Sleep,
        limit: Limit,
        name: Option<&'static str>,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Duration(Duration),
    Deadline(Instant),
}

impl<F> Timeout<F> {
    /// Gives the limit a name, which [`Elapsed`] then tells.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets a new limit, counted from this call, before or after the old one was over.
    pub fn reset(self: Pin<&mut Self>, duration: Duration) {
        let this = self.project();
        this.sleep.reset(duration);
        *this.limit = Limit::Duration(duration);
    }

    /// Sets a new deadline, before or after the old one has passed.
    pub fn reset_at(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.sleep.reset_at(deadline);
        *this.limit = Limit::Deadline(deadline);
    }

    /// When the time is over. `None` if that lies beyond what the clock can say.
    pub fn deadline(&self) -> Option<Instant> {
        self.sleep.deadline()
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    /// # Panics
    ///
    /// If polled again after it gave the output of its future.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("a timeout was polled after its future was done");
        if let Poll::Ready(output) = future.poll(cx) {
            this.future.set(None);
            return Poll::Ready(Ok(output));
        }
        std::task::ready!(this.sleep.poll(cx));
        Poll::Ready(Err(Elapsed {
            limit: *this.limit,
            name: *this.name,
        }))
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("limit", &self.limit)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`move_on_after`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future inside and its timer.
    #[must_use = "futures do nothing unless awaited"]
    pub struct MoveOnAfter<F> {
        #[pin]
        timeout: Timeout<F>,
    }
}

impl<F: Future> Future for MoveOnAfter<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().timeout.poll(cx).map(Result::ok)
    }
}

impl<F> fmt::Debug for MoveOnAfter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveOnAfter")
            .field("limit", &self.timeout.limit)
            .finish_non_exhaustive()
    }
}

/// The time was over before the work was done. Says which limit it was.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::timeout;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let limit = Duration::from_millis(200);
/// let work = timeout(&rt, limit, std::future::pending::<()>()).named("connect");
/// let error = sim.block_on(work).unwrap_err();
/// assert_eq!(error.to_string(), "connect: not done within 200ms");
/// assert_eq!((error.name(), error.duration()), (Some("connect"), Some(limit)));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Elapsed {
    limit: Limit,
    name: Option<&'static str>,
}

impl Elapsed {
    /// The limit, if it was one of [`timeout`].
    pub fn duration(&self) -> Option<Duration> {
        match self.limit {
            Limit::Duration(duration) => Some(duration),
            Limit::Deadline(_) => None,
        }
    }

    /// The limit, if it was one of [`timeout_at`].
    pub fn deadline(&self) -> Option<Instant> {
        match self.limit {
            Limit::Duration(_) => None,
            Limit::Deadline(deadline) => Some(deadline),
        }
    }

    /// The name of the limit, if it was given one.
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }
}

impl fmt::Debug for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Elapsed").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name {
            write!(f, "{name}: ")?;
        }
        match self.limit {
            Limit::Duration(duration) => write!(f, "not done within {duration:?}"),
            Limit::Deadline(_) => f.write_str("not done at the deadline"),
        }
    }
}

impl std::error::Error for Elapsed {}
