use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Array, IntoRace, Racers, ignore, sealed};
use crate::combine::entrants::IntoEntrants;
use crate::combine::pack::{
    Eight, Four, One, Places, Sixteen, ThirtyTwo, Three, Twelve, Twenty, TwentyEight, TwentyFour,
    Two, poll_places,
};

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
