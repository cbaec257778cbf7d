//! Places for futures, each pinned where it is.
//!
//! Without `unsafe` a pinned list can not be had, but a pinned struct can: one field a future.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// A fixed number of places, filled from the first on.
pub trait Places {
    /// What they are for.
    type Future;

    /// How many there are.
    const CAPACITY: usize;

    /// Puts in `first`, if there is one, and what `more` gives. That may be asked again after it had
    /// nothing.
    fn fill(first: Option<Self::Future>, more: &mut impl FnMut() -> Option<Self::Future>) -> Self;

    /// Polls the futures in the places from `from` on, in order, until one is done. Gives its place
    /// and its output; the future is still there.
    fn poll_from(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: usize,
    ) -> Option<(usize, <Self::Future as Future>::Output)>
    where
        Self::Future: Future;

    /// The place `at`.
    fn place(self: Pin<&mut Self>, at: usize) -> Pin<&mut Option<Self::Future>>;

    /// Whether there is a future in the place `at`.
    fn is_some(&self, at: usize) -> bool;

    /// Drops all futures. If a destructor panics, those behind it are still there.
    fn clear(self: Pin<&mut Self>);
}

/// Polls all futures, in order, and tells `each` what is done.
///
/// `first` is the index of the first place. A future is dropped before its output is told. A break
/// ends the poll.
#[inline]
pub(in crate::combine) fn poll_places<P: Places<Future: Future>>(
    mut places: Pin<&mut P>,
    cx: &mut Context<'_>,
    first: usize,
    each: &mut impl FnMut(usize, <P::Future as Future>::Output) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut from = 0;
    while let Some((at, output)) = places.as_mut().poll_from(cx, from) {
        places.as_mut().place(at).set(None);
        each(first + at, output)?;
        from = at + 1;
    }
    ControlFlow::Continue(())
}

/// Polls the future in a place, if there is one.
#[inline]
pub(in crate::combine) fn poll_place<F: Future>(
    place: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Option<F::Output> {
    match place.as_pin_mut()?.poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

macro_rules! places {
    ($($name:ident $capacity:literal: $first:ident $($place:ident $at:literal)*;)*) => {$(
        pin_project! {
            pub struct $name<F> {
                #[pin]
                $first: Option<F>,
                $(#[pin] $place: Option<F>,)*
            }
        }

        impl<F> Places for $name<F> {
            type Future = F;

            const CAPACITY: usize = $capacity;

            #[inline]
            fn fill(first: Option<F>, more: &mut impl FnMut() -> Option<F>) -> Self {
                // The fields are filled in this order.
                Self { $first: first.or_else(&mut *more), $($place: more(),)* }
            }

            // Always, or a few polls in a row become as many calls.
            #[inline(always)]
            fn poll_from(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                from: usize,
            ) -> Option<(usize, F::Output)>
            where
                F: Future,
            {
                let this = self.project();
                if from == 0 {
                    if let Some(output) = poll_place(this.$first, cx) {
                        return Some((0, output));
                    }
                }
                $(if from <= $at {
                    if let Some(output) = poll_place(this.$place, cx) {
                        return Some(($at, output));
                    }
                })*
                None
            }

            #[inline]
            fn place(self: Pin<&mut Self>, at: usize) -> Pin<&mut Option<F>> {
                let this = self.project();
                match at {
                    0 => this.$first,
                    $($at => this.$place,)*
                    _ => unreachable!("asked for within the capacity"),
                }
            }

            #[inline]
            fn is_some(&self, at: usize) -> bool {
                match at {
                    0 => self.$first.is_some(),
                    $($at => self.$place.is_some(),)*
                    _ => false,
                }
            }

            #[inline]
            fn clear(self: Pin<&mut Self>) {
                let mut this = self.project();
                this.$first.set(None);
                $(this.$place.set(None);)*
            }
        }
    )*};
}

places! {
    One 1: a;
    Two 2: a b 1;
    Three 3: a b 1 c 2;
    Four 4: a b 1 c 2 d 3;
}

/// Places made of fours.
pub(super) trait Fours: Places {
    /// The four with this number.
    fn four(self: Pin<&mut Self>, number: usize) -> Pin<&mut Four<Self::Future>>;
}

macro_rules! fours {
    ($($name:ident $capacity:literal: $first:ident $($four:ident $number:literal)*;)*) => {$(
        pin_project! {
            pub struct $name<F> {
                #[pin]
                $first: Four<F>,
                $(#[pin] $four: Four<F>,)*
            }
        }

        impl<F> Places for $name<F> {
            type Future = F;

            const CAPACITY: usize = $capacity;

            #[inline]
            fn fill(first: Option<F>, more: &mut impl FnMut() -> Option<F>) -> Self {
                Self { $first: Four::fill(first, more), $($four: Four::fill(None, more),)* }
            }

            #[inline(always)]
            fn poll_from(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                from: usize,
            ) -> Option<(usize, F::Output)>
            where
                F: Future,
            {
                let this = self.project();
                if from < 4 {
                    if let Some(done) = this.$first.poll_from(cx, from) {
                        return Some(done);
                    }
                }
                $(if from < 4 + 4 * $number {
                    let from = from.saturating_sub(4 * $number);
                    if let Some((at, output)) = this.$four.poll_from(cx, from) {
                        return Some((4 * $number + at, output));
                    }
                })*
                None
            }

            #[inline]
            fn place(self: Pin<&mut Self>, at: usize) -> Pin<&mut Option<F>> {
                self.four(at / 4).place(at % 4)
            }

            fn is_some(&self, at: usize) -> bool {
                match at / 4 {
                    0 => self.$first.is_some(at % 4),
                    $($number => self.$four.is_some(at % 4),)*
                    _ => false,
                }
            }

            #[inline]
            fn clear(self: Pin<&mut Self>) {
                let this = self.project();
                this.$first.clear();
                $(this.$four.clear();)*
            }
        }

        impl<F> Fours for $name<F> {
            #[inline]
            fn four(self: Pin<&mut Self>, number: usize) -> Pin<&mut Four<F>> {
                let this = self.project();
                match number {
                    0 => this.$first,
                    $($number => this.$four,)*
                    _ => unreachable!("asked for within the capacity"),
                }
            }
        }
    )*};
}

fours! {
    Eight 8: a b 1;
    Twelve 12: a b 1 c 2;
    Sixteen 16: a b 1 c 2 d 3;
    Twenty 20: a b 1 c 2 d 3 e 4;
    TwentyFour 24: a b 1 c 2 d 3 e 4 f 5;
    TwentyEight 28: a b 1 c 2 d 3 e 4 f 5 g 6;
    ThirtyTwo 32: a b 1 c 2 d 3 e 4 f 5 g 6 h 7;
}
