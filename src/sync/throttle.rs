use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::rate_limit::{Wait, Window};
use crate::runtime::Runtime;

pin_project! {
    /// The stream of [`RateLimit::throttle`](super::RateLimit::throttle).
    ///
    /// # Cancel safety
    ///
    /// An item that was taken from the stream and waits for its start is lost with the drop of
    /// this, as is its place in the line; while this lives it waits for the next poll.
    #[must_use = "streams do nothing unless polled"]
    pub struct Throttle<S: Stream> {
        #[pin]
        stream: S,
        // What waits to come out.
        item: Option<S::Item>,
        wait: Wait<Arc<Window>>,
        rt: Runtime,
    }
}

impl<S: Stream> Throttle<S> {
    pub(super) fn new(wait: Wait<Arc<Window>>, rt: Runtime, stream: S) -> Self {
        Self {
            stream,
            item: None,
            wait,
            rt,
        }
    }
}

impl<S: Stream> Stream for Throttle<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if this.item.is_none() {
            let Some(item) = ready!(this.stream.poll_next(cx)) else {
                return Poll::Ready(None);
            };
            *this.item = Some(item);
        }
        ready!(this.wait.poll(this.rt, cx));
        Poll::Ready(this.item.take())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let waiting = usize::from(self.item.is_some());
        let (least, most) = self.stream.size_hint();
        let most = most.and_then(|most| most.checked_add(waiting));
        (least.saturating_add(waiting), most)
    }
}

impl<S: Stream> fmt::Debug for Throttle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}
