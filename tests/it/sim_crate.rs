//! What the crate is made of, explored: orders, drops at every moment, spurious and late wake-ups.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use untethered::group::{Group, OnCancel};
use untethered::memo::Memo;
use untethered::sim::{Explore, Explored, Faults, Sim, explore, yield_now};
use untethered::sync::{Event, Limit, Once};
use untethered::time::timeout;
use untethered::{CancellationToken, Queue};

use crate::support::OnDrop;

const SECOND: Duration = Duration::from_secs(1);

fn thoroughly<F: FnMut(&Sim)>(scenario: F) -> Explore<F> {
    let faults = Faults::none().spurious_wakes().delayed_wakes();
    explore(scenario).exhaustive(2).seeds(100).faults(faults)
}

fn was_thorough(explored: Explored) {
    assert_eq!(explored.exhausted(), 2, "{explored}");
    assert!(explored.schedules() > 200, "{explored}");
}

#[test]
fn a_queue_keeps_what_dropped_pops_and_pushes_leave() {
    let dropped = Cell::new([0; 2]);
    was_thorough(
        thoroughly(|sim| {
            let rt = sim.runtime();
            let queue = Queue::bounded(1);
            let (pop, push) = (queue.clone(), queue.clone());
            let pop = rt.spawn(sim.may_drop(async move { pop.pop().await }));
            let push = rt.spawn(sim.may_drop(async move { push.push(1).await }));
            let other = queue.clone();
            let other = rt.spawn(async move { other.push(2).await.unwrap() });
            let rest = queue.clone();
            let rest = rt.spawn(async move {
                let mut seen = Vec::new();
                while let Some(item) = rest.pop().await {
                    seen.push(item);
                }
                seen
            });
            sim.block_on(async {
                let pushed = push.await.unwrap();
                other.await.unwrap();
                queue.close();
                let popped = pop.await.unwrap();
                let mut seen = rest.await.unwrap();
                seen.extend(popped.flatten());
                seen.sort_unstable();
                // A push that was dropped has happened or has not.
                assert!(
                    seen == [1, 2] || pushed.is_none() && seen == [2],
                    "{seen:?}"
                );
                let [pops, pushes] = dropped.get();
                let more = [popped.is_none(), pushed.is_none()].map(usize::from);
                dropped.set([pops + more[0], pushes + more[1]]);
            });
        })
        .run(),
    );
    assert!(dropped.get().iter().all(|count| *count > 10), "{dropped:?}");
}

#[test]
fn a_limit_gives_back_what_dropped_waits_held() {
    was_thorough(
        thoroughly(|sim| {
            let rt = sim.runtime();
            let limit = Limit::new(1);
            let at_work = Arc::new(AtomicUsize::new(0));
            let work = || {
                let (limit, at_work) = (limit.clone(), at_work.clone());
                async move {
                    let _permit = limit.acquire().await;
                    assert_eq!(at_work.fetch_add(1, SeqCst), 0);
                    let _leaves = OnDrop::new(move || {
                        at_work.fetch_sub(1, SeqCst);
                    });
                    yield_now().await;
                }
            };
            let first = rt.spawn(sim.may_drop(work()));
            let second = rt.spawn(sim.may_drop(work()));
            let third = rt.spawn(work());
            sim.block_on(async {
                third.await.unwrap();
                first.await.unwrap();
                second.await.unwrap();
            });
            assert_eq!(limit.available(), 1);
        })
        .run(),
    );
}

#[test]
fn a_load_whose_caller_goes_is_taken_over() {
    was_thorough(
        thoroughly(|sim| {
            let rt = sim.runtime();
            let once = Arc::new(Once::new());
            let load = || {
                let (once, rt) = (once.clone(), rt.clone());
                async move {
                    let load = || async {
                        rt.sleep(SECOND).await;
                        7
                    };
                    *once.load(load).await
                }
            };
            let first = rt.spawn(sim.may_drop(load()));
            let second = rt.spawn(sim.may_drop(load()));
            let third = rt.spawn(load());
            sim.block_on(async {
                assert_eq!(third.await.unwrap(), 7);
                for task in [first, second] {
                    assert!(matches!(task.await.unwrap(), Some(7) | None));
                }
            });
        })
        .run(),
    );
}

#[test]
fn a_memo_whose_caller_goes_serves_the_others() {
    was_thorough(
        thoroughly(|sim| {
            let rt = sim.runtime();
            let memo = Memo::builder().capacity(1).build();
            let load = |key: u8| {
                let (memo, rt) = (memo.clone(), rt.clone());
                async move {
                    let load = async move {
                        rt.sleep(SECOND).await;
                        key
                    };
                    *memo.load(key, move || load).await.unwrap()
                }
            };
            let first = rt.spawn(sim.may_drop(load(1)));
            let second = rt.spawn(load(1));
            let other = rt.spawn(sim.may_drop(load(2)));
            sim.block_on(async {
                assert_eq!(second.await.unwrap(), 1);
                assert!(matches!(first.await.unwrap(), Some(1) | None));
                assert!(matches!(other.await.unwrap(), Some(2) | None));
            });
        })
        .run(),
    );
}

#[test]
fn a_group_ends_whoever_is_dropped_meanwhile() {
    was_thorough(
        thoroughly(|sim| {
            let rt = sim.runtime();
            let group = Group::builder(&rt).limit(1).build();
            let event = Arc::new(Event::new());
            let waits = event.clone();
            group.spawn(async move { waits.wait().await });
            let graceful = group
                .task("graceful")
                .on_cancel(OnCancel::Grace(SECOND))
                .spawn_with(|cx| async move { cx.token().cancelled().await });
            let member = group.reference();
            let adds = rt.spawn(async move {
                let _ = member.try_spawn(async { yield_now().await });
            });
            let sets = rt.spawn(async move { event.set() });
            sim.block_on(async {
                let stopped = sim.may_drop(group.shutdown(2 * SECOND)).await;
                if stopped.is_none() {
                    group.cancel("in its place");
                }
                // A driver that is late may let the limits of a shutdown pass.
                group.closed().await.unwrap();
                assert!(group.is_closed());
                let _ = graceful.await;
                adds.await.unwrap();
                sets.await.unwrap();
            });
            assert!(sim.elapsed() <= 7 * SECOND, "{:?}", sim.elapsed());
        })
        .run(),
    );
}

#[test]
fn a_timeout_keeps_a_value_that_is_there() {
    was_thorough(
        thoroughly(|sim| {
            let rt = sim.runtime();
            let token = CancellationToken::new();
            let (event, child) = (Arc::new(Event::new()), token.child_token());
            let waits = event.clone();
            let waiter = rt.spawn(async move { child.run_until_cancelled(waits.wait()).await });
            let setter = rt.spawn(async move {
                yield_now().await;
                event.set();
            });
            sim.block_on(async {
                let first = sim.may_drop(timeout(&rt, SECOND, setter)).await;
                if !matches!(first, Some(Ok(_))) {
                    // The task was cancelled with its handle.
                    token.cancel("nobody sets it");
                }
                let _ = waiter.await.unwrap();
            });
        })
        .run(),
    );
}
