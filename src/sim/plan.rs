//! What decides in an explored run, and writes down what it decided.

use super::faults::Faults;
use super::order::{Adversary, Random};
use super::schedule::{Action, Entry, Schedule};

/// Follows a schedule. What comes after it is FIFO, or drawn.
#[derive(Debug)]
pub(super) struct Plan {
    given: Schedule,
    /// The next of its entries.
    next: usize,
    draw: Option<Draw>,
    made: usize,
    record: Record,
}

/// What a run has decided.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// What was not FIFO.
    pub(super) taken: Schedule,
    /// What else it could have decided after the last entry it was given.
    pub(super) branches: Vec<(usize, Options)>,
    /// A line for each entry of `taken`, once somebody has written them.
    pub(super) notes: Vec<String>,
    keeps_branches: bool,
    keeps_notes: bool,
}

/// How many of each kind of action there are to choose from at a decision.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) run: usize,
    pub(super) drop: usize,
    pub(super) wake: usize,
    pub(super) hold: usize,
    pub(super) jump: bool,
    pub(super) refuse: bool,
}

/// Draws decisions.
#[derive(Debug)]
struct Draw {
    random: Random,
    /// Chooses what runs, unless it is drawn evenly.
    adversary: Option<Adversary>,
    faults: Faults,
    /// One decision in so many is a fault.
    one_in: usize,
    /// How many faults may still come.
    left: usize,
}

/// How many faults and drops there are in a run at most: more hide the one that matters.
const MOST_FAULTS: usize = 4;

impl Plan {
    /// Does what `schedule` says.
    pub(super) fn follow(schedule: Schedule) -> Self {
        Self {
            given: schedule,
            next: 0,
            draw: None,
            made: 0,
            record: Record::default(),
        }
    }

    /// Draws everything. Even seeds prefer nobody, odd ones put some off.
    pub(super) fn draw(seed: u64, faults: Faults) -> Self {
        let mut random = Random::new(seed);
        let one_in = [4, 16, 64][random.below(3)];
        let left = random.below(MOST_FAULTS + 1);
        let adversary = (seed % 2 == 1).then(|| Adversary::new(seed));
        Self {
            draw: Some(Draw {
                random,
                adversary,
                faults,
                one_in,
                left,
            }),
            ..Self::follow(Schedule::default())
        }
    }

    /// Notes what else could have been decided.
    pub(super) fn keep_branches(mut self) -> Self {
        self.record.keeps_branches = true;
        self
    }

    /// Has notes made of what is decided.
    pub(super) fn keep_notes(mut self) -> Self {
        self.record.keeps_notes = true;
        self
    }

    pub(super) fn into_record(self) -> Record {
        self.record
    }

    /// Writes down what was decided last, if notes are kept.
    pub(super) fn note(&mut self, note: impl FnOnce() -> String) {
        if self.record.keeps_notes {
            self.record.notes.push(note());
        }
    }

    /// Makes the next decision. `None`: what is done by default.
    ///
    /// `numbers` tells whose steps are ready.
    pub(super) fn decide(
        &mut self,
        options: Options,
        numbers: impl Iterator<Item = u64>,
    ) -> Option<Action> {
        let at = self.made;
        self.made += 1;
        let action = match self.given.entries().get(self.next) {
            Some(entry) if entry.at == at => {
                self.next += 1;
                Some(entry.action).filter(|action| options.allow(*action))
            }
            Some(_) => None,
            None => {
                if self.record.keeps_branches && options.any() {
                    self.record.branches.push((at, options));
                }
                let draw = self.draw.as_mut();
                draw.and_then(|draw| draw.action(options, numbers))
            }
        };
        if let Some(action) = action {
            self.record.taken.push(Entry { at, action });
        }
        action
    }
}

impl Options {
    /// As if only `faults` were possible.
    pub(super) fn masked(self, faults: Faults) -> Self {
        Self {
            wake: if faults.spurious_wakes { self.wake } else { 0 },
            hold: if faults.delayed_wakes { self.hold } else { 0 },
            jump: self.jump && faults.clock_jumps,
            refuse: self.refuse && faults.refused_spawns,
            ..self
        }
    }

    /// All that differs from the default.
    pub(super) fn actions(self) -> impl Iterator<Item = Action> {
        (1..self.run)
            .map(Action::Run)
            .chain((0..self.drop).map(Action::Drop))
            .chain((0..self.wake).map(Action::Wake))
            .chain((0..self.hold).map(Action::Hold))
            .chain(self.jump.then_some(Action::Jump))
            .chain(self.refuse.then_some(Action::Refuse))
    }

    fn any(self) -> bool {
        self.actions().next().is_some()
    }

    fn allow(self, action: Action) -> bool {
        match action {
            Action::Run(index) => (1..self.run).contains(&index),
            Action::Drop(index) => index < self.drop,
            Action::Wake(index) => index < self.wake,
            Action::Hold(index) => index < self.hold,
            Action::Jump => self.jump,
            Action::Refuse => self.refuse,
        }
    }
}

impl Draw {
    fn action(&mut self, options: Options, numbers: impl Iterator<Item = u64>) -> Option<Action> {
        if let Some(fault) = self.fault(options) {
            return Some(fault);
        }
        if options.run == 0 {
            return None;
        }
        let index = match &mut self.adversary {
            Some(adversary) => adversary.pick(numbers),
            None => self.random.below(options.run),
        };
        (index > 0).then_some(Action::Run(index))
    }

    /// Any kind of fault as often as any other, however many there are of each.
    fn fault(&mut self, options: Options) -> Option<Action> {
        if self.left == 0 || self.random.below(self.one_in) != 0 {
            return None;
        }
        let options = options.masked(self.faults);
        let mut any = |count: usize| (count > 0).then(|| self.random.below(count));
        let kinds = [
            any(options.drop).map(Action::Drop),
            any(options.wake).map(Action::Wake),
            any(options.hold).map(Action::Hold),
            options.jump.then_some(Action::Jump),
            options.refuse.then_some(Action::Refuse),
        ];
        let possible: Vec<_> = kinds.into_iter().flatten().collect();
        let index = any(possible.len())?;
        self.left -= 1;
        Some(possible[index])
    }
}
