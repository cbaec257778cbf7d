use std::future::ready;
use std::time::Duration;

use untethered::sim::{Faults, Sim, explore, yield_now};

use super::{Opaque, shows};

const SECOND: Duration = Duration::from_secs(1);

// C11
#[test]
fn debug_of_simulations() {
    let sim = Sim::default();
    let rt = sim.runtime();
    let sleeps = rt.sleep(3 * SECOND);
    let task = rt.spawn(async move {
        sleeps.await;
        Opaque
    });
    sim.advance(SECOND);
    shows(
        &sim,
        "Sim { order: Fifo, elapsed: 1s, live_tasks: 1, live_timers: 1 }",
    );
    shows(&sim.reference(), "SimRef { elapsed: 1s, .. }");
    shows(&sim.may_drop(ready(Opaque)), "MayDrop { .. }");
    shows(&sim.outside_work(), "OutsideWork { .. }");
    shows(&yield_now(), "YieldNow { .. }");
    drop(task);
    shows(
        &explore(|_| ()).seeds(7).exhaustive(2).faults(Faults::all()),
        concat!(
            "Explore { seeds: 7, exhaustive: 2, faults: Faults { spurious_wakes: true, ",
            "delayed_wakes: true, refused_spawns: true, clock_jumps: true }, ",
            "most_runs: 100000, allow_leaks: false, .. }"
        ),
    );
}
