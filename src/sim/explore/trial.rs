use super::silence::silently;
use crate::sim::Sim;
use crate::sim::plan::{Plan, Record};
use crate::task::panic_message;

/// One run.
pub(super) struct Trial {
    pub(super) record: Record,
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
}

/// Runs `scenario` once. Its panics are not printed.
pub(super) fn run(plan: Plan, scenario: &mut impl FnMut(&Sim), allow_leaks: bool) -> Trial {
    let sim = Sim::planned(plan);
    let (result, panics) = silently(|| {
        scenario(&sim);
        finish(&sim, allow_leaks);
    });
    let (record, unobserved) = sim.shared.end_plan().unwrap_or_default();
    // What is left may panic when it is dropped, which is nobody's business any more.
    let _ = silently(|| drop(sim));
    let message = match result {
        Ok(()) => unobserved.into_iter().next(),
        Err(payload) => Some(match panic_message(&*payload) {
            Some(message) => message.to_owned(),
            None => "a panic without a message".to_owned(),
        }),
    };
    let failure = message.map(|mut message| {
        for panic in panics {
            message.push_str("\n  ");
            message.push_str(&panic);
        }
        message
    });
    Trial { record, failure }
}

/// Runs `scenario` once. It panics if the run fails.
#[track_caller]
pub(super) fn replay(plan: Plan, scenario: &mut impl FnMut(&Sim), allow_leaks: bool) {
    let sim = Sim::planned(plan);
    scenario(&sim);
    finish(&sim, allow_leaks);
    let unobserved = sim.shared.end_plan().unwrap_or_default().1;
    if let Some(panic) = unobserved.first() {
        panic!("{panic}");
    }
}

/// Lets all that is ready run, and looks for what is left.
#[track_caller]
fn finish(sim: &Sim, allow_leaks: bool) {
    sim.run_until_idle();
    if !allow_leaks {
        sim.assert_empty();
    }
}
