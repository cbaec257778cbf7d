use std::num::NonZeroUsize;
use std::time::Duration;

use crate::time::Backoff;

/// What to do when a worker ends that nobody had asked to.
///
/// A worker whose body returns without an error is done; it has not died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDeath {
    /// Stops the others too.
    #[default]
    StopAll,
    /// Goes on with those that are left.
    Ignore,
    /// Starts another one.
    Respawn(Respawn),
}

/// How workers that died are started again: after a while that grows, and not for ever.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::time::Backoff;
/// use untethered::workers::{OnDeath, Respawn, Workers};
///
/// // Up to 10 in a minute.
/// let respawn = Respawn::at_most(10, Duration::from_secs(60))
///     .backoff(Backoff::new(Duration::from_millis(10)).most(Duration::from_secs(5)));
/// let workers = Workers::processes(4).on_death(OnDeath::Respawn(respawn));
/// # let _ = workers;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Respawn {
    pub(super) limit: NonZeroUsize,
    pub(super) window: Duration,
    pub(super) backoff: Backoff,
}

impl Respawn {
    /// Up to `limit` starts in any interval of length `window`, over all workers. One that dies
    /// beyond that stops all.
    ///
    /// # Panics
    ///
    /// If `limit` is nought: that is [`OnDeath::StopAll`]. If `window` is: that is no limit.
    #[track_caller]
    pub fn at_most(limit: usize, window: Duration) -> Self {
        assert!(
            !window.is_zero(),
            "a window of nought limits no restarts: give a longer one"
        );
        Self {
            limit: NonZeroUsize::new(limit)
                .expect("nought restarts are OnDeath::StopAll: say that, or give one or more"),
            window,
            backoff: Backoff::new(Duration::from_millis(100)).most(Duration::from_secs(10)),
        }
    }

    /// How long to wait before a start: 100 ms at first and 10 s at most, if nothing is said. The
    /// waits of a worker grow from death to death, until it has lived for a whole window.
    #[must_use = "it gives the changed value back"]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }
}
