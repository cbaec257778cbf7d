//! What is asked of single tasks, and of groups that are full or over.

use std::future::pending;
use std::time::Duration;

use untethered::group::{Group, OnCancel};
use untethered::sim::Sim;
use untethered::sync::Event;

use super::Log;
use crate::polled::Polled;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn tasks_that_are_cancelled_at_once_all_end() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let tasks: Vec<_> = (0..5).map(|_| group.spawn(pending::<()>())).collect();
    sim.run_until_idle();
    tasks
        .iter()
        .take(4)
        .for_each(|task| task.cancel("not needed"));
    sim.run_until_idle();
    assert_eq!(group.len(), 1);
    assert!(!tasks[4].is_finished());
}

#[test]
fn an_abort_that_follows_a_cancel_takes_no_grace() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let task = group
        .task("alone")
        .on_cancel(OnCancel::Grace(SECOND))
        .spawn(pending::<()>());
    sim.run_until_idle();
    task.cancel("politely");
    sim.run_until_idle();
    assert!(!task.is_finished());
    task.abort();
    task.cancel("too late");
    let error = sim.block_on(task).unwrap_err();
    assert_eq!(error.reason().unwrap().as_str(), "politely");
    assert_eq!(sim.elapsed(), Duration::ZERO);
}

#[test]
fn a_full_group_that_is_closed_says_that_it_is_closed() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).limit(1).build();
    group.spawn(pending::<()>());
    let error = group.try_spawn(pending::<()>()).unwrap_err();
    assert_eq!((error.is_full(), error.is_closed()), (true, false));
    group.close();
    let error = group.try_spawn(pending::<()>()).unwrap_err();
    assert_eq!((error.is_full(), error.is_closed()), (false, true));
}

#[test]
fn a_handle_wakes_whom_it_was_polled_by_last() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let event = Event::new();
    let mut handle = Polled::waiting(group.spawn({
        let event = event.clone();
        async move { event.wait().await }
    }));
    sim.run_until_idle();
    handle.change_waker();
    assert!(handle.poll().is_pending());
    assert!(handle.poll().is_pending());
    event.set();
    sim.run_until_idle();
    assert_eq!(handle.woken(), 1);
    handle.ready().unwrap();
}

#[test]
fn clean_ups_behind_one_that_is_cut_off_do_not_run() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).hard_limit(SECOND).build();
    let log = Log::default();
    group.task("t").spawn_with({
        let log = log.clone();
        |cx| async move {
            cx.on_exit(async move { log.add("ran") });
            cx.on_exit(pending());
        }
    });
    sim.block_on(group.join()).unwrap();
    assert!(log.take().is_empty());
    assert_eq!(sim.elapsed(), SECOND);
}
