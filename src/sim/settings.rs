use std::num::NonZeroUsize;
use std::time::Duration;

use super::Sim;

/// What the test has chosen.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) spurious_wakes: bool,
    pub(super) auto_advance: bool,
    pub(super) parallelism: NonZeroUsize,
    pub(super) poll_limit: NonZeroUsize,
    pub(super) move_limit: NonZeroUsize,
    pub(super) outside_limit: Duration,
}

/// How many polls there may be in a moment.
const POLL_LIMIT: NonZeroUsize = NonZeroUsize::new(10_000_000).unwrap();
/// The same where there are many runs.
const EXPLORED_POLL_LIMIT: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// How often time may move while one future is driven.
const MOVE_LIMIT: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();
/// The same where there are many runs.
const EXPLORED_MOVE_LIMIT: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// For how long other threads are waited for.
const OUTSIDE_LIMIT: Duration = Duration::from_secs(60);

impl Settings {
    /// What holds unless the test chooses.
    pub(super) fn new(is_explored: bool) -> Self {
        let (poll_limit, move_limit) = match is_explored {
            true => (EXPLORED_POLL_LIMIT, EXPLORED_MOVE_LIMIT),
            false => (POLL_LIMIT, MOVE_LIMIT),
        };
        Self {
            spurious_wakes: false,
            auto_advance: true,
            parallelism: NonZeroUsize::MIN,
            poll_limit,
            move_limit,
            outside_limit: OUTSIDE_LIMIT,
        }
    }
}

/// What a test may choose.
impl Sim {
    /// Whether [`block_on`](Self::block_on) moves time when nothing is ready.
    ///
    /// By default it does. If it does not, it reports a [`Deadlock`](super::Deadlock) where it would
    /// have.
    pub fn auto_advance(&self, on: bool) {
        self.shared.lock().settings.auto_advance = on;
    }

    /// Whether tasks are woken now and then for no reason.
    ///
    /// By default they are not. Before every step, and when nothing is ready, one time in four
    /// any live task is woken. The seed of the [`Order`](super::Order) decides when and which.
    pub fn spurious_wakes(&self, on: bool) {
        self.shared.lock().settings.spurious_wakes = on;
    }

    /// What [`Runtime::parallelism`](crate::Runtime::parallelism) answers: one by default.
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
    /// returns: ten million by default, a hundred thousand in an [exploration](super::explore).
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

    /// How often time may move in one [`block_on`](Self::block_on): a million times by default, a
    /// hundred thousand in an [exploration](super::explore).
    ///
    /// A test that waits for what never comes, beside a task that sleeps again and again, ends this
    /// way, with a report of who is left. Raise it for a long time in short steps.
    ///
    /// # Panics
    ///
    /// If `moves` is nought.
    #[track_caller]
    pub fn move_limit(&self, moves: usize) {
        let Some(moves) = NonZeroUsize::new(moves) else {
            panic!("time that may not move at all needs auto_advance(false)");
        };
        self.shared.lock().settings.move_limit = moves;
    }

    /// For how long [`OutsideWork`](super::OutsideWork) is waited for: a minute by default.
    ///
    /// Real time, the only one there is in a `Sim`: past it a [`Deadlock`](super::Deadlock) is
    /// reported.
    pub fn outside_limit(&self, limit: Duration) {
        self.shared.lock().settings.outside_limit = limit;
    }
}
