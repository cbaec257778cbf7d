use std::future::pending;

use untethered::CancellationToken;
use untethered::sim::Sim;

use super::{Opaque, shows};

// C11
#[test]
fn debug_of_tasks() {
    let sim = Sim::new();
    let rt = sim.runtime();
    shows(&rt, "Runtime { .. }");
    let task = rt.spawn(async { Opaque });
    let abort = task.abort_handle();
    shows(&task, "Task { is_finished: false }");
    shows(&abort, "AbortHandle { is_finished: false }");
    sim.run_until_idle();
    shows(&task, "Task { is_finished: true }");
    shows(&abort, "AbortHandle { is_finished: true }");
    let blocking = rt.spawn_blocking(|| Opaque);
    shows(&blocking, "BlockingTask { is_finished: false }");
    sim.run_until_idle();
    shows(&blocking, "BlockingTask { is_finished: true }");
    let failed = rt.spawn(async { panic!("no route") });
    let error = sim.block_on(failed).map(|()| Opaque).err().unwrap();
    shows(&error, r#"JoinError("task panicked: no route")"#);
}

// C11
#[test]
fn debug_of_tokens() {
    let token = CancellationToken::new();
    shows(&token, "CancellationToken { reason: None }");
    shows(&token.cancelled(), "Cancelled { .. }");
    shows(&token.clone().cancelled_owned(), "CancelledOwned { .. }");
    shows(
        &token.run_until_cancelled(pending::<Opaque>()),
        "RunUntilCancelled { .. }",
    );
    token.cancel("enough");
    shows(&token, r#"CancellationToken { reason: Some("enough") }"#);
}
