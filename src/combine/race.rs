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
use super::pack::Pack;
use super::{OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8};
use crate::runtime::Runtime;
use crate::task::CancellationToken;

/// Waits for the first of several futures to be done. The others are dropped before it is seen.
///
/// | Entrants | Give | Allocate |
/// |---|---|---|
/// | a tuple of two to eight, of any types | [`OneOf2`] to [`OneOf8`] | nothing |
/// | an array of two to eight | index and output | nothing |
/// | any other array of up to 32 | index and output | a list, and a box for every sixteen |
/// | a vector or an iterator | index and output, or [`Empty`] | the same |
///
/// A longer array goes in as `array.into_iter()`.
///
/// Futures are polled in the order in which they were given: of several that are ready at one
/// poll the first one wins, and those behind one that is ready at the first poll never start.
/// Whatever the first one gives has won, also an error; [`race_ok`](super::race_ok) waits for the
/// first success.
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
        grace: Option<Grace>,
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
    /// for this race alone: a child token of what they listen to otherwise.
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
    /// let token = CancellationToken::new();
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
    /// ```
    pub fn grace(mut self, rt: &Runtime, length: Duration, token: &CancellationToken) -> Self {
        self.grace = Some(Grace::new(rt, length, token));
        self
    }
}

impl<R: Racers> Future for Race<R> {
    type Output = R::Output;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        let mut this = self.project();
        if let Stage::Racing = this.stage {
            let won = ready!(this.racers.as_mut().poll_first(cx));
            *this.stage = Stage::Won(won);
        }
        if let Some(grace) = this.grace {
            grace.begin();
            let ended = this.racers.as_mut().poll_rest(cx);
            if ended.is_pending() && grace.poll_over(cx).is_pending() {
                return Poll::Pending;
            }
        }
        this.racers.clear();
        match mem::replace(this.stage, Stage::Over) {
            Stage::Won(won) => Poll::Ready(won),
            _ => panic!("a race was polled after it was over"),
        }
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
    type Racers = Many<<I::Item as IntoFuture>::IntoFuture>;

    fn into_racers(self) -> Self::Racers {
        Many::new(self.into_entrants())
    }
}

impl<F: IntoFuture> IntoRace<Vector> for Vec<F> {
    type Racers = Many<F::IntoFuture>;

    fn into_racers(self) -> Self::Racers {
        Many::new(self.into_entrants())
    }
}

/// Any number of futures of one type.
pub struct Many<F> {
    pack: Pack<F>,
}

impl<F> Many<F> {
    fn new<I>(entrants: Entrants<I>) -> Self
    where
        Entrants<I>: Iterator<Item = F>,
    {
        Self {
            pack: Pack::new(entrants),
        }
    }
}

impl<F> sealed::Sealed for Many<F> {}

impl<F: Future> Racers for Many<F> {
    type Output = Result<(usize, F::Output), Empty>;

    fn poll_first(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.pack.len() == 0 {
            return Poll::Ready(Err(Empty(())));
        }
        let mut won = None;
        self.pack.poll(cx, |index, output| {
            won = Some((index, output));
            ControlFlow::Break(())
        });
        won.map_or(Poll::Pending, |won| Poll::Ready(Ok(won)))
    }

    fn poll_rest(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.pack.poll(cx, |_, _| ControlFlow::Continue(()));
        match self.pack.len() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    fn clear(mut self: Pin<&mut Self>) {
        self.pack.clear();
    }
}

impl<F> fmt::Debug for Many<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Many")
            .field("len", &self.pack.len())
            .finish_non_exhaustive()
    }
}

/// An output that says which racer it came from.
pub trait Placed: sealed::Sealed {
    /// The output without the place.
    type Inner;

    #[doc(hidden)]
    fn into_placed(self) -> (usize, Self::Inner);
}

impl<T> sealed::Sealed for Result<(usize, T), Empty> {}

impl<T> Placed for Result<(usize, T), Empty> {
    type Inner = T;

    fn into_placed(self) -> (usize, T) {
        self.expect("only arrays that have futures are raced")
    }
}

pin_project! {
    /// The futures of an array.
    #[derive(Debug)]
    pub struct Same<R> {
        #[pin]
        racers: R,
    }
}

impl<R> sealed::Sealed for Same<R> {}

impl<R> Racers for Same<R>
where
    R: Racers,
    R::Output: Placed,
{
    type Output = (usize, <R::Output as Placed>::Inner);

    fn poll_first(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project()
            .racers
            .poll_first(cx)
            .map(Placed::into_placed)
    }

    fn poll_rest(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().racers.poll_rest(cx)
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().racers.clear();
    }
}

macro_rules! boxed_arrays {
    ($($len:literal)*) => {$(
        impl<F: IntoFuture> IntoRace<Array> for [F; $len] {
            type Racers = Same<Many<F::IntoFuture>>;

            fn into_racers(self) -> Self::Racers {
                Same { racers: Many::new(self.into_entrants()) }
            }
        }
    )*};
}

boxed_arrays!(1 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);

/// Futures in the fields of a struct: what tuples and short arrays become.
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

        impl<T> sealed::Sealed for $one_of<$(side_by_side!(@same T $place)),*> {}

        impl<T> Placed for $one_of<$(side_by_side!(@same T $place)),*> {
            type Inner = T;

            fn into_placed(self) -> (usize, T) {
                (self.index(), self.into_inner())
            }
        }

        impl<$($place: IntoFuture),*> IntoRace<Tuple> for ($($place,)*) {
            type Racers = $name<$($place::IntoFuture),*>;

            fn into_racers(self) -> Self::Racers {
                let ($($field,)*) = self;
                $name { $($field: Some($field.into_future()),)* }
            }
        }

        impl<F: IntoFuture> IntoRace<Array> for [F; $len] {
            type Racers = Same<$name<$(side_by_side!(@same (F::IntoFuture) $place)),*>>;

            fn into_racers(self) -> Self::Racers {
                let [$($field,)*] = self;
                Same { racers: $name { $($field: Some($field.into_future()),)* } }
            }
        }

        impl<$($place),*> fmt::Debug for $name<$($place),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
    (@same ($type:ty) $place:ident) => { $type };
    (@same $type:ident $place:ident) => { $type };
}

side_by_side!(Race2 OneOf2 2: A a B b);
side_by_side!(Race3 OneOf3 3: A a B b C c);
side_by_side!(Race4 OneOf4 4: A a B b C c D d);
side_by_side!(Race5 OneOf5 5: A a B b C c D d E e);
side_by_side!(Race6 OneOf6 6: A a B b C c D d E e F f);
side_by_side!(Race7 OneOf7 7: A a B b C c D d E e F f G g);
side_by_side!(Race8 OneOf8 8: A a B b C c D d E e F f G g H h);
