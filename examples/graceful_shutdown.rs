//! Stops a server of many tasks in order: ask, wait, drop what is left, report.
//!
//! ```text
//! cargo run --example graceful_shutdown
//! ```

use std::time::Duration;

use untethered::group::{Group, OnCancel};
use untethered::runtime;

fn main() {
    let rt = runtime::threads(2);
    futures_lite::future::block_on(async {
        let server = Group::builder(&rt).name("server").observed().build();

        // Finishes the request at hand when asked to stop.
        let connections = server.subgroup("connections").expect("the server is open");
        for _ in 0..3 {
            let grace = OnCancel::Grace(Duration::from_secs(1));
            connections
                .task("connection")
                .on_cancel(grace)
                .spawn_with(|cx| async move {
                    let token = cx.token();
                    let rt = cx.runtime();
                    while !token.is_cancelled() {
                        rt.sleep(Duration::from_millis(20)).await; // one request
                    }
                });
        }

        // Is dropped at once, and has the group run its clean-up.
        server.task("listener").spawn_with(|cx| async move {
            cx.on_exit(async { println!("socket removed") });
            std::future::pending::<()>().await
        });

        rt.sleep(Duration::from_millis(50)).await;
        println!("{}", server.tree());

        let report = server.shutdown(Duration::from_secs(5)).await;
        println!("{report}");
        assert!(report.is_clean());
        assert_eq!((report.finished, report.cancelled), (3, 1));
    });
}
