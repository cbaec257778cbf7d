//! tokio's timers, and what becomes of them when their runtime ends.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::tokio::runtime::{Handle, RuntimeFlavor};
use ::tokio::task::{AbortHandle, unconstrained};
use pin_project_lite::pin_project;

use super::gate::{CloseOnDrop, Gate};
use super::{NoRuntime, inside};
use crate::primitives::atomic::{Ordering, fence};
use crate::task::{catch, forget_panic};

#[derive(Clone)]
pub(in crate::runtime) struct Timers(Arc<Watched>);

struct Watched {
    handle: Handle,
    /// Whether its clock can be paused: only that of a runtime of one thread.
    pausable: bool,
    gate: Arc<Gate>,
    /// The task that closes the gate when tokio drops it: after the last poll of a task, before
    /// the timers end.
    watcher: AbortHandle,
}

impl Timers {
    pub(super) fn new(handle: Handle) -> Result<Self, NoRuntime> {
        let probe = catch(|| {
            let _inside = handle.enter();
            drop(::tokio::time::sleep(Duration::ZERO));
        });
        if let Err(payload) = probe {
            forget_panic(payload);
            return Err(NoRuntime::TimersOff);
        }
        let gate = Arc::new(Gate::default());
        let closes = CloseOnDrop(gate.clone());
        let watcher = handle.spawn(async move {
            let _closes = closes;
            pending::<()>().await;
        });
        Ok(Self(Arc::new(Watched {
            pausable: handle.runtime_flavor() == RuntimeFlavor::CurrentThread,
            watcher: watcher.abort_handle(),
            handle,
            gate,
        })))
    }

    pub(in crate::runtime) fn now(&self) -> Instant {
        self.0.now()
    }

    #[inline]
    pub(in crate::runtime) fn after(&self, duration: Duration) -> (Option<Instant>, Timer) {
        if !self.0.pausable {
            // A timer that is never polled, of work that is ready at once, then costs nothing.
            return (self.now().checked_add(duration), self.timer());
        }
        // One visit to tokio's context for both.
        let made = self.0.inside(|| {
            let now = ::tokio::time::Instant::now().into_std();
            let deadline = now.checked_add(duration);
            (deadline, deadline.and_then(sleep_until))
        });
        let (deadline, sleep) = made.unwrap_or_else(|| (self.now().checked_add(duration), None));
        let watched = self.0.clone();
        (deadline, Timer { watched, sleep })
    }

    pub(in crate::runtime) fn timer(&self) -> Timer {
        Timer {
            watched: self.0.clone(),
            sleep: None,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Watched {
    #[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
    fn now(&self) -> Instant {
        if !self.pausable {
            return Instant::now();
        }
        self.inside(|| ::tokio::time::Instant::now().into_std())
            .unwrap_or_else(Instant::now)
    }

    #[inline]
    fn inside<T>(&self, f: impl FnOnce() -> T) -> Option<T> {
        inside(&self.handle, f)
    }
}

/// Only in tokio's context. `None` is never.
fn sleep_until(deadline: Instant) -> Option<::tokio::time::Sleep> {
    // tokio rounds up to its tick of a millisecond, by an addition that must not overflow.
    deadline.checked_add(Duration::from_secs(1))?;
    Some(::tokio::time::sleep_until(deadline.into()))
}

pin_project! {
    /// A sleep of tokio that stays pending once its runtime was shut down, where tokio's own
    /// would panic or, fired by the shutdown, be early.
    pub(in crate::runtime) struct Timer {
        watched: Arc<Watched>,
        // `None` where there is no timer to be had.
        #[pin]
        sleep: Option<::tokio::time::Sleep>,
    }
}

impl Timer {
    pub(in crate::runtime) fn now(&self) -> Instant {
        self.watched.now()
    }

    pub(in crate::runtime) fn arm(self: Pin<&mut Self>, _deadline: Instant) {
        // The poll that follows does, if there is no sleep to that deadline already.
    }

    pub(in crate::runtime) fn is_dead(&self) -> bool {
        self.watched.gate.is_closed()
    }

    pub(in crate::runtime) fn disarm(self: Pin<&mut Self>) {
        self.project().sleep.set(None);
    }

    pub(in crate::runtime) fn poll(
        self: Pin<&mut Self>,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        let gate = &this.watched.gate;
        if this.sleep.is_none() {
            let sleep = this.watched.inside(|| sleep_until(deadline));
            this.sleep.set(sleep.flatten());
        }
        let Some(sleep) = this.sleep.as_pin_mut() else {
            return Poll::Pending;
        };
        if sleep.is_elapsed() {
            // Acquire, with the release of who fired it: if it was a shutdown, the gate is seen
            // closed.
            fence(Ordering::Acquire);
            return gate.unless_closed();
        }
        let Some(_passing) = gate.pass() else {
            return Poll::Pending;
        };
        // Outside of the task's budget, or work that uses all of it would never be timed out.
        let mut unconstrained = unconstrained(sleep);
        match catch(|| Pin::new(&mut unconstrained).poll(cx)) {
            // A shutdown, which fires it early, waits for who is passing before it begins; but
            // not for ever.
            Ok(Poll::Ready(())) => gate.unless_closed(),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) if gate.is_closed() => {
                forget_panic(payload);
                Poll::Pending
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}
