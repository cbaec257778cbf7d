use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Nothing is ready, the future of [`Sim::try_block_on`](super::Sim::try_block_on) is not done,
/// and time can not help.
///
/// Displays what each live task waits for, as far as the [`Sim`](super::Sim) knows: where it was
/// spawned, how often it was polled, and its timers.
#[derive(Debug, Clone)]
pub struct Deadlock(pub(super) Waiting);

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deadlock at {:?}: nothing is ready", self.0.elapsed)?;
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Deadlock {}

/// Who waits for what. Displays one line for each, after a line break.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) elapsed: Duration,
    pub(super) tasks: Vec<WaitingTask>,
}

#[derive(Debug, Clone)]
pub(super) struct WaitingTask {
    pub(super) number: u64,
    /// Whether it is the future of `block_on`.
    pub(super) is_main: bool,
    pub(super) started_at: &'static Location<'static>,
    pub(super) polls: u64,
    /// When the timers it waits for end.
    pub(super) timers: Vec<Duration>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tasks
            .iter()
            .try_for_each(|task| write!(f, "\n  {task}"))
    }
}

impl fmt::Display for WaitingTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_main {
            write!(f, "main, started at {}", self.started_at)?;
        } else {
            write!(f, "task {}, spawned at {}", self.number, self.started_at)?;
        }
        match self.polls {
            0 => f.write_str(", never polled")?,
            1 => f.write_str(", polled once")?,
            polls => write!(f, ", polled {polls} times")?,
        }
        if self.timers.is_empty() {
            return f.write_str(", waits for a wake-up that no timer gives");
        }
        let timers: Vec<_> = self.timers.iter().map(|at| format!("{at:?}")).collect();
        write!(f, ", waits for a timer at {}", timers.join(", "))
    }
}
