//! What travels with a request: how far it has got, and when it must be done.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::primitives::Mutex;
use crate::sync::wake_all;
use crate::task::discard;

/// How far an exchange has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ExchangePhase {
    /// Handed to the client.
    Begun,
    /// Resolving the host, connecting, or in the TLS handshake.
    Connecting,
    /// A connection is there; the request is being written.
    Sending,
    /// The whole request is written.
    Sent,
    /// The head of the response is there.
    Head,
}

/// Where a client reports how far an exchange has got: a request extension.
///
/// Clones share the report. A client takes it from the request's extensions and calls
/// [`report`](Self::report); whoever made the request looks at [`current`](Self::current) or waits
/// with [`poll_past`](Self::poll_past). Phases only go forward.
///
/// ```
/// use untethered::http::{ExchangePhase, Phases};
///
/// let phases = Phases::new();
/// phases.report(ExchangePhase::Sent);
/// phases.report(ExchangePhase::Connecting);
/// assert_eq!(phases.current(), ExchangePhase::Sent);
/// ```
#[derive(Clone)]
pub struct Phases {
    state: Arc<Mutex<State>>,
}

struct State {
    current: ExchangePhase,
    waiter: Option<Waker>,
}

impl Phases {
    /// A report that says [`Begun`](ExchangePhase::Begun).
    pub fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                current: ExchangePhase::Begun,
                waiter: None,
            })),
        }
    }

    /// Says that the exchange has got to `phase`. Going back changes nothing.
    pub fn report(&self, phase: ExchangePhase) {
        let mut state = self.state.lock();
        if phase > state.current {
            state.current = phase;
            let waiter = state.waiter.take();
            drop(state);
            wake_all(waiter);
        }
    }

    /// How far the exchange has got.
    pub fn current(&self) -> ExchangePhase {
        self.state.lock().current
    }

    /// Ready with the present phase once it is past `seen`. One waiter at a time: the last one
    /// that polled is woken.
    pub fn poll_past(&self, seen: ExchangePhase, cx: &mut Context<'_>) -> Poll<ExchangePhase> {
        let mut state = self.state.lock();
        if state.current > seen {
            return Poll::Ready(state.current);
        }
        let old = match &state.waiter {
            Some(waiter) if waiter.will_wake(cx.waker()) => None,
            _ => state.waiter.replace(cx.waker().clone()),
        };
        drop(state);
        discard(old);
        Poll::Pending
    }
}

impl Default for Phases {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Phases").field(&self.current()).finish()
    }
}

/// When an exchange must be done, its body included: a request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Instant);
