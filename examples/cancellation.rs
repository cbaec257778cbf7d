//! Three ways to stop something: drop it, ask it, or ask it and keep it from being dropped midway.
//!
//! ```text
//! cargo run --example cancellation
//! ```

use std::future::pending;
use std::sync::mpsc::channel;
use std::time::Duration;

use untethered::group::{Group, OnCancel};
use untethered::sync::Event;
use untethered::{CancellationToken, runtime};

/// Sets its event when it is dropped.
struct Sets(Event);

impl Drop for Sets {
    fn drop(&mut self) {
        self.0.set();
    }
}

fn main() {
    let rt = runtime::threads(2);
    rt.block_on(async {
        // Dropping a task cancels it: it ends at the await where it is, and its values are dropped.
        let ended = Event::new();
        let sets = Sets(ended.clone());
        let dropped = rt.spawn(async move {
            let _sets = sets;
            pending::<()>().await
        });
        drop(dropped);
        ended.wait().await;

        // A token asks, and says why. Those below it are asked too, those above are not.
        let server = CancellationToken::new();
        let request = server.child_token();
        request.cancel("the client hung up");
        assert!(!server.is_cancelled());
        let other = server.child_token();
        server.cancel("new configuration");
        assert_eq!(other.reason().unwrap().as_str(), "new configuration");

        // A future is given up once its token is cancelled.
        let given_up = other.run_until_cancelled(pending::<()>()).await;
        assert!(given_up.is_none());

        // A task of a group that is dropped as soon as it may: not while it is shielded.
        let group = Group::builder(&rt).name("payments").build();
        let begun = Event::new();
        let (steps, done) = channel();
        let begins = begun.clone();
        let kept = steps.clone();
        let sleeps = rt.clone();
        group.task("payment").spawn_with(|cx| async move {
            let transfer = async {
                kept.send("taken from one account").ok();
                begins.set();
                cx.token().cancelled().await; // a cancel comes in the worst moment
                sleeps.sleep(Duration::from_millis(5)).await;
                kept.send("given to the other").ok();
            };
            cx.shield(transfer).await;
            pending::<()>().await; // dropped here, the transfer behind it
        });
        // One that is asked, and given a while.
        let worker = group.task("worker");
        let worker = worker.on_cancel(OnCancel::Grace(Duration::from_secs(5)));
        worker.spawn_with(|cx| async move {
            cx.token().cancelled().await;
            steps.send("put the work back").ok();
        });
        begun.wait().await;
        let report = group.shutdown(Duration::from_secs(10)).await;
        println!("{report}");
        assert!(report.is_clean());
        assert_eq!((report.finished, report.cancelled), (1, 1));

        let done: Vec<_> = done.iter().collect();
        println!("{done:?}");
        assert_eq!(done.len(), 3);
        assert!(done.contains(&"given to the other") && done.contains(&"put the work back"));
    });
}
