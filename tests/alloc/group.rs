use std::pin::pin;
use std::task::{Context, Waker};

use untethered::group::{Group, scope};
use untethered::sim::Sim;

use crate::counter::count;

/// A million in all.
const ROUNDS: usize = 10_000;
const TASKS: usize = 100;

// G12
#[test]
fn a_million_spawns_through_one_group_leave_memory_flat() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).limit(64).build();
    let mut handles = Vec::with_capacity(TASKS);
    let mut round = || {
        handles.extend((0..TASKS).map(|index| group.spawn(async move { index })));
        sim.block_on(async {
            for handle in handles.drain(..) {
                handle.await.unwrap();
            }
        });
    };
    round();
    let (counts, ()) = count(|| (0..ROUNDS).for_each(|_| round()));
    // A queue may have grown.
    assert!(counts.kept < 10_000, "{counts:?}");
}

// G12
#[test]
fn groups_and_subgroups_that_are_over_leave_nothing() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let owner = Group::builder(&rt).build();
    let round = || {
        let group = Group::builder(&owner).name("block").build();
        drop(group.on_closing(async {}));
        group.on_closing(async {}).cancel("not needed");
        group.task("t").spawn_with(|cx| async move { cx.token() });
        group.spawn(std::future::pending::<()>());
        group.cancel("over");
        sim.run_until_idle();
        assert!(group.is_closed());
    };
    round();
    let (counts, ()) = count(|| (0..10_000).for_each(|_| round()));
    assert!(counts.kept < 1_000, "{counts:?}");
}

#[test]
fn waits_for_a_group_that_are_dropped_leave_nothing() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).limit(1).build();
    let mut handle = group.spawn(std::future::pending::<()>());
    sim.run_until_idle();
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = || {
        assert!(pin!(group.closing()).poll(&mut cx).is_pending());
        assert!(pin!(group.closed()).poll(&mut cx).is_pending());
        assert!(pin!(group.token().cancelled()).poll(&mut cx).is_pending());
        assert!(pin!(handle.ended()).poll(&mut cx).is_pending());
        assert!(pin!(&mut handle).poll(&mut cx).is_pending());
        assert!(
            pin!(group.spawn_when_free(async {}))
                .poll(&mut cx)
                .is_pending()
        );
    };
    wait();
    let (counts, ()) = count(|| (0..100_000).for_each(|_| wait()));
    assert_eq!(counts.kept, 0, "{counts:?}");
}

#[test]
fn a_task_of_a_scope_allocates_its_future_and_its_result() {
    const TASKS: u64 = 1_000;
    let run = |tasks: u64| {
        futures_lite::future::block_on(scope(|s| async move {
            for index in 0..tasks {
                // One that waits has a place in the set, which the next has after it.
                assert_eq!(s.spawn(yields(index)).await?, index);
            }
            Ok(())
        }))
    };
    // What the thread keeps from then on.
    run(1).unwrap();
    let (few, ended) = count(|| run(1));
    ended.unwrap();
    let (many, ended) = count(|| run(1 + TASKS));
    ended.unwrap();
    assert_eq!(many.allocations - few.allocations, 2 * TASKS);
    assert_eq!(many.kept, few.kept);
}

async fn yields(index: u64) -> u64 {
    futures_lite::future::yield_now().await;
    index
}
