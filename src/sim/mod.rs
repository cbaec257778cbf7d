//! A deterministic runtime with virtual time, for tests.
//!
//! Code that takes a [`Runtime`] is tested by handing it the one of a [`Sim`]: all its tasks run
//! on the thread of the test, one after the other; an hour of sleep takes no time; and a failure
//! comes back each time the test runs.
//!
//! * [`Sim`] runs one schedule, [`explore_orders`] many.
//! * [`drop_at_every_poll`] drops a future at each of its awaits: what `select!`, a timeout or a
//!   lost connection do to it sooner or later.
//! * [`Sim::spurious_wakes`] polls tasks that were not woken, as every runtime may.
//! * [`Deadlock`] says what waits when nothing can go on, or what runs when that has no end. Of
//!   a [`Group`](crate::group::Group) it names the tasks, not the drivers that poll them.
//!
//! # Finding a race
//!
//! A server that takes for granted that its configuration is loaded. With tasks run in the order
//! of their spawns it always is; in another order it is not:
//!
//! ```
//! use std::panic::catch_unwind;
//! use std::sync::{Arc, OnceLock};
//! use untethered::sim::{Order, Sim, explore_orders};
//!
//! fn serve(sim: &Sim) {
//!     let rt = sim.runtime();
//!     let config = Arc::new(OnceLock::new());
//!     let loader = rt.spawn({
//!         let config = config.clone();
//!         async move { config.set("verbose") }
//!     });
//!     let server = rt.spawn(async move { config.get().copied() });
//!     sim.block_on(async {
//!         loader.await.unwrap().unwrap();
//!         assert_eq!(server.await.unwrap(), Some("verbose"));
//!     });
//! }
//!
//! serve(&Sim::new());
//! let found = catch_unwind(|| explore_orders(20, serve)).unwrap_err();
//! let message = found.downcast_ref::<String>().unwrap();
//! assert!(message.starts_with("with Order::Lifo: "));
//! ```
//!
//! `serve(&Sim::with_order(Order::Lifo))` now fails each time, until `server` waits for `loader`.
//!
//! # Time
//!
//! The clock stands still while anything is ready. Then [`Sim::block_on`] moves it to the next
//! timer; [`Sim::advance`] moves it by hand, with [`Sim::auto_advance`] off where `block_on`
//! shall not.
//!
//! # What it does not do
//!
//! It knows nothing of other threads. Their wake-ups count, but if nothing is ready `block_on`
//! does not wait for them: it moves time, or reports a deadlock. Closures of
//! [`Runtime::spawn_blocking`] run on the thread of the test too, so one that waits for a task of
//! the same `Sim` waits for ever.

mod clock;
mod deadlock;
mod executor;
mod explore;
mod order;
mod spawner;
mod yield_now;

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::clock::SimSleeper;
use self::executor::{Shared, Stepped};
use self::spawner::SimSpawner;
use crate::runtime::Runtime;

pub use self::deadlock::Deadlock;
pub use self::explore::{drop_at_every_poll, explore_orders};
pub use self::order::Order;
pub use self::yield_now::{YieldNow, yield_now};

/// A deterministic runtime with virtual time.
///
/// Nothing runs but inside [`block_on`](Self::block_on),
/// [`run_until_idle`](Self::run_until_idle) and [`advance`](Self::advance), on the thread that
/// calls them. See the [module](self) for what it is good for.
///
/// Dropping it drops all its tasks, those too that are spawned by the way or later. Its
/// [`Runtime`]s may stay: what they spawn is dropped, their sleeps stay pending, their clock
/// stands still.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let hour = Duration::from_secs(3600);
/// let task = rt.spawn({
///     let rt = rt.clone();
///     async move { rt.sleep(24 * hour).await }
/// });
/// sim.block_on(task).unwrap();
/// assert_eq!(sim.elapsed(), 24 * hour);
/// sim.assert_empty();
/// ```
pub struct Sim {
    shared: Arc<Shared>,
}

impl Sim {
    /// A simulation that runs tasks in the order in which they were woken.
    pub fn new() -> Self {
        Self::with_order(Order::Fifo)
    }

    /// A simulation that runs tasks in `order`.
    pub fn with_order(order: Order) -> Self {
        Self {
            shared: Shared::new(order),
        }
    }

    /// Whether [`block_on`](Self::block_on) moves time when nothing is ready.
    ///
    /// By default it does. If it does not, it reports a [`Deadlock`] where it would have.
    pub fn auto_advance(&self, on: bool) {
        self.shared.lock().settings.auto_advance = on;
    }

    /// Whether tasks are woken now and then for no reason.
    ///
    /// By default they are not. Before every step, and when nothing is ready, one time in four
    /// any live task is woken. The seed of [`Order::Seeded`] decides when and which.
    pub fn spurious_wakes(&self, on: bool) {
        self.shared.lock().settings.spurious_wakes = on;
    }

    /// What [`Runtime::parallelism`] answers: one by default.
    ///
    /// More shows how tasks interleave that are started once per worker. They still run on one
    /// thread.
    ///
    /// # Panics
    ///
    /// If `workers` is nought.
    #[track_caller]
    pub fn parallelism(&self, workers: usize) {
        let Some(workers) = NonZeroUsize::new(workers) else {
            panic!("a runtime has at least one worker, not nought");
        };
        self.shared.lock().settings.parallelism = workers;
    }

    /// How many polls there may be before time moves, or the call that drives the simulation
    /// returns: ten million by default.
    ///
    /// A task that wakes itself for ever ends a test this way instead of hanging it, with a
    /// report that says how often each task was polled.
    ///
    /// # Panics
    ///
    /// If `polls` is nought.
    #[track_caller]
    pub fn poll_limit(&self, polls: usize) {
        let Some(polls) = NonZeroUsize::new(polls) else {
            panic!("a simulation that may not poll at all runs nothing");
        };
        self.shared.lock().settings.poll_limit = polls;
    }

    /// The handle to give to what is tested.
    pub fn runtime(&self) -> Runtime {
        Runtime::new(
            SimSpawner(self.shared.clone()),
            SimSleeper(self.shared.clone()),
        )
    }

    /// Runs `future`, and with it the tasks of the simulation, until `future` is done.
    ///
    /// Then it returns at once: tasks that are ready stay so until something drives them again.
    ///
    /// # Panics
    ///
    /// If nothing can go on before `future` is done, with the report of [`Deadlock`]; or if called
    /// from what the simulation runs.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.try_block_on(future) {
            Ok(output) => output,
            Err(deadlock) => panic!("{deadlock}"),
        }
    }

    /// As [`block_on`](Self::block_on), giving the deadlock instead of a panic.
    ///
    /// # Errors
    ///
    /// [`Deadlock`] if nothing is ready, `future` is not done and time can not help, or if
    /// something has been ready for more than [`poll_limit`](Self::poll_limit) polls.
    ///
    /// # Panics
    ///
    /// If called from what the simulation runs.
    #[track_caller]
    pub fn try_block_on<F: Future>(&self, future: F) -> Result<F::Output, Deadlock> {
        match self.run(future, None) {
            Ok(Some(output)) => Ok(output),
            Ok(None) => unreachable!("the number of polls has no limit"),
            Err(deadlock) => Err(deadlock),
        }
    }

    /// Runs `future` for at most `polls` polls of it. `None` if that was not enough.
    #[track_caller]
    fn run<F: Future>(
        &self,
        future: F,
        polls: Option<usize>,
    ) -> Result<Option<F::Output>, Deadlock> {
        self.shared.run(future, polls, Location::caller())
    }

    /// Runs all that is ready, until nothing is. Time stands still.
    ///
    /// # Panics
    ///
    /// If called from what the simulation runs, or if there is no end to it
    /// ([`poll_limit`](Self::poll_limit)).
    #[track_caller]
    pub fn run_until_idle(&self) {
        let _running = self.shared.enter();
        self.run_ready();
    }

    /// Moves time by `duration`, stopping at each timer on the way to run what it wakes.
    ///
    /// Timers fire by deadline; those with the same deadline together, in the order in which they
    /// were made.
    ///
    /// # Panics
    ///
    /// If `duration` is more than the clock can say, if called from what the simulation runs, or if
    /// there is no end to what is ready ([`poll_limit`](Self::poll_limit)).
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let Some(until) = self.now().checked_add(duration) else {
            panic!("a clock can not be moved by {duration:?}");
        };
        let _running = self.shared.enter();
        loop {
            self.run_ready();
            if !self.shared.fire_next(Some(until)) {
                break;
            }
        }
        self.shared.lock().clock.move_to(until);
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        self.shared.lock().clock.now()
    }

    /// How far time has moved since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.shared.lock().clock.elapsed()
    }

    /// How many tasks have not ended.
    pub fn live_tasks(&self) -> usize {
        self.shared.lock().live_tasks()
    }

    /// How many sleeps are under way.
    pub fn live_timers(&self) -> usize {
        self.shared.lock().clock.live_timers()
    }

    /// Asserts that every task has ended and no sleep is under way.
    ///
    /// # Panics
    ///
    /// If one is left, with what each task waits for.
    #[track_caller]
    pub fn assert_empty(&self) {
        let (tasks, timers) = (self.live_tasks(), self.live_timers());
        if (tasks, timers) != (0, 0) {
            let waiting = self.shared.waiting();
            panic!("tasks left: {tasks}, timers left: {timers}{waiting}");
        }
    }

    #[track_caller]
    fn run_ready(&self) {
        loop {
            match self.shared.step() {
                Stepped::Ran | Stepped::Main => {}
                Stepped::Idle => return,
                Stepped::Endless(polls) => {
                    panic!("{}", Deadlock::endless(self.shared.waiting(), polls))
                }
            }
        }
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Sim")
            .field("order", &state.order())
            .field("elapsed", &state.clock.elapsed())
            .field("live_tasks", &state.live_tasks())
            .field("live_timers", &state.clock.live_timers())
            .finish()
    }
}
