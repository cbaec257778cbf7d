mod failure;
mod orders;
mod passed;
mod shrink;
mod silence;
mod trial;

use std::collections::VecDeque;
use std::fmt;

use self::passed::Passed;
use self::shrink::shrink;
use self::trial::Trial;
use super::Sim;
use super::faults::Faults;
use super::plan::Plan;
use super::schedule::{Entry, Schedule};

pub use self::failure::{Explored, Failure};
pub use self::orders::{drop_at_every_poll, explore_orders};

/// How many random schedules there are, unless the test chooses.
const SEEDS: u64 = 200;
/// How many schedules there are at most, unless the test chooses.
const MOST_RUNS: usize = 100_000;

/// Runs `scenario` under many schedules, and shrinks the first that fails.
///
/// Each run gets a fresh [`Sim`]. It fails if `scenario` panics ([`Sim::block_on`] does on a
/// deadlock), if a task panics and nobody takes the panic, or if tasks or sleeps are left once
/// `scenario` has returned and all that was ready has run.
///
/// What differs from run to run is the order of the tasks, those of a
/// [`Group`](crate::group::Group) included; which of the futures inside a [`Sim::may_drop`] are
/// dropped, and when; and the [`Faults`], if there are to be any. A run is repeatable as long as
/// `scenario` draws nothing by itself and waits for nobody outside of its `Sim`. Make limits,
/// queues and counters inside of it: one made outside carries what a run did into the next, and
/// of a failure that comes from that no schedule is to blame. Where the same schedule has passed
/// before, the [`Failure`] says so, and is not shrunk.
///
/// Panics of the runs are not printed: the panic hook of the process is replaced, once, by one
/// that passes on all others.
///
/// # Examples
///
/// Two tasks add to a counter, and each looks at it before an await and writes it after:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use untethered::sim::{Sim, explore, yield_now};
///
/// fn both_count(sim: &Sim) {
///     let rt = sim.runtime();
///     let counter = Arc::new(AtomicU32::new(0));
///     let add = |counter: Arc<AtomicU32>| async move {
///         let seen = counter.load(Ordering::Relaxed);
///         if seen == 0 {
///             yield_now().await; // writes it down somewhere, say
///         }
///         counter.store(seen + 1, Ordering::Relaxed);
///     };
///     let tasks = [rt.spawn(add(counter.clone())), rt.spawn(add(counter.clone()))];
///     sim.block_on(async {
///         for task in tasks {
///             task.await.unwrap();
///         }
///     });
///     assert_eq!(counter.load(Ordering::Relaxed), 2);
/// }
///
/// let failure = explore(both_count).try_run().unwrap_err();
/// assert!(failure.message().contains("left: 1\n right: 2"));
/// // FIFO is enough to see it.
/// assert!(failure.schedule().is_empty());
/// ```
pub fn explore<F: FnMut(&Sim)>(scenario: F) -> Explore<F> {
    Explore {
        scenario,
        seeds: SEEDS,
        exhaustive: 0,
        faults: Faults::none(),
        most_runs: MOST_RUNS,
        allow_leaks: false,
    }
}

/// Which schedules a scenario is run under. From [`explore`]; ends in [`run`](Self::run).
#[must_use = "nothing is run before `run`"]
pub struct Explore<F> {
    scenario: F,
    seeds: u64,
    exhaustive: usize,
    faults: Faults,
    most_runs: usize,
    allow_leaks: bool,
}

impl<F: FnMut(&Sim)> Explore<F> {
    /// How many random schedules: 200 by default.
    ///
    /// Half of them draw evenly from what is ready, half put some tasks off for long. Each has
    /// few drops and faults, or none.
    pub fn seeds(self, seeds: u64) -> Self {
        Self { seeds, ..self }
    }

    /// Before those, all schedules that differ from FIFO at most `length` times: nought, that is
    /// FIFO alone, by default.
    ///
    /// The shortest come first. Most bugs need one, two or three differences. How many schedules
    /// there are grows with the power `length` of how many decisions a run makes, so keep
    /// scenarios short.
    pub fn exhaustive(self, length: usize) -> Self {
        Self {
            exhaustive: length,
            ..self
        }
    }

    /// What happens besides: nothing by default.
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// After how many schedules it ends: 100 000 by default. To shrink a failure takes 2000 more at
    /// most.
    ///
    /// # Panics
    ///
    /// If `runs` is nought.
    #[track_caller]
    pub fn most_runs(self, runs: usize) -> Self {
        assert!(runs > 0, "an exploration without a run finds nothing");
        Self {
            most_runs: runs,
            ..self
        }
    }

    /// Tasks and sleeps that are left at the end are no failure.
    pub fn allow_leaks(self) -> Self {
        Self {
            allow_leaks: true,
            ..self
        }
    }

    /// Runs them all.
    ///
    /// # Panics
    ///
    /// If one fails, with the [`Failure`]. Put [`replay`](Self::replay) with the schedule it names
    /// in the place of `run` to see it again.
    #[track_caller]
    pub fn run(self) -> Explored {
        match self.try_run() {
            Ok(explored) => explored,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// As [`run`](Self::run), giving the failure instead of a panic.
    ///
    /// # Errors
    ///
    /// The first [`Failure`], shrunk if it fails again by itself.
    pub fn try_run(mut self) -> Result<Explored, Failure> {
        let mut runs = 0;
        let mut passed = Passed::default();
        let found = match self.search(&mut runs, &mut passed) {
            Ok(explored) => return Ok(explored),
            Err(found) => found,
        };
        let first = &found.record.taken;
        let mut passed_in = passed.run_of(first);
        let mut spent = 0;
        let shrunk = shrink(first.clone(), |schedule| {
            if passed_in.is_some() {
                return None;
            }
            spent += 1;
            let trial = self.trial(Plan::follow(schedule.clone()));
            trial.failure.as_ref()?;
            passed_in = passed.run_of(&trial.record.taken);
            Some(trial.record.taken)
        });
        let shrunk = match passed_in {
            Some(_) => first.clone(),
            None => shrunk,
        };
        let mut last = self.trial(Plan::follow(shrunk.clone()).keep_notes());
        let repeats = last.failure.is_some() && passed_in.is_none();
        let schedule = if repeats { shrunk } else { first.clone() };
        // What is noted of another run is not true of this one.
        if last.record.taken != schedule {
            last.record.notes.clear();
        }
        let message = match repeats {
            true => last.failure,
            false => found.failure,
        };
        Err(Failure {
            message: message.unwrap_or_default(),
            schedule,
            notes: last.record.notes,
            runs,
            first: first.len(),
            spent,
            repeats,
            passed_in,
        })
    }

    /// Runs the scenario once, under the schedule that a [`Failure`] has named.
    ///
    /// # Panics
    ///
    /// If the run fails, as it would by itself: here backtraces and debuggers see it. Or if
    /// `schedule` is none, with a sentence that says where it is wrong.
    #[track_caller]
    pub fn replay(mut self, schedule: &str) {
        let schedule: Schedule = match schedule.parse() {
            Ok(schedule) => schedule,
            Err(error) => panic!("no schedule: {error}"),
        };
        trial::replay(Plan::follow(schedule), &mut self.scenario, self.allow_leaks);
    }

    /// Looks for a run that fails.
    fn search(&mut self, runs: &mut usize, passed: &mut Passed) -> Result<Explored, Trial> {
        let mut explored = Explored {
            schedules: 0,
            length: self.exhaustive,
            complete: true,
        };
        let mut frontier = VecDeque::from([Schedule::default()]);
        while let Some(schedule) = frontier.pop_front() {
            *runs += 1;
            let trial = self.trial(Plan::follow(schedule.clone()).keep_branches());
            if trial.failure.is_some() {
                return Err(trial);
            }
            passed.add(&trial.record.taken, *runs);
            let room = self.most_runs - *runs;
            self.grow(&mut frontier, &schedule, &trial, room, &mut explored);
        }
        if !explored.complete {
            for seed in 0..self.seeds {
                if *runs == self.most_runs {
                    break;
                }
                *runs += 1;
                let trial = self.trial(Plan::draw(seed, self.faults));
                if trial.failure.is_some() {
                    return Err(trial);
                }
                passed.add(&trial.record.taken, *runs);
            }
        }
        explored.schedules = *runs;
        Ok(explored)
    }

    /// Adds the schedules that differ from `schedule` once more, later than it does itself.
    fn grow(
        &self,
        frontier: &mut VecDeque<Schedule>,
        schedule: &Schedule,
        trial: &Trial,
        room: usize,
        explored: &mut Explored,
    ) {
        let branches = trial.record.branches.iter();
        let entries = branches.flat_map(|(at, options)| {
            let actions = options.masked(self.faults).actions();
            actions.map(|action| Entry { at: *at, action })
        });
        for entry in entries {
            if schedule.len() == self.exhaustive || frontier.len() == room {
                explored.complete = false;
                // Those of this length are all on the list, for it is served in order.
                explored.length = explored.length.min(schedule.len());
                return;
            }
            frontier.push_back(schedule.with(entry));
        }
    }

    fn trial(&mut self, plan: Plan) -> Trial {
        trial::run(plan, &mut self.scenario, self.allow_leaks)
    }
}

impl<F> fmt::Debug for Explore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explore")
            .field("seeds", &self.seeds)
            .field("exhaustive", &self.exhaustive)
            .field("faults", &self.faults)
            .field("most_runs", &self.most_runs)
            .field("allow_leaks", &self.allow_leaks)
            .finish_non_exhaustive()
    }
}
