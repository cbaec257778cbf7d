use std::future::{pending, ready};
use std::time::Duration;

use untethered::group::{
    BlockError, Group, OnCancel, OnFailure, Scope, ScopeRun, scope, task_group,
};
use untethered::sim::{Sim, yield_now};

use super::{Opaque, shown, shows};
use crate::polled::{Polled, now};

const SECOND: Duration = Duration::from_secs(1);

// C11
#[test]
fn debug_of_groups() {
    let sim = Sim::new();
    let builder = Group::builder(&sim.runtime()).name("server").limit(2);
    let builder = builder.hard_limit(SECOND).deadline(2 * SECOND);
    let text = shown(&builder);
    assert!(
        text.starts_with(r#"Builder { name: Some("server"), limit: Some(Limit { total: 2, "#),
        "{text}"
    );
    assert!(
        text.ends_with("hard_limit: 1s, deadline: Some(2s), .. }"),
        "{text}"
    );
    let group = builder.build();
    let db = group.subgroup("db").unwrap();
    let handle = db.task("query").spawn(pending::<Opaque>());
    shows(
        &db,
        r#"Group { path: "server/db", len: 1, is_closing: false, is_closed: false }"#,
    );
    shows(&db.reference(), r#"GroupRef { path: "server/db", .. }"#);
    shows(db.life(), r#"Life { path: "server/db", state: "open" }"#);
    shows(&db.closing(), "Closing { .. }");
    shows(&db.closed(), "Closed { .. }");
    shows(&db.task("another"), "TaskBuilder { .. }");
    shows(
        &handle,
        r#"Handle { name: Some("query"), is_finished: false }"#,
    );
    shows(&handle.ended(), "Ended { .. }");
    shows(&db.results::<Opaque, Opaque>(2), "Results { len: 0, .. }");
    shows(&group.try_spawn(pending::<Opaque>()).map(drop), "Ok(())");
    group.cancel("enough");
    shows(&group.try_spawn(ready(Opaque)).err().unwrap(), "Closed(..)");
    sim.run_until_idle();
    shows(
        &group,
        r#"Group { path: "server", len: 0, is_closing: true, is_closed: true }"#,
    );
}

// C11
#[test]
fn debug_of_what_a_full_group_gives_back() {
    let sim = Sim::new();
    let group: Group = Group::builder(&sim.runtime()).limit(1).build();
    group.spawn(pending::<()>());
    sim.run_until_idle();
    shows(&group.try_spawn(ready(Opaque)).err().unwrap(), "Full(..)");
}

// C11
#[test]
fn debug_of_tasks_that_are_in_their_context() {
    let sim = Sim::new();
    let group: Group = Group::builder(&sim.runtime()).name("server").build();
    let task = group.task("query").spawn_with(|cx| async move {
        let shield = shown(&cx.shield(ready(Opaque)));
        let quit = shown(&cx.cancel("enough"));
        (shown(&cx), shield, quit)
    });
    let (context, shield, quit) = sim.block_on(task).unwrap();
    assert!(context.starts_with("Context { "), "{context}");
    assert_eq!((&*shield, &*quit), ("Shield { .. }", "Quit { .. }"));
}

// C11
#[test]
fn debug_of_policies() {
    type Policy = OnFailure<Opaque>;
    shows(&Policy::CancelAll, "CancelAll");
    shows(&Policy::collect(7), "Collect(7)");
    shows(&Policy::report(drop), "Report(..)");
    shows(&Policy::collect(7).clone(), "Collect(7)");
}

// C11
#[test]
fn debug_of_failures() {
    let sim = Sim::new();
    let group: Group = Group::builder(&sim.runtime())
        .name("server")
        .on_failure(OnFailure::CancelAll)
        .build();
    let panics = group.task("panics").on_cancel(OnCancel::Finish);
    panics.spawn_fallible(async {
        yield_now().await;
        panic!("no room");
        #[allow(unreachable_code, reason = "the type of the task")]
        Ok::<_, String>(())
    });
    let reads = group.task("reads");
    reads.spawn_fallible(async { Err::<(), _>("no route") });
    group.spawn(pending::<()>());
    sim.run_until_idle();
    let error = sim.block_on(group.join()).unwrap_err();
    shows(
        &error,
        concat!(
            r#"GroupError { failures: ["#,
            r#"Failure { task: "server/reads", error: "no route" }, "#,
            r#"Failure { task: "server/panics", panic: JoinError("task panicked: no room") }"#,
            r#"], cancelled: 1 }"#
        ),
    );
}

// C11
#[test]
fn debug_of_blocks() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let block = task_group(&rt, |tasks| async move {
        tasks.spawn_fallible(async { Err::<(), _>("no route") });
        pending().await
    });
    let result: Result<(), BlockError> = sim.block_on(block);
    let text = shown(&result.unwrap_err());
    assert!(
        text.starts_with("Tasks(GroupError { failures: [Failure { "),
        "{text}"
    );
    let cancelled = BlockError::<u8>::Cancelled("enough".into());
    shows(&cancelled, r#"Cancelled("enough")"#);
    shows(&BlockError::Body(7), "Body(7)");
}

// C11
#[test]
fn debug_of_scopes() {
    let builder = Scope::builder().limit(2);
    let text = shown(&builder);
    assert!(
        text.starts_with("ScopeBuilder { on_failure: CancelAll, limit: Some(Limit { "),
        "{text}"
    );
    let run: ScopeRun<'_, Opaque> = scope(|tasks| async move {
        let task = tasks.spawn(pending::<Opaque>());
        shows(&tasks, "Scope { len: 2 }");
        shows(&task, "ScopeHandle { is_finished: false }");
        pending().await
    });
    shows(&run, "ScopeRun { len: 1 }");
    let mut run = Polled::waiting(run);
    assert!(run.poll().is_pending());
    let done = now(scope(|_| async { Ok(Opaque) }));
    assert!(done.is_ok());
}
