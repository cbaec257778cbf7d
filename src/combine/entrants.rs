//! What the combinators take: tuples, arrays, vectors, iterators.

use std::fmt;
use std::future::Future;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Futures to be combined: anything that can be iterated, or a tuple of two to eight.
///
/// Every function of this module takes its futures this way. The futures of a tuple may be of
/// different types; where they are handed over one by one their outputs have to be of one type.
///
/// The parameter only tells tuples from the rest. It is never written down.
///
/// # Examples
///
/// ```
/// use untethered::combine::gather;
///
/// # futures_lite::future::block_on(async {
/// async fn double(n: u32) -> u32 { 2 * n }
///
/// assert_eq!(gather([double(1), double(2)]).await, [2, 4]);
/// assert_eq!(gather((1..=2).map(double)).await, [2, 4]);
/// // Two futures of different types, but of the same output.
/// assert_eq!(gather((double(1), async { 7 })).await, [2, 7]);
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of futures",
    label = "not a list of futures with one type of output",
    note = "take a tuple of up to eight, an array, a vector or an iterator of futures",
    note = "all have to give the same type; where they do not, wrap it in an enum, or take `race`, \
            whose tuples tell the places apart"
)]
pub trait IntoEntrants<Kind> {
    /// One of the futures.
    type Future: Future;
    /// All of them.
    type Entrants: Iterator<Item = Self::Future>;

    /// Hands them over, one by one.
    fn into_entrants(self) -> Self::Entrants;
}

/// Of [`IntoEntrants`]: whatever can be iterated.
#[derive(Debug)]
pub enum Iterated {}

/// Of [`IntoEntrants`]: a tuple.
#[derive(Debug)]
pub enum Tuple {}

impl<I> IntoEntrants<Iterated> for I
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    type Future = <I::Item as IntoFuture>::IntoFuture;
    type Entrants = Entrants<I::IntoIter>;

    fn into_entrants(self) -> Self::Entrants {
        Entrants {
            iter: self.into_iter(),
        }
    }
}

/// The futures of an iterator.
#[derive(Debug, Clone)]
pub struct Entrants<I> {
    iter: I,
}

impl<I> Iterator for Entrants<I>
where
    I: Iterator,
    I::Item: IntoFuture,
{
    type Item = <I::Item as IntoFuture>::IntoFuture;

    fn next(&mut self) -> Option<Self::Item> {
        self.iter.next().map(IntoFuture::into_future)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl<I> FusedIterator for Entrants<I>
where
    I: FusedIterator,
    I::Item: IntoFuture,
{
}

/// There was nothing to combine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Empty(pub(super) ());

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there was no future to wait for")
    }
}

impl std::error::Error for Empty {}

/// The value of one place of a tuple, and the future of one place.
macro_rules! one_of {
    ($name:ident $future:ident $len:literal: $($place:ident $index:literal)*) => {
        #[doc = concat!("A value of one of ", stringify!($len), " types: the letter says of which place.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name<$($place),*> {
            $(
                #[doc = concat!("Of place ", stringify!($index), ".")]
                $place($place),
            )*
        }

        impl<$($place),*> $name<$($place),*> {
            /// The place, counted from nought.
            pub fn index(&self) -> usize {
                match self {
                    $(Self::$place(_) => $index,)*
                }
            }
        }

        impl<T> $name<$(one_of!(@same T $place)),*> {
            /// The value, where all places are of one type.
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$place(value) => value,)*
                }
            }
        }

        pin_project! {
            #[doc = concat!("A future of one of ", stringify!($len), " types.")]
            #[must_use = "futures do nothing unless awaited"]
            pub struct $future<$($place),*> {
                #[pin]
                place: Place<$($place),*>,
            }
        }

        pin_project! {
            #[project = Projected]
            enum Place<$($place),*> {
                $($place { #[pin] future: $place },)*
            }
        }

        impl<T, $($place: Future<Output = T>),*> Future for $future<$($place),*> {
            type Output = T;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
                match self.project().place.project() {
                    $(Projected::$place { future } => future.poll(cx),)*
                }
            }
        }

        impl<$($place),*> fmt::Debug for $future<$($place),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future)).finish_non_exhaustive()
            }
        }

        impl<T, $($place),*> IntoEntrants<Tuple> for ($($place,)*)
        where
            $($place: IntoFuture<Output = T>,)*
        {
            type Future = $future<$($place::IntoFuture),*>;
            type Entrants = std::array::IntoIter<Self::Future, $len>;

            fn into_entrants(self) -> Self::Entrants {
                #[allow(non_snake_case, reason = "places are named like their types")]
                let ($($place,)*) = self;
                [$($future {
                    place: Place::$place { future: $place.into_future() },
                },)*]
                .into_iter()
            }
        }
    };
    (@same $type:ident $place:ident) => { $type };
}

/// Each in a module of its own: they share the names of what is derived.
macro_rules! one_of_each {
    ($($module:ident $name:ident $future:ident $len:literal: $($place:ident $index:literal)*;)*) => {$(
        mod $module {
            use super::*;

            one_of!($name $future $len: $($place $index)*);
        }
        pub use $module::{$future, $name};
    )*};
}

one_of_each! {
    two OneOf2 Future2 2: A 0 B 1;
    three OneOf3 Future3 3: A 0 B 1 C 2;
    four OneOf4 Future4 4: A 0 B 1 C 2 D 3;
    five OneOf5 Future5 5: A 0 B 1 C 2 D 3 E 4;
    six OneOf6 Future6 6: A 0 B 1 C 2 D 3 E 4 F 5;
    seven OneOf7 Future7 7: A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    eight OneOf8 Future8 8: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
}
