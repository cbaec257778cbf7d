use std::fmt;
use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::IntoEntrants;
use super::grace::Grace;
use super::quorum::{Fallible, Tolerate};
use super::race_ok::{Failures, Success};
use crate::runtime::{Runtime, Sleep};
use crate::set::{Set, Turn};
use crate::sync::{AcquireOwned, Limit, OwnedPermit};
use crate::task::{CancellationToken, discard, or_clear};

/// Tries again beside an attempt that is slow, and gives the first success.
///
/// Attempts are taken from `attempts` one by one: the first at once, the next whenever the last
/// one was started `delay` ago, and at once when one fails. The first success is given; the other
/// attempts are dropped before it is seen. An iterator makes each attempt only when it starts.
///
/// The load stays bounded: at most two attempts run at once, or as many as
/// [`limit`](Hedge::limit) says, and [`extra`](Hedge::extra) bounds the attempts beside the first
/// over all calls of a program.
///
/// A panic of an attempt goes on once all others have been dropped.
///
/// # Cancel safety
///
/// Dropping it drops all attempts.
///
/// # Errors
///
/// [`Failures`] if all attempts have failed, if one failed in a way that is not
/// [tolerated](Hedge::tolerate), or if there was none.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::combine::hedge;
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// // The first server takes a minute, the second a second.
/// let ask = |server: usize| {
///     let answer = rt.sleep(Duration::from_secs([60, 1][server]));
///     async move {
///         answer.await;
///         Ok::<_, String>(server)
///     }
/// };
/// let won = sim.block_on(hedge(&rt, Duration::from_secs(2), (0..2).map(ask))).unwrap();
/// assert_eq!((won.value, sim.elapsed().as_secs()), (1, 3));
/// ```
pub fn hedge<E, Kind>(rt: &Runtime, delay: Duration, attempts: E) -> Hedge<E::Entrants>
where
    E: IntoEntrants<Kind>,
    E::Future: Fallible,
{
    Hedge {
        attempts: Some(attempts.into_entrants()),
        running: Set::new(),
        delay,
        next: rt.sleep(Duration::ZERO),
        limit: DEFAULT_LIMIT,
        started: 0,
        extra: None,
        permit: None,
        permits: Vec::new(),
        failures: Vec::new(),
        tolerate: None,
        grace: None,
        outcome: None,
        over: false,
    }
}

const DEFAULT_LIMIT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

pin_project! {
    /// The future of [`hedge`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Hedge<I>
    where
        I: Iterator,
        I::Item: Fallible,
    {
        // Not pinned: an iterator is called by reference. `None` once it has ended.
        attempts: Option<I>,
        running: Set<I::Item>,
        delay: Duration,
        // When the next attempt is due.
        #[pin]
        next: Sleep,
        limit: NonZeroUsize,
        started: usize,
        extra: Option<Limit>,
        // The wait for a slot of `extra`.
        permit: Option<AcquireOwned>,
        // Of attempts that were started beside others, by index.
        permits: Vec<(usize, OwnedPermit)>,
        failures: Vec<(usize, <I::Item as Fallible>::Error)>,
        tolerate: Option<Box<Tolerate<<I::Item as Fallible>::Error>>>,
        grace: Option<Box<Grace>>,
        // Waits for the grace to be over.
        outcome: Option<Outcome<I>>,
        over: bool,
    }
}

impl<I> Hedge<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    /// Lets at most `limit` attempts run at once. 2 by default.
    ///
    /// # Panics
    ///
    /// If `limit` is nought. For a number that comes from outside take
    /// [`limit_nonzero`](Self::limit_nonzero).
    #[track_caller]
    pub fn limit(self, limit: usize) -> Self {
        self.limit_nonzero(
            NonZeroUsize::new(limit).expect("a limit of nought lets nothing run: give one or more"),
        )
    }

    /// As [`limit`](Self::limit), for a number that was checked already.
    pub fn limit_nonzero(mut self, limit: NonZeroUsize) -> Self {
        self.limit = limit;
        self
    }

    /// Starts an attempt beside others only if `limit` has a slot free, which it then holds as
    /// long as it runs. Share the limit to bound the extra load of all calls together.
    ///
    /// An attempt that is due while none is free waits for one; if the one before it fails
    /// meanwhile it starts without.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use untethered::combine::hedge;
    /// use untethered::sim::Sim;
    /// use untethered::sync::Limit;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let extra = Limit::new(1);
    /// let elsewhere = extra.try_acquire();
    /// let ask = |server: usize| {
    ///     let answer = rt.sleep(Duration::from_secs([60, 1][server]));
    ///     async move {
    ///         answer.await;
    ///         Ok::<_, String>(server)
    ///     }
    /// };
    /// let won = sim.block_on(hedge(&rt, Duration::from_secs(2), (0..2).map(ask)).extra(&extra));
    /// assert_eq!(won.unwrap().value, 0); // nothing could be started beside it
    /// # drop(elsewhere);
    /// ```
    pub fn extra(mut self, limit: &Limit) -> Self {
        self.extra = Some(limit.clone());
        self
    }

    /// Ends at the first failure that `tolerate` does not let pass. By default it goes on after
    /// any.
    pub fn tolerate(
        mut self,
        tolerate: impl FnMut(&<I::Item as Fallible>::Error) -> bool + Send + 'static,
    ) -> Self {
        self.tolerate = Some(Box::new(tolerate));
        self
    }

    /// Asks the other attempts to stop before they are dropped: see
    /// [`Race::grace`](super::Race::grace).
    pub fn grace(mut self, rt: &Runtime, length: Duration, token: &CancellationToken) -> Self {
        self.grace = Some(Box::new(Grace::new(rt, length, token)));
        self
    }

    /// The first success, or that there is none. What still runs is for the caller to drop.
    fn poll_outcome(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<I>> {
        let mut this = self.project();
        this.running.begin();
        loop {
            let (index, result) = match this.running.poll_woken() {
                Turn::Output(index, result) => (index, result),
                Turn::GiveWay => {
                    this.running.give_way(cx);
                    return Poll::Pending;
                }
                Turn::Over => {
                    // From here on everybody who was woken has been polled.
                    if this.running.len() >= this.limit.get() {
                        break;
                    }
                    // No slot is asked for and no time waited for on behalf of nobody.
                    if this.running.len() > 0 && none_left(this.attempts) {
                        break;
                    }
                    if this.next.as_mut().poll(cx).is_pending() {
                        break;
                    }
                    let permit = match this.extra {
                        Some(extra) if this.running.len() > 0 => {
                            let wait = this.permit.get_or_insert_with(|| extra.acquire_owned());
                            match Pin::new(wait).poll(cx) {
                                Poll::Ready(permit) => Some(permit),
                                Poll::Pending => break,
                            }
                        }
                        _ => None,
                    };
                    *this.permit = None;
                    let Some(attempt) = this.attempts.as_mut().and_then(Iterator::next) else {
                        *this.attempts = None;
                        if this.running.len() == 0 {
                            return Poll::Ready(None);
                        }
                        break;
                    };
                    let index = *this.started;
                    *this.started += 1;
                    this.permits.extend(permit.map(|permit| (index, permit)));
                    this.next.as_mut().reset(*this.delay);
                    match this.running.enter(index, attempt) {
                        Poll::Ready(result) => (index, result),
                        Poll::Pending => continue,
                    }
                }
            };
            this.permits.retain(|(of, _)| *of != index);
            match result {
                Ok(value) => return Poll::Ready(Some(Ok((index, value)))),
                Err(error) => {
                    let tolerated = this
                        .tolerate
                        .as_mut()
                        .is_none_or(|tolerate| tolerate(&error));
                    this.failures.push((index, error));
                    if !tolerated {
                        return Poll::Ready(Some(Err(Intolerable)));
                    }
                    // The next one need not wait any more.
                    this.next.as_mut().reset(Duration::ZERO);
                }
            }
        }
        this.running.park(cx);
        Poll::Pending
    }
}

/// Whether an iterator of attempts says that it has come to its end.
fn none_left<I: Iterator>(attempts: &Option<I>) -> bool {
    attempts
        .as_ref()
        .is_none_or(|attempts| attempts.size_hint().1 == Some(0))
}

/// The last failure was one that ends everything.
struct Intolerable;

/// `None` if no attempt is left.
type Outcome<I> = Option<Result<(usize, <<I as Iterator>::Item as Fallible>::Ok), Intolerable>>;

impl<I> Future for Hedge<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    type Output = Output<I>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.over, "polled after it was ready");
        let clear = |hedge: &mut Pin<&mut Self>| drop(hedge.as_mut().clear());
        or_clear(self, clear, |hedge| {
            if hedge.outcome.is_none() {
                let outcome = ready!(hedge.as_mut().poll_outcome(cx));
                *hedge.as_mut().project().outcome = Some(outcome);
            }
            ready!(hedge.as_mut().poll_grace(cx));
            let cleared = hedge.as_mut().clear();
            let output = hedge.as_mut().output();
            if let Err(payload) = cleared {
                discard(output);
                resume_unwind(payload);
            }
            Poll::Ready(output)
        })
    }
}

type Output<I> = Result<
    Success<<<I as Iterator>::Item as Fallible>::Ok, <<I as Iterator>::Item as Fallible>::Error>,
    Failures<<<I as Iterator>::Item as Fallible>::Error>,
>;

impl<I> Hedge<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    /// Ready when nothing runs any more or the time to end has passed.
    fn poll_grace(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let Some(grace) = this.grace else {
            return Poll::Ready(());
        };
        grace.begin();
        this.running.begin();
        loop {
            match this.running.poll_woken() {
                Turn::Output(_, output) => drop(output),
                Turn::GiveWay => {
                    this.running.give_way(cx);
                    break;
                }
                Turn::Over if this.running.len() == 0 => return Poll::Ready(()),
                Turn::Over => {
                    this.running.park(cx);
                    break;
                }
            }
        }
        grace.poll_over(cx)
    }

    /// Drops everything that is left. Gives the first panic of a destructor of an attempt.
    fn clear(self: Pin<&mut Self>) -> std::thread::Result<()> {
        let this = self.project();
        *this.over = true;
        let cleared = this.running.clear();
        *this.permit = None;
        this.permits.clear();
        *this.attempts = None;
        cleared
    }

    fn output(self: Pin<&mut Self>) -> Output<I> {
        let this = self.project();
        let failures = mem::take(this.failures);
        match this.outcome.take().flatten() {
            Some(Ok((index, value))) => Ok(Success {
                index,
                value,
                failures,
            }),
            Some(Err(Intolerable)) => Err(Failures::new(failures, true)),
            None => Err(Failures::new(failures, false)),
        }
    }
}

impl<I> fmt::Debug for Hedge<I>
where
    I: Iterator,
    I::Item: Fallible,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge")
            .field("delay", &self.delay)
            .field("started", &self.started)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}
