use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::poll_once;
use untethered::group::{
    BlockError, BoxError, Cancelled, Group, OnCancel, cancel_all, scope, task_group,
};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};

use super::{Census, Log, PanicsOnDrop, listening};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_block_returns_after_all_its_tasks() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let census = Census::default();
    let value = sim.block_on(task_group(&rt, |group| {
        let (alive, rt) = (census.clone(), rt.clone());
        async move {
            group.spawn(async move {
                let _alive = alive;
                rt.sleep(SECOND).await;
            });
            Ok(5)
        }
    }));
    assert_eq!(value.unwrap(), 5);
    assert_eq!((census.alive(), sim.elapsed()), (0, SECOND));
}

// G3
#[test]
fn the_first_failure_ends_the_block_in_any_order() {
    explore_orders(100, |sim| {
        let rt = sim.runtime();
        let census = Census::default();
        let result = sim.block_on(task_group(&rt, |group| {
            let census = census.clone();
            async move {
                for index in 0..4u32 {
                    let alive = census.clone();
                    group.task(format!("{index}")).spawn_fallible(async move {
                        let _alive = alive;
                        for _ in 0..=index {
                            yield_now().await;
                        }
                        if index == 2 {
                            Err::<(), _>("two")
                        } else {
                            pending().await
                        }
                    });
                }
                let _alive = census;
                pending::<Result<(), BoxError>>().await
            }
        }));
        assert_eq!(census.alive(), 0);
        let error = result.unwrap_err().into_tasks().unwrap();
        assert_eq!(error.failures().len(), 1);
        assert_eq!(error.failures()[0].task(), "group/2");
        assert_eq!(error.cancelled(), 3);
    });
}

#[test]
fn an_error_of_the_body_cancels_the_tasks_and_comes_first() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let error = sim.block_on(task_group(&rt, |group| async move {
        let grace = group.task("follows").on_cancel(OnCancel::Finish);
        grace.spawn_fallible_with(|cx| async move {
            cx.token().cancelled().await;
            Err::<(), _>("second")
        });
        group.spawn(pending::<()>());
        yield_now().await;
        Err::<(), _>("first".into())
    }));
    let error = error.unwrap_err().into_tasks().unwrap();
    let told: Vec<_> = error.failures().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["group: first", "group/follows: second"]);
    assert_eq!(error.cancelled(), 1);
}

#[test]
fn under_report_the_error_of_the_body_comes_out_unchanged_and_tasks_touch_nobody() {
    let sim = Sim::new();
    let (rt, heard) = listening(sim.runtime());
    let result = sim.block_on(Group::builder(&rt).run(|group| async move {
        let bad = group.spawn_fallible(async { Err::<(), _>("a task") });
        assert!(bad.await.unwrap_err().is_failed());
        yield_now().await;
        Err::<(), BoxError>("the body".into())
    }));
    let Err(BlockError::Body(error)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(error.to_string(), "the body");
    assert_eq!(heard.take().len(), 1);
}

#[test]
fn a_block_that_is_cancelled_from_elsewhere_says_so() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let census = Census::default();
    let alive = census.clone();
    let result = sim.block_on(
        Group::builder(&rt)
            .deadline(SECOND)
            .run(|group| async move {
                group.spawn(pending::<()>());
                let _alive = alive;
                pending::<Result<(), BoxError>>().await
            }),
    );
    assert!(result.unwrap_err().is_cancelled());
    assert_eq!((census.alive(), sim.elapsed()), (0, SECOND));

    let group = Group::builder(&rt).build();
    group.cancel("gone");
    let log = Log::default();
    let ran = log.clone();
    let result = sim.block_on(task_group(&group, |_| async move {
        ran.add("ran");
        Ok(())
    }));
    let Err(BlockError::Cancelled(reason)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(reason.as_str(), "gone");
    assert!(log.take().is_empty());
}

#[test]
fn a_panic_of_the_body_goes_on_once_the_tasks_have_ended() {
    let sim = Sim::new();
    let rt = sim.runtime();
    for in_drop in [false, true] {
        let census = Census::default();
        let alive = census.clone();
        let block = Group::builder(&rt)
            .deadline(SECOND)
            .run(|group| async move {
                group.spawn(async move {
                    let _alive = alive;
                    pending::<()>().await
                });
                yield_now().await;
                let _guard = in_drop.then(|| PanicsOnDrop("body"));
                assert!(in_drop, "body");
                pending::<Result<(), BoxError>>().await
            });
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sim.block_on(block)));
        assert!(caught.is_err());
        assert_eq!(census.alive(), 0);
    }
}

// G17
#[test]
fn a_block_dropped_half_way_is_waited_for_by_its_owner() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(9)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let census = Census::default();
            let owner = Group::builder(&rt).build();
            let block = {
                let (census, parent) = (census.clone(), owner.reference());
                async move {
                    let inner = census.clone();
                    let result = task_group(&parent, |group| async move {
                        for _ in 0..3 {
                            let alive = inner.clone();
                            group.spawn(async move {
                                let _alive = alive;
                                yield_now().await;
                                yield_now().await;
                            });
                        }
                        yield_now().await;
                        Ok(())
                    });
                    result.await.unwrap();
                    assert_eq!(census.alive(), 1);
                }
            };
            (block, move |_: &Sim| {
                owner.close();
                assert!(owner.is_closed());
                assert_eq!(census.alive(), 0);
            })
        });
        assert!(polls >= 3, "{polls}");
    }
}

// A1 of the inventory: one answer for each, whoever else asks.
#[test]
fn cancel_all_tells_of_each_in_order() {
    let sim = Sim::new();
    let (rt, _heard) = listening(sim.runtime());
    let group = Group::builder(&rt).build();
    let done = group.spawn(async { 1 });
    sim.run_until_idle();
    let polite = |value: Result<u32, &'static str>| {
        let task = group.task("polite").on_cancel(OnCancel::Finish);
        task.spawn_fallible_with(move |cx| async move {
            cx.token().cancelled().await;
            value
        })
    };
    let handles = vec![
        done,
        polite(Ok(2)),
        group.spawn(pending::<u32>()),
        polite(Err("failed")),
        group
            .task("p")
            .on_cancel(OnCancel::Finish)
            .spawn_with(|cx| async move {
                cx.token().cancelled().await;
                panic!("on the way out")
            }),
    ];
    let other_waits = handles[2].ended();
    let told = sim.block_on(cancel_all(handles, "enough"));
    sim.block_on(other_waits);
    let [
        Cancelled::AlreadyDone(Ok(1)),
        Cancelled::Completed(2),
        Cancelled::Cancelled(Some(reason)),
        Cancelled::Failed,
        Cancelled::Panicked(_),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(reason.as_str(), "enough");
    assert!(
        sim.block_on(cancel_all(Vec::<untethered::group::Handle<()>>::new(), "x"))
            .is_empty()
    );
}

#[test]
fn a_dropped_cancel_all_leaves_its_requests_in_force() {
    let sim = Sim::new();
    let group = Group::builder(&sim.runtime()).build();
    let handle = group.spawn(pending::<()>());
    let ended = handle.ended();
    sim.block_on(async {
        let mut told = Box::pin(cancel_all([handle], "x"));
        assert!(futures_lite::future::poll_once(&mut told).await.is_none());
        drop(told);
        ended.await;
    });
}

// G17
#[test]
fn a_body_outlasts_the_close_of_its_group_and_is_dropped_by_a_cancel() {
    for with_task in [true, false] {
        let sim = Sim::new();
        let parent = Group::builder(&sim.runtime()).build();
        let log = Log::default();
        let held = log.on_drop("body");
        let block = Group::builder(&parent).run(move |group| async move {
            let _held = held;
            if with_task {
                group.spawn(pending::<()>());
            }
            pending::<Result<(), BoxError>>().await
        });
        sim.block_on(async {
            let mut block = pin!(block);
            assert!(poll_once(block.as_mut()).await.is_none());
            parent.close();
            assert!(poll_once(block.as_mut()).await.is_none());
            assert!(log.take().is_empty(), "a close does not end the body");
            assert!(!parent.is_closed());
            parent.cancel("enough");
            assert!(!parent.is_closed());
            let error = block.await.unwrap_err();
            assert_eq!(error.to_string(), "the block was cancelled: enough");
        });
        assert_eq!(log.take(), ["body"]);
        assert!(parent.is_closed());
    }
}

// G17
#[test]
fn a_parent_that_closes_is_closed_when_the_body_has_ended_or_was_dropped() {
    for drop_it in [false, true] {
        let sim = Sim::new();
        let parent = Group::builder(&sim.runtime()).build();
        let log = Log::default();
        let held = log.on_drop("body");
        let mut block = Box::pin(task_group(&parent, |_| async move {
            let _held = held;
            yield_now().await;
            Ok(3)
        }));
        sim.block_on(async {
            assert!(poll_once(&mut block).await.is_none());
            parent.close();
            assert!(!parent.is_closed());
            if drop_it {
                drop(block);
            } else {
                assert_eq!(block.await.unwrap(), 3);
            }
        });
        assert_eq!(log.take(), ["body"]);
        assert!(parent.is_closed());
    }
}

#[test]
fn a_deadline_reaches_a_body_without_tasks_whose_group_closed() {
    let sim = Sim::new();
    let block = Group::builder(&sim.runtime()).deadline(SECOND);
    let result = sim.block_on(block.run(|group| async move {
        group.close();
        pending::<Result<(), BoxError>>().await
    }));
    assert_eq!(
        result.unwrap_err().to_string(),
        "the block was cancelled: deadline"
    );
    assert_eq!(sim.elapsed(), SECOND);
}

#[test]
fn a_body_may_wait_for_its_tasks_and_is_told_that_its_parent_waits_for_it() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let parent = Group::builder(&rt).build();
    let above = parent.reference();
    let result = sim.block_on(task_group(&parent, |group| async move {
        let done = group.spawn(async move { rt.sleep(SECOND).await });
        above.close();
        assert!(above.closed().await.is_err(), "it would never end");
        group.closed().await.unwrap();
        assert!(done.is_finished());
        Ok(())
    }));
    result.unwrap();
    assert!(parent.is_closed());
}

#[test]
fn of_the_panics_of_a_body_and_of_its_destructor_the_first_counts() {
    struct Twice;

    impl Future for Twice {
        type Output = Result<(), BoxError>;

        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
            panic!("the body")
        }
    }

    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("its destructor")
        }
    }

    let sim = Sim::new();
    let in_group = Group::builder(&sim.runtime()).run(|_| Twice);
    let in_group = catch_unwind(AssertUnwindSafe(|| sim.block_on(in_group)));
    let in_scope = catch_unwind(|| Sim::new().block_on(scope(|_| Twice)));
    for payload in [in_group.unwrap_err(), in_scope.unwrap_err()] {
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"the body"));
    }
}
