//! Several servers with the same data: who is first, who is good, and what is there in time.
//!
//! ```text
//! cargo run --example mirrors
//! ```

use std::time::Duration;

use untethered::combine::{gather, hedge, quorum, race_ok};
use untethered::time::{Timer, timeout};
use untethered::{Runtime, runtime};

/// A mirror that answers after a while, or is down.
async fn ask(rt: &Runtime, mirror: usize) -> Result<String, String> {
    let millis = [90, 20, 30, 700][mirror];
    rt.sleep(Duration::from_millis(millis)).await;
    match mirror {
        1 => Err(format!("mirror {mirror} is down")),
        _ => Ok(format!("data of mirror {mirror}")),
    }
}

fn main() {
    let rt = runtime::threads(1);
    let heartbeat = Timer::builder(&rt, Duration::from_millis(50))
        .after_period()
        .start(|tick| async move { println!("  .. still here, tick {}", tick.number()) });

    futures_lite::future::block_on(async {
        println!("the first good answer:");
        let won = race_ok((0..4).map(|mirror| ask(&rt, mirror))).await;
        let won = won.expect("some mirror is up");
        println!("  {} after {:?}", won.value, won.failures);

        println!("one after the other, the next when one is slow or fails:");
        let delay = Duration::from_millis(30);
        let won = hedge(&rt, delay, (0..4).map(|mirror| ask(&rt, mirror))).await;
        println!("  {}", won.expect("some mirror is up").value);

        println!("two that agree:");
        let agreed = quorum(2, (0..4).map(|mirror| ask(&rt, mirror))).await;
        println!("  {:?}", agreed.expect("two mirrors are up").successes);

        println!("whatever is there after 100 ms:");
        let limit = Duration::from_millis(100);
        let there = gather((0..4).map(|mirror| ask(&rt, mirror)))
            .timeout(&rt, limit)
            .await;
        for (mirror, answer) in there.iter().enumerate() {
            println!("  {mirror}: {answer:?}");
        }

        println!("a limit on one:");
        match timeout(&rt, limit, ask(&rt, 3)).named("mirror 3").await {
            Ok(answer) => println!("  {answer:?}"),
            Err(elapsed) => println!("  {elapsed}"),
        }

        heartbeat.stop().await.expect("a tick does not block");
    });
}
