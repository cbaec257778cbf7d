use std::error::Error;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use untethered::group::{BlockError, Failure, Group, OnCancel, OnFailure, Scope};
use untethered::sim::{Sim, yield_now};

use super::{Log, listening};

#[derive(Debug, PartialEq)]
struct Oops(u32);

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oops {}", self.0)
    }
}

impl Error for Oops {}

// G14
#[test]
fn under_report_a_failure_is_told_once_and_touches_nobody() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let told = Log::default();
    let hook = told.clone();
    let policy = OnFailure::report(move |failure: Failure| hook.add(failure.to_string()));
    let group = Group::builder(&rt).name("g").on_failure(policy).build();
    let sub = group.subgroup("sub").unwrap();
    let bad = group
        .task("bad")
        .spawn_fallible(async { Err::<(), _>(Oops(1)) });
    let panics = sub.task("panics").spawn_fallible(async {
        panic!("boom");
        #[allow(unreachable_code)]
        Ok::<(), Oops>(())
    });
    let good = group.spawn_fallible(async {
        yield_now().await;
        Ok::<_, Oops>(7)
    });
    assert_eq!(sim.block_on(good).unwrap(), 7);
    assert!(sim.block_on(bad).unwrap_err().is_failed());
    assert!(sim.block_on(panics).unwrap_err().is_failed());
    assert_eq!(
        told.take(),
        ["g/bad: oops 1", "g/sub/panics: task panicked: boom"]
    );
    sim.block_on(group.join()).unwrap();
    assert!(heard.take().is_empty() && told.take().is_empty());
}

#[test]
fn by_default_failures_go_to_the_hook_of_the_runtime() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt).build();
    group
        .task("bad")
        .spawn_fallible(async { Err::<(), _>(Oops(2)) });
    group
        .task("text")
        .spawn_fallible(async { Err::<(), _>("a plain text") });
    sim.block_on(group.join()).unwrap();
    assert_eq!(
        heard.take(),
        [
            "group/bad failed: oops 2",
            "group/text failed: a plain text"
        ]
    );
}

// G3
#[test]
fn under_cancel_all_the_root_cause_comes_first_and_all_are_kept() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let builder = Group::builder(&rt).name("g").errors::<Oops>();
    let group = builder.on_failure(OnFailure::CancelAll).build();
    let grace = OnCancel::Grace(Duration::from_secs(1));
    group
        .task("follows")
        .on_cancel(grace)
        .spawn_fallible_with(|cx| async move {
            cx.token().cancelled().await;
            Err::<(), _>(Oops(2))
        });
    let sibling = group.spawn(pending::<()>());
    group.task("cause").spawn_fallible(async {
        yield_now().await;
        Err::<(), _>(Oops(1))
    });
    let error = sim.block_on(group.join()).unwrap_err();
    let causes: Vec<_> = error
        .failures()
        .iter()
        .map(|failure| failure.error().unwrap().0)
        .collect();
    assert_eq!(causes, [1, 2]);
    assert_eq!(error.cancelled(), 1);
    assert_eq!(
        error.to_string(),
        "task g/cause failed, and 1 more; 1 task was cancelled"
    );
    let source = error.source().unwrap().downcast_ref::<Oops>();
    assert_eq!(source, Some(&Oops(1)));
    let reason = sim
        .block_on(sibling)
        .unwrap_err()
        .reason()
        .unwrap()
        .to_string();
    assert_eq!(reason, "g/cause failed");
    // Told once.
    assert!(sim.block_on(group.join()).is_ok());
}

#[test]
fn a_panic_fails_a_group_too() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .on_failure(OnFailure::CancelAll)
        .build();
    let handle = group.spawn_fallible(async {
        panic!("boom");
        #[allow(unreachable_code)]
        Ok::<(), Oops>(())
    });
    let error = sim.block_on(group.join()).unwrap_err();
    assert!(error.failures()[0].is_panic());
    assert_eq!(error.failures()[0].panic_message(), Some("boom"));
    assert!(error.source().unwrap().to_string().contains("boom"));
    assert!(sim.block_on(handle).unwrap_err().is_failed());
}

// G14
#[test]
fn collect_keeps_so_many_and_goes_on() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt)
        .on_failure(OnFailure::collect(2))
        .build();
    for index in 0..4 {
        group
            .task(format!("{index}"))
            .spawn_fallible(async move { Err::<(), _>(Oops(index)) });
    }
    let good = group.spawn(async {
        yield_now().await;
        "untouched"
    });
    assert_eq!(sim.block_on(good).unwrap(), "untouched");
    let error = sim.block_on(group.join()).unwrap_err();
    assert_eq!(error.failures().len(), 2);
    assert_eq!(error.cancelled(), 0);
    assert_eq!(
        heard.take(),
        ["group/2 failed: oops 2", "group/3 failed: oops 3"]
    );
}

// G14
#[test]
fn what_a_dropped_group_kept_goes_to_the_hook_of_the_runtime() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt).on_failure(OnFailure::CancelAll).build();
    group
        .task("early")
        .spawn_fallible(async { Err::<(), _>(Oops(1)) });
    group
        .task("late")
        .on_cancel(OnCancel::Finish)
        .spawn_fallible_with(|cx| async move {
            cx.token().cancelled().await;
            yield_now().await;
            Err::<(), _>(Oops(2))
        });
    sim.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    drop(group);
    sim.run_until_idle();
    assert_eq!(
        heard.take(),
        ["group/early failed: oops 1", "group/late failed: oops 2"]
    );
}

#[test]
fn a_hook_that_panics_goes_to_the_hook_of_the_runtime() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let policy = OnFailure::report(|_: Failure| panic!("the hook"));
    let group = Group::builder(&rt).on_failure(policy).build();
    group.spawn_fallible(async { Err::<(), _>(Oops(1)) });
    sim.block_on(group.join()).unwrap();
    assert_eq!(
        heard.take(),
        ["a task that nobody waits for panicked: the hook"]
    );
}

#[test]
fn a_failure_gives_its_error_away() {
    let sim = Sim::new();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let sink = kept.clone();
    let builder = Group::builder(&sim.runtime()).errors::<Oops>();
    let group = builder
        .on_failure(OnFailure::report(move |failure: Failure<Oops>| {
            sink.lock().unwrap().push(failure.into_error().unwrap());
        }))
        .build();
    group.spawn_fallible(async { Err::<(), _>(Oops(3)) });
    sim.block_on(group.join()).unwrap();
    assert_eq!(*kept.lock().unwrap(), [Oops(3)]);
}

#[test]
#[should_panic(expected = "collects nought failures")]
fn collecting_nought_is_refused() {
    let _ = OnFailure::<Oops>::collect(0);
}

#[test]
fn a_group_gives_its_failures_away_with_their_type() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .errors::<Oops>()
        .on_failure(OnFailure::Collect(7.try_into().unwrap()))
        .build();
    for number in [1, 2] {
        group.spawn_fallible(async move { Err::<(), _>(Oops(number)) });
    }
    let error = sim.block_on(group.join()).unwrap_err();
    assert!(!error.is_self_wait());
    let source = error.source().unwrap().downcast_ref::<Oops>();
    assert_eq!(source, Some(&Oops(1)));
    let failures = error.into_failures().into_iter();
    let errors: Vec<_> = failures.map(|f| f.into_error().unwrap()).collect();
    assert_eq!(errors, [Oops(1), Oops(2)]);
    // In one that was told to go on nobody is left to take them.
    let (rt, heard) = listening(sim.runtime());
    let group = Group::builder(&rt).errors::<Oops>().name("g").build();
    let task = group
        .task("t")
        .spawn_fallible(async { Err::<(), _>(Oops(3)) });
    assert!(sim.block_on(task).unwrap_err().is_failed());
    let heard = heard.take();
    assert!(heard.len() == 1 && heard[0].contains("oops 3"), "{heard:?}");
}

#[test]
fn what_a_task_starts_below_itself_fails_the_group() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime())
        .errors::<Oops>()
        .on_failure(OnFailure::CancelAll)
        .build();
    let asked = group.task("asks").spawn_with(|cx| async move {
        let below = cx.spawn_fallible(async { Err::<u8, _>(Oops(1)) });
        below.await.unwrap_err().is_failed()
    });
    let error = sim.block_on(group.join()).unwrap_err();
    assert_eq!(error.failures()[0].error(), Some(&Oops(1)));
    // The cancel that follows may come before it has looked.
    let asked = sim.block_on(asked);
    assert!(asked.as_ref().is_ok_and(|failed| *failed) || asked.is_err());
}

#[test]
fn the_error_of_a_block_says_which_part_failed() {
    let cancelled = BlockError::<Oops>::Cancelled("enough".into());
    assert!(cancelled.is_cancelled() && cancelled.source().is_none());
    assert!(cancelled.into_tasks().is_none());
    assert!(BlockError::Body(Oops(1)).source().is_none());
    let sim = Sim::new();
    let tasks = Scope::builder().errors::<Oops>().run(|tasks| async move {
        assert_eq!((tasks.len(), tasks.is_empty()), (1, false));
        tasks.spawn_fallible(async { Err::<(), _>(Oops(2)) });
        assert_eq!(tasks.len(), 2);
        pending::<Result<(), Oops>>().await
    });
    let error = sim.block_on(tasks).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<Oops>();
    assert_eq!(source, Some(&Oops(2)));
    let local = Scope::builder()
        .errors::<Oops>()
        .run_local(|tasks| async move {
            let task = tasks.spawn_fallible(async { Err::<(), _>(Oops(3)) });
            task.await.map_err(|_| Oops(4))
        });
    let error = sim.block_on(local).unwrap_err().into_tasks().unwrap();
    assert_eq!(error.failures()[0].error(), Some(&Oops(3)));
}
