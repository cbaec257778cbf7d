use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::runtime::{Runtime, Sleep};
use crate::task::CancellationToken;

/// The time that the losers are given to end by themselves.
pub(super) struct Grace {
    length: Duration,
    token: CancellationToken,
    /// Counts from the moment at which the losers are asked to stop.
    sleep: Pin<Box<Sleep>>,
    begun: bool,
}

impl Grace {
    pub(super) fn new(rt: &Runtime, length: Duration, token: &CancellationToken) -> Self {
        Self {
            length,
            token: token.clone(),
            sleep: Box::pin(rt.sleep(length)),
            begun: false,
        }
    }

    /// Asks the losers to stop, the first time it is called.
    pub(super) fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.token.cancel("the others are not needed any more");
            self.sleep.as_mut().reset(self.length);
        }
    }

    /// Whether the time is over.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}
