//! The timers that smol and async-std share.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

#[derive(Clone)]
pub(super) struct Timers;

impl Timers {
    #[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }

    pub(super) fn after(&self, duration: Duration) -> (Option<Instant>, Timer) {
        let now = self.now();
        let timer = match now.checked_add(duration.min(LONGEST)) {
            Some(step) => Timer(::async_io::Timer::at(step)),
            None => self.timer(),
        };
        (now.checked_add(duration), timer)
    }

    pub(super) fn timer(&self) -> Timer {
        Timer(::async_io::Timer::never())
    }
}

pub(super) struct Timer(::async_io::Timer);

/// Not every system can wait for a century: a longer sleep goes in steps.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Timer {
    pub(super) fn now(&self) -> Instant {
        Timers.now()
    }

    pub(super) fn arm(mut self: Pin<&mut Self>, deadline: Instant) {
        self.step(deadline);
    }

    pub(super) fn disarm(mut self: Pin<&mut Self>) {
        self.0.clear();
    }

    pub(super) fn poll(
        mut self: Pin<&mut Self>,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let reached = std::task::ready!(Pin::new(&mut self.0).poll(cx));
            if reached >= deadline {
                return Poll::Ready(());
            }
            self.step(deadline);
        }
    }

    fn step(&mut self, deadline: Instant) {
        let step = self.now().checked_add(LONGEST);
        self.0
            .set_at(step.map_or(deadline, |step| step.min(deadline)));
    }
}
