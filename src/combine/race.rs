use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::entrants::{Empty, Entrants, IntoEntrants};
use super::grace::Grace;
use super::pack::{
    Eight, Four, One, POLL_ALL, Pack, Places, Sixteen, ThirtyTwo, Three, Twelve, Twenty,
    TwentyEight, TwentyFour, Two, poll_place, poll_places,
};
use super::{OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8};
use crate::runtime::Runtime;
use crate::task::{CancellationToken, or_clear};

/// Waits for the first of several futures to be done. The others are dropped before it is seen.
///
/// | Entrants | Give | Allocate |
/// |---|---|---|
/// | a tuple of two to eight, of any types | [`OneOf2`] to [`OneOf8`] | nothing |
/// | an array of up to 32 | index and output | nothing |
/// | a vector or an iterator, of up to two | index and output, or [`Empty`] | nothing |
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
    /// runs on until the time is over, and is dropped then.
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

impl<I> IntoRace<Iterated> for I
where
    I: Iterator,
    I::Item: IntoFuture,
{
    type Racers = Many<Entrants<I>>;

    fn into_racers(self) -> Self::Racers {
        Many::new(self.into_entrants())
    }
}

impl<F: IntoFuture> IntoRace<Vector> for Vec<F> {
    type Racers = Many<Entrants<std::vec::IntoIter<F>>>;

    fn into_racers(self) -> Self::Racers {
        Many::new(self.into_entrants())
    }
}

pin_project! {
    /// Any number of futures of one type.
    pub struct Many<I: Iterator> {
        // Those that were not needed yet. `None` once all have been taken.
        entrants: Option<I>,
        // The first two, where there are few.
        #[pin]
        pair: Two<I::Item>,
        // The others.
        rest: Option<Pack<I::Item>>,
    }
}

impl<I: Iterator> Many<I> {
    fn new(entrants: I) -> Self {
        Self {
            entrants: Some(entrants),
            pair: Two::fill(None, &mut || None),
            rest: None,
        }
    }
}

impl<I> Many<I>
where
    I: Iterator,
    I::Item: Future,
{
    /// Takes futures from the iterator and polls them, until one wins or all are there.
    // Apart, so that the polls that follow are short.
    #[inline(never)]
    fn start(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wins: &mut impl FnMut(usize, <I::Item as Future>::Output) -> ControlFlow<()>,
    ) {
        let mut this = self.project();
        let mut index = 0;
        // Of more, those that were not woken are not polled, which goes for these two as well.
        while let Some(entrants) = this.entrants {
            if index == 2 || entrants.size_hint().0 > POLL_ALL {
                break;
            }
            let Some(entrant) = entrants.next() else {
                *this.entrants = None;
                return;
            };
            let mut place = this.pair.as_mut().place(index);
            place.set(Some(entrant));
            if let Some(output) = poll_place(place.as_mut(), cx) {
                place.set(None);
                let _ = wins(index, output);
                return;
            }
            index += 1;
        }
        let Some(entrants) = this.entrants.take() else {
            return;
        };
        if index > 0 && entrants.size_hint().1 == Some(0) {
            return;
        }
        let rest = Pack::new(entrants);
        if rest.len() > 0 {
            let wins = |at, output| wins(index + at, output);
            this.rest.insert(rest).poll(cx, wins);
        }
    }
}

impl<I: Iterator> sealed::Sealed for Many<I> {}

impl<I> Racers for Many<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Output = Result<(usize, <I::Item as Future>::Output), Empty>;

    #[inline]
    fn poll_first(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut won = None;
        let mut wins = |index, output| {
            won = Some((index, output));
            ControlFlow::Break(())
        };
        let mut this = self.as_mut().project();
        if this.entrants.is_some() {
            self.as_mut().start(cx, &mut wins);
        } else if poll_places(this.pair.as_mut(), cx, 0, &mut wins).is_continue() {
            if let Some(rest) = this.rest {
                // Nobody has won, so all that were put there are still there.
                let first = (0..2).filter(|&at| this.pair.is_some(at)).count();
                rest.poll(cx, |at, output| wins(first + at, output));
            }
        }
        match won {
            Some(won) => Poll::Ready(Ok(won)),
            None if self.pair.is_some(0) || self.rest.is_some() => Poll::Pending,
            None => Poll::Ready(Err(Empty(()))),
        }
    }

    fn poll_rest(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(entrants) = this.entrants.take() {
            *this.rest = Some(Pack::new(entrants));
        }
        let _ = poll_places(this.pair.as_mut(), cx, 0, &mut ignore);
        let mut alive = this.pair.is_some(0) || this.pair.is_some(1);
        if let Some(rest) = this.rest {
            rest.poll(cx, ignore);
            alive |= rest.len() > 0;
        }
        match alive {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    #[inline]
    fn clear(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.pair.as_mut().clear();
        if let Some(rest) = this.rest {
            rest.clear();
        }
        *this.entrants = None;
    }
}

fn ignore<T>(_: usize, _: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

impl<I: Iterator> fmt::Debug for Many<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Many").finish_non_exhaustive()
    }
}

pin_project! {
    /// The futures of an array.
    pub struct Row<P> {
        #[pin]
        places: P,
    }
}

impl<P> sealed::Sealed for Row<P> {}

impl<P: Places<Future: Future>> Racers for Row<P> {
    type Output = (usize, <P::Future as Future>::Output);

    #[inline]
    fn poll_first(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut won = None;
        let _ = poll_places(self.project().places, cx, 0, &mut |index, output| {
            won = Some((index, output));
            ControlFlow::Break(())
        });
        won.map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_rest(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut places = self.project().places;
        let _ = poll_places(places.as_mut(), cx, 0, &mut ignore);
        match (0..P::CAPACITY).any(|at| places.is_some(at)) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    #[inline]
    fn clear(self: Pin<&mut Self>) {
        self.project().places.clear();
    }
}

impl<P> fmt::Debug for Row<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").finish_non_exhaustive()
    }
}

macro_rules! arrays {
    ($($places:ident: $($len:literal)*;)*) => {$($(
        impl<F: IntoFuture> IntoRace<Array> for [F; $len] {
            type Racers = Row<$places<F::IntoFuture>>;

            fn into_racers(self) -> Self::Racers {
                let mut entrants = self.into_entrants();
                Row { places: $places::fill(entrants.next(), &mut || entrants.next()) }
            }
        }
    )*)*};
}

arrays! {
    One: 1;
    Two: 2;
    Three: 3;
    Four: 4;
    Eight: 5 6 7 8;
    Twelve: 9 10 11 12;
    Sixteen: 13 14 15 16;
    Twenty: 17 18 19 20;
    TwentyFour: 21 22 23 24;
    TwentyEight: 25 26 27 28;
    ThirtyTwo: 29 30 31 32;
}

/// Futures in the fields of a struct: what tuples become.
macro_rules! side_by_side {
    ($name:ident $one_of:ident $len:literal: $($place:ident $field:ident)*) => {
        pin_project! {
            #[doc = concat!(stringify!($len), " futures side by side.")]
            pub struct $name<$($place),*> {
                $(#[pin] $field: Option<$place>,)*
            }
        }

        impl<$($place),*> sealed::Sealed for $name<$($place),*> {}

        impl<$($place: Future),*> Racers for $name<$($place),*> {
            type Output = $one_of<$($place::Output),*>;

            fn poll_first(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let mut this = self.project();
                $(
                    if let Some(future) = this.$field.as_mut().as_pin_mut() {
                        if let Poll::Ready(output) = future.poll(cx) {
                            this.$field.set(None);
                            return Poll::Ready($one_of::$place(output));
                        }
                    }
                )*
                Poll::Pending
            }

            fn poll_rest(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                // Each that is ready is dropped, so this ends.
                while self.as_mut().poll_first(cx).is_ready() {}
                if $(self.$field.is_none())&&* { Poll::Ready(()) } else { Poll::Pending }
            }

            fn clear(self: Pin<&mut Self>) {
                let mut this = self.project();
                $(this.$field.set(None);)*
            }
        }

        impl<$($place: IntoFuture),*> IntoRace<Tuple> for ($($place,)*) {
            type Racers = $name<$($place::IntoFuture),*>;

            fn into_racers(self) -> Self::Racers {
                let ($($field,)*) = self;
                $name { $($field: Some($field.into_future()),)* }
            }
        }

        impl<$($place),*> fmt::Debug for $name<$($place),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

side_by_side!(Race2 OneOf2 2: A a B b);
side_by_side!(Race3 OneOf3 3: A a B b C c);
side_by_side!(Race4 OneOf4 4: A a B b C c D d);
side_by_side!(Race5 OneOf5 5: A a B b C c D d E e);
side_by_side!(Race6 OneOf6 6: A a B b C c D d E e F f);
side_by_side!(Race7 OneOf7 7: A a B b C c D d E e F f G g);
side_by_side!(Race8 OneOf8 8: A a B b C c D d E e F f G g H h);
