use std::collections::VecDeque;
use std::fmt;

use super::label::End;
use super::stats::GroupStats;

/// How tasks came to their ends, counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    finished: usize,
    failed: usize,
    /// Of the failed.
    panicked: usize,
    cancelled: usize,
    aborted: usize,
    /// In a box, as few groups have any.
    overrun: Option<Box<Overrun>>,
}

/// Whose shield or clean-up was cut off.
#[derive(Debug, Clone, Default)]
struct Overrun {
    count: usize,
    /// Of the last of them.
    names: VecDeque<String>,
}

/// How many names of overrun tasks are kept.
const NAMES: usize = 64;

impl Tally {
    pub(super) fn count(&mut self, end: End) {
        match end {
            End::Finished => self.finished += 1,
            End::Failed => self.failed += 1,
            End::Panicked => {
                self.failed += 1;
                self.panicked += 1;
            }
            End::Cancelled => self.cancelled += 1,
            End::Aborted => self.aborted += 1,
        }
    }

    pub(super) fn overrun(&mut self, name: String) {
        let overrun = self.overrun.get_or_insert_default();
        overrun.count += 1;
        overrun.keep(name);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.finished += other.finished;
        self.failed += other.failed;
        self.panicked += other.panicked;
        self.cancelled += other.cancelled;
        self.aborted += other.aborted;
        if let Some(other) = &other.overrun {
            let overrun = self.overrun.get_or_insert_default();
            overrun.count += other.count;
            for name in &other.names {
                overrun.keep(name.clone());
            }
        }
    }

    /// The names that are not in `before`, and how many there are besides.
    fn overrun_since(&self, before: &Self) -> (Vec<String>, usize) {
        let Some(overrun) = &self.overrun else {
            return (Vec::new(), 0);
        };
        let before = before.overrun.as_deref();
        let count = overrun.count - before.map_or(0, |before| before.count);
        // Those of a tree are in no order of time.
        let mut known: Vec<_> = before.iter().flat_map(|before| &before.names).collect();
        let is_new = |name: &&String| match known.iter().position(|known| known == name) {
            Some(place) => {
                known.swap_remove(place);
                false
            }
            None => true,
        };
        let names: Vec<_> = overrun.names.iter().filter(is_new).cloned().collect();
        let unnamed = count.saturating_sub(names.len());
        (names, unnamed)
    }

    pub(super) fn stats(&self, live: usize) -> GroupStats {
        let ended = self.finished + self.failed + self.cancelled + self.aborted;
        GroupStats {
            spawned: live + ended,
            live,
            finished: self.finished,
            failed: self.failed,
            panicked: self.panicked,
            cancelled: self.cancelled,
            aborted: self.aborted,
        }
    }

    pub(super) fn cancelled(&self) -> usize {
        self.cancelled + self.aborted
    }
}

impl Overrun {
    fn keep(&mut self, name: String) {
        if self.names.len() == NAMES {
            self.names.pop_front();
        }
        self.names.push_back(name);
    }
}

/// What became of the tasks of a group. From [`Group::shutdown`](super::Group::shutdown).
///
/// Counts the tasks that ended since the shutdown began, those of subgroups included. A hook of
/// [`on_closing`](super::Group::on_closing) counts only if it failed or was cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Tasks that came to their own end.
    pub finished: usize,
    /// Tasks that failed or panicked.
    pub failed: usize,
    /// Tasks that were dropped when they were asked to stop.
    pub cancelled: usize,
    /// Tasks that were dropped because their grace was over.
    pub aborted: usize,
    /// Tasks that have not ended, by path: their poll does not return, or the runtime does not
    /// poll them.
    pub stuck: Vec<String>,
    /// Tasks whose shield or clean-up was cut off, by path. At most 64 are named.
    pub overrun: Vec<String>,
    /// How many more were.
    unnamed: usize,
}

impl Report {
    pub(super) fn between(before: &Tally, after: &Tally, stuck: Vec<String>) -> Self {
        let (overrun, unnamed) = after.overrun_since(before);
        Self {
            finished: after.finished.saturating_sub(before.finished),
            failed: after.failed.saturating_sub(before.failed),
            cancelled: after.cancelled.saturating_sub(before.cancelled),
            aborted: after.aborted.saturating_sub(before.aborted),
            stuck,
            overrun,
            unnamed,
        }
    }

    /// Whether no task is left and none was cut off.
    pub fn is_clean(&self) -> bool {
        self.aborted == 0 && self.stuck.is_empty() && self.overrun.is_empty() && self.unnamed == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "since it was asked to stop: {} finished, {} failed, {} cancelled, {} aborted",
            self.finished, self.failed, self.cancelled, self.aborted
        )?;
        for (what, names) in [("stuck", &self.stuck), ("cut off", &self.overrun)] {
            if !names.is_empty() {
                write!(f, ", {what}: {}", names.join(", "))?;
            }
        }
        if self.unnamed > 0 {
            write!(f, ", and {} more cut off", self.unnamed)?;
        }
        Ok(())
    }
}
