//! What panics besides a task: its destructor, and the conversion of its error.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll};

use untethered::group::{
    BlockError, BoxError, Group, GroupError, OnFailure, Scope, scope, task_group,
};
use untethered::sim::Sim;
use untethered::task::JoinError;

use super::{Log, PanicsOnDrop, listening};
use crate::support::panic_text;

/// Gives what it has, or panics where it has nothing; panics when dropped.
struct Bomb<T>(Option<T>);

impl<T> Bomb<T> {
    fn with(output: T) -> Self {
        Self(Some(output))
    }

    fn empty() -> Self {
        Self(None)
    }
}

impl<T: Unpin> Future for Bomb<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(self.0.take().unwrap_or_else(|| panic!("in its poll")))
    }
}

impl<T> Drop for Bomb<T> {
    fn drop(&mut self) {
        panic!("in its destructor");
    }
}

/// An error that can not be made one of the group.
struct Stubborn;

impl From<Stubborn> for BoxError {
    fn from(_: Stubborn) -> Self {
        panic!("in the conversion")
    }
}

fn panicked_with<T>(result: Result<T, JoinError>) -> String {
    let error = result.err().expect("it panics");
    assert!(error.is_panic(), "{error}");
    error.to_string()
}

// G4
#[test]
fn of_a_task_and_its_destructor_the_first_panic_counts() {
    let sim = Sim::new();
    let log = Log::default();
    let group: Group = Group::builder(&sim.runtime()).build();
    let lost = group.spawn(Bomb::with(log.on_drop("output dropped")));
    assert_eq!(
        panicked_with(sim.block_on(lost)),
        "task panicked: in its destructor"
    );
    assert_eq!(log.take(), ["output dropped"]);
    let both = group.spawn(Bomb::<u8>::empty());
    assert_eq!(
        panicked_with(sim.block_on(both)),
        "task panicked: in its poll"
    );

    let in_place = scope(|tasks| async move {
        let lost = tasks.spawn(Bomb::with(7)).await;
        let both = tasks.spawn(Bomb::<u8>::empty()).await;
        Ok((panicked_with(lost), panicked_with(both)))
    });
    let (lost, both) = sim.block_on(in_place).unwrap();
    assert_eq!(lost, "task panicked: in its destructor");
    assert_eq!(both, "task panicked: in its poll");
}

// G4
#[test]
fn of_a_body_and_its_destructor_the_first_panic_goes_on() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let block = |body: Bomb<Result<u8, BoxError>>| task_group(&rt, |_| body);
    let ok = || Bomb::with(Ok(7));
    assert_eq!(
        panic_text(|| sim.block_on(block(ok()))),
        "in its destructor"
    );
    assert_eq!(
        panic_text(|| sim.block_on(block(Bomb::empty()))),
        "in its poll"
    );
    assert_eq!(
        panic_text(|| sim.block_on(scope(|_| ok()))),
        "in its destructor"
    );
    let both = scope(|_| Bomb::<Result<u8, _>>::empty());
    assert_eq!(panic_text(|| sim.block_on(both)), "in its poll");
    // The call itself, before there is a future.
    let calls = task_group(&rt, |_| -> Bomb<Result<u8, BoxError>> {
        panic!("in the call")
    });
    assert_eq!(panic_text(|| sim.block_on(calls)), "in the call");
    sim.assert_empty();
}

// G4
#[test]
fn a_body_that_panics_when_it_is_cancelled_panics_in_who_waits() {
    let sim = Sim::new();
    let cancelled = scope(|tasks| async move {
        let _bomb = PanicsOnDrop("in its destructor");
        tasks.cancel("enough");
        pending::<Result<(), BoxError>>().await
    });
    assert_eq!(panic_text(|| sim.block_on(cancelled)), "in its destructor");
}

fn only_failure<E: std::fmt::Display>(error: &GroupError<E>) -> String {
    let [failure] = error.failures() else {
        panic!("{} failures", error.failures().len());
    };
    assert!(failure.is_panic());
    failure.to_string()
}

// G4
#[test]
fn a_conversion_that_panics_fails_the_task() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group: Group = Group::builder(&rt)
        .name("server")
        .on_failure(OnFailure::CancelAll)
        .build();
    let task = group.task("query");
    let task = task.spawn_fallible(async { Err::<u8, _>(Stubborn) });
    assert!(sim.block_on(task).unwrap_err().is_failed());
    let error = sim.block_on(group.join()).unwrap_err();
    assert_eq!(
        only_failure(&error),
        "server/query: task panicked: in the conversion"
    );

    let in_place = scope(|tasks| async move {
        tasks.spawn_fallible(async { Err::<u8, _>(Stubborn) });
        pending::<Result<(), BoxError>>().await
    });
    let error = sim.block_on(in_place).unwrap_err();
    let error: GroupError = BlockError::into_tasks(error).unwrap();
    let failure = only_failure(&error);
    assert!(
        failure.ends_with("task panicked: in the conversion"),
        "{failure}"
    );
    assert!(heard.take().is_empty());
}

// G4
#[test]
fn a_hook_of_a_scope_that_panics_goes_on_in_who_waits() {
    let sim = Sim::new();
    let policy = OnFailure::report(|_| panic!("in the hook"));
    let in_place = Scope::builder().on_failure(policy).run(|tasks| async move {
        tasks.spawn_fallible(async { Err::<u8, _>("no route") });
        Ok(7)
    });
    assert_eq!(panic_text(|| sim.block_on(in_place)), "in the hook");
}
