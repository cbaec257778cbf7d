use std::fmt;
use std::process::{ExitCode, Termination};

use super::{Exit, StopReason};

/// How far a worker of [`Workers`](super::Workers) had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not ready yet.
    Start,
    /// Ready, and not asked to stop.
    Serve,
    /// Asked to stop.
    Stop,
}

/// What went wrong in a worker, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// How far it had come.
    pub phase: Phase,
    /// The error or the panic, in its own words.
    pub message: String,
}

/// How one worker of [`Workers`](super::Workers) ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// Which worker, from nought.
    pub index: usize,
    /// `worker`, or the name of an extra one.
    pub name: String,
    /// How many reloads came before it was started.
    pub generation: u64,
    /// Its process. `None` for a thread, and for what could not be started.
    pub pid: Option<u32>,
    /// Its exit status; for a thread the one a process would have had, and [`Exit::Unknown`] if it
    /// was left behind.
    pub exit: Exit,
    /// Why it stopped, if it was asked to.
    pub reason: Option<StopReason>,
    /// What went wrong, if the worker or its parent could tell.
    pub failure: Option<Failure>,
}

impl End {
    /// Whether it ended well: by itself without an error, or as it was asked to.
    ///
    /// A worker that was not ready yet, and that the signal ended which stops the others too, ended
    /// as it was asked to.
    pub fn is_clean(&self) -> bool {
        let as_asked = match (&self.reason, self.exit.signal()) {
            (Some(StopReason::Signal(signal)), Some(number)) => signal.number() == number,
            _ => false,
        };
        self.failure.is_none() && (self.exit.success() || as_asked)
    }

    fn code(&self) -> u8 {
        match self.exit.shell_code() {
            _ if self.is_clean() => 0,
            0 => 1,
            code => code,
        }
    }
}

/// How the workers ended, from [`Workers::run`](super::Workers::run).
///
/// `main` may return it: the program's exit code is [`code`](Self::code).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Why they ended.
    pub reason: StopReason,
    /// The last end of each, by index. Earlier ones, of workers that others took the place of, were
    /// told as a [`Notice`](super::Notice).
    pub ends: Vec<End>,
    /// How many were started because another one had died.
    pub restarts: u64,
    /// How many reloads came to their end.
    pub reloads: u64,
}

impl Report {
    /// Whether every worker ended well. Those that died and were replaced do not count.
    pub fn is_clean(&self) -> bool {
        self.ends.iter().all(End::is_clean)
    }

    /// 0 if every worker ended well, else what the first that did not left: its exit code, or 128
    /// more than the number of the signal that ended it.
    pub fn code(&self) -> u8 {
        self.ends
            .iter()
            .map(End::code)
            .find(|&code| code != 0)
            .unwrap_or(0)
    }
}

impl Termination for Report {
    fn report(self) -> ExitCode {
        self.code().into()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "while it started",
            Self::Serve => "while it served",
            Self::Stop => "while it stopped",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed {}: {}", self.phase, self.message)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.index)?;
        if let Some(pid) = self.pid {
            write!(f, " (process {pid})")?;
        }
        match &self.failure {
            Some(failure) => write!(f, " {failure}; {}", self.exit)?,
            None => write!(f, " ended: {}", self.exit)?,
        }
        match &self.reason {
            Some(reason) => write!(f, "; asked to stop: {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped: {}", self.reason)?;
        for end in &self.ends {
            write!(f, "\n{end}")?;
        }
        Ok(())
    }
}
