//! Many futures, so many at a time: of a list, of a stream, with an end at the first error.
//!
//! ```text
//! cargo run --example streams
//! ```

use std::time::Duration;

use futures_lite::{StreamExt, stream};
use untethered::stream::{StreamConcurrently, batches, with_progress};
use untethered::{Runtime, concurrent, runtime, try_concurrent};

/// Stands for a request; later ones are quicker.
async fn area(rt: &Runtime, side: u64) -> Result<u64, String> {
    rt.sleep(Duration::from_millis(50 / (side + 1))).await;
    match side {
        13 => Err("13 brings bad luck".into()),
        side => Ok(side * side),
    }
}

fn main() {
    let rt = runtime::threads(1);
    let rt = &rt;
    rt.block_on(async {
        // All of them, in the order of the input. Nothing is spawned: the futures may borrow.
        let areas = concurrent((0..10).map(|side| area(rt, side))).limit(4);
        let areas = areas.ordered().await;
        assert_eq!(areas[9], Ok(81));

        // As they come, with what has been done told on the way. The input may be endless.
        let endless = concurrent((0..).map(|side| area(rt, side))).limit(4);
        let mut told = 0;
        let endless = with_progress(endless, |progress| told = progress.done);
        let first: Vec<_> = endless.take(8).collect().await;
        println!("the first {} to come: {first:?}", first.len());
        assert_eq!((first.len(), told), (8, 8));

        // The first error ends it, and drops what is under way.
        let failed = try_concurrent((0..).map(|side| area(rt, side))).limit(4);
        let error = failed.await.unwrap_err().into_task();
        assert_eq!(error, "13 brings bad luck");

        // The items of a stream, and what comes of them in lists of three.
        let sides = stream::iter(1..=7);
        let areas = sides.concurrently().limit(2).ordered();
        let areas = areas.map(|side| async move { area(rt, side).await.unwrap_or(0) });
        let lists: Vec<_> = batches(areas, 3).collect().await;
        println!("{lists:?}");
        assert_eq!(lists, [vec![1, 4, 9], vec![16, 25, 36], vec![49]]);
    });
}
