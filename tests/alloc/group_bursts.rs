use untethered::group::Group;
use untethered::sim::Sim;

use crate::counter::count;

const MANY: usize = 10_000;

// G12
#[test]
fn the_room_of_a_burst_of_tasks_and_subgroups_is_given_back() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let burst = |tasks: usize, subgroups: usize| {
        let held: Vec<_> = (0..subgroups)
            .map(|_| group.subgroup("sub").unwrap())
            .collect();
        (0..tasks).for_each(|_| drop(group.spawn(async {})));
        sim.run_until_idle();
        drop(held);
        sim.run_until_idle();
        assert!(group.is_empty());
    };
    burst(1, 1);
    let (counts, ()) = count(|| burst(0, MANY));
    assert!(counts.kept < 100_000, "{counts:?}");
    let (counts, ()) = count(|| burst(MANY, 0));
    // Queues keep the room for those that are ready.
    assert!(counts.kept < 60 * MANY as i64, "{counts:?}");
}
