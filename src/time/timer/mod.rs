mod driver;
mod tick;

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use self::driver::Driver;
pub use self::tick::{Tick, TickFailure};
use super::{InvalidJitter, InvalidPeriod, jitter};
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::runtime::{Runtime, report_unobserved};
use crate::task::{CancellationToken, Task};

/// A callback run every period, as tasks of a runtime.
///
/// The ticks keep to their schedule and do not drift, unless [`fixed_delay`] is asked for. What
/// happens when one is due while another still runs is for [`Overlap`] to say. A tick that fails
/// or panics is reported, and the timer lives on.
///
/// Dropping the timer asks it to stop, as [`stop`](Self::stop) does, without waiting for it.
/// [`detach`](Self::detach) lets it go on alone.
///
/// Take [`interval`](super::interval) to tick inside of a loop of your own.
///
/// [`fixed_delay`]: TimerBuilder::fixed_delay
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::Timer;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let beats = Arc::new(AtomicU32::new(0));
/// let counted = beats.clone();
/// let timer = Timer::builder(&rt, Duration::from_secs(1)).start(move |_tick| {
///     let beats = counted.clone();
///     async move {
///         beats.fetch_add(1, Ordering::Relaxed);
///     }
/// });
/// sim.block_on(async {
///     rt.sleep(Duration::from_millis(2500)).await;
///     timer.stop().await.unwrap();
/// });
/// assert_eq!(beats.load(Ordering::Relaxed), 3); // at 0, 1 and 2 seconds
/// ```
#[must_use = "dropping a timer stops it: keep it, or call detach()"]
pub struct Timer {
    token: CancellationToken,
    skipped: Arc<AtomicU64>,
    /// `None` once it was let go. Gives the number of ticks that are stuck.
    driver: Option<Task<usize>>,
}

impl Timer {
    /// A timer of `period`, to be set up and started.
    ///
    /// # Panics
    ///
    /// If `period` is nought. For a period that comes from outside take
    /// [`try_builder`](Self::try_builder).
    #[track_caller]
    pub fn builder(rt: &Runtime, period: Duration) -> TimerBuilder {
        match Self::try_builder(rt, period) {
            Ok(builder) => builder,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`builder`](Self::builder), for a period that comes from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidPeriod`] if `period` is nought.
    pub fn try_builder(rt: &Runtime, period: Duration) -> Result<TimerBuilder, InvalidPeriod> {
        InvalidPeriod::check(period)?;
        Ok(TimerBuilder {
            rt: rt.clone(),
            period,
            after_period: false,
            fixed_delay: false,
            overlap: Overlap::Skip,
            jitter: Jitter::default(),
            grace: Duration::ZERO,
            hard_limit: Duration::from_secs(5),
            token: None,
        })
    }

    /// Stops the timer and waits until no tick is alive.
    ///
    /// Ticks that run are asked to stop by their [token](Tick::token), dropped when the
    /// [grace](TimerBuilder::grace) is over, and waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future leaves the stop in force: ticks have what is left of their grace.
    ///
    /// # Errors
    ///
    /// [`Stuck`] if a tick that was to be dropped is still being polled when the
    /// [hard limit](TimerBuilder::hard_limit) is over: its code blocks the thread.
    pub async fn stop(mut self) -> Result<(), Stuck> {
        self.token.cancel("the timer was stopped");
        // Not taken out: if this is dropped half-way, the drop of the timer lets it end by itself.
        let driver = self.driver.as_mut();
        let driver = driver.expect("only `detach` takes it, which consumes the timer");
        match driver.await {
            Ok(ticks) if ticks > 0 => Err(Stuck { ticks }),
            // A driver that was dropped with its runtime has dropped its ticks.
            _ => Ok(()),
        }
    }

    /// How many ticks were skipped so far.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Lets the timer go on without a handle, until its [token](TimerBuilder::token) asks it to
    /// stop or its runtime ends. It holds a handle of the runtime.
    pub fn detach(mut self) {
        if let Some(driver) = self.driver.take() {
            driver.detach();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.token.cancel("the timer was dropped");
            // It ends by itself, and gives its ticks the grace they were promised.
            driver.detach();
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("skipped", &self.skipped())
            .finish_non_exhaustive()
    }
}

/// What happens when a tick is due while another still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The one that is due is skipped and counted.
    #[default]
    Skip,
    /// The one that is due starts as soon as the other has ended. None is skipped; if the ticks
    /// are always too slow for the period, they follow each other without a pause.
    Wait,
    /// The one that runs is asked to stop, dropped when the [grace](TimerBuilder::grace) is over,
    /// and gone when the next one starts. The schedule does not move for it.
    CancelPrevious,
    /// Both run, and up to so many. Past that the one that is due is skipped and counted.
    Accumulate(NonZeroUsize),
}

impl Overlap {
    /// [`Overlap::Accumulate`] from a plain number.
    ///
    /// # Panics
    ///
    /// If `limit` is nought.
    #[track_caller]
    pub fn accumulate(limit: usize) -> Self {
        let limit = NonZeroUsize::new(limit);
        Self::Accumulate(
            limit.expect("a timer of nought ticks at once never ticks: give one or more"),
        )
    }
}

/// Sets up a [`Timer`]. From [`Timer::builder`].
#[derive(Debug)]
#[must_use = "a timer does nothing until it is started"]
pub struct TimerBuilder {
    rt: Runtime,
    period: Duration,
    after_period: bool,
    fixed_delay: bool,
    overlap: Overlap,
    jitter: Jitter,
    grace: Duration,
    hard_limit: Duration,
    token: Option<CancellationToken>,
}

impl TimerBuilder {
    /// Makes the first tick come after a period, not at once.
    pub fn after_period(mut self) -> Self {
        self.after_period = true;
        self
    }

    /// Makes each tick come a period after the last one has ended: ticks never overlap, and
    /// [`overlap`](Self::overlap) has nothing to say.
    pub fn fixed_delay(mut self) -> Self {
        self.fixed_delay = true;
        self
    }

    /// What happens when a tick is due while another still runs. [`Overlap::Skip`] by default.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Starts each tick later by a random time of at most `most`, so that timers of many machines
    /// do not tick together. The schedule itself does not move. The same `seed` gives the same times.
    ///
    /// # Panics
    ///
    /// If `most` is longer than the period. For numbers that come from outside take
    /// [`try_jitter`](Self::try_jitter).
    #[track_caller]
    pub fn jitter(self, most: Duration, seed: u64) -> Self {
        match self.try_jitter(most, seed) {
            Ok(builder) => builder,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`jitter`](Self::jitter), for a time that comes from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidJitter`] if `most` is longer than the period.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use untethered::time::Timer;
    ///
    /// # let rt = untethered::sim::Sim::new().runtime();
    /// let timer = Timer::builder(&rt, Duration::from_secs(1));
    /// assert!(timer.try_jitter(Duration::from_secs(2), 7).is_err());
    /// ```
    pub fn try_jitter(mut self, most: Duration, seed: u64) -> Result<Self, InvalidJitter> {
        let period = self.period;
        if most > period {
            return Err(InvalidJitter { most, period });
        }
        self.jitter = Jitter { most, seed };
        Ok(self)
    }

    /// How long a tick may go on after it was asked to stop. Nought by default: it is dropped.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long to wait for a tick to be gone after it was dropped. 5 seconds by default.
    ///
    /// A tick whose code blocks the thread can not be dropped before it returns.
    pub fn hard_limit(mut self, limit: Duration) -> Self {
        self.hard_limit = limit;
        self
    }

    /// Also stops the timer when `token` asks to.
    pub fn token(mut self, token: &CancellationToken) -> Self {
        self.token = Some(token.child_token());
        self
    }

    /// Starts the timer. `call` is called once for each tick, and what it gives is run as a task.
    ///
    /// A panic goes to [`Runtime::on_unobserved`], and the timer lives on.
    pub fn start<F>(self, mut call: impl FnMut(Tick) -> F + Send + 'static) -> Timer
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let unobserved = self.rt.hook();
        self.start_fallible(
            move |tick| {
                let tick = call(tick);
                async move {
                    tick.await;
                    Ok(())
                }
            },
            move |failure: TickFailure<std::convert::Infallible>| {
                let Err(payload) = failure.into_error();
                report_unobserved(&*unobserved, payload);
            },
        )
    }

    /// As [`start`](Self::start), for ticks that can fail. Errors and panics go to `on_failure`,
    /// each once, and the timer lives on.
    ///
    /// The hook runs where the tick ended and can not await. What takes longer goes through a queue
    /// to a task, by `try_push`: say there what is to be lost when it is full, as by counting it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use std::time::Duration;
    /// use untethered::sim::Sim;
    /// use untethered::time::{TickFailure, Timer};
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let failures = Arc::new(Mutex::new(Vec::new()));
    /// let seen = failures.clone();
    /// let timer = Timer::builder(&rt, Duration::from_secs(1)).start_fallible(
    ///     |tick| async move { if tick.number() == 1 { Err("no route") } else { Ok(()) } },
    ///     move |failure: TickFailure<&str>| seen.lock().unwrap().push(failure.to_string()),
    /// );
    /// sim.block_on(async {
    ///     rt.sleep(Duration::from_secs(5)).await;
    ///     timer.stop().await.unwrap();
    /// });
    /// assert_eq!(*failures.lock().unwrap(), ["tick 1 failed: no route"]);
    /// ```
    pub fn start_fallible<F, E>(
        self,
        call: impl FnMut(Tick) -> F + Send + 'static,
        on_failure: impl Fn(TickFailure<E>) + Send + Sync + 'static,
    ) -> Timer
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Send + 'static,
    {
        let token = self.token.clone().unwrap_or_default();
        let skipped = Arc::new(AtomicU64::new(0));
        let rt = self.rt.clone();
        let driver = Driver::new(self, token.clone(), skipped.clone(), call, on_failure);
        Timer {
            token,
            skipped,
            driver: Some(rt.spawn(driver.run())),
        }
    }
}

#[derive(Debug, Default)]
struct Jitter {
    most: Duration,
    seed: u64,
}

impl Jitter {
    /// By how much a tick is put off: the same each time it is asked for.
    fn of(&self, number: u64) -> Duration {
        jitter::part_of(self.most, self.seed, number)
    }
}

/// Ticks of a stopped timer that could not be dropped: their code blocks a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    ticks: usize,
}

impl Stuck {
    /// How many there are.
    pub fn ticks(&self) -> usize {
        self.ticks
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ticks {
            1 => f.write_str("a tick of the stopped timer blocks its thread"),
            ticks => write!(f, "{ticks} ticks of the stopped timer block their threads"),
        }
    }
}

impl std::error::Error for Stuck {}
