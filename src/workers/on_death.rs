use std::num::NonZeroUsize;
use std::time::Duration;

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

/// How workers that died are started again: after a while that doubles, and not for ever.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::workers::{OnDeath, Respawn, Workers};
///
/// // Up to 10 in a minute; the first at once.
/// let respawn = Respawn::at_most(10, Duration::from_secs(60))
///     .backoff(Duration::ZERO, Duration::from_secs(30));
/// let workers = Workers::processes(4).on_death(OnDeath::Respawn(respawn));
/// # let _ = workers;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Respawn {
    pub(super) limit: NonZeroUsize,
    pub(super) window: Duration,
    first: Duration,
    longest: Duration,
}

/// What the second wait is if the first was nought.
const LEAST: Duration = Duration::from_millis(100);

impl Respawn {
    /// Up to `limit` starts in any interval of length `window`, over all workers. One that dies
    /// beyond that stops all.
    ///
    /// The first wait is 100 ms, the longest 10 s.
    ///
    /// # Panics
    ///
    /// If `limit` is nought: that is [`OnDeath::StopAll`].
    #[track_caller]
    pub fn at_most(limit: usize, window: Duration) -> Self {
        Self {
            limit: NonZeroUsize::new(limit)
                .expect("nought restarts are OnDeath::StopAll: say that, or give one or more"),
            window,
            first: LEAST,
            longest: Duration::from_secs(10),
        }
    }

    /// Waits for `first` before the first start, and twice as long before each further one of the
    /// same worker, up to `longest`. A worker that lived for a whole window begins anew.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first = first;
        self.longest = longest.max(first);
        self
    }

    /// The wait before start number `nth`, from nought, of the same worker.
    pub(super) fn wait(&self, nth: u32) -> Duration {
        let Some(doublings) = nth.checked_sub(1) else {
            return self.first;
        };
        let second = match self.first {
            Duration::ZERO => LEAST,
            first => first.saturating_mul(2),
        };
        let factor = 2u32.saturating_pow(doublings);
        second.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let ms = Duration::from_millis;
        let respawn = Respawn::at_most(1, ms(1)).backoff(ms(10), ms(35));
        assert_eq!(
            [0, 1, 2, 3, 99].map(|nth| respawn.wait(nth)),
            [10, 20, 35, 35, 35].map(ms)
        );
        let respawn = respawn.backoff(ms(200), ms(1500));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|nth| respawn.wait(nth)),
            [200, 400, 800, 1500, 1500].map(ms)
        );
        let respawn = respawn.backoff(ms(0), ms(300));
        assert_eq!(
            [0, 1, 2, 3].map(|nth| respawn.wait(nth)),
            [0, 100, 200, 300].map(ms)
        );
        assert_eq!(respawn.backoff(Duration::MAX, ms(0)).wait(7), Duration::MAX);
    }
}
