use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{IntoRace, Racers, Tuple, sealed};
use crate::combine::{OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8};

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
