use futures_lite::StreamExt;
use untethered::CancellationToken;
use untethered::sim::{Sim, yield_now};
use untethered::time::{Timer, interval, move_on_after, sleep_or_stop, timeout};

use super::{SECOND, row, row_after};

// C10
#[test]
fn every_future_of_time() {
    row("time::Sleep", |p| async move {
        p.rt.sleep(SECOND).await;
    });
    row("time::SleepOrStop", |p| async move {
        let token = CancellationToken::new();
        sleep_or_stop(&p.rt, SECOND, &token).await;
    });
    row("time::Interval", |p| async move {
        let ticks = interval(&p.rt, SECOND);
        assert_eq!(ticks.take(3).count().await, 3);
    });
    row("time::NextTick", |p| async move {
        let mut ticks = interval(&p.rt, SECOND);
        for _ in 0..3 {
            ticks.tick().await;
        }
    });
    row("time::Timeout", |p| async move {
        timeout(&p.rt, SECOND, p.job(3)).await.unwrap_err();
    });
    row("time::MoveOnAfter", |p| async move {
        move_on_after(&p.rt, SECOND, p.job(3)).await;
    });
    // The ticks under way keep what is left of their grace.
    let grace = 3 * SECOND;
    row_after("time::Timer::stop", grace, |_, p| {
        let stop = async move {
            let ticks = p.clone();
            let timer = Timer::builder(&p.rt, SECOND);
            let timer = timer.grace(grace).start(move |_| {
                let tick = ticks.job(1);
                async move {
                    tick.await;
                }
            });
            yield_now().await;
            timer.stop().await.unwrap();
        };
        (stop, |_: &Sim| ())
    });
}
