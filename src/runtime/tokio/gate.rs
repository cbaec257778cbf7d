use std::cell::Cell;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use crate::primitives::atomic::{AtomicUsize, Ordering};

/// Keeps tokio from ending its timers while one of them is polled.
///
/// Bit 0 says closed; the rest counts who is passing, in twos.
#[derive(Default)]
pub(super) struct Gate(AtomicUsize);

const CLOSED: usize = 1;
const PASSING: usize = 2;

thread_local! {
    /// How many gates this thread is passing.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

impl Gate {
    /// `None` once it is closed.
    pub(super) fn pass(&self) -> Option<Passing<'_>> {
        OWN.try_with(|own| own.set(own.get() + 1)).ok();
        let passing = Passing(self);
        // Nothing is read through the gate: the one modification order of the number suffices.
        // Who passes comes before the close in it, and so is waited for.
        if self.0.fetch_add(PASSING, Ordering::Relaxed) & CLOSED == 0 {
            Some(passing)
        } else {
            None
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    pub(super) fn unless_closed(&self) -> Poll<()> {
        match self.is_closed() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// Closes it, and waits until all have passed.
    fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::Relaxed);
        // The poll may be this thread's: of a waker that ends the runtime when it is dropped.
        // Then tokio panics, and the poll of the timer catches that.
        let own = OWN.try_with(Cell::get).unwrap_or(0) * PASSING;
        // A poll is short, but its thread may be kept from running for long. It is not waited
        // for without end, because a waker could wait for us.
        for round in 0..SHORT_WAITS + LONG_WAITS {
            // Acquire, with the release of who has passed: the poll is over.
            if self.0.load(Ordering::Acquire) <= CLOSED + own {
                break;
            }
            wait(round < SHORT_WAITS);
        }
    }
}

const SHORT_WAITS: usize = 1_000;
/// Of a millisecond each.
const LONG_WAITS: usize = 10_000;

#[expect(clippy::disallowed_methods, reason = "no timer of a runtime that ends")]
fn wait(short: bool) {
    if short {
        thread::yield_now();
    } else {
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) struct Passing<'a>(&'a Gate);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(PASSING, Ordering::Release);
        OWN.try_with(|own| own.set(own.get() - 1)).ok();
    }
}

pub(super) struct CloseOnDrop(pub(super) Arc<Gate>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}
