use untethered::sim::yield_now;

use super::{row, row_then};

// C10
#[test]
fn every_future_of_sim() {
    row("sim::YieldNow", |_| yield_now());
    row_then("sim::MayDrop", |sim, p| {
        let may_drop = sim.may_drop(p.job(1));
        let future = async move {
            assert_eq!(may_drop.await, Some(1));
        };
        (future, |_: &_| ())
    });
}
