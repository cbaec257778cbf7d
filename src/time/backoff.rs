use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::jitter;

/// How long to wait before trying again: longer each time, up to a most.
///
/// The delay doubles with each attempt. Half of it is random, so that those who failed together do
/// not come back together ("equal jitter" of Brooker, *Exponential Backoff And Jitter*, 2015).
/// [`seed`](Self::seed) makes the delays the same in each run.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::time::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(100)).most(Duration::from_secs(1)).without_jitter();
/// let delays: Vec<_> = (0..6).map(|retry| backoff.delay(retry).as_millis()).collect();
/// assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
/// ```
///
/// Tries again: a time limit for each attempt, a limit of attempts, and no wait that outlasts a
/// request to stop:
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::{Backoff, sleep_or_stop, timeout};
/// use untethered::{CancellationToken, Runtime};
///
/// # async fn connect(server: &std::cell::Cell<u32>) -> Result<&'static str, String> {
/// #     server.set(server.get() + 1);
/// #     if server.get() < 4 { Err("refused".into()) } else { Ok("connected") }
/// # }
/// # let server = &std::cell::Cell::new(0);
/// async fn persist(
///     rt: &Runtime,
///     stop: &CancellationToken,
/// #   server: &std::cell::Cell<u32>,
/// ) -> Result<&'static str, String> {
///     let backoff = Backoff::new(Duration::from_millis(100)).most(Duration::from_secs(5));
///     for retry in 0.. {
///         let error = match timeout(rt, Duration::from_secs(1), connect(server)).await {
///             Ok(Ok(connection)) => return Ok(connection),
///             Ok(Err(error)) => error,
///             Err(elapsed) => elapsed.to_string(),
///         };
///         if retry == 5 || sleep_or_stop(rt, backoff.delay(retry), stop).await {
///             return Err(error); // given up, or asked to stop
///         }
///     }
///     unreachable!("it gives up before")
/// }
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let stop = CancellationToken::new();
/// assert_eq!(sim.block_on(persist(&rt, &stop, server)).unwrap(), "connected");
/// # server.set(0);
/// stop.cancel("shutdown");
/// assert_eq!(sim.block_on(persist(&rt, &stop, server)).unwrap_err(), "refused");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a backoff does nothing until it is asked for delays"]
pub struct Backoff {
    first: Duration,
    most: Duration,
    /// `None` is without jitter.
    seed: Option<u64>,
}

const DEFAULT_MOST: Duration = Duration::from_secs(30);

impl Backoff {
    /// Waits `first` at most before the first retry, and 30 s before any, or `first` if that is
    /// longer. The seed is another one each time.
    pub fn new(first: Duration) -> Self {
        Self {
            first,
            most: first.max(DEFAULT_MOST),
            seed: Some(RandomState::new().hash_one(0)),
        }
    }

    /// Waits so long at most, before the first retry too.
    pub fn most(self, most: Duration) -> Self {
        Self { most, ..self }
    }

    /// The same seed gives the same delays.
    pub fn seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// Waits all of each delay.
    pub fn without_jitter(self) -> Self {
        Self { seed: None, ..self }
    }

    /// The wait before retry number `retry`, which begins at nought.
    pub fn delay(&self, retry: usize) -> Duration {
        let doublings = u32::try_from(retry).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.most);
        match self.seed {
            None => whole,
            Some(seed) => whole / 2 + jitter::part_of(whole - whole / 2, seed, retry as u64),
        }
    }

    /// The same with other random numbers: for the one of that number among those that share it.
    #[cfg(any(feature = "http", feature = "workers", test))]
    pub(crate) fn of(self, number: u64) -> Self {
        Self {
            // Far from the numbers of the retries, which are added.
            seed: self.seed.map(|seed| seed ^ number.rotate_left(32)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn half_of_each_delay_is_random_and_known_from_the_seed() {
        let backoff = Backoff::new(SECOND).most(10 * SECOND).seed(7);
        let whole = backoff.without_jitter();
        let mut differ = 0;
        for number in 0..1_000 {
            for retry in 0..6 {
                let delay = backoff.of(number).delay(retry);
                assert_eq!(delay, backoff.of(number).delay(retry));
                assert!(delay >= whole.delay(retry) / 2 && delay <= whole.delay(retry));
                differ += usize::from(delay != backoff.of(number + 1).delay(retry));
            }
        }
        assert_eq!(differ, 6_000);
    }

    #[test]
    fn it_never_overflows() {
        let endless = Backoff::new(Duration::MAX).most(Duration::MAX);
        assert!(endless.delay(usize::MAX) >= Duration::MAX / 2);
        let backoff = Backoff::new(SECOND).without_jitter();
        assert_eq!(backoff.delay(usize::MAX), DEFAULT_MOST);
        assert_eq!(Backoff::new(Duration::ZERO).delay(9), Duration::ZERO);
    }
}
