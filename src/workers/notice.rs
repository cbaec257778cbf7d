use std::fmt;
use std::time::Duration;

use super::{End, StopReason};

/// What happens to workers, told to [`Workers::on_notice`](super::Workers::on_notice).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A worker was started.
    Started {
        /// Which one.
        index: usize,
        /// Its process. `None` for a thread.
        pid: Option<u32>,
    },
    /// A worker is ready.
    Ready {
        /// Which one.
        index: usize,
        /// Its process. `None` for a thread.
        pid: Option<u32>,
    },
    /// A worker ended. Each end is told once.
    Ended(End),
    /// A worker died, and another one takes its place after a while.
    Restarting {
        /// Which one.
        index: usize,
        /// After how long.
        after: Duration,
    },
    /// All workers are asked to stop.
    Stopping(StopReason),
    /// Workers that did not stop in time, or after a second signal, are killed.
    Killing {
        /// Which one.
        index: usize,
    },
    /// New workers are started, to take the place of all.
    Reloading,
    /// The new workers are ready, and the old ones are asked to stop.
    Reloaded,
    /// A new worker did not come up. The old ones go on.
    ReloadAbandoned,
}

impl Notice {
    /// Whether somebody should know of it: a bad end, a kill, a reload that failed.
    pub fn is_trouble(&self) -> bool {
        match self {
            Self::Ended(end) => !end.is_clean(),
            Self::Killing { .. } | Self::ReloadAbandoned => true,
            _ => false,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { index, pid } => write!(f, "worker {index} started{}", Of(*pid)),
            Self::Ready { index, pid } => write!(f, "worker {index} is ready{}", Of(*pid)),
            Self::Ended(end) => end.fmt(f),
            Self::Restarting { index, after } => {
                write!(f, "worker {index} is started again in {after:?}")
            }
            Self::Stopping(reason) => write!(f, "stopping: {reason}"),
            Self::Killing { index } => write!(f, "worker {index} is killed"),
            Self::Reloading => f.write_str("reloading"),
            Self::Reloaded => f.write_str("reloaded"),
            Self::ReloadAbandoned => {
                f.write_str("the reload is given up: a new worker did not come up")
            }
        }
    }
}

struct Of(Option<u32>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (process {pid})"),
            None => Ok(()),
        }
    }
}
