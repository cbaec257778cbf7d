use std::future::pending;

use untethered::sim::Sim;

use crate::counter::count;

const MANY: usize = 100_000;

#[test]
fn tasks_that_have_ended_leave_nothing() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let round = || {
        let task = rt.spawn(async { [7_u8; 64] });
        assert_eq!(sim.block_on(task).unwrap()[0], 7);
        rt.spawn(async {}).detach();
        drop(rt.spawn(pending::<()>()));
        sim.block_on(rt.spawn_blocking(|| ())).unwrap();
        sim.run_until_idle();
    };
    round();
    let (counts, ()) = count(|| (0..MANY).for_each(|_| round()));
    assert_eq!(counts.kept, 0);
}

#[test]
fn a_handle_that_only_aborts_keeps_no_future() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let big = [7_u8; 100_000];
    let (counts, abort) = count(|| {
        let task = rt.spawn(async move {
            pending::<()>().await;
            assert_eq!(big[0], 7);
        });
        let abort = task.abort_handle();
        assert_eq!(sim.live_tasks(), 1);
        drop(task);
        sim.run_until_idle();
        abort
    });
    assert!(abort.is_finished());
    assert!(counts.kept < 2_000, "{counts:?}");
}
