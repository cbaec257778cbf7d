//! The same policy and inputs, in a group and in a scope.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use untethered::group::{BlockError, BoxError, Failure, Group, OnFailure, Scope};
use untethered::runtime::Unobserved;
use untethered::sim::{Sim, yield_now};

/// How a task or a body ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Ok,
    Err,
    Panic,
    /// Cancels all of it, then returns.
    Cancel,
}

const ENDS: [End; 4] = [End::Ok, End::Err, End::Panic, End::Cancel];

#[derive(Debug, Clone, Copy)]
enum Policy {
    Report,
    CancelAll,
    Collect(usize),
}

impl Policy {
    fn make(self, heard: &Heard) -> OnFailure {
        match self {
            Self::Report => {
                let heard = heard.clone();
                OnFailure::report(move |failure: Failure| heard.add("report", text(&failure)))
            }
            Self::CancelAll => OnFailure::CancelAll,
            Self::Collect(max) => OnFailure::collect(max),
        }
    }
}

/// What hooks heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn add(&self, hook: &str, what: String) {
        self.0.lock().unwrap().push(format!("{hook} {what}"));
    }

    fn unobserved(&self) -> impl Fn(Unobserved) + Send + Sync + 'static {
        let heard = self.clone();
        move |unobserved| {
            let what = unobserved
                .into_error()
                .map_or("panic".into(), |error| error.to_string());
            heard.add("unobserved", what);
        }
    }
}

fn text(failure: &Failure) -> String {
    failure
        .error()
        .map_or("panic".to_owned(), ToString::to_string)
}

/// The outcome of a block, to be compared.
fn told(result: Result<u32, BlockError>) -> String {
    match result {
        Ok(value) => format!("ok {value}"),
        Err(BlockError::Body(error)) => format!("body {error}"),
        Err(BlockError::Cancelled(reason)) => format!("cancelled {reason}"),
        Err(BlockError::Tasks(error)) => {
            let failures: Vec<_> = error.failures().iter().map(text).collect();
            format!("tasks {failures:?}, {} cancelled", error.cancelled())
        }
    }
}

async fn act(name: &str, turns: usize, end: End, cancel: impl FnOnce()) -> Result<(), String> {
    for _ in 0..turns {
        yield_now().await;
    }
    match end {
        End::Ok => {}
        End::Err => return Err(format!("{name} fails")),
        End::Panic => panic!("{name} panics"),
        End::Cancel => cancel(),
    }
    Ok(())
}

/// When two tasks end; the body does before, between or after them.
const TASKS: [(&str, usize); 2] = [("first", 1), ("second", 30)];
const BODY: [usize; 3] = [0, 12, 200];

// G7 G14
#[test]
fn each_policy_and_end_gives_the_same_answer_in_a_group_and_in_a_scope() {
    let policies = [
        Policy::Report,
        Policy::CancelAll,
        Policy::Collect(1),
        Policy::Collect(8),
    ];
    let mut answers = HashSet::new();
    for policy in policies {
        for first in ENDS {
            for second in ENDS {
                for body in ENDS {
                    for turns in BODY {
                        let ends = [first, second];
                        let case = format!("{policy:?} {ends:?} {body:?} after {turns}");
                        let (of_group, of_scope) = both(policy, ends, body, turns);
                        assert_eq!(of_group, of_scope, "{case}");
                        answers.insert(of_group);
                    }
                }
            }
        }
    }
    assert!(answers.len() > 40, "{}", answers.len());
}

fn both(policy: Policy, ends: [End; 2], body: End, turns: usize) -> (String, String) {
    let heard = Heard::default();
    let sim = Sim::new();
    let rt = sim.runtime().on_unobserved(heard.unobserved());
    let group = Group::builder(&rt).on_failure(policy.make(&heard));
    let running = group.run(|g| async move {
        for ((name, turns), end) in TASKS.into_iter().zip(ends) {
            let way_in = g.clone();
            g.spawn_fallible(act(name, turns, end, move || way_in.cancel("by a task")));
        }
        let way_in = g.clone();
        act("body", turns, body, move || way_in.cancel("by the body")).await?;
        Ok::<_, BoxError>(7)
    });
    let of_group = answer(|| sim.block_on(running), &heard);

    let heard = Heard::default();
    let scope = Scope::builder()
        .on_failure(policy.make(&heard))
        .on_unobserved(heard.unobserved());
    let running = scope.run(|s| async move {
        for ((name, turns), end) in TASKS.into_iter().zip(ends) {
            let way_in = s.clone();
            s.spawn_fallible(act(name, turns, end, move || way_in.cancel("by a task")));
        }
        let way_in = s.clone();
        act("body", turns, body, move || way_in.cancel("by the body")).await?;
        Ok::<_, BoxError>(7)
    });
    let of_scope = answer(|| Sim::new().block_on(running), &heard);
    (of_group, of_scope)
}

/// What a block came to, and what its hooks heard until it was dropped.
fn answer(run: impl FnOnce() -> Result<u32, BlockError>, heard: &Heard) -> String {
    let told = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => told(result),
        Err(payload) => format!("panic {:?}", payload.downcast_ref::<String>()),
    };
    format!("{told}, heard {:?}", heard.0.lock().unwrap())
}

#[test]
fn a_body_that_fails_under_collect_is_one_of_the_failures() {
    let (answer, _) = both(Policy::Collect(1), [End::Err, End::Ok], End::Err, 12);
    assert_eq!(
        answer,
        "tasks [\"first fails\", \"body fails\"], 1 cancelled, heard []"
    );
}

#[test]
fn what_a_collection_has_no_room_for_goes_to_the_hook() {
    let (answer, _) = both(Policy::Collect(1), [End::Err, End::Panic], End::Ok, 0);
    assert_eq!(
        answer,
        "tasks [\"first fails\"], 0 cancelled, heard [\"unobserved panic\"]"
    );
}
