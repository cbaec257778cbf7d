//! The timers of a runtime whose feature is off: there are none.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

// Structs, because of an enum without variants the compiler says that what comes after is
// unreachable.
#[derive(Clone)]
pub(super) struct Timers(Infallible);

impl Timers {
    pub(super) fn now(&self) -> Instant {
        match self.0 {}
    }

    pub(super) fn after(&self, _duration: Duration) -> (Option<Instant>, Timer) {
        match self.0 {}
    }

    pub(super) fn timer(&self) -> Timer {
        match self.0 {}
    }
}

pub(super) struct Timer(Infallible);

impl Timer {
    pub(super) fn now(&self) -> Instant {
        match self.0 {}
    }

    pub(super) fn is_dead(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn arm(self: Pin<&mut Self>, _deadline: Instant) {
        match self.0 {}
    }

    pub(super) fn disarm(self: Pin<&mut Self>) {
        match self.0 {}
    }

    pub(super) fn poll(self: Pin<&mut Self>, _: Instant, _: &mut Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}
