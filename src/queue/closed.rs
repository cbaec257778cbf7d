use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::channel::Channel;
use crate::sync::Key;

/// The future of [`Queue::closed`](super::Queue::closed).
#[must_use = "futures do nothing unless awaited"]
pub struct WaitClosed<'a, T> {
    channel: &'a Channel<T>,
    place: Option<Key>,
}

impl<T> Channel<T> {
    pub(super) fn closed(&self) -> WaitClosed<'_, T> {
        WaitClosed {
            channel: self,
            place: None,
        }
    }
}

impl<T> Future for WaitClosed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.channel.poll_closed(&mut this.place, cx)
    }
}

impl<T> Drop for WaitClosed<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.place.take() {
            self.channel.leave_closed(key);
        }
    }
}

impl<T> fmt::Debug for WaitClosed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitClosed").finish_non_exhaustive()
    }
}
