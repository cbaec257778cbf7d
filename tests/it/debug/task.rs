use std::future::pending;
use std::panic::panic_any;
use std::sync::{Arc, Mutex};

use untethered::CancellationToken;
use untethered::group::Group;
use untethered::sim::Sim;

use super::{Opaque, shown, shows};

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

// C11
#[test]
fn debug_of_what_nobody_took() {
    let sim = Sim::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    let rt = sim
        .runtime()
        .on_unobserved(move |unobserved| told.lock().unwrap().push(unobserved));
    rt.spawn(async { panic_any(7) }).detach();
    let group = Group::builder(&rt).name("g").build();
    let task = group.task("t");
    task.spawn_fallible(async { Err::<(), _>("no route") });
    sim.run_until_idle();
    let mut heard = heard.lock().unwrap();
    let (error, panic) = (heard.pop().unwrap(), heard.pop().unwrap());
    shows(
        &panic,
        r#"Unobserved("a task that nobody waits for panicked")"#,
    );
    assert!(shown(&error).contains("no route"), "{error:?}");
    // Each gives itself back where it is not what was asked for.
    let panic = panic.into_error().unwrap_err().into_panic().unwrap();
    assert_eq!(panic.downcast_ref(), Some(&7));
    let error = error.into_panic().unwrap_err().into_error().unwrap();
    assert_eq!(error.to_string(), "no route");
}
