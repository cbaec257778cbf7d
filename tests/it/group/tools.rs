//! What stands beside the group: trees, resources, results as they complete.

use std::future::{Ready, pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::StreamExt;
use untethered::Runtime;
use untethered::group::{Activity, Group, Life, OnCancel, Resource};
use untethered::sim::{Sim, explore_orders, yield_now};

use super::{ByHand, Census, Log, PanicsOnDrop};
use crate::support::panic_text;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_tree_names_every_live_task_and_what_it_does() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .name("server")
        .limit(4)
        .observed()
        .build();
    let sub = group.subgroup("db").unwrap();
    group.task("waits").spawn(pending::<()>());
    sub.task("shielded")
        .spawn_with(|cx| async move { cx.shield(pending::<()>()).await });
    sub.task("cleans").spawn_with(|cx| async move {
        cx.on_exit(pending());
        pending::<()>().await
    });
    sub.task("polite")
        .on_cancel(OnCancel::Finish)
        .spawn(pending::<()>());
    group.spawn(pending::<()>());
    group.spawn(pending::<()>());
    group.spawn(pending::<()>());
    let queued = group.task("queued").spawn(async {});
    let before = group.tree();
    let woken = |task: &&untethered::group::TaskInfo| task.activity == Some(Activity::Ready);
    assert_eq!(before.tasks().filter(woken).count(), 8);
    assert_eq!(before.stalled(Duration::ZERO).count(), 0);
    sim.run_until_idle();
    sim.advance(SECOND * 2);
    sub.cancel("x");
    sim.run_until_idle();
    let tree = group.tree();
    let activity = |path: &str| {
        let task = tree.tasks().find(|task| task.path == path).unwrap();
        task.activity.unwrap()
    };
    assert_eq!(activity("server/waits"), Activity::Waiting);
    assert_eq!(activity("server/queued"), Activity::Slot);
    assert_eq!(activity("server/db/shielded"), Activity::Shield);
    assert_eq!(activity("server/db/cleans"), Activity::CleanUp);
    assert_eq!(activity("server/db/polite"), Activity::Grace);
    let text = tree.to_string();
    assert!(
        text.starts_with("server (open)\n  - waits, spawned at tests/it/group/tools.rs:"),
        "{text}"
    );
    assert!(
        text.contains("waits for 2s, 2s old, 1 polls, the longest 0ns"),
        "{text}"
    );
    assert!(
        text.contains("\n  db (cancelled)\n    - shielded"),
        "{text}"
    );
    assert_eq!(tree.tasks().count(), 8);
    drop(queued);
}

#[test]
fn a_task_that_is_woken_and_not_polled_or_polled_for_long_is_named() {
    let host = ByHand::default();
    let rt = Runtime::new(host.clone(), host.clone());
    let group = Arc::new(Group::builder(&rt).observed().build());
    let stalled = |group: &Group| {
        let tree = group.tree();
        let names: Vec<_> = tree.stalled(SECOND).map(|task| task.path.clone()).collect();
        names
    };
    group.task("parked").spawn(pending::<()>());
    host.poll();
    let (seen, log) = (Arc::downgrade(&group), Log::default());
    let inner = (host.clone(), log.clone());
    group.task("slow").spawn(async move {
        let (host, log) = inner;
        host.pass(SECOND * 3);
        log.add(stalled(&seen.upgrade().unwrap()).join(" "));
    });
    host.pass(SECOND);
    assert!(stalled(&group).is_empty(), "not for longer than that");
    host.pass(SECOND);
    assert_eq!(stalled(&group), ["group/slow"], "woken");
    host.poll();
    assert_eq!(log.take(), ["group/slow"], "polled");
    assert!(stalled(&group).is_empty());
    assert_eq!(group.len(), 1);
}

#[test]
fn a_hook_hears_of_tasks_that_were_not_polled_in_time_or_for_long() {
    let host = ByHand::default();
    let rt = Runtime::new(host.clone(), host.clone());
    let log = Log::default();
    let sink = log.clone();
    let group = Group::builder(&rt)
        .stall_after(SECOND, move |task| {
            let since = task.stats.unwrap().since;
            sink.add(format!(
                "{} {} for {since:?}",
                task.path,
                task.activity.unwrap()
            ));
        })
        .build();
    let below = group.subgroup("below").unwrap();
    group.task("prompt").spawn(async {});
    let inner = host.clone();
    below
        .task("slow")
        .spawn(async move { inner.pass(SECOND * 3) });
    host.pass(SECOND);
    host.poll();
    host.poll();
    // One that waits for something of its own for long does not stall.
    group.task("waits").spawn(pending::<()>());
    host.poll();
    host.pass(SECOND * 9);
    host.poll();
    group.task("late").spawn(async {});
    host.pass(SECOND * 2);
    host.poll();
    assert_eq!(
        log.take(),
        ["group/below/slow polled for 3s", "group/late woken for 2s"]
    );

    let (rt, heard) = super::listening(rt);
    let group = Group::builder(&rt)
        .stall_after(SECOND, |_| panic!("the hook"))
        .build();
    let handle = group.spawn(async { 1 });
    host.pass(SECOND * 2);
    host.poll();
    assert!(handle.is_finished());
    assert_eq!(
        heard.take(),
        ["a task that nobody waits for panicked: the hook"]
    );
}

#[test]
fn a_group_that_nobody_observes_has_a_tree_of_names() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    group.task("plain").spawn(pending::<()>());
    let tree = group.tree();
    let task = tree.tasks().next().unwrap();
    assert_eq!((task.path.as_str(), task.activity), ("group/plain", None));
    assert!(tree.to_string().contains("plain, spawned at"));
}

struct Connection {
    group: Group,
}

impl Resource for Connection {
    fn life(&self) -> &Life {
        self.group.life()
    }
}

fn connect(sim: &Sim, census: &Census) -> Connection {
    let group = Group::builder(&sim.runtime()).build();
    let alive = census.clone();
    group.spawn(async move {
        let _alive = alive;
        pending::<()>().await
    });
    Connection { group }
}

#[test]
fn using_a_resource_closes_it_after_the_body_and_after_a_panic() {
    let sim = Sim::new();
    let census = Census::default();
    let connection = connect(&sim, &census);
    let closed = connection.closed();
    let value = sim.block_on(connection.using(async |connection| {
        assert!(connection.is_open());
        yield_now().await;
        7
    }));
    assert_eq!((value, census.alive()), (7, 0));
    sim.block_on(closed).unwrap();

    let connection = connect(&sim, &census);
    let using = connection.using(async |_| panic!("the body"));
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sim.block_on::<_>(using)));
    let payload: Result<(), _> = caught;
    assert_eq!(
        payload.unwrap_err().downcast_ref::<&str>(),
        Some(&"the body")
    );
    assert_eq!(census.alive(), 0);
}

#[test]
fn using_a_resource_closes_it_wherever_the_body_panics() {
    let sim = Sim::new();
    let census = Census::default();
    let connection = connect(&sim, &census);
    let using = connection.using(|_: &Connection| -> Ready<()> { panic!("the call") });
    assert_eq!(panic_text(|| sim.block_on(using)), "the call");
    assert_eq!(census.alive(), 0);

    let connection = connect(&sim, &census);
    let bomb = PanicsOnDrop("the destructor");
    let body = |_: &Connection| {
        poll_fn(move |_| {
            let _held = &bomb;
            Poll::Ready(())
        })
    };
    let using = connection.using(body);
    assert_eq!(panic_text(|| sim.block_on(using)), "the destructor");
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_resource_has_the_states_of_its_group() {
    let sim = Sim::new();
    let census = Census::default();
    let connection = connect(&sim, &census);
    connection.close();
    assert!(connection.is_closing() && !connection.is_closed());
    sim.block_on(connection.closing());
    let report = sim.block_on(connection.shutdown(SECOND));
    assert_eq!(report.cancelled, 1);
    assert!(connection.is_closed());
    assert_eq!(connection.group.reason().unwrap().as_str(), "shutdown");
    let other = connect(&sim, &census);
    other.cancel("now");
    sim.block_on(other.closed()).unwrap();
    assert_eq!(other.group.reason().unwrap().as_str(), "now");
}

#[test]
fn results_come_as_they_complete_with_their_keys() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let group = Group::builder(&rt).build();
    let mut results = group.results(10);
    for seconds in [3, 1, 2] {
        let rt = rt.clone();
        results.spawn(seconds, async move { rt.sleep(SECOND * seconds).await });
    }
    let order = sim.block_on(async {
        let mut order = Vec::new();
        while let Some((key, result)) = results.next().await {
            result.unwrap();
            order.push(key);
            if key == 1 {
                results.spawn(9, async {});
            }
        }
        order
    });
    assert_eq!(order, [1, 9, 2, 3]);
    assert!(results.is_empty());
    results.spawn(4, async { panic!("told") });
    let (key, result) = sim.block_on(StreamExt::next(&mut results)).unwrap();
    assert_eq!((key, result.unwrap_err().is_panic()), (4, true));
}

#[test]
fn results_that_are_not_taken_hold_up_the_tasks_behind_them() {
    explore_orders(50, |sim| {
        let group = Group::builder(&sim.runtime()).build();
        let started = Log::default();
        let mut results = group.results(2);
        for index in 0..6 {
            let started = started.clone();
            results.spawn(index, async move { started.add(index.to_string()) });
        }
        sim.run_until_idle();
        let mut first = started.take();
        first.sort();
        assert_eq!(first, ["0", "1"]);
        assert!(sim.block_on(results.next()).is_some());
        sim.run_until_idle();
        assert_eq!(started.take(), ["2"]);
        let rest = sim.block_on(async {
            let mut rest = 0;
            // A dropped wait loses nothing.
            drop(results.next());
            while results.next().await.is_some() {
                rest += 1;
            }
            rest
        });
        assert_eq!(rest, 5);
    });
}

#[test]
fn isolated_tasks_are_tasks_of_the_runtime() {
    for (isolated, tasks) in [(false, 1), (true, 3)] {
        let sim = Sim::new();
        let mut builder = Group::builder(&sim.runtime()).name("server");
        if isolated {
            builder = builder.isolated();
        }
        let group: Group = builder.build();
        assert_eq!(group.name(), Some("server"));
        for _ in 0..3 {
            group.spawn(pending::<()>());
        }
        sim.run_until_idle();
        assert_eq!(sim.live_tasks(), tasks);
        let way_in = group.reference();
        assert!(!way_in.is_closing());
        group.cancel("enough");
        assert!(way_in.is_closing());
        sim.block_on(group.closed()).unwrap();
        sim.run_until_idle();
        sim.assert_empty();
    }
}

#[test]
fn a_context_that_outlives_its_group_starts_and_keeps_nothing() {
    let sim = Sim::new();
    let group: Group = Group::builder(&sim.runtime()).build();
    let context = group.task("t").spawn_with(|cx| async move { cx });
    let context = sim.block_on(context).unwrap();
    sim.block_on(group.join()).unwrap();
    let log = Log::default();
    let held = log.on_drop("future dropped");
    let refused = context.uncancellable(async move { drop(held) });
    assert!(sim.block_on(refused).unwrap_err().is_cancelled());
    assert_eq!(log.take(), ["future dropped"]);
    let held = log.on_drop("clean-up dropped");
    context.on_exit(async move { drop(held) });
    assert_eq!(log.take(), ["clean-up dropped"]);
    // A destructor that panics harms nobody there either.
    let (heard, bomb) = (Log::default(), PanicsOnDrop("boom"));
    let told = heard.clone();
    let rt = sim
        .runtime()
        .on_unobserved(move |what| told.add(what.to_string()));
    let group: Group = Group::builder(&rt).build();
    group.cancel("enough");
    drop(group.spawn(async move { drop(bomb) }));
    assert_eq!(
        heard.take(),
        ["a task that nobody waits for panicked: boom"]
    );
}
