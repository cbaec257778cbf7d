//! What groups, scopes and results say of themselves.

use std::future::pending;
use std::sync::mpsc;

use futures_lite::Stream;
use untethered::group::{Group, OnCancel, ScopeRun, scope};
use untethered::sim::Sim;

use crate::polled::Polled;

#[test]
fn a_tree_says_in_which_state_each_group_is() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).name("g").observed().build();
    let state = || group.tree().to_string().lines().next().unwrap().to_owned();
    let task = group
        .task("t")
        .on_cancel(OnCancel::Finish)
        .spawn(pending::<()>());
    assert_eq!(state(), "g (open)");
    group.close();
    assert_eq!(state(), "g (closing)");
    group.cancel("x");
    assert_eq!(state(), "g (cancelled)");
    task.abort();
    sim.run_until_idle();
    assert_eq!(state(), "g (closed)");
}

#[test]
fn results_say_how_many_are_left() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let mut results = group.results(10);
    assert!(results.is_empty());
    for key in 0..3 {
        results.spawn(key, async {});
        assert_eq!(results.len(), key + 1);
    }
    for left in (0..3).rev() {
        assert!(!results.is_empty());
        assert!(sim.block_on(results.next()).is_some());
        assert_eq!(results.len(), left);
        assert_eq!(results.size_hint(), (left, Some(left)));
    }
    assert!(results.is_empty());

    // Some wait in the set, some were not looked at yet.
    results.spawn(7, pending::<()>());
    let mut next = Box::pin(results.next());
    assert!(Polled::new(next.as_mut()).poll().is_pending());
    drop(next);
    results.spawn(8, pending::<()>());
    assert_eq!(results.len(), 2);
}

/// A scope whose body waits for ever, and the way in.
fn open<'a>(way_in: mpsc::Sender<untethered::group::Scope<'a>>) -> ScopeRun<'a, ()> {
    scope(move |s| {
        way_in.send(s).unwrap();
        pending()
    })
}

#[test]
fn a_scope_says_what_is_left_in_it() {
    let (sender, way_in) = mpsc::channel();
    let mut run = Polled::waiting(open(sender));
    let s = way_in.recv().unwrap();
    assert!(!s.is_cancelled() && !s.is_empty());
    assert_eq!(s.len(), 1, "the body counts");
    s.spawn(pending::<()>());
    assert!(run.poll().is_pending());
    assert_eq!(s.len(), 2);
    drop(run);
    assert!(s.is_cancelled() && s.is_empty());
}

#[test]
fn a_task_of_a_cancelled_scope_says_why() {
    let (sender, way_in) = mpsc::channel();
    let mut run = Polled::waiting(open(sender));
    let s = way_in.recv().unwrap();
    let handle = s.spawn(pending::<()>());
    assert!(run.poll().is_pending());
    s.cancel("not needed");
    assert!(run.ready().unwrap_err().is_cancelled());
    let error = Polled::new(handle).ready().unwrap_err();
    assert_eq!(error.reason().unwrap().as_str(), "not needed");
}

#[test]
fn a_scope_that_has_ended_starts_nothing() {
    let (sender, way_in) = mpsc::channel();
    let mut run = Polled::new(scope(move |s| async move {
        sender.send(s).unwrap();
        Ok(())
    }));
    run.ready().unwrap();
    let s = way_in.recv().unwrap();
    assert!(s.is_cancelled() && s.is_empty());
    let refused = Polled::new(s.spawn(async {})).ready();
    assert!(refused.unwrap_err().is_cancelled());
}
