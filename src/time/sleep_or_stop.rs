use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::runtime::{Runtime, Sleep};
use crate::task::{CancellationToken, Cancelled};

/// Sleeps for `duration`, or until `token` asks to stop: then it gives `true`.
///
/// When both have come, the request to stop wins. Nought looks at the token and returns.
///
/// # Cancel safety
///
/// Cancel safe: a dropped wait leaves nothing behind.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::CancellationToken;
/// use untethered::sim::Sim;
/// use untethered::time::sleep_or_stop;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let token = CancellationToken::new();
/// let mut renewals = 0;
/// sim.block_on(async {
///     while !sleep_or_stop(&rt, Duration::from_secs(10), &token).await {
///         renewals += 1;
///         if renewals == 3 {
///             token.cancel("enough");
///         }
///     }
/// });
/// assert_eq!(renewals, 3);
/// ```
pub fn sleep_or_stop<'a>(
    rt: &Runtime,
    duration: Duration,
    token: &'a CancellationToken,
) -> SleepOrStop<'a> {
    SleepOrStop {
        stop: token.cancelled(),
        sleep: rt.sleep(duration),
    }
}

pin_project! {
    /// The future of [`sleep_or_stop`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct SleepOrStop<'a> {
        #[pin]
        stop: Cancelled<'a>,
        #[pin]
        sleep: Sleep,
    }
}

impl Future for SleepOrStop<'_> {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = self.project();
        if this.stop.poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        this.sleep.poll(cx).map(|()| false)
    }
}

impl fmt::Debug for SleepOrStop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SleepOrStop")
            .field("sleep", &self.sleep)
            .finish_non_exhaustive()
    }
}
