//! A deterministic runtime with virtual time, for tests.
//!
//! Code that takes a [`Runtime`] is tested by handing it the one of a [`Sim`]: all its tasks run
//! on the thread of the test, one after the other; an hour of sleep takes no time; and a failure
//! comes back each time the test runs. The [`guide`] finds, shrinks and replays a bug.
//!
//! * [`Sim`] runs one schedule; [`explore`] runs many, shrinks the first that fails, and says how
//!   to see it again.
//! * [`Order`] is in which order tasks run; [`Faults`] is what happens to them besides.
//! * [`Sim::may_drop`] marks what may be dropped half-way, as `select!`, a timeout or a lost
//!   connection do it sooner or later; [`drop_at_every_poll`] does so with one future.
//! * [`SimRef`] is what tasks may do with their simulation; [`OutsideWork`] is what it waits for.
//! * `Network` (feature `http`) is a client for HTTP whose servers are closures.
//! * [`Deadlock`] says what waits when nothing can go on, or what runs when that has no end. Of
//!   a [`Group`](crate::group::Group) it names the tasks, not the drivers that poll them.
//!
//! # Examples
//!
//! A server that takes for granted that its configuration is loaded. With tasks run in the order
//! of their spawns it always is; in another order it is not:
//!
//! ```
//! use std::sync::{Arc, OnceLock};
//! use untethered::sim::{Sim, explore};
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
//! let failure = explore(serve).try_run().unwrap_err();
//! assert_eq!(failure.schedule().to_string(), "2:run1");
//! ```
//!
//! `explore(serve).replay("2:run1")` fails each time, until `server` waits for `loader`.
//!
//! # Time
//!
//! The clock stands still while anything is ready. Then [`Sim::block_on`] moves it to the next
//! timer; [`Sim::advance`] moves it by hand, with [`Sim::auto_advance`] off where `block_on`
//! shall not. [`SimRef::advance`] moves it from inside of a task.
//!
//! # Other threads
//!
//! Their wake-ups count, but a simulation knows of no thread: if nothing is ready, `block_on`
//! moves time, or reports a deadlock. While an [`OutsideWork`] lives it waits instead. Closures of
//! [`Runtime::spawn_blocking`] run on the thread of the test and before time moves, so one that
//! waits for a task of the same `Sim` waits for ever. Whoever moves time by hand moves it whatever
//! is under way elsewhere.

mod deadlock;
mod executor;
mod explore;
mod faults;
pub mod guide;
mod may_drop;
#[cfg(feature = "http")]
mod network;
mod order;
mod outside;
mod plan;
mod reference;
mod schedule;
mod settings;
mod spawner;
mod state;
mod tasks;
mod timers;
mod yield_now;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::executor::Shared;
use self::plan::Plan;
use self::spawner::SimSpawner;
use self::timers::SimSleeper;
use crate::runtime::{Runtime, Unobserved, print_unobserved};

pub use self::deadlock::Deadlock;
pub use self::explore::{Explore, Explored, Failure, drop_at_every_poll, explore, explore_orders};
pub use self::faults::Faults;
pub use self::may_drop::MayDrop;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use self::network::{Network, Reply};
pub use self::order::Order;
pub use self::outside::OutsideWork;
pub use self::reference::SimRef;
pub use self::schedule::{ParseScheduleError, Schedule};
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
            shared: Shared::new(order, None),
        }
    }

    /// A simulation in which `plan` decides.
    fn planned(plan: Plan) -> Self {
        Self {
            shared: Shared::new(Order::Fifo, Some(plan)),
        }
    }

    /// The handle to give to what is tested.
    pub fn runtime(&self) -> Runtime {
        let rt = Runtime::new(
            SimSpawner(self.shared.clone()),
            SimSleeper(self.shared.clone()),
        );
        if self.shared.lock().plan.is_none() {
            return rt;
        }
        let shared = Arc::downgrade(&self.shared);
        rt.on_unobserved(move |unobserved| {
            if let Some(shared) = shared.upgrade() {
                report(&shared, unobserved);
            }
        })
    }

    /// The handle to give to tasks that move time, or ask how much has gone by.
    pub fn reference(&self) -> SimRef {
        SimRef::new(&self.shared)
    }

    /// Runs `future`, which a schedule of [`explore`] may drop at any moment before it is done.
    ///
    /// It is what a caller that loses interest does: `select!`, a timeout, a connection that
    /// ends. The moment may lie before the first poll, and between a wake-up and the poll that it
    /// asks for. Gives `None` then. Elsewhere than in an exploration nothing is dropped.
    ///
    /// # Examples
    ///
    /// A pop that takes the item before its last await:
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use untethered::sim::{Sim, explore, yield_now};
    ///
    /// fn nothing_is_lost(sim: &Sim) {
    ///     let shelf = RefCell::new(vec!["item"]);
    ///     let pop = async {
    ///         let item = shelf.borrow_mut().pop();
    ///         yield_now().await;
    ///         item.unwrap()
    ///     };
    ///     let popped = sim.block_on(sim.may_drop(pop));
    ///     assert!(popped.is_some() || shelf.borrow().len() == 1, "lost");
    /// }
    ///
    /// let failure = explore(nothing_is_lost).exhaustive(1).try_run().unwrap_err();
    /// assert_eq!(failure.schedule().to_string(), "1:drop0");
    /// ```
    #[track_caller]
    pub fn may_drop<F: IntoFuture>(&self, future: F) -> MayDrop<F::IntoFuture> {
        MayDrop::new(&self.shared, future.into_future(), Location::caller())
    }

    /// Says that another thread works for the simulation, until the returned value is dropped.
    ///
    /// Meanwhile, if nothing is ready, [`block_on`](Self::block_on) waits for that thread to wake
    /// somebody, instead of moving time or reporting a [`Deadlock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use untethered::Queue;
    /// use untethered::sim::Sim;
    /// use untethered::time::timeout;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let queue = Queue::bounded(1);
    /// let (work, sender) = (sim.outside_work(), queue.clone());
    /// std::thread::spawn(move || {
    ///     sender.push_blocking("read from a disk").unwrap();
    ///     drop(work);
    /// });
    /// let popped = sim.block_on(timeout(&rt, Duration::from_secs(1), queue.pop()));
    /// assert_eq!(popped.unwrap(), Some("read from a disk"));
    /// assert_eq!(sim.elapsed(), Duration::ZERO);
    /// ```
    pub fn outside_work(&self) -> OutsideWork {
        OutsideWork::begin(&self.shared)
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
    /// [`Deadlock`] if nothing is ready, `future` is not done and time can not help; if
    /// something has been ready for more than [`poll_limit`](Self::poll_limit) polls; or if time
    /// has moved more often than [`move_limit`](Self::move_limit).
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
        self.shared.run_ready();
        while self.shared.lock().release() {
            self.shared.run_ready();
        }
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
        let until = self.shared.after(duration);
        let _running = self.shared.enter();
        loop {
            self.shared.run_ready();
            if !self.shared.fire_next(Some(until)) && !self.shared.lock().release() {
                break;
            }
        }
        self.shared.lock().timers.move_to(until);
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        self.shared.lock().timers.now()
    }

    /// How far time has moved since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.shared.lock().timers.elapsed()
    }

    /// How many tasks have not ended.
    pub fn live_tasks(&self) -> usize {
        self.shared.lock().live_tasks()
    }

    /// How many sleeps are under way.
    pub fn live_timers(&self) -> usize {
        self.shared.lock().timers.len()
    }

    /// Asserts that every task has ended and no sleep is under way.
    ///
    /// A group whose last task has ended is empty, although what drove it may have to be polled once
    /// more before [`live_tasks`](Self::live_tasks) no longer counts it.
    ///
    /// # Panics
    ///
    /// If one is left, with what each task waits for.
    #[track_caller]
    pub fn assert_empty(&self) {
        let waiting = self.shared.waiting();
        let (tasks, timers) = (waiting.left(), self.live_timers());
        if (tasks, timers) != (0, 0) {
            panic!("tasks left: {tasks}, timers left: {timers}{waiting}");
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
        let order = self.shared.lock().ready.order();
        f.debug_struct("Sim")
            .field("order", &order)
            .field("elapsed", &self.elapsed())
            .field("live_tasks", &self.live_tasks())
            .field("live_timers", &self.live_timers())
            .finish()
    }
}

/// Keeps a panic that nobody took, for the end of the run.
fn report(shared: &Shared, unobserved: Unobserved) {
    match unobserved.into_panic() {
        Ok(payload) => {
            let panic = Unobserved::panic(payload).to_string();
            let mut state = shared.lock();
            if state.unobserved.is_empty() {
                state.unobserved.push(panic);
            }
        }
        Err(error) => print_unobserved(error),
    }
}
