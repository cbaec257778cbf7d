use crate::sim::schedule::{Action, Schedule};

/// How many runs a schedule is shrunk for at most.
const MOST_RUNS: usize = 2_000;

/// Looks for a shorter schedule that fails too, by leaving out ever smaller parts of it.
///
/// `fails` runs one, and gives what was done of it if that fails. After Zeller and Hildebrandt,
/// "Simplifying and Isolating Failure-Inducing Input", 2002.
pub(super) fn shrink(
    schedule: Schedule,
    fails: impl FnMut(&Schedule) -> Option<Schedule>,
) -> Schedule {
    let mut shrink = Shrink {
        schedule,
        fails,
        left: MOST_RUNS,
    };
    while shrink.left > 0 {
        let shorter = shrink.leave_out();
        let simpler = shrink.simplify();
        let sooner = shrink.hurry();
        if !shorter && !simpler && !sooner {
            break;
        }
    }
    shrink.schedule
}

struct Shrink<F> {
    /// The best so far.
    schedule: Schedule,
    fails: F,
    left: usize,
}

impl<F: FnMut(&Schedule) -> Option<Schedule>> Shrink<F> {
    fn leave_out(&mut self) -> bool {
        let mut any = false;
        let mut part = self.schedule.len();
        while part > 0 {
            let mut from = 0;
            while from < self.schedule.len() {
                let to = (from + part).min(self.schedule.len());
                if self.try_without(from, to) {
                    any = true;
                } else {
                    from = to;
                }
            }
            part /= 2;
        }
        any
    }

    /// What is left out may have been a step, or have made one: what follows comes sooner then.
    fn try_without(&mut self, from: usize, to: usize) -> bool {
        [0, 1, 2]
            .into_iter()
            .any(|sooner| self.accept(self.schedule.without(from, to, sooner)))
    }

    /// Replaces indices by lower ones.
    fn simplify(&mut self) -> bool {
        let mut any = false;
        let mut index = 0;
        while let Some(entry) = self.schedule.entries().get(index) {
            let (least, most, make): (_, _, fn(usize) -> Action) = match entry.action {
                Action::Run(now) => (1, now, Action::Run),
                Action::Drop(now) => (0, now, Action::Drop),
                Action::Wake(now) => (0, now, Action::Wake),
                Action::Hold(now) => (0, now, Action::Hold),
                Action::Jump | Action::Refuse => (0, 0, Action::Run),
            };
            any |= (least..most)
                .any(|lower| self.accept(Some(self.schedule.with_action(index, make(lower)))));
            index += 1;
        }
        any
    }

    /// Decides sooner what need not wait.
    fn hurry(&mut self) -> bool {
        let mut any = false;
        let mut index = 0;
        while index < self.schedule.len() {
            while self.accept(self.schedule.sooner(index)) {
                any = true;
            }
            index += 1;
        }
        any
    }

    fn accept(&mut self, candidate: Option<Schedule>) -> bool {
        let Some(candidate) = candidate.filter(|_| self.left > 0) else {
            return false;
        };
        self.left -= 1;
        let Some(done) = (self.fails)(&candidate) else {
            return false;
        };
        // What it named and could not do is left out as well.
        self.schedule = done;
        true
    }
}
