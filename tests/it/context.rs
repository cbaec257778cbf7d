//! Contexts: acquire, use and release, each of which succeeds, fails, panics or is dropped.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::FutureExt;
use untethered::combine::gather;
use untethered::context::{
    ContextError, ContextGroup, ExitStack, HandOverError, Stage, TaskLocal, context, with,
};
use untethered::sim::{Order, Sim, drop_at_every_poll, yield_now};

use crate::polled::now;
use crate::support::{Drops, Log, OnDrop, panic_text};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Works,
    Fails,
    Panics,
}

use Fate::{Fails, Panics, Works};

const FATES: [Fate; 3] = [Works, Fails, Panics];

/// Every step of a context: begins, waits once, and ends as the table says.
#[derive(Clone)]
struct Plan {
    log: Log,
    drops: Drops,
    acquire: Fate,
    body: Fate,
    release: Fate,
}

impl Plan {
    fn new(acquire: Fate, body: Fate, release: Fate) -> Self {
        Self {
            log: Log::default(),
            drops: Drops::default(),
            acquire,
            body,
            release,
        }
    }

    async fn step(&self, name: &'static str, fate: Fate) -> Result<(), &'static str> {
        self.log.push(name);
        yield_now().await;
        match fate {
            Works => Ok(()),
            Fails => Err(name),
            Panics => panic!("{name}"),
        }
    }

    async fn acquire(&self) -> Result<Arc<OnDrop>, &'static str> {
        let guard = Arc::new(self.drops.guard());
        self.step("acquire", self.acquire).await.map(|()| guard)
    }

    async fn body(&self) -> Result<(), &'static str> {
        self.step("use", self.body).await
    }

    async fn release(&self, resource: Arc<OnDrop>) -> Result<(), &'static str> {
        let released = self.step("release", self.release).await;
        drop(resource);
        released
    }

    /// What is to come of it: the errors in order, or the panic.
    fn expected(&self) -> Result<Vec<&'static str>, &'static str> {
        let steps = [
            ("acquire", self.acquire),
            ("use", self.body),
            ("release", self.release),
        ];
        let run = if self.acquire == Works { 3 } else { 1 };
        let steps = steps.into_iter().take(run);
        match steps.clone().find(|&(_, fate)| fate == Panics) {
            Some((name, _)) => Err(name),
            None => Ok(steps
                .filter(|&(_, fate)| fate == Fails)
                .map(|(name, _)| name)
                .collect()),
        }
    }

    fn steps(&self) -> &'static [&'static str] {
        if self.acquire == Works {
            &["acquire", "use", "release"]
        } else {
            &["acquire"]
        }
    }
}

async fn by_with(plan: Plan) -> Vec<&'static str> {
    let done = with(
        plan.acquire(),
        async |_| plan.body().await,
        async |resource| plan.release(resource).await,
    );
    errors(done.await)
}

async fn by_hand_over(plan: Plan) -> Vec<&'static str> {
    let done = context(
        async |hand_over| {
            let mut resource = plan.acquire().await.map_err(|error| vec![error])?;
            let used = hand_over.to(&mut resource).await;
            let released = plan.release(resource).await;
            match (used, released) {
                (Ok(()), Ok(())) => Ok(()),
                (Ok(()), Err(error)) => Err(vec![error].into()),
                (Err(error), Ok(())) => Err(error.map(|error| vec![error])),
                (Err(error), Err(other)) => Err(error.map(|error| vec![error, other])),
            }
        },
        async |_| plan.body().await,
    );
    match done.await {
        Ok(()) => Vec::new(),
        Err(HandOverError::Failed(errors)) => errors,
        Err(error) => panic!("{error:?}"),
    }
}

async fn by_stack(plan: Plan) -> Vec<&'static str> {
    let done = ExitStack::run(async |stack| {
        let releasing = plan.clone();
        let release = |resource| async move { releasing.release(resource).await };
        stack.enter(plan.acquire(), release).await?;
        plan.body().await
    });
    errors(done.await)
}

async fn by_group(plan: Plan) -> Vec<&'static str> {
    let mut group = ContextGroup::new();
    let (acquiring, releasing) = (plan.clone(), plan.clone());
    group.add(
        async move { acquiring.acquire().await },
        |resource| async move { releasing.release(resource).await },
    );
    let exited = group
        .run(async |values| match &values[0] {
            Ok(_) => plan.body().await,
            Err(_) => Ok(()),
        })
        .await;
    let enter = exited.values.into_iter().filter_map(Result::err);
    let exits = exited.exits.into_iter().flatten().filter_map(Result::err);
    enter.chain(exited.output.err()).chain(exits).collect()
}

fn errors(done: Result<(), ContextError<&'static str>>) -> Vec<&'static str> {
    match done {
        Ok(()) => Vec::new(),
        Err(error) => error.into_errors().collect(),
    }
}

/// The test of one way, for every fate of every step.
#[track_caller]
fn holds_in_every_case<F: Future<Output = Vec<&'static str>>>(run: impl Fn(Plan) -> F) {
    for acquire in FATES {
        for body in FATES {
            for release in FATES {
                let plan = Plan::new(acquire, body, release);
                let sim = Sim::with_order(Order::Seeded(7));
                sim.spurious_wakes(true);
                let ended = catch_unwind(AssertUnwindSafe(|| sim.block_on(run(plan.clone()))));
                let ended =
                    ended.map_err(|payload| panic_text(|| std::panic::resume_unwind(payload)));
                let case = format!("{acquire:?} {body:?} {release:?}");
                assert_eq!(ended, plan.expected().map_err(str::to_owned), "{case}");
                assert_eq!(plan.log.take(), plan.steps(), "{case}");
                assert_eq!(plan.drops.count(), plan.drops.made(), "{case}");
            }
        }
    }
}

#[track_caller]
fn drops_all_at_every_poll<F: Future>(run: impl Fn(Plan) -> F) {
    let polls = drop_at_every_poll(Order::Fifo, |_| {
        let plan = Plan::new(Works, Works, Works);
        let check = plan.clone();
        (run(plan), move |sim: &Sim| {
            assert_eq!(check.drops.count(), check.drops.made());
            sim.assert_empty();
        })
    });
    assert!(polls >= 4, "it waits in each step: {polls}");
}

// X1
#[test]
fn a_release_runs_after_success_error_and_panic_of_a_with() {
    holds_in_every_case(by_with);
    drops_all_at_every_poll(by_with);
}

// X1
#[test]
fn what_follows_a_hand_over_runs_after_success_error_and_panic() {
    holds_in_every_case(by_hand_over);
    drops_all_at_every_poll(by_hand_over);
}

// X1
#[test]
fn an_exit_runs_after_success_error_and_panic_of_a_stack() {
    holds_in_every_case(by_stack);
    drops_all_at_every_poll(by_stack);
}

// X1
#[test]
fn a_group_is_left_after_success_error_and_panic() {
    holds_in_every_case(by_group);
    drops_all_at_every_poll(by_group);
}

#[test]
fn an_error_says_which_step_failed_first() {
    let stage = |acquire, body, release| {
        let plan = Plan::new(acquire, body, release);
        let done = Sim::new().block_on(with(
            plan.acquire(),
            async |_| plan.body().await,
            async |resource| plan.release(resource).await,
        ));
        let error = done.unwrap_err();
        (error.stage(), error.to_string())
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(
        stage(Fails, Works, Fails),
        (Stage::Acquire, text("acquire"))
    );
    assert_eq!(stage(Works, Fails, Works), (Stage::Use, text("use")));
    assert_eq!(
        stage(Works, Fails, Fails),
        (Stage::Use, text("use; then: release"))
    );
    assert_eq!(
        stage(Works, Works, Fails),
        (Stage::Release, text("release"))
    );
}

#[test]
fn a_context_may_keep_wrap_replace_or_swallow_an_error() {
    let fail = async |_: &mut ()| Err::<u8, _>("failed");
    let kept = now(context(async |hand_over| hand_over.to(&mut ()).await, fail));
    assert_eq!(kept, Err(HandOverError::Failed("failed")));
    let wrapped: Result<u8, _> = now(context(
        async |hand_over| {
            let used = hand_over.to(&mut ()).await;
            used.map_err(|error| error.map(|error| format!("while using: {error}")))
        },
        fail,
    ));
    assert_eq!(wrapped.unwrap_err().to_string(), "while using: failed");
    let replaced: Result<u8, HandOverError<u8>> = now(context(
        async |hand_over| match hand_over.to(&mut ()).await {
            Ok(value) => Ok(value),
            Err(_) => Err(HandOverError::Failed(7)),
        },
        fail,
    ));
    assert_eq!(replaced, Err(HandOverError::Failed(7)));
    let swallowed: Result<_, HandOverError<()>> = now(context(
        async |hand_over| Ok(hand_over.to(&mut ()).await.unwrap_or(0)),
        fail,
    ));
    assert_eq!(swallowed, Ok(0));
}

#[test]
fn a_panic_of_the_use_can_not_be_swallowed() {
    let text = panic_text(|| {
        now(context(
            async |hand_over| {
                let used: Result<u8, _> = hand_over.to(&mut ()).await;
                assert_eq!(used, Err(HandOverError::Panicked));
                Ok::<_, HandOverError<()>>(1)
            },
            async |_| -> Result<u8, ()> { panic!("not to be hidden") },
        ))
    });
    assert_eq!(text, "not to be hidden");
}

// X2
#[test]
fn a_context_that_does_not_hand_over_is_an_error() {
    async fn use_it(_: &mut ()) -> Result<(), &'static str> {
        Ok(())
    }
    let forgot = now(context(
        async |hand_over| {
            drop(hand_over);
            Ok::<_, HandOverError<&str>>(1)
        },
        use_it,
    ));
    assert_eq!(forgot, Err(HandOverError::NotHandedOver));
    // One that could not acquire has nothing to hand over.
    let failed = now(context(
        async |_hand_over| Err::<(), _>(HandOverError::Failed("no resource")),
        use_it,
    ));
    assert_eq!(failed, Err(HandOverError::Failed("no resource")));
    // The use was dropped half-way: it was handed over.
    let given_up: Result<_, HandOverError<()>> = now(context(
        async |hand_over| {
            let mut resource = ();
            let used = hand_over.to(&mut resource);
            Ok(async { used.await.is_ok() }.or(async { false }).await)
        },
        async |_| -> Result<(), ()> { pending().await },
    ));
    assert_eq!(given_up, Ok(false));
}

/// Contexts that take so many seconds each to acquire and to release.
fn slow(sim: &Sim, log: &Log, seconds: &[u64]) -> ContextGroup<'static, u64, &'static str> {
    let mut group = ContextGroup::new();
    for &seconds in seconds {
        let (rt, log) = (sim.runtime(), log.clone());
        let nap = {
            let rt = rt.clone();
            async move {
                rt.sleep(Duration::from_secs(seconds)).await;
                Ok(seconds)
            }
        };
        group.add(nap, move |value| async move {
            rt.sleep(Duration::from_secs(seconds)).await;
            log.push(format!("left {value}"));
            Ok(())
        });
    }
    group
}

#[test]
fn a_group_enters_and_leaves_all_at_once_and_keeps_the_order() {
    let (sim, log) = (Sim::new(), Log::default());
    let group = slow(&sim, &log, &[3, 1, 2]);
    assert_eq!(group.len(), 3);
    let exited = sim.block_on(group.run(async |values| {
        assert_eq!(sim.elapsed(), Duration::from_secs(3));
        values.len()
    }));
    assert_eq!(sim.elapsed(), Duration::from_secs(6), "as the slowest");
    assert_eq!(exited.output, 3);
    assert_eq!(exited.values, [Ok(3), Ok(1), Ok(2)]);
    assert_eq!(exited.exits, [Some(Ok(())); 3]);
    assert_eq!(log.take(), ["left 1", "left 2", "left 3"]);
    let empty = sim.block_on(ContextGroup::<(), ()>::new().run(async |values| values.len()));
    assert_eq!(
        (empty.output, empty.values.len(), empty.exits.len()),
        (0, 0, 0)
    );
}

// X3
#[test]
fn a_context_that_fails_or_panics_keeps_none_of_its_group_from_being_left() {
    for (acquire, body, release) in [
        (Fails, Works, Works),
        (Panics, Works, Works),
        (Works, Panics, Works),
        (Works, Works, Fails),
        (Works, Works, Panics),
        (Works, Panics, Panics),
    ] {
        let (sim, log) = (Sim::new(), Log::default());
        let plan = Plan::new(acquire, body, release);
        let mut group = slow(&sim, &log, &[2]);
        let (acquiring, releasing) = (plan.clone(), plan.clone());
        group.add(
            async move { acquiring.acquire().await.map(|_| 0) },
            |_| async move { releasing.step("release", releasing.release).await },
        );
        let run = group.run(async |_| plan.body().await);
        let ended = catch_unwind(AssertUnwindSafe(|| sim.block_on(run)));
        let case = format!("{acquire:?} {body:?} {release:?}");
        assert_eq!(log.take(), ["left 2"], "{case}");
        let panics = [acquire, body, release].contains(&Panics);
        assert_eq!(ended.is_err(), panics, "{case}");
        if let Ok(exited) = ended {
            assert_eq!(exited.exits[0], Some(Ok(())), "{case}");
            match acquire {
                Fails => assert_eq!((exited.values[1], exited.exits[1]), (Err("acquire"), None)),
                _ => assert_eq!(exited.exits[1], Some(Err("release"))),
            }
        }
    }
}

/// Is ready at once, and panics when it is dropped.
struct PanicsWhenDropped;

impl Future for PanicsWhenDropped {
    type Output = Result<u64, &'static str>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(7))
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

// X3
#[test]
fn a_destructor_that_panics_keeps_no_context_from_being_left() {
    let (sim, log) = (Sim::new(), Log::default());
    let mut group = slow(&sim, &log, &[2]);
    group.add(PanicsWhenDropped, |_| async { Ok(()) });
    let text = panic_text(|| sim.block_on(group.run(async |_| {})));
    assert_eq!(text, "in a destructor");
    assert_eq!(log.take(), ["left 2"]);
    let mut stack = ExitStack::<&str>::new();
    let below = log.clone();
    stack.defer_sync(move || below.push("below"));
    stack.defer(async { PanicsWhenDropped.await.map(drop) });
    assert_eq!(panic_text(|| now(stack.close())), "in a destructor");
    assert_eq!(log.take(), ["below"]);
}

/// A stack of three exits with different fates, and one synchronous one.
fn stack_of(log: &Log, fates: [Fate; 3]) -> ExitStack<&'static str> {
    let mut stack = ExitStack::new();
    for (name, fate) in ["first", "second", "third"].into_iter().zip(fates) {
        let plan = Plan {
            log: log.clone(),
            ..Plan::new(Works, Works, Works)
        };
        stack.defer(async move { plan.step(name, fate).await });
    }
    let log = log.clone();
    stack.defer_sync(move || log.push("sync"));
    stack
}

// X3
#[test]
fn all_exits_of_a_stack_run_in_reverse_whatever_fails() {
    let order = ["sync", "third", "second", "first"];
    for (fates, expected) in [
        ([Works, Works, Works], Ok(vec![])),
        ([Fails, Works, Fails], Ok(vec!["third", "first"])),
        ([Fails, Panics, Fails], Err("second")),
        ([Panics, Works, Panics], Err("third")),
    ] {
        let log = Log::default();
        let stack = stack_of(&log, fates);
        assert_eq!(stack.len(), 4);
        let closed = catch_unwind(AssertUnwindSafe(|| {
            errors(Sim::new().block_on(stack.close()))
        }));
        let closed = closed.map_err(|payload| panic_text(|| std::panic::resume_unwind(payload)));
        assert_eq!(closed, expected.map_err(str::to_owned));
        assert_eq!(log.take(), order);
    }
}

#[test]
fn a_dropped_stack_runs_its_synchronous_exits_only() {
    let log = Log::default();
    let mut stack = stack_of(&log, [Works; 3]);
    let guard = log.on_drop("an async exit is dropped");
    stack.defer(async move {
        drop(guard);
        Ok(())
    });
    drop(stack);
    assert_eq!(log.take(), ["an async exit is dropped", "sync"]);
    let mut stack = ExitStack::<()>::new();
    for name in ["one", "two"] {
        let log = log.clone();
        stack.defer_sync(move || log.push(name));
    }
    stack.defer_sync(|| panic!("in a drop"));
    assert_eq!(panic_text(|| drop(stack)), "in a drop");
    assert_eq!(log.take(), ["two", "one"]);
}

#[test]
fn a_close_that_is_dropped_still_runs_the_synchronous_exits() {
    let mut most = 0;
    let polls = drop_at_every_poll(Order::Fifo, |_| {
        let log = Log::default();
        let mut stack = ExitStack::<()>::new();
        let below = log.clone();
        stack.defer_sync(move || below.push("sync"));
        stack.defer(async {
            yield_now().await;
            yield_now().await;
            Ok(())
        });
        most += 1;
        (stack.close(), move |_: &Sim| {
            assert_eq!(log.take(), ["sync"])
        })
    });
    assert_eq!((polls, most), (3, 4));
}

#[test]
fn what_a_stack_took_over_is_closed_by_it() {
    let log = Log::default();
    let kept = now(ExitStack::run(async |stack| {
        *stack = stack_of(&log, [Works; 3]);
        Ok(stack.take_all())
    }));
    let kept = kept.unwrap();
    assert!(
        log.take().is_empty(),
        "nothing runs at the end of the block"
    );
    assert_eq!(errors(Sim::new().block_on(kept.close())), [""; 0]);
    assert_eq!(log.take(), ["sync", "third", "second", "first"]);
}

#[test]
fn an_enter_that_fails_or_is_dropped_keeps_no_release() {
    let mut stack = ExitStack::new();
    let failed = now(stack.enter(async { Err::<(), _>("no") }, |()| async { Ok(()) }));
    assert_eq!(failed, Err("no"));
    drop(stack.enter(pending::<Result<(), _>>(), |()| async { Ok(()) }));
    assert!(stack.is_empty());
    let entered = now(stack.enter(async { Ok(7) }, |_| async { Err("left") }));
    assert_eq!((entered, stack.len()), (Ok(7), 1));
    assert_eq!(errors(now(stack.close())), ["left"]);
}

#[test]
fn contexts_may_be_spawned_and_may_borrow() {
    let sim = Sim::new();
    let task = sim.runtime().spawn(async {
        let name = String::from("a");
        let length = with(
            async { Ok::<_, ()>(vec![name.len()]) },
            async |resource| {
                yield_now().await;
                resource.push(2);
                Ok(resource.len())
            },
            async |_| Ok(()),
        );
        let stacked = ExitStack::<()>::run(async |stack| {
            stack.defer(async { Ok(()) });
            yield_now().await;
            Ok(name.len())
        });
        let handed: Result<_, HandOverError<()>> = context(
            async |hand_over| hand_over.to(&mut name.clone()).await,
            async |name| {
                yield_now().await;
                Ok(name.len())
            },
        )
        .await;
        let group = ContextGroup::<(), ()>::new().run(async |_| {
            yield_now().await;
            name.len()
        });
        (
            length.await,
            stacked.await.unwrap(),
            handed,
            group.await.output,
        )
    });
    let (length, stacked, handed, group) = sim.block_on(task).unwrap();
    assert_eq!((length.unwrap(), stacked, handed, group), (2, 1, Ok(1), 1));
}

static LOCAL: TaskLocal<&str> = TaskLocal::new();
static OTHER: TaskLocal<u8> = TaskLocal::new();

// X4
#[test]
fn a_local_is_seen_inside_its_scope_and_nowhere_else() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let task = rt.spawn(LOCAL.scope("task", async {
        assert_eq!((LOCAL.get(), OTHER.get()), (Some("task"), None));
        yield_now().await;
        let inner = OTHER.scope(
            1,
            LOCAL.scope("inner", async { (LOCAL.get(), OTHER.get()) }),
        );
        assert_eq!(inner.await, (Some("inner"), Some(1)));
        assert_eq!((LOCAL.get(), OTHER.get()), (Some("task"), None));
    }));
    sim.block_on(async {
        assert_eq!(LOCAL.get(), None);
        yield_now().await;
        assert_eq!(LOCAL.get(), None, "between two polls of the task");
        task.await.unwrap();
        let both = gather(["a", "b"].map(|name| {
            LOCAL.scope(name, async {
                yield_now().await;
                LOCAL.get()
            })
        }));
        assert_eq!(both.await, [Some("a"), Some("b")]);
        let spawned = LOCAL.scope("outer", async { rt.spawn(async { LOCAL.get() }).await });
        assert_eq!(spawned.await.unwrap(), None, "tasks do not inherit it");
    });
}

// X4
#[test]
fn a_local_is_as_before_after_a_panic_and_a_drop() {
    LOCAL.scope_sync("outer", || {
        let panics = LOCAL.scope("inner", async { panic!("{:?}", LOCAL.get()) });
        assert_eq!(panic_text(|| now(panics)), "Some(\"inner\")");
        assert_eq!(LOCAL.get(), Some("outer"));
        assert_eq!(
            panic_text(|| LOCAL.scope_sync("sync", || panic!("{:?}", LOCAL.get()))),
            "Some(\"sync\")"
        );
        assert_eq!(LOCAL.get(), Some("outer"));
        let log = Log::default();
        let tell = log.clone();
        let guard = OnDrop::new(move || tell.push(format!("{:?}", LOCAL.get())));
        drop(LOCAL.scope("dropped", async move {
            pending::<()>().await;
            drop(guard);
        }));
        assert_eq!(log.take(), ["Some(\"dropped\")"]);
        assert_eq!(LOCAL.get(), Some("outer"));
    });
    assert_eq!(LOCAL.get(), None);
}

#[test]
fn a_local_may_be_used_while_it_is_looked_at_and_dropped() {
    static NESTED: TaskLocal<Arc<OnDrop>> = TaskLocal::new();
    let log = Log::default();
    let tell = log.clone();
    let value = Arc::new(OnDrop::new(move || {
        tell.push(format!("{}", NESTED.with(|value| value.is_some())));
    }));
    NESTED.scope_sync(value, || {
        NESTED.with(|value| {
            let value = value.unwrap().clone();
            NESTED.scope_sync(value, || assert!(NESTED.with(|value| value.is_some())));
        });
    });
    assert_eq!(log.take(), ["false"]);
}

#[test]
fn an_error_gives_what_failed_first_and_what_failed_after() {
    let fails = || {
        now(ExitStack::run(async |stack| {
            stack.defer(async { Err("second release") });
            stack.defer(async { Err("first release") });
            Err::<(), _>("use")
        }))
        .unwrap_err()
    };
    let error: ContextError<&str> = fails();
    assert_eq!((error.stage(), error.error()), (Stage::Use, &"use"));
    assert_eq!(error.others(), ["first release", "second release"]);
    assert_eq!(
        error.to_string(),
        "use; then: first release; then: second release"
    );
    assert!(
        error
            .into_errors()
            .eq(["use", "first release", "second release"])
    );
    assert_eq!(fails().into_error(), "use");
}

#[test]
fn an_error_of_a_hand_over_is_mapped_where_there_is_one() {
    let long = |text: &str| text.len();
    let failed = HandOverError::Failed("no route");
    assert_eq!(failed.map(long), HandOverError::Failed(8));
    let panicked = HandOverError::<&str>::Panicked;
    assert_eq!(panicked.map(long), HandOverError::Panicked);
    let not = HandOverError::<&str>::NotHandedOver;
    assert_eq!(not.map(long), HandOverError::NotHandedOver);
}
