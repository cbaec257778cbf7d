use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::tasks::{Name, Started};

/// Nothing is ready, the future of [`Sim::try_block_on`](super::Sim::try_block_on) is not done,
/// and time can not help; or something is ready for ever, and time does not come to move; or it
/// moves and moves, and `future` is not done.
///
/// Displays what each live task waits for, as far as the [`Sim`](super::Sim) knows: where it was
/// spawned, how often it was polled, and its timers; and of each group its tasks.
#[derive(Debug, Clone)]
pub struct Deadlock {
    waiting: Waiting,
    why: Why,
}

#[derive(Debug, Clone, Copy)]
enum Why {
    Idle,
    /// Other threads have done nothing for so long.
    Outside(Duration),
    /// Something is ready for ever: after so many polls it still was.
    Endless(NonZeroUsize),
    /// Time has moved so often.
    Restless(NonZeroUsize),
}

impl Deadlock {
    pub(super) fn idle(waiting: Waiting) -> Self {
        let why = Why::Idle;
        Self { waiting, why }
    }

    pub(super) fn outside(waiting: Waiting, longest: Duration) -> Self {
        let why = Why::Outside(longest);
        Self { waiting, why }
    }

    pub(super) fn endless(waiting: Waiting, polls: NonZeroUsize) -> Self {
        let why = Why::Endless(polls);
        Self { waiting, why }
    }

    pub(super) fn restless(waiting: Waiting, moves: NonZeroUsize) -> Self {
        let why = Why::Restless(moves);
        Self { waiting, why }
    }

    /// Whether something was ready for more than [`Sim::poll_limit`](super::Sim::poll_limit)
    /// polls, or time moved more often than [`Sim::move_limit`](super::Sim::move_limit), rather
    /// than nothing being left to happen.
    pub fn is_livelock(&self) -> bool {
        matches!(self.why, Why::Endless(_) | Why::Restless(_))
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = self.waiting.elapsed;
        match self.why {
            Why::Idle => write!(f, "deadlock at {elapsed:?}: nothing is ready")?,
            Why::Outside(longest) => {
                write!(f, "deadlock at {elapsed:?}: nothing is ready, ")?;
                write!(f, "and outside work has not ended in {longest:?}")?;
            }
            Why::Endless(polls) => {
                write!(f, "livelock at {elapsed:?}: ")?;
                write!(f, "{polls} polls, and time has not moved")?;
            }
            Why::Restless(moves) => {
                write!(f, "livelock at {elapsed:?}: ")?;
                write!(
                    f,
                    "time has moved {moves} times, and what is waited for is not done"
                )?;
            }
        }
        fmt::Display::fmt(&self.waiting, f)
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
    pub(super) name: Name,
    pub(super) polls: u64,
    /// Whether it was woken and waits for its turn.
    pub(super) is_ready: bool,
    /// When the timers it waits for end.
    pub(super) timers: Vec<Duration>,
    /// Of a driver: the tasks of its group.
    pub(super) children: Vec<String>,
}

impl Waiting {
    /// How many tasks have something to end. A driver that is about to find that no task of its
    /// group lives has not.
    pub(super) fn left(&self) -> usize {
        let left = self.tasks.iter().filter(|task| match task.name.started {
            Started::Main(_) => false,
            Started::At(_) => true,
            Started::ToDrive(..) => !task.is_ready || !task.children.is_empty(),
        });
        left.count()
    }
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
        write!(f, "{}", self.name)?;
        match self.polls {
            0 => f.write_str(", never polled")?,
            1 => f.write_str(", polled once")?,
            polls => write!(f, ", polled {polls} times")?,
        }
        if self.is_ready {
            f.write_str(", is ready")?;
        } else if self.timers.is_empty() {
            f.write_str(", waits for a wake-up that no timer gives")?;
        } else {
            let timers: Vec<_> = self.timers.iter().map(|at| format!("{at:?}")).collect();
            write!(f, ", waits for a timer at {}", timers.join(", "))?;
        }
        self.children
            .iter()
            .try_for_each(|child| write!(f, "\n    {child}"))
    }
}
