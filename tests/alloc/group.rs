use untethered::group::Group;
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
