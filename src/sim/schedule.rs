use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// What a run did otherwise than [`Order::Fifo`](super::Order::Fifo) does it: short for most
/// bugs, and enough to see one again.
///
/// From a [`Failure`](super::Failure), and read back by [`Explore::replay`](super::Explore::replay).
/// Each entry is the number of a decision and what was decided:
///
/// | Entry | At decision 7 |
/// |---|---|
/// | `7:run2` | what was woken third runs, of what is ready (that woken first would be `run0`) |
/// | `7:drop0` | of the futures that [may be dropped](super::Sim::may_drop), the oldest is |
/// | `7:wake1` | the second of the tasks that wait is woken for no reason |
/// | `7:hold0` | what was woken first is put off until time has moved |
/// | `7:jump` | time moves by an hour |
/// | `7:refuse` | the runtime drops what is spawned |
///
/// One that is not possible when its turn comes does nothing.
///
/// # Examples
///
/// ```
/// use untethered::sim::Schedule;
///
/// let schedule: Schedule = "3:run1 12:drop0".parse().unwrap();
/// assert_eq!((schedule.len(), schedule.to_string().as_str()), (2, "3:run1 12:drop0"));
/// let error = "3:run1 12:walk".parse::<Schedule>().unwrap_err();
/// assert!(error.to_string().starts_with("entry 2, `12:walk`: "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Schedule {
    /// In the order of their decisions, one for each at most.
    entries: Vec<Entry>,
}

/// What was decided, if it was not what is done by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    /// Which decision, the first being nought.
    pub(super) at: usize,
    pub(super) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Run(usize),
    Drop(usize),
    Wake(usize),
    Hold(usize),
    Jump,
    Refuse,
}

impl Schedule {
    /// How often it differs from FIFO.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is FIFO all the way.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds what was decided after all that it holds.
    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert!(self.entries.last().is_none_or(|last| last.at < entry.at));
        self.entries.push(entry);
    }

    /// It, and one entry more.
    pub(super) fn with(&self, entry: Entry) -> Self {
        let mut longer = self.clone();
        longer.push(entry);
        longer
    }

    /// Without the entries from `from` to `to`. Later ones come `earlier` decisions sooner.
    ///
    /// `None` if those do not come after the others any more.
    pub(super) fn without(&self, from: usize, to: usize, earlier: usize) -> Option<Self> {
        let (before, after) = (&self.entries[..from], &self.entries[to..]);
        let first = before.last().map_or(0, |entry| entry.at + 1);
        let mut entries = before.to_vec();
        for entry in after {
            let at = entry.at.checked_sub(earlier).filter(|at| *at >= first)?;
            entries.push(Entry { at, ..*entry });
        }
        Some(Self { entries })
    }

    /// With one entry a decision sooner, if there is room between it and the one before.
    pub(super) fn sooner(&self, index: usize) -> Option<Self> {
        let at = self.entries.get(index)?.at.checked_sub(1)?;
        let before = index.checked_sub(1).map(|before| self.entries[before].at);
        if before == Some(at) {
            return None;
        }
        let mut other = self.clone();
        other.entries[index].at = at;
        Some(other)
    }

    /// With another action in one place.
    pub(super) fn with_action(&self, index: usize, action: Action) -> Self {
        let mut other = self.clone();
        other.entries[index].action = action;
        other
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{entry}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.at, self.action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(index) => write!(f, "run{index}"),
            Self::Drop(index) => write!(f, "drop{index}"),
            Self::Wake(index) => write!(f, "wake{index}"),
            Self::Hold(index) => write!(f, "hold{index}"),
            Self::Jump => f.write_str("jump"),
            Self::Refuse => f.write_str("refuse"),
        }
    }
}

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Self, ParseScheduleError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, word) in text.split_whitespace().enumerate() {
            let fail = |why| ParseScheduleError {
                entry: index + 1,
                text: word.to_owned(),
                why,
            };
            let entry = parse_entry(word).map_err(fail)?;
            if entries.last().is_some_and(|last| last.at >= entry.at) {
                return Err(fail("decisions are in rising order"));
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }
}

fn parse_entry(word: &str) -> Result<Entry, &'static str> {
    let (at, action) = word
        .split_once(':')
        .ok_or("a decision and what was decided have a colon between")?;
    let at = at.parse().map_err(|_| "no number of a decision")?;
    let digits = action.find(|c: char| c.is_ascii_digit());
    let (verb, number) = action.split_at(digits.unwrap_or(action.len()));
    let index = || number.parse().map_err(|_| "no number of what is meant");
    let action = match verb {
        "run" => Action::Run(index()?),
        "drop" => Action::Drop(index()?),
        "wake" => Action::Wake(index()?),
        "hold" => Action::Hold(index()?),
        "jump" if number.is_empty() => Action::Jump,
        "refuse" if number.is_empty() => Action::Refuse,
        "jump" | "refuse" => return Err("a number where none belongs"),
        _ => return Err("none of run, drop, wake, hold, jump, refuse"),
    };
    Ok(Entry { at, action })
}

/// A text that is no [`Schedule`], and which entry of it is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseScheduleError {
    entry: usize,
    text: String,
    why: &'static str,
}

impl fmt::Display for ParseScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}, `{}`: {}", self.entry, self.text, self.why)
    }
}

impl Error for ParseScheduleError {}
