use std::future::Future;

use futures_lite::future::zip;
use untethered::CancellationToken;
use untethered::sim::{Sim, yield_now};

use super::{Parts, row, row_then};

/// A row about a token, which lets the next who waits through afterwards.
#[track_caller]
fn token_row<F: Future<Output = ()> + 'static>(
    paths: &str,
    make: impl Fn(Parts, CancellationToken) -> F,
) {
    row_then(paths, |_, p| {
        let token = CancellationToken::new();
        (make(p, token.clone()), move |sim: &Sim| {
            sim.block_on(zip(token.cancelled(), async { token.cancel("enough") }));
        })
    });
}

// C10
#[test]
fn every_future_of_task() {
    row("task::Task", |p| async move {
        assert_eq!(p.rt.spawn(p.job(1)).await.unwrap(), 1);
    });
    row("task::Task::cancel", |p| async move {
        let task = p.rt.spawn(p.job(1));
        yield_now().await;
        assert!(task.cancel().await.unwrap_err().is_cancelled());
    });
    row("task::BlockingTask", |p| async move {
        let held = p.drops.guard();
        p.rt.spawn_blocking(|| drop(held)).await.unwrap();
    });
    token_row("task::Cancelled", |p, token| async move {
        zip(token.cancelled(), p.later(|| token.cancel("enough"))).await;
    });
    token_row("task::CancelledOwned", |p, token| async move {
        let child = token.child_token();
        zip(child.cancelled_owned(), p.later(|| token.cancel("enough"))).await;
    });
    token_row("task::RunUntilCancelled", |p, token| async move {
        let run = token.run_until_cancelled(p.job(3));
        let (output, ()) = zip(run, p.later(|| token.cancel("enough"))).await;
        assert_eq!(output, None);
    });
}
