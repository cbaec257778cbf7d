//! What subscribers of `tracing` are told of groups.

use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use tracing::{Level, info};
use untethered::group::{Group, OnCancel, OnFailure};
use untethered::sim::Sim;

use crate::recorder::told;

const SECOND: Duration = Duration::from_secs(1);
const GROUP: &str = "untethered::group";

struct SaysOnDrop;

impl Drop for SaysOnDrop {
    fn drop(&mut self) {
        info!(target: "test", "dropped");
    }
}

#[test]
fn each_task_is_polled_and_dropped_in_its_own_span() {
    let sim = Sim::new();
    let lines = told(GROUP, Level::DEBUG, || {
        let rt = sim.runtime();
        let group = Group::builder(&rt).name("server").build();
        let below = group.subgroup("db").unwrap();
        for name in ["reader", "writer"] {
            let rt = rt.clone();
            below.task(name).spawn(async move {
                let _says = SaysOnDrop;
                info!(target: "test", "first");
                rt.sleep(SECOND).await;
                info!(target: "test", "second");
            });
        }
        below.task("member").spawn_with(|cx| async move {
            cx.on_exit(async { info!(target: "test", "cleans up") });
            info!(target: "test", "first");
        });
        sim.block_on(group.join()).unwrap();
        info!(target: "test", "outside");
    });
    assert_eq!(
        lines,
        [
            "(task path=\"server/db/reader\") INFO first",
            "(task path=\"server/db/writer\") INFO first",
            "(task path=\"server/db/member\") INFO first",
            "(task path=\"server/db/member\") INFO cleans up",
            "(task path=\"server/db/reader\") INFO second",
            "(task path=\"server/db/reader\") INFO dropped",
            "(task path=\"server/db/writer\") INFO second",
            "(task path=\"server/db/writer\") INFO dropped",
            "INFO outside",
        ]
    );
}

#[test]
fn every_end_is_told_once() {
    let sim = Sim::new();
    let lines = told(GROUP, Level::TRACE, || {
        let group = Group::builder(&sim.runtime())
            .name("g")
            .on_failure(OnFailure::collect(8))
            .build();
        group.task("done").spawn(async {});
        group
            .task("fails")
            .spawn_fallible(async { Err::<(), _>("disk full") });
        group
            .task("breaks")
            .spawn_fallible(async { panic!("no table") as Result<(), String> });
        let panics = group.task("panics").spawn(async { panic!("no chair") });
        group
            .task("asked")
            .spawn(pending::<()>())
            .cancel("not needed");
        group.task("dropped").spawn(pending::<()>());
        group
            .task("deaf")
            .on_cancel(OnCancel::Grace(SECOND))
            .spawn(pending::<()>());
        sim.run_until_idle();
        let report = sim.block_on(group.shutdown(SECOND * 2));
        assert!(!report.is_clean());
        assert!(sim.block_on(panics).unwrap_err().is_panic());
        sim.block_on(group.join()).unwrap_err();
    });
    assert_eq!(
        lines,
        [
            "TRACE finished path=\"g/done\"",
            "DEBUG failed path=\"g/fails\" error=disk full",
            "DEBUG panicked path=\"g/breaks\" error=task panicked: no table",
            "DEBUG panicked path=\"g/panics\" error=task panicked: no chair",
            "DEBUG cancelled path=\"g/asked\" reason=not needed",
            "DEBUG group cancelled path=\"g\" reason=shutdown",
            "DEBUG cancelled path=\"g/dropped\" reason=shutdown",
            "DEBUG aborted path=\"g/deaf\" reason=shutdown",
            "WARN group shut down path=\"g\" report=since it was asked to stop: 0 finished, 0 failed, 1 cancelled, 1 aborted",
        ]
    );
}

#[test]
fn nothing_is_told_to_who_does_not_ask() {
    let sim = Sim::new();
    let lines = told(GROUP, Level::INFO, || {
        let group = Group::builder(&sim.runtime()).build();
        let (tell, told) = mpsc::channel();
        group.spawn(async move {
            info!(target: "test", "in no span");
            tell.send(tracing::Span::current().is_none()).unwrap();
        });
        group.spawn(pending::<()>());
        sim.run_until_idle();
        assert!(told.recv().unwrap());
        sim.block_on(group.shutdown(SECOND));
    });
    assert_eq!(lines, ["INFO in no span"]);
}
