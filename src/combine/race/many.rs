use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{IntoRace, Iterated, Racers, Vector, ignore, sealed};
use crate::combine::entrants::{Empty, Entrants, IntoEntrants};
use crate::combine::pack::{POLL_ALL, Pack, Places, Two, poll_place, poll_places};

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

impl<I: Iterator> fmt::Debug for Many<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Many").finish_non_exhaustive()
    }
}
