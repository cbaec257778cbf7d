use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Gives way to other tasks once: wakes itself, and is ready at the next poll.
///
/// A point where a test lets the order decide who goes on.
///
/// # Examples
///
/// ```
/// use untethered::sim::{Sim, yield_now};
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// sim.block_on(async {
///     let task = rt.spawn(async {});
///     assert!(!task.is_finished());
///     yield_now().await;
///     assert!(task.is_finished());
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
///
/// # Cancel safety
///
/// It holds nothing: dropping it leaves at most a wake-up for nothing.
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for YieldNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YieldNow").finish_non_exhaustive()
    }
}
