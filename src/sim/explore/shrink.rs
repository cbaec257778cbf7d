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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `text`, if a schedule fails that `fails` says so of.
    fn shrunk(text: &str, fails: impl Fn(&str) -> bool) -> (String, usize) {
        let mut runs = 0;
        let schedule = shrink(text.parse().unwrap(), |schedule| {
            runs += 1;
            fails(&schedule.to_string()).then(|| schedule.clone())
        });
        (schedule.to_string(), runs)
    }

    #[test]
    fn what_does_not_matter_goes() {
        let many: Vec<_> = (0..300).map(|at| format!("{}:run1", 2 * at)).collect();
        let matters = |text: &str| text.contains("200:run1") && text.contains("380:run1");
        let (left, runs) = shrunk(&many.join(" "), matters);
        assert_eq!(left, "200:run1 380:run1");
        assert!(runs < 500, "{runs}");
        assert_eq!(shrunk("3:jump 9:refuse", |_| true).0, "");
    }

    #[test]
    fn what_follows_comes_sooner_by_the_steps_that_are_gone() {
        let fails = |text: &str| ["2:wake0 6:drop0", "5:drop0"].contains(&text);
        assert_eq!(shrunk("2:wake0 6:drop0", fails).0, "5:drop0");
        let fails = |text: &str| ["2:wake0 6:drop0", "4:drop0"].contains(&text);
        assert_eq!(shrunk("2:wake0 6:drop0", fails).0, "4:drop0");
    }

    #[test]
    fn lower_and_sooner_is_simpler() {
        let fails = |text: &str| {
            let (at, index) = text.split_once(":run").unwrap_or(("0", "0"));
            at.parse::<u32>().unwrap() >= 3 && index.parse::<u32>().unwrap() >= 2
        };
        assert_eq!(shrunk("9:run5", fails).0, "3:run2");
        // Never into the place of the one before.
        let both = |text: &str| text.matches(':').count() == 2;
        assert_eq!(shrunk("4:hold3 8:wake2", both).0, "0:hold0 1:wake0");
    }

    #[test]
    fn what_was_not_possible_is_left_out() {
        let schedule = shrink("1:run1 5:run1 7:run1".parse().unwrap(), |schedule| {
            // Of what it is given, this run can do the last entry alone.
            let text = schedule.to_string();
            text.contains("7:run1").then(|| "7:run1".parse().unwrap())
        });
        assert_eq!(schedule.to_string(), "7:run1");
    }

    #[test]
    fn it_ends_after_so_many_runs() {
        let many: Vec<_> = (0..3_000).map(|at| format!("{at}:run1")).collect();
        let mut runs = 0;
        let left = shrink(many.join(" ").parse().unwrap(), |schedule| {
            runs += 1;
            (schedule.len() == 3_000).then(|| schedule.clone())
        });
        assert_eq!((left.len(), runs), (3_000, MOST_RUNS));
    }
}
