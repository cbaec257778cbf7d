use std::future::pending;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use untethered::sim::Sim;

use crate::counter::count;

#[test]
fn a_dropped_sim_keeps_nothing() {
    let (counts, ()) = count(|| {
        let sim = Sim::new();
        let rt = sim.runtime();
        for _ in 0..1000 {
            let sleeper = rt.clone();
            let endless = async move {
                sleeper.sleep(Duration::from_secs(1)).await;
                pending::<()>().await
            };
            rt.spawn(endless).detach();
            drop(rt.spawn_blocking(|| ()));
        }
        sim.run_until_idle();
        drop(rt.spawn_blocking(|| ()));
        rt.spawn(async {}).detach();
        assert_eq!((sim.live_tasks(), sim.live_timers()), (1001, 1000));
    });
    assert_eq!(counts.kept, 0);
}

#[test]
fn sleeps_that_are_dropped_leave_nothing() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let mut cx = Context::from_waker(Waker::noop());
    let mut sleep = |seconds| {
        let mut sleep = pin!(rt.sleep(Duration::from_secs(seconds)));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    };
    sleep(1);
    let (counts, ()) = count(|| (1..100_000).for_each(sleep));
    assert_eq!((counts.kept, sim.live_timers()), (0, 0));
}
