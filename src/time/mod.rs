//! What has to do with time. Everything here is given the [`Runtime`] whose clock it goes by.
//!
//! | To | Take |
//! |---|---|
//! | wait | [`sleep`], [`sleep_until`] |
//! | wait, but not past a request to stop | [`sleep_or_stop`] |
//! | limit how long something may take | [`timeout`], [`timeout_at`] |
//! | do without it if it takes too long | [`move_on_after`] |
//! | do something every period, in a loop of your own | [`interval`] |
//! | have something done every period, by itself | [`Timer`] |
//! | wait longer before each retry | [`Backoff`] |
//!
//! Nothing here is ever early. [`Duration::MAX`] means never, and nought means at once.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use untethered::sim::Sim;
//! use untethered::time::timeout;
//!
//! let sim = Sim::new();
//! let rt = sim.runtime();
//! sim.block_on(async {
//!     let slow = rt.sleep(Duration::from_secs(60));
//!     assert!(timeout(&rt, Duration::from_secs(1), slow).await.is_err());
//! });
//! assert_eq!(sim.elapsed(), Duration::from_secs(1));
//! ```

mod backoff;
mod interval;
mod jitter;
mod sleep_or_stop;
mod timeout;
mod timer;

use std::time::{Duration, Instant};

pub use self::backoff::Backoff;
pub use self::interval::{Interval, InvalidPeriod, MissedTicks, NextTick, interval, interval_at};
pub use self::jitter::InvalidJitter;
pub use self::sleep_or_stop::{SleepOrStop, sleep_or_stop};
pub use self::timeout::{Elapsed, MoveOnAfter, Timeout, move_on_after, timeout, timeout_at};
pub use self::timer::{Overlap, Stuck, Tick, TickFailure, Timer, TimerBuilder};
pub use crate::runtime::Sleep;

use crate::runtime::Runtime;

/// Sleeps for `duration`, counted from this call. As [`Runtime::sleep`].
pub fn sleep(rt: &Runtime, duration: Duration) -> Sleep {
    rt.sleep(duration)
}

/// Sleeps until `deadline`. As [`Runtime::sleep_until`].
pub fn sleep_until(rt: &Runtime, deadline: Instant) -> Sleep {
    rt.sleep_until(deadline)
}
