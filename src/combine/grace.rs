use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::runtime::{Runtime, Sleep};
use crate::task::CancellationToken;

/// The time that the losers are given to end by themselves.
pub(super) struct Grace {
    rt: Runtime,
    length: Duration,
    token: CancellationToken,
    /// `None` until the losers are asked to stop.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Grace {
    pub(super) fn new(rt: &Runtime, length: Duration, token: &CancellationToken) -> Self {
        Self {
            rt: rt.clone(),
            length,
            token: token.clone(),
            sleep: None,
        }
    }

    /// Asks the losers to stop. The time counts from here.
    pub(super) fn begin(&mut self) {
        self.token.cancel("the others are not needed any more");
        self.sleep = Some(Box::pin(self.rt.sleep(self.length)));
    }

    pub(super) fn has_begun(&self) -> bool {
        self.sleep.is_some()
    }

    /// Whether the time is over.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
