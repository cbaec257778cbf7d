use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Nothing is ready, the future is not done, and the clock can not help.
///
/// Displays what each live task waits for, as far as the [`Sim`](super::Sim) knows.
#[derive(Debug, Clone)]
pub struct Deadlock {
    pub(super) elapsed: Duration,
    pub(super) waiting: Vec<Waiting>,
}

/// One task that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// `None` is the future of `block_on`.
    pub(super) task: Option<u64>,
    pub(super) started_at: &'static Location<'static>,
    pub(super) polls: u64,
    /// When the timers it waits for end.
    pub(super) timers: Vec<Duration>,
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deadlock at {:?}: nothing is ready", self.elapsed)?;
        for waiting in &self.waiting {
            write!(f, "\n  {waiting}")?;
        }
        Ok(())
    }
}

impl Error for Deadlock {}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            Some(number) => write!(f, "task {number}, spawned at {}", self.started_at)?,
            None => write!(f, "main, started at {}", self.started_at)?,
        }
        match self.polls {
            0 => f.write_str(", never polled")?,
            1 => f.write_str(", polled once")?,
            polls => write!(f, ", polled {polls} times")?,
        }
        if self.timers.is_empty() {
            return f.write_str(", waits for a wake-up that is not a timer's");
        }
        f.write_str(", waits for the timer at ")?;
        for (index, timer) in self.timers.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{timer:?}")?;
        }
        Ok(())
    }
}
