use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};

use untethered::group::{
    BlockError, BoxError, Failure, Group, GroupRef, Local, OnFailure, Scope, ScopeHandle, ScopeRun,
    scope, scope_local,
};
use untethered::sim::{Order, Sim, drop_at_every_poll, yield_now};
use untethered::sync::Event;

use super::{Census, Log, PanicsOnDrop};
use crate::polled::Polled;
use crate::support::{Wakes, on_clone};

fn block_on<F: Future>(future: F) -> F::Output {
    Sim::new().block_on(future)
}

#[test]
fn tasks_borrow_and_run_until_all_have_ended() {
    let words = ["a".to_owned(), "bcd".to_owned()];
    let words = &words;
    let log = Log::default();
    let seen = &log;
    let sum = block_on(scope(|s| async move {
        let lengths: Vec<_> = words
            .iter()
            .map(|word| {
                s.spawn(async move {
                    yield_now().await;
                    word.len()
                })
            })
            .collect();
        s.spawn(async move {
            yield_now().await;
            yield_now().await;
            seen.add("nobody awaits it");
        });
        let mut sum = 0;
        for length in lengths {
            sum += length.await?;
        }
        Ok(sum)
    }));
    assert_eq!(sum.unwrap(), 4);
    assert_eq!(log.take(), ["nobody awaits it"]);
}

#[test]
fn a_scope_is_send_and_a_local_one_takes_what_is_not() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(block_on(is_send(scope(|_| async { Ok(1) }))).unwrap(), 1);
    let count = Rc::new(Cell::new(0));
    let result = block_on(scope_local(|s| {
        let count = count.clone();
        async move {
            let inner = s.clone();
            let child = count.clone();
            s.spawn(async move {
                yield_now().await;
                let grandchild = child.clone();
                inner.spawn(async move { grandchild.set(grandchild.get() + 1) });
                child.set(child.get() + 1);
            });
            Ok(count)
        }
    }));
    assert_eq!(result.unwrap().get(), 2);
}

#[test]
fn a_task_woken_from_elsewhere_is_polled() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let sum = sim.block_on(scope(|s| async move {
        let naps: Vec<_> = (1..=3u64)
            .map(|seconds| {
                let nap = rt.sleep(std::time::Duration::from_secs(seconds));
                s.spawn(async move {
                    nap.await;
                    seconds
                })
            })
            .collect();
        let mut sum = 0;
        for nap in naps {
            sum += nap.await?;
        }
        Ok(sum)
    }));
    assert_eq!(sum.unwrap(), 6);
    assert_eq!(sim.elapsed().as_secs(), 3);
}

// G17
#[test]
fn a_scope_dropped_half_way_drops_everything_once() {
    for order in [Order::Fifo, Order::Seeded(1)] {
        let polls = drop_at_every_poll(order, |_| {
            let log = Log::default();
            let running = {
                let log = log.clone();
                async move {
                    let log = &log;
                    let result = scope(|s| async move {
                        let _body = log.on_drop("body");
                        for index in 0..3 {
                            let gone = log.on_drop(&index.to_string());
                            let inner = s.clone();
                            s.spawn(async move {
                                let _gone = gone;
                                for _ in 0..index {
                                    yield_now().await;
                                }
                                inner.spawn(async {});
                            });
                        }
                        yield_now().await;
                        Ok(())
                    });
                    result.await.unwrap();
                }
            };
            (running, move |_: &Sim| {
                let mut gone = log.take();
                gone.sort();
                assert!(
                    gone.is_empty() || gone == ["0", "1", "2", "body"],
                    "{gone:?}"
                );
            })
        });
        assert!(polls >= 3, "{polls}");
    }
}

#[test]
fn what_a_dropped_scope_left_in_a_circle_is_freed() {
    let census = Census::default();
    let alive = census.clone();
    let mut running = Box::pin(scope(|s| async move {
        let inner = s.clone();
        s.spawn(async move {
            let _alive = alive;
            let _scope = inner;
            pending::<()>().await
        });
        pending().await
    }) as untethered::group::ScopeRun<'_, ()>);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(running.as_mut().poll(&mut cx).is_pending());
    assert_eq!(census.alive(), 1);
    drop(running);
    assert_eq!(census.alive(), 0);
}

#[test]
fn cancelling_drops_body_and_tasks() {
    let census = Census::default();
    let (one, two) = (census.clone(), census.clone());
    let result = block_on(scope(|s| async move {
        let _alive = one;
        let inner = s.clone();
        s.spawn(async move {
            yield_now().await;
            inner.cancel("enough");
            assert!(inner.spawn(async {}).await.unwrap_err().is_cancelled());
        });
        s.spawn(async move {
            let _alive = two;
            pending::<()>().await
        });
        pending::<Result<(), BoxError>>().await
    }));
    let Err(BlockError::Cancelled(reason)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(reason.as_str(), "enough");
    assert_eq!(census.alive(), 0);
}

#[test]
fn one_task_is_cancelled_alone() {
    let value = block_on(scope(|s| async move {
        let one = s.spawn(pending::<()>());
        let two = s.spawn(async {
            yield_now().await;
            yield_now().await;
            2
        });
        yield_now().await;
        one.cancel("not needed");
        assert_eq!(
            one.await.unwrap_err().reason().unwrap().as_str(),
            "not needed"
        );
        Ok(two.await?)
    }));
    assert_eq!(value.unwrap(), 2);
}

#[test]
fn the_limit_of_a_scope_is_kept_in_order() {
    let running = Cell::new(0);
    let order = RefCell::new(Vec::new());
    let (running, seen) = (&running, &order);
    let result = block_on(Scope::builder().limit(2).run_local(|s| async move {
        for index in 0..6 {
            s.spawn(async move {
                running.set(running.get() + 1);
                assert!(running.get() <= 2);
                seen.borrow_mut().push(index);
                yield_now().await;
                running.set(running.get() - 1);
            });
        }
        Ok(())
    }));
    result.unwrap();
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_panic_reaches_whoever_holds_the_handle_or_else_who_polls() {
    let told = block_on(scope(|s| async move {
        let handle = s.spawn(async { panic!("held") });
        let error = match handle.await {
            Ok(()) => unreachable!(),
            Err(error) => error,
        };
        Ok(error.is_panic())
    }));
    assert!(told.unwrap());
    let census = Census::default();
    for place in ["dropped handle", "body", "destructor"] {
        let alive = census.clone();
        let running = scope(|s| async move {
            s.spawn(async move {
                let _alive = alive;
                yield_now().await;
                pending::<()>().await
            });
            match place {
                "dropped handle" => drop(s.spawn(async move { panic!("{place}") })),
                "body" => panic!("{place}"),
                _ => drop(s.spawn(async { drop(PanicsOnDrop("destructor")) })),
            }
            yield_now().await;
            s.cancel("let it end");
            Ok(())
        });
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(running)));
        let payload = caught.unwrap_err();
        let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
        let text = text.unwrap_or_else(|| payload.downcast_ref::<String>().unwrap().clone());
        assert_eq!(text, place);
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn many_tasks_in_one_scope() {
    let sum = block_on(scope(|s| async move {
        let handles: Vec<_> = (0..100_000u64)
            .map(|index| {
                s.spawn(async move {
                    if index % 3 == 0 {
                        yield_now().await;
                    }
                    index
                })
            })
            .collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await?;
        }
        Ok(sum)
    }));
    assert_eq!(sum.unwrap(), 4_999_950_000);
}

#[test]
fn a_spawn_from_another_thread_wakes_the_scope() {
    let (hand_over, scopes) = std::sync::mpsc::channel::<Scope<'static>>();
    let other = std::thread::spawn(move || {
        let scope = scopes.recv().unwrap();
        scope.spawn(async {});
        scope.cancel("from another thread");
    });
    let mut running = pin!(scope(|s| async move {
        hand_over.send(s).unwrap();
        pending::<Result<(), BoxError>>().await
    }));
    let result = futures_lite::future::block_on(running.as_mut());
    other.join().unwrap();
    assert!(result.unwrap_err().is_cancelled());
}

/// The outcome of a block, to be compared.
fn told<T: std::fmt::Debug>(result: Result<T, BlockError>) -> String {
    match result {
        Ok(value) => format!("ok {value:?}"),
        Err(BlockError::Body(error)) => format!("body {error}"),
        Err(BlockError::Cancelled(reason)) => format!("cancelled {reason}"),
        Err(BlockError::Tasks(error)) => {
            let of = |failure: &Failure| match failure.error() {
                Some(error) => error.to_string(),
                None => "panic".to_owned(),
            };
            let failures: Vec<_> = error.failures().iter().map(of).collect();
            format!("tasks {failures:?}, {} cancelled", error.cancelled())
        }
    }
}

/// When a task ends, and how.
type Script = [(usize, Option<&'static str>)];

async fn act(polls: usize, fails: Option<&'static str>) -> Result<(), &'static str> {
    for _ in 0..polls {
        yield_now().await;
    }
    match fails {
        Some("panic") => panic!("as the script says"),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

async fn body(polls: usize, fails: Option<&'static str>) -> Result<(), BoxError> {
    act(polls, fails).await.map_err(BoxError::from)
}

// G7
#[test]
fn the_same_policy_and_inputs_give_the_same_answer_in_a_group_and_in_a_scope() {
    let scripts: [&Script; 7] = [
        &[(3, None), (1, None)],
        &[(3, None), (1, Some("a")), (5, None)],
        &[(3, None), (1, Some("a")), (2, Some("b")), (9, None)],
        &[(1, Some("body")), (9, None), (9, None)],
        &[(9, None), (2, Some("panic")), (9, None)],
        &[(1, None), (2, Some("a")), (4, Some("b"))],
        &[(4, Some("body")), (1, Some("a")), (9, None)],
    ];
    let mut differed = std::collections::HashSet::new();
    for script in scripts {
        for policy in ["cancel", "collect", "report"] {
            let make = |heard: &Arc<Mutex<Vec<String>>>| -> OnFailure {
                let heard = heard.clone();
                match policy {
                    "cancel" => OnFailure::CancelAll,
                    "collect" => OnFailure::collect(1),
                    _ => OnFailure::report(move |failure: Failure| {
                        let what = failure.error().map_or("panic".into(), ToString::to_string);
                        heard.lock().unwrap().push(what);
                    }),
                }
            };
            let (by_group, by_scope) = (Arc::default(), Arc::default());
            let [first, tasks @ ..] = script else {
                unreachable!()
            };
            let first = *first;
            let sim = Sim::new();
            let rt = sim.runtime().on_unobserved(|_| {});
            let group = Group::builder(&rt).on_failure(make(&by_group));
            let of_group = told(sim.block_on(group.run(|g: GroupRef| async move {
                for &(polls, fails) in tasks {
                    g.spawn_fallible(act(polls, fails));
                }
                body(first.0, first.1).await
            })));
            let scope = Scope::builder().on_failure(make(&by_scope));
            let of_scope = told(block_on(scope.run(|s| async move {
                for &(polls, fails) in tasks {
                    s.spawn_fallible(act(polls, fails));
                }
                body(first.0, first.1).await
            })));
            assert_eq!(of_group, of_scope, "{policy} of {script:?}");
            assert_eq!(*by_group.lock().unwrap(), *by_scope.lock().unwrap());
            differed.insert(of_group);
        }
    }
    assert!(
        differed.len() > 6,
        "the scripts are too much alike: {differed:?}"
    );
}

#[test]
fn new_tasks_begin_though_others_yield_without_end() {
    let done = Cell::new(false);
    let done = &done;
    let result = block_on(scope_local(|s| async move {
        for _ in 0..1_000 {
            s.spawn(async move {
                for _ in 0..1_000 {
                    if done.get() {
                        return;
                    }
                    yield_now().await;
                }
                panic!("the last was never begun");
            });
        }
        yield_now().await;
        s.spawn(async move { done.set(true) });
        Ok(())
    }));
    result.unwrap();
}

#[test]
fn woken_tasks_run_though_others_are_started_without_end() {
    fn chain<'a>(s: Scope<'a, BoxError, Local>, done: &'a Cell<bool>, left: usize) {
        assert!(left > 0, "the one that yields was never polled again");
        let next = s.clone();
        s.spawn(async move {
            if !done.get() {
                chain(next, done, left - 1);
            }
        });
    }
    let done = Cell::new(false);
    let done = &done;
    let result = block_on(scope_local(|s| async move {
        s.spawn(async move {
            for _ in 0..3 {
                yield_now().await;
            }
            done.set(true);
        });
        chain(s, done, 10_000);
        Ok(())
    }));
    result.unwrap();
}

/// A scope whose body hands out the way in, and waits.
fn left_open<'a>(body: impl FnOnce(Scope<'a>)) -> ScopeRun<'a, ()> {
    scope(|s| {
        body(s);
        pending()
    })
}

// G22
#[test]
fn a_waker_may_use_the_scope_when_it_is_cloned() {
    let (hand_over, handed) = mpsc::channel();
    let mut running = Box::pin(left_open(|s| hand_over.send(s).unwrap()));
    let way_in = handed.recv().unwrap();
    let inner = way_in.clone();
    let (wakes, waker) = Wakes::new();
    let waker = on_clone(waker, move || {
        inner.spawn(async {});
        inner.cancel("by a clone");
    });
    let mut cx = Context::from_waker(&waker);
    assert!(running.as_mut().poll(&mut cx).is_pending());
    assert!(way_in.is_cancelled());
    assert_eq!(wakes.count(), 1);
    let ended = Polled::new(running).ready();
    assert!(ended.unwrap_err().is_cancelled());
}

// G22
#[test]
fn the_waker_of_a_handle_may_end_its_task_when_it_is_cloned() {
    let (hand_over, handed) = mpsc::channel();
    let running = left_open(|s| hand_over.send(s.spawn(async { 7 })).unwrap());
    let mut handle = Box::pin(handed.recv().unwrap());
    let running = Mutex::new(Polled::new(running));
    let (_, waker) = Wakes::new();
    let waker = on_clone(waker, move || {
        assert!(running.lock().unwrap().poll().is_pending())
    });
    let polled = handle.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, std::task::Poll::Ready(Ok(7))));
}

// G22
#[test]
fn a_handle_that_is_dropped_while_it_waits_keeps_no_waker() {
    let (hand_over, handed) = mpsc::channel();
    let running = left_open(|s| hand_over.send(s.spawn(pending::<()>())).unwrap());
    let mut running = Polled::waiting(running);
    let (wakes, waker) = Wakes::new();
    let mut handle: Box<ScopeHandle<()>> = Box::new(handed.recv().unwrap());
    let mut cx = Context::from_waker(&waker);
    for _ in 0..2 {
        assert!(std::pin::Pin::new(&mut handle).poll(&mut cx).is_pending());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&wakes), 2);
    drop(handle);
    assert_eq!(Arc::strong_count(&wakes), 1);
    assert!(running.poll().is_pending());
    assert_eq!(wakes.count(), 0);
}

// G22
#[test]
fn a_result_is_dropped_once_whoever_goes_first() {
    for handle_first in [true, false] {
        let census = Census::default();
        let value = census.clone();
        let (hand_over, handed) = mpsc::channel();
        let running = left_open(|s| hand_over.send(s.spawn(async move { value })).unwrap());
        let handle = handed.recv().unwrap();
        let mut running = Polled::new(running);
        let mut handle = Some(handle);
        if handle_first {
            handle = None;
        }
        assert!(running.poll().is_pending());
        assert_eq!(census.alive(), usize::from(!handle_first));
        drop(running);
        assert_eq!(census.alive(), usize::from(!handle_first));
        if let Some(handle) = &handle {
            assert!(handle.is_finished());
        }
        drop(handle);
        assert_eq!(census.alive(), 0);
    }
}

// G21
#[test]
fn a_cancel_reaches_its_task_wherever_that_is_and_no_other() {
    let census = Census::default();
    let (hand_over, handed) = mpsc::channel();
    let task = |s: &Scope<'static>| {
        let alive = census.clone();
        s.spawn(async move {
            let _alive = alive;
            pending::<()>().await
        })
    };
    let running = left_open(|s| hand_over.send(s).unwrap());
    let mut running = Polled::waiting(running);
    let s = handed.recv().unwrap();
    let reason = |handle: ScopeHandle<()>| {
        let error = Polled::new(handle).ready().unwrap_err();
        error.reason().unwrap().as_str().to_owned()
    };

    // Not begun.
    let handle = task(&s);
    handle.cancel("early");
    handle.cancel("second");
    assert!(running.poll().is_pending());
    assert_eq!((reason(handle).as_str(), census.alive()), ("early", 0));

    // Waits; the scope is woken for it.
    let handle = task(&s);
    assert!(running.poll().is_pending());
    assert_eq!(census.alive(), 1);
    let before = running.woken();
    handle.cancel("late");
    assert_eq!(running.woken(), before + 1);
    assert!(running.poll().is_pending());
    assert_eq!((reason(handle).as_str(), census.alive()), ("late", 0));

    // Ends in the same poll, before which another was started that takes its slot.
    let open = Event::new();
    let opened = open.clone();
    let done = s.spawn(async move { opened.wait().await });
    assert!(running.poll().is_pending());
    open.set();
    done.cancel("too late");
    let next = task(&s);
    assert!(running.poll().is_pending());
    assert!(running.poll().is_pending());
    assert_eq!(census.alive(), 1);
    drop(done);
    next.cancel("at last");
    assert!(running.poll().is_pending());
    assert_eq!((reason(next).as_str(), census.alive()), ("at last", 0));
    assert_eq!(s.len(), 1);
}

// G21
#[test]
fn a_task_that_cancels_itself_is_dropped_at_its_next_await() {
    let census = Census::default();
    let alive = census.clone();
    let (give, given) = mpsc::channel::<ScopeHandle<()>>();
    let (hand_over, handed) = mpsc::channel();
    let running = left_open(|s| hand_over.send(s).unwrap());
    let mut running = Polled::waiting(running);
    let s = handed.recv().unwrap();
    let handle = s.spawn(async move {
        let _alive = alive;
        let itself = given.recv().unwrap();
        itself.cancel("by itself");
        assert!(!itself.is_finished());
        pending::<()>().await
    });
    give.send(handle).unwrap();
    assert!(running.poll().is_pending());
    assert_eq!((census.alive(), s.len()), (0, 1));
}

// G21
#[test]
fn a_cancelled_task_gives_its_place_under_the_limit_to_the_next() {
    let (hand_over, handed) = mpsc::channel();
    let running = Scope::builder().limit(1).run(|s: Scope<'_>| {
        hand_over.send(s).unwrap();
        pending::<Result<(), BoxError>>()
    });
    let mut running = Polled::waiting(running);
    let s = handed.recv().unwrap();
    let first = s.spawn(pending::<()>());
    let second = s.spawn(pending::<()>());
    let third = s.spawn(async { 3 });
    assert!(running.poll().is_pending());
    // One that waits for its place goes at once.
    second.cancel("not needed");
    assert!(running.poll().is_pending());
    assert!(second.is_finished() && !third.is_finished());
    first.cancel("not needed");
    while !third.is_finished() {
        assert!(running.woken() > 0, "nobody was woken");
        assert!(running.poll().is_pending());
    }
    assert_eq!(Polled::new(third).ready().unwrap(), 3);
}

// G21
#[test]
fn handles_are_cancelled_from_another_thread() {
    for _ in 0..50 {
        let result = futures_lite::future::block_on(scope(|s| async move {
            let tasks: Vec<_> = (0..100).map(|_| s.spawn(pending::<()>())).collect();
            let tasks = Arc::new(tasks);
            let others = tasks.clone();
            let thread = std::thread::spawn(move || {
                others
                    .iter()
                    .for_each(|task| task.cancel("from another thread"));
            });
            while s.len() > 1 {
                yield_now().await;
            }
            thread.join().unwrap();
            Ok(tasks.iter().all(ScopeHandle::is_finished))
        }));
        assert!(result.unwrap());
    }
}

// G14
#[test]
fn what_a_dropped_scope_kept_goes_to_its_hook() {
    let heard = Log::default();
    let sink = heard.clone();
    let scope = Scope::builder()
        .on_failure(OnFailure::collect(8))
        .on_unobserved(move |unobserved| sink.add(unobserved.to_string()));
    let held = Mutex::new(None);
    let (kept, at) = (&held, std::line!() + 3);
    let mut running = Box::pin(scope.run(|s| async move {
        // The line is in the name of the task.
        s.spawn_fallible(async { Err::<(), _>("one") });
        for name in ["two", "three"] {
            drop(s.spawn(async move { panic!("{name}") }));
        }
        *kept.lock().unwrap() = Some(s.spawn(async { panic!("four") }));
        pending::<Result<(), BoxError>>().await
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(running.as_mut().poll(&mut cx).is_pending());
    assert!(running.as_mut().poll(&mut cx).is_pending());
    let panicked = |name| format!("a task that nobody waits for panicked: {name}");
    assert_eq!(heard.take(), [panicked("three")], "there is room for one");
    drop(running);
    let failed = heard.take();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[0].starts_with("scope at ") && failed[0].contains(&format!("scope.rs:{at}:")));
    assert!(failed[0].ends_with("failed: one"), "{failed:?}");
    assert_eq!(failed[1], panicked("two"));
    drop(held);
    assert_eq!(heard.take(), [panicked("four")], "its handle was the last");
}

#[test]
fn of_two_reasons_for_a_cancel_the_first_counts() {
    let result = block_on(scope(|s| async move {
        s.cancel("one");
        s.cancel("two");
        pending::<Result<(), BoxError>>().await
    }));
    match result {
        Err(BlockError::Cancelled(reason)) => assert_eq!(reason.as_str(), "one"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_cancelled_scope_refuses_is_not_counted_as_cancelled() {
    struct SpawnsOnDrop(Scope<'static>);

    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            drop(self.0.spawn(async {}));
        }
    }

    let result: Result<(), _> = block_on(scope(|s| async move {
        let late = SpawnsOnDrop(s.clone());
        s.spawn_fallible(async { Err::<(), _>("one") });
        s.spawn(async move {
            let _late = late;
            pending::<()>().await;
        });
        pending().await
    }));
    let error = result.unwrap_err().into_tasks().unwrap();
    assert_eq!((error.failures().len(), error.cancelled()), (1, 1));
}

// G21
#[test]
fn a_scope_that_is_over_takes_nothing_more() {
    let census = Census::default();
    let (hand_over, handed) = mpsc::channel();
    let mut running = Polled::new(scope(|s| {
        hand_over.send(s).unwrap();
        async { Ok(()) }
    }));
    running.ready().unwrap();
    let s = handed.recv().unwrap();
    assert!(s.is_cancelled());
    let alive = census.clone();
    let mut task = Polled::new(s.spawn(async move {
        let _alive = alive;
        pending::<()>().await
    }));
    assert_eq!(census.alive(), 0);
    assert!(task.ready().unwrap_err().is_cancelled());
    assert!(s.is_empty());
}
