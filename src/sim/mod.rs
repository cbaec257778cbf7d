//! A deterministic runtime with virtual time, for tests.

mod clock;
mod deadlock;
mod executor;
mod explore;
mod order;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use self::clock::SimSleeper;
use self::executor::{Shared, SimSpawner, Stepped};
use crate::runtime::Runtime;

pub use self::deadlock::Deadlock;
pub use self::explore::{YieldNow, drop_at_every_poll, explore_orders, yield_now};
pub use self::order::Order;

/// A deterministic runtime with virtual time.
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

    /// Whether [`block_on`](Self::block_on) moves time by itself. It does by default.
    pub fn auto_advance(&self, on: bool) {
        self.shared.lock().set_auto_advance(on);
    }

    /// Whether tasks are woken now and then for no reason. They are not by default.
    pub fn spurious_wakes(&self, on: bool) {
        self.shared.lock().set_spurious(on);
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
    /// # Panics
    ///
    /// If it can not be done, with the report of [`Deadlock`].
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
    /// [`Deadlock`] if nothing is ready, `future` is not done and time can not help.
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
        mut polls: Option<usize>,
    ) -> Result<Option<F::Output>, Deadlock> {
        let caller = Location::caller();
        let _running = self.shared.enter();
        let mut future = pin!(future);
        let (_main, waker) = self.shared.add_main(caller);
        let mut cx = Context::from_waker(&waker);
        while polls != Some(0) {
            match self.shared.step() {
                Stepped::Ran => {}
                Stepped::Main => {
                    let poll = future.as_mut().poll(&mut cx);
                    self.shared.lock().end_of_poll();
                    polls = polls.map(|polls| polls - 1);
                    if let Poll::Ready(output) = poll {
                        return Ok(Some(output));
                    }
                }
                Stepped::Idle => {
                    let auto_advance = self.shared.lock().auto_advance();
                    if !auto_advance || !self.shared.fire_next(None) {
                        return Err(self.shared.lock().deadlock());
                    }
                }
            }
        }
        Ok(None)
    }

    /// Runs all that is ready, until nothing is. Time stands still.
    ///
    /// # Panics
    ///
    /// If called from what the simulation runs.
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
    /// If `duration` is more than the clock can say, or if called from what the simulation runs.
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

    fn run_ready(&self) {
        while !matches!(self.shared.step(), Stepped::Idle) {}
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
