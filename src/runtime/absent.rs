//! The timers of a runtime whose feature is off: there are none.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

#[derive(Clone)]
pub(super) enum Timers {}

impl Timers {
    pub(super) fn now(&self) -> Instant {
        match *self {}
    }

    pub(super) fn after(&self, _duration: Duration) -> (Option<Instant>, Timer) {
        match *self {}
    }

    pub(super) fn timer(&self) -> Timer {
        match *self {}
    }
}

pub(super) enum Timer {}

impl Timer {
    pub(super) fn now(&self) -> Instant {
        match *self {}
    }

    pub(super) fn is_dead(&self) -> bool {
        match *self {}
    }

    pub(super) fn arm(self: Pin<&mut Self>, _deadline: Instant) {
        match *self {}
    }

    pub(super) fn disarm(self: Pin<&mut Self>) {
        match *self {}
    }

    pub(super) fn poll(self: Pin<&mut Self>, _: Instant, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }
}
