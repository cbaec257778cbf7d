mod many;
mod row;
mod side_by_side;

use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::grace::Grace;
use crate::runtime::Runtime;
use crate::task::{CancellationToken, or_clear};

/// Waits for the first of several futures to be done. The others are dropped before it is seen.
///
/// | Entrants | Give | Allocate |
/// |---|---|---|
/// | a tuple of two to eight, of any types | [`OneOf2`](super::OneOf2) to [`OneOf8`](super::OneOf8) | nothing |
/// | an array of up to 32 | index and output | nothing |
/// | a vector or an iterator, of up to two | index and output, or [`Empty`](super::Empty) | nothing |
/// | of up to 18 | the same | a box |
/// | of more | the same | a list, and a box for every sixteen |
///
/// A longer array goes in as `array.into_iter()`. Of more than 32, every four also have a waker of
/// their own, and only those that were woken are polled.
///
/// Futures are polled in the order in which they were given: of several that are ready at one
/// poll the first one wins, and those behind one that is ready at the first poll never start.
/// Whatever the first one gives has won, also an error; [`race_ok`](super::race_ok) waits for the
/// first success. A panic of one goes on once all others have been dropped.
///
/// # Cancel safety
///
/// Dropping it drops all futures. To keep them, race references to pinned ones.
///
/// # Examples
///
/// ```
/// use std::future::{pending, ready};
/// use untethered::combine::{OneOf2, race};
///
/// # futures_lite::future::block_on(async {
/// assert_eq!(race([ready(1), ready(2)]).await, (0, 1));
/// assert_eq!(race(vec![ready("a")]).await, Ok((0, "a")));
/// match race((pending::<u8>(), ready("text"))).await {
///     OneOf2::A(number) => panic!("{number} came"),
///     OneOf2::B(text) => assert_eq!(text, "text"),
/// }
/// # });
/// ```
pub fn race<E, Kind>(entrants: E) -> Race<E::Racers>
where
    E: IntoRace<Kind>,
{
    Race {
        racers: entrants.into_racers(),
        stage: Stage::Racing,
        grace: None,
    }
}

pin_project! {
    /// The future of [`race`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Race<R: Racers> {
        #[pin]
        racers: R,
        stage: Stage<R::Output>,
        // Boxed, because few have it.
        grace: Option<Box<Grace>>,
    }
}

enum Stage<T> {
    Racing,
    /// Waits for the grace to be over.
    Won(T),
    Over,
}

impl<R: Racers> Race<R> {
    /// Asks the losers to stop before they are dropped, and waits for them for at most `length`.
    ///
    /// They are asked by `token`, with which they were made. It is cancelled here, so it must be
    /// for this race alone: of a token that others listen to as well, say one that stops the
    /// program, take a [`child_token`](CancellationToken::child_token). One that does not listen
    /// runs on until the time is over, and is dropped then. One that has not been polled yet may
    /// have been begun elsewhere: it is asked and polled as well, and an iterator gives all it has.
    ///
    /// The futures stay what they are without a grace: of any form and any type, and no closures
    /// that are given a token each. So this can be added to a race that is there, and a future
    /// can hand the token on to what it calls.
    ///
    /// An output that has come is dropped with the race if the race is dropped in the meantime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use untethered::CancellationToken;
    /// use untethered::combine::race;
    /// use untethered::sim::Sim;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let program = CancellationToken::new();
    /// let token = program.child_token();
    /// let fetch = |seconds| {
    ///     let (rt, token) = (rt.clone(), token.clone());
    ///     async move {
    ///         let work = rt.sleep(Duration::from_secs(seconds));
    ///         if token.run_until_cancelled(work).await.is_none() {
    ///             rt.sleep(Duration::from_secs(1)).await; // cleans up
    ///         }
    ///     }
    /// };
    /// let race = race([fetch(60), fetch(3)]).grace(&rt, Duration::from_secs(10), &token);
    /// let (index, ()) = sim.block_on(race);
    /// assert_eq!((index, sim.elapsed().as_secs()), (1, 4));
    /// assert!(!program.is_cancelled());
    /// ```
    pub fn grace(mut self, rt: &Runtime, length: Duration, token: &CancellationToken) -> Self {
        self.grace = Some(Box::new(Grace::new(rt, length, token)));
        self
    }
}

impl<R: Racers> Future for Race<R> {
    type Output = R::Output;

    /// # Panics
    ///
    /// If polled again after it was ready.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        let clear = |race: &mut Pin<&mut Self>| {
            let this = race.as_mut().project();
            *this.stage = Stage::Over;
            this.racers.clear();
        };
        or_clear(self, clear, |race| race.as_mut().poll_stages(cx))
    }
}

impl<R: Racers> Race<R> {
    #[inline]
    fn poll_stages(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        let mut this = self.project();
        if let Stage::Racing = this.stage {
            let won = ready!(this.racers.as_mut().poll_first(cx));
            *this.stage = Stage::Won(won);
        }
        if let Some(grace) = this.grace {
            ready!(poll_losers(this.racers.as_mut(), grace, cx));
        }
        this.racers.clear();
        match mem::replace(this.stage, Stage::Over) {
            Stage::Won(won) => Poll::Ready(won),
            _ => panic!("a race was polled after it was over"),
        }
    }
}

/// Ready when the losers have ended or their time is over.
// Few have a grace: apart, so that the poll of all the others is short.
#[cold]
fn poll_losers<R: Racers>(
    racers: Pin<&mut R>,
    grace: &mut Grace,
    cx: &mut Context<'_>,
) -> Poll<()> {
    grace.begin();
    match racers.poll_rest(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => grace.poll_over(cx),
    }
}

impl<R: Racers> fmt::Debug for Race<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").finish_non_exhaustive()
    }
}

/// What can be raced: tuples, arrays, vectors and iterators of futures.
///
/// The parameter only tells these from each other. It is never written down.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be raced",
    note = "take a tuple of two to eight futures, an array of up to 32, a vector or an iterator; \
            of other collections call `into_iter()`"
)]
pub trait IntoRace<Kind> {
    /// The futures while they race.
    type Racers: Racers;

    /// Lines them up.
    fn into_racers(self) -> Self::Racers;
}

/// Futures that race. Sealed: [`IntoRace`] makes them.
pub trait Racers: sealed::Sealed {
    /// What the race gives.
    type Output;

    #[doc(hidden)]
    fn poll_first(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// Polls those that are left until all are done, and drops what they give.
    #[doc(hidden)]
    fn poll_rest(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    #[doc(hidden)]
    fn clear(self: Pin<&mut Self>);
}

mod sealed {
    pub trait Sealed {}
}

/// Of [`IntoRace`]: an iterator.
#[derive(Debug)]
pub enum Iterated {}

/// Of [`IntoRace`]: a vector.
#[derive(Debug)]
pub enum Vector {}

/// Of [`IntoRace`]: an array.
#[derive(Debug)]
pub enum Array {}

/// Of [`IntoRace`]: a tuple.
#[derive(Debug)]
pub enum Tuple {}

fn ignore<T>(_: usize, _: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
