use std::error::Error;
use std::fmt;

use crate::sim::Schedule;

/// What [`Explore::run`](super::Explore::run) has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explored {
    pub(super) schedules: usize,
    pub(super) length: usize,
    pub(super) complete: bool,
}

impl Explored {
    /// How many schedules were run.
    pub fn schedules(&self) -> usize {
        self.schedules
    }

    /// Those that differ from FIFO at most so often were all among them.
    pub fn exhausted(&self) -> usize {
        self.length
    }

    /// Whether these were all that there are.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} schedules, ", self.schedules)?;
        match self.length {
            _ if self.complete => f.write_str("which is all there are"),
            length => write!(
                f,
                "all that differ from FIFO at most {length} times among them"
            ),
        }
    }
}

/// A run that failed, shrunk to a short [`Schedule`].
///
/// Displays why it failed, what its schedule does, and how to see it again.
#[derive(Debug, Clone)]
pub struct Failure {
    pub(super) message: String,
    pub(super) schedule: Schedule,
    /// A line for each entry of the schedule.
    pub(super) notes: Vec<String>,
    /// How many runs it took to find it.
    pub(super) runs: usize,
    /// How long the schedule was when it was found.
    pub(super) first: usize,
    /// In how many runs it was shrunk.
    pub(super) spent: usize,
    pub(super) repeats: bool,
    pub(super) passed_in: Option<usize>,
}

impl Failure {
    /// The panic, the deadlock or what was left.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The schedule under which it happens.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// In which run it was found, from one on.
    pub fn run(&self) -> usize {
        self.runs
    }

    /// The run in which a schedule had passed that fails now: something outlives a run, a limit
    /// or a counter made outside of the scenario, say.
    ///
    /// `None` if no such schedule was met.
    pub fn passed_in(&self) -> Option<usize> {
        self.passed_in
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        write!(f, "in run {}, ", self.runs)?;
        match self.schedule.len() {
            0 => f.write_str("in FIFO order")?,
            1 => f.write_str("by a schedule with 1 entry")?,
            length => write!(f, "by a schedule with {length} entries")?,
        }
        if self.first > self.schedule.len() {
            write!(f, ", shrunk from {} in {} runs", self.first, self.spent)?;
        }
        if !self.repeats && !self.schedule.is_empty() {
            write!(f, ", `{}`", self.schedule)?;
        }
        let entries = self.schedule.entries().iter();
        for (entry, note) in entries.zip(&self.notes) {
            write!(f, "\n  {entry}: {note}")?;
        }
        if self.repeats {
            write!(f, "\nto see it again, put `.replay(\"{}\")`", self.schedule)?;
            return f.write_str(" in the place of `.run()`");
        }
        match self.passed_in {
            Some(run) if self.spent == 0 => {
                write!(f, "\nthe same schedule passed in run {run}")?;
            }
            Some(run) => {
                write!(
                    f,
                    "\nshrunk further it is a schedule that passed in run {run}"
                )?;
            }
            None => {
                f.write_str("\nit does not happen again")?;
                return f.write_str(": what ran depends on more than its `Sim`");
            }
        }
        f.write_str(
            ": something outlives a run; make limits, queues and counters inside the scenario",
        )
    }
}

impl Error for Failure {}
