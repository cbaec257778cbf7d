//! The timers behind a `Sleep`: in place for the runtimes we know, in a box for any other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;

use super::{Sleeper, async_io, timers, tokio_timers};

/// The timers and the time of a runtime. Does not keep alive what runs its tasks.
#[derive(Clone)]
#[allow(dead_code, reason = "which ones there are is a matter of features")]
pub(super) enum Clock {
    AsyncIo(async_io::Timers),
    Threads(timers::Timers),
    Tokio(tokio_timers::Timers),
    Other(Arc<dyn Sleeper>),
}

impl Clock {
    pub(super) fn now(&self) -> Instant {
        match self {
            Self::AsyncIo(timers) => timers.now(),
            Self::Threads(timers) => timers.now(),
            Self::Tokio(timers) => timers.now(),
            Self::Other(sleeper) => sleeper.now(),
        }
    }

    /// A timer that is armed to the moment so far from now, and that moment. `None` if the clock
    /// can not say it; if only the timer is missing, it is yet to be made.
    #[inline]
    pub(super) fn after(&self, duration: Duration) -> (Option<Instant>, Option<Timer>) {
        match self {
            Self::AsyncIo(timers) => {
                let (deadline, timer) = timers.after(duration);
                (deadline, Some(Timer::AsyncIo { timer }))
            }
            Self::Threads(timers) => {
                let (deadline, timer) = timers.after(duration);
                (deadline, Some(Timer::Threads { timer }))
            }
            Self::Tokio(timers) => {
                let (deadline, timer) = timers.after(duration);
                (deadline, Some(Timer::Tokio { timer }))
            }
            Self::Other(sleeper) => (sleeper.now().checked_add(duration), None),
        }
    }

    /// A timer that is not armed.
    pub(super) fn timer(&self) -> Timer {
        match self {
            Self::AsyncIo(timers) => Timer::AsyncIo {
                timer: timers.timer(),
            },
            Self::Threads(timers) => Timer::Threads {
                timer: timers.timer(),
            },
            Self::Tokio(timers) => Timer::Tokio {
                timer: timers.timer(),
            },
            Self::Other(sleeper) => Timer::Other {
                timer: Boxed {
                    sleeper: sleeper.clone(),
                    sleep: None,
                },
            },
        }
    }
}

pin_project! {
    /// One timer. Dropping it frees it.
    #[project = TimerProj]
    pub(super) enum Timer {
        AsyncIo { #[pin] timer: async_io::Timer },
        Threads { #[pin] timer: timers::Timer },
        Tokio { #[pin] timer: tokio_timers::Timer },
        Other { #[pin] timer: Boxed },
    }
}

impl Timer {
    /// The present moment by the clock it goes by.
    pub(super) fn now(&self) -> Instant {
        match self {
            Self::AsyncIo { timer } => timer.now(),
            Self::Threads { timer } => timer.now(),
            Self::Tokio { timer } => timer.now(),
            Self::Other { timer } => timer.now(),
        }
    }

    /// Sets a timer that is not armed to `deadline`.
    pub(super) fn arm(self: Pin<&mut Self>, deadline: Instant) {
        match self.project() {
            TimerProj::AsyncIo { timer } => timer.arm(deadline),
            TimerProj::Threads { timer } => timer.arm(deadline),
            TimerProj::Tokio { timer } => timer.arm(deadline),
            TimerProj::Other { timer } => timer.arm(deadline),
        }
    }

    /// Whether it can not fire any more, because its runtime has ended.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Self::Tokio { timer } => timer.is_dead(),
            Self::AsyncIo { .. } | Self::Threads { .. } | Self::Other { .. } => false,
        }
    }

    /// Frees what a timer holds that is not waited for any more.
    pub(super) fn disarm(self: Pin<&mut Self>) {
        match self.project() {
            TimerProj::AsyncIo { timer } => timer.disarm(),
            TimerProj::Threads { timer } => timer.disarm(),
            TimerProj::Tokio { timer } => timer.disarm(),
            TimerProj::Other { timer } => timer.disarm(),
        }
    }

    /// Whether it has fired. Only while it is armed, and with the same deadline.
    pub(super) fn poll(self: Pin<&mut Self>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            TimerProj::AsyncIo { timer } => timer.poll(deadline, cx),
            TimerProj::Threads { timer } => timer.poll(deadline, cx),
            TimerProj::Tokio { timer } => timer.poll(deadline, cx),
            TimerProj::Other { timer } => timer.poll(cx),
        }
    }
}

pub(super) struct Boxed {
    sleeper: Arc<dyn Sleeper>,
    sleep: Option<BoxFuture<'static, ()>>,
}

impl Boxed {
    fn now(&self) -> Instant {
        self.sleeper.now()
    }

    fn arm(mut self: Pin<&mut Self>, deadline: Instant) {
        self.sleep = Some(self.sleeper.sleep_until(deadline));
    }

    fn disarm(mut self: Pin<&mut Self>) {
        self.sleep = None;
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
