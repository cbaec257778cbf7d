use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use untethered::CancellationToken;
use untethered::sim::Sim;
use untethered::time::{
    MissedTicks, TickFailure, Timer, interval, move_on_after, sleep_or_stop, timeout, timeout_at,
};

use super::{Opaque, shown, shows};

const SECOND: Duration = Duration::from_secs(1);

// C11
#[test]
fn debug_of_timeouts() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let limit = timeout(&rt, SECOND, pending::<Opaque>()).named("connect");
    shows(
        &limit,
        r#"Timeout { limit: Duration(1s), name: Some("connect"), .. }"#,
    );
    let elapsed = sim.block_on(limit).err().unwrap();
    shows(&elapsed, r#"Elapsed("connect: not done within 1s")"#);
    let late = timeout_at(&rt, rt.now(), pending::<Opaque>());
    let elapsed = sim.block_on(late).err().unwrap();
    shows(&elapsed, r#"Elapsed("not done at the deadline")"#);
    shows(
        &move_on_after(&rt, SECOND, ready(Opaque)),
        "MoveOnAfter { limit: Duration(1s), .. }",
    );
}

// C11
#[test]
fn debug_of_sleeps_and_intervals() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let mut sleep = Box::pin(rt.sleep(SECOND));
    assert!(shown(&sleep).ends_with(", elapsed: false }"), "{sleep:?}");
    let token = CancellationToken::new();
    let stop = sleep_or_stop(&rt, SECOND, &token);
    assert!(
        shown(&stop).starts_with("SleepOrStop { sleep: Sleep { deadline: "),
        "{stop:?}"
    );
    sim.block_on(sleep.as_mut());
    assert!(shown(&sleep).ends_with(", elapsed: true }"), "{sleep:?}");
    let ticks = interval(&rt, SECOND).missed(MissedTicks::Skip);
    assert!(
        shown(&ticks).starts_with("Interval { period: 1s, missed: Skip, due: Some("),
        "{ticks:?}"
    );
}

// C11
#[test]
fn debug_of_timers() {
    let sim = Sim::new();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let told = failures.clone();
    let timer = Timer::builder(&sim.runtime(), SECOND).start_fallible(
        |tick| async move {
            match tick.number() {
                0 => Err(Opaque),
                1 => panic!("no route"),
                _ => pending().await,
            }
        },
        move |failure: TickFailure<Opaque>| told.lock().unwrap().push(failure),
    );
    shows(&timer, "Timer { skipped: 0, .. }");
    sim.advance(4 * SECOND);
    shows(&timer, "Timer { skipped: 2, .. }");
    sim.block_on(timer.stop()).unwrap();
    let failures = failures.lock().unwrap();
    let [failed, panicked] = &failures[..] else {
        panic!("{} failures", failures.len());
    };
    shows(failed, "TickFailure { number: 0, is_panic: false, .. }");
    shows(panicked, "TickFailure { number: 1, is_panic: true, .. }");
}
