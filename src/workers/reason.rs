use std::fmt;

use crate::signal::Signal;
use crate::task::Reason;

/// Why workers were asked to stop, or came to an end. The first reason stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// A signal came, to the parent or to this worker alone.
    Signal(Signal),
    /// Somebody called [`Control::stop`](super::Control::stop), who says why.
    Asked(Reason),
    /// A worker ended that nobody had asked to, and [`OnDeath`](super::OnDeath) says to stop then.
    WorkerDied,
    /// It was to [run to completion](super::Workers::run_to_completion).
    Completion,
    /// A new worker has taken the place of this one.
    Reload,
    /// The parent has gone, without a word.
    ParentGone,
    /// All workers ended by themselves.
    AllEnded,
}

impl StopReason {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (tag, text) = match self {
            Self::Signal(signal) => (0, signal.to_string()),
            Self::Asked(reason) => (1, reason.to_string()),
            Self::WorkerDied => (2, String::new()),
            Self::Completion => (3, String::new()),
            Self::Reload => (4, String::new()),
            Self::ParentGone => (5, String::new()),
            Self::AllEnded => (6, String::new()),
        };
        let mut bytes = vec![tag];
        bytes.extend(text.into_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, text) = bytes.split_first()?;
        let text = std::str::from_utf8(text).ok()?;
        Some(match tag {
            0 => Self::Signal(ALL.into_iter().find(|signal| signal.to_string() == text)?),
            1 => Self::Asked(text.to_owned().into()),
            2 => Self::WorkerDied,
            3 => Self::Completion,
            4 => Self::Reload,
            5 => Self::ParentGone,
            6 => Self::AllEnded,
            _ => return None,
        })
    }
}

const ALL: [Signal; 6] = [
    Signal::Interrupt,
    Signal::Terminate,
    Signal::Hangup,
    Signal::Quit,
    Signal::User1,
    Signal::User2,
];

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => signal.fmt(f),
            Self::Asked(reason) => reason.fmt(f),
            Self::WorkerDied => f.write_str("a worker died"),
            Self::Completion => f.write_str("to run to completion"),
            Self::Reload => f.write_str("reload"),
            Self::ParentGone => f.write_str("the parent has gone"),
            Self::AllEnded => f.write_str("all workers have ended"),
        }
    }
}
