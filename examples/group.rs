//! A group that owns its tasks: results, one failure policy, an orderly end.
//!
//! ```text
//! cargo run --example group
//! ```

use std::time::Duration;

use untethered::group::{Failure, Group, OnFailure};
use untethered::runtime;

fn main() {
    let rt = runtime::threads(2);
    futures_lite::future::block_on(async {
        // Failures are told here, each once; nobody else is touched by them.
        let policy = OnFailure::report(|failure: Failure| println!("failed: {failure}"));
        let group = Group::builder(&rt)
            .name("squares")
            .limit(4)
            .on_failure(policy)
            .build();

        let handles: Vec<_> = (0..10u32)
            .map(|n| {
                let rt = rt.clone();
                group.spawn_fallible(async move {
                    rt.sleep(Duration::from_millis(10)).await;
                    if n == 7 {
                        Err("seven is not for us")
                    } else {
                        Ok(n * n)
                    }
                })
            })
            .collect();

        // No more tasks; those there are run to their end.
        group.join().await.expect("what fails is told above");

        let mut sum = 0;
        for handle in handles {
            // The handle of the one that failed says so; the group has told the error.
            sum += handle.await.unwrap_or(0);
        }
        println!("sum: {sum}");
        assert_eq!(sum, 285 - 49);
    });
}
