use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::FutureExt;
use futures_lite::future::poll_once;
use untethered::CancellationToken;
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::task::Reason;

use crate::support::{Drops, Log, OnDrop, Wakes, panic_text};

const SECOND: Duration = Duration::from_secs(1);

fn reason(token: &CancellationToken) -> Option<String> {
    token.reason().map(|reason| reason.to_string())
}

#[test]
fn it_stays_cancelled_and_the_first_reason_wins() {
    let token = CancellationToken::new();
    assert!(!token.is_cancelled());
    assert_eq!(token.reason(), None);
    token.cancel("first");
    token.clone().cancel(String::from("second"));
    assert!(token.is_cancelled());
    assert_eq!(reason(&token).as_deref(), Some("first"));
    futures_lite::future::block_on(async {
        token.cancelled().await;
        token.cancelled().await;
        token.clone().cancelled_owned().await;
    });
}

#[test]
fn a_child_is_cancelled_with_its_parent_and_not_the_other_way_round() {
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let sibling = parent.child_token();
    let grandchild = child.child_token();
    child.cancel("child");
    assert!(grandchild.is_cancelled() && !parent.is_cancelled() && !sibling.is_cancelled());
    parent.cancel("parent");
    for (token, expected) in [
        (&parent, "parent"),
        (&sibling, "parent"),
        (&child, "child"),
        (&grandchild, "child"),
    ] {
        assert_eq!(reason(token).as_deref(), Some(expected));
    }
    // Born cancelled.
    assert_eq!(reason(&parent.child_token()).as_deref(), Some("parent"));
    assert_eq!(reason(&child.child_token()).as_deref(), Some("child"));
}

#[test]
fn a_descendant_is_reached_when_those_between_are_dropped() {
    let root = CancellationToken::new();
    let leaf = root.child_token().child_token().child_token();
    root.cancel("now");
    assert_eq!(reason(&leaf).as_deref(), Some("now"));

    // And a child needs no parent to be cancelled.
    let orphan = CancellationToken::new().child_token();
    orphan.cancel("alone");
    assert!(orphan.is_cancelled());
}

#[test]
fn a_chain_of_ten_thousand_is_cancelled_and_dropped_without_recursion() {
    // On a small stack: recursion of this depth would overflow it.
    std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(|| {
            let chain = || {
                let mut tokens = vec![CancellationToken::new()];
                for _ in 0..10_000 {
                    tokens.push(tokens[tokens.len() - 1].child_token());
                }
                tokens
            };
            let tokens = chain();
            tokens[0].cancel("all");
            assert!(tokens.iter().all(|token| token.is_cancelled()));
            drop(tokens);

            // The last one keeps all of them; its drop drops all of them.
            let last = chain().pop().unwrap();
            drop(last);
            let last = chain().pop().unwrap();
            last.cancel("last");
            drop(last);

            // From the root to the leaf, and with nobody but a waiter left.
            let mut tokens = chain();
            tokens.reverse();
            let leaf = tokens.swap_remove(0);
            let root = tokens.pop().unwrap();
            drop(tokens);
            let wait = leaf.cancelled_owned();
            root.cancel("root");
            drop(root);
            futures_lite::future::block_on(wait);
        })
        .unwrap()
        .join()
        .unwrap();
}

/// Logs its name when woken.
struct Named(&'static str, Log);

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        self.1.push(self.0);
    }
}

#[test]
fn waiters_are_woken_in_the_order_they_came() {
    let log = Log::default();
    let token = CancellationToken::new();
    let mut waits: Vec<_> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .map(|name| {
            let mut wait = Box::pin(token.cancelled());
            let waker = Waker::from(Arc::new(Named(name, log.clone())));
            let mut cx = Context::from_waker(&waker);
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            wait
        })
        .collect();
    // One in the middle, the first and the last leave; one comes again, behind all others.
    drop((waits.remove(2), waits.remove(0), waits.pop()));
    let waker = Waker::from(Arc::new(Named("late", log.clone())));
    let mut late = pin!(token.cancelled());
    assert!(
        late.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    // Polled again, a waiter keeps its place.
    let waker = Waker::from(Arc::new(Named("b again", log.clone())));
    assert!(
        waits[0]
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    token.cancel("now");
    assert_eq!(log.take(), ["b again", "d", "late"]);
    token.cancel("again");
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn waiters_of_a_token_are_woken_before_those_of_its_children() {
    let log = Log::default();
    let root = CancellationToken::new();
    let (one, two) = (root.child_token(), root.child_token());
    let below = one.child_token();
    let waits: Vec<_> = [
        ("below", &below),
        ("one", &one),
        ("two", &two),
        ("root", &root),
    ]
    .into_iter()
    .map(|(name, token)| {
        let mut wait = Box::pin(token.cancelled());
        let waker = Waker::from(Arc::new(Named(name, log.clone())));
        let poll = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        wait
    })
    .collect();
    root.cancel("now");
    assert_eq!(log.take(), ["root", "one", "two", "below"]);
    drop(waits);
}

#[test]
fn whoever_is_woken_sees_all_descendants_cancelled() {
    struct Looks(CancellationToken, Log);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            self.1.push(format!("{:?}", self.0.is_cancelled()));
        }
    }
    let log = Log::default();
    let root = CancellationToken::new();
    let leaf = root.child_token().child_token();
    let waker = Waker::from(Arc::new(Looks(leaf, log.clone())));
    let mut wait = pin!(root.cancelled());
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    root.cancel("now");
    assert_eq!(log.take(), ["true"]);
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let token = CancellationToken::new();
    let child = token.child_token();
    let bad = Waker::from(Arc::new(Bad));
    let (wakes, good) = Wakes::new();
    let mut waits: Vec<_> = [
        (&token, &bad),
        (&token, &good),
        (&child, &bad),
        (&child, &good),
    ]
    .into_iter()
    .map(|(token, waker)| {
        let mut wait = Box::pin(token.cancelled());
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
        wait
    })
    .collect();
    token.cancel("now");
    assert_eq!(wakes.count(), 2);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        waits
            .iter_mut()
            .all(|wait| wait.as_mut().poll(&mut cx).is_ready())
    );
}

#[test]
fn a_waker_may_use_the_token_that_wakes_it() {
    struct Uses(CancellationToken);
    impl Wake for Uses {
        fn wake(self: Arc<Self>) {
            self.0.cancel("from a waker");
            let child = self.0.child_token();
            assert!(child.is_cancelled());
            let mut wait = pin!(child.cancelled());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(wait.as_mut().poll(&mut cx).is_ready());
        }
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            // A destructor of a waker may too, also when a wait is given up or its waker replaced.
            drop(self.0.child_token());
        }
    }
    let token = CancellationToken::new();
    let uses = || Waker::from(Arc::new(Uses(token.clone())));
    let mut cx = Context::from_waker(Waker::noop());
    let mut replaced = Box::pin(token.cancelled());
    assert!(
        replaced
            .as_mut()
            .poll(&mut Context::from_waker(&uses()))
            .is_pending()
    );
    assert!(replaced.as_mut().poll(&mut cx).is_pending());
    let mut dropped = Box::pin(token.cancelled());
    assert!(
        dropped
            .as_mut()
            .poll(&mut Context::from_waker(&uses()))
            .is_pending()
    );
    drop(dropped);
    let mut woken = Box::pin(token.cancelled());
    assert!(
        woken
            .as_mut()
            .poll(&mut Context::from_waker(&uses()))
            .is_pending()
    );
    token.cancel("now");
    assert_eq!(reason(&token).as_deref(), Some("now"));
    assert!(woken.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_wait_keeps_only_its_last_waker_and_only_while_it_waits() {
    let token = CancellationToken::new();
    let (first, first_waker) = Wakes::new();
    let (second, second_waker) = Wakes::new();
    let mut wait = Box::pin(token.cancelled());
    for waker in [first_waker, second_waker] {
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert_eq!(
        (Arc::strong_count(&first), Arc::strong_count(&second)),
        (1, 2)
    );
    drop(wait);
    assert_eq!(Arc::strong_count(&second), 1);
    token.cancel("now");
    assert_eq!((first.count(), second.count()), (0, 0));
}

#[test]
fn tasks_wait_and_are_released_in_every_order() {
    explore_orders(16, |sim| {
        sim.spurious_wakes(true);
        let rt = sim.runtime();
        let root = CancellationToken::new();
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let token = if number % 2 == 0 {
                    root.clone()
                } else {
                    root.child_token()
                };
                rt.spawn(async move {
                    token.cancelled().await;
                    token.reason().unwrap()
                })
            })
            .collect();
        let canceller = rt.spawn({
            let (rt, root) = (rt.clone(), root.clone());
            async move {
                rt.sleep(SECOND).await;
                root.cancel("time is up");
            }
        });
        sim.block_on(async {
            for task in tasks {
                assert_eq!(task.await.unwrap().as_str(), "time is up");
            }
            canceller.await.unwrap();
        });
        assert_eq!(sim.elapsed(), SECOND);
        sim.assert_empty();
    });
}

#[test]
fn a_wait_that_is_dropped_at_any_poll_takes_no_wake_from_others() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(5)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let token = CancellationToken::new();
            let woken = Log::default();
            let other = rt.spawn({
                let (token, woken) = (token.clone(), woken.clone());
                async move {
                    token.cancelled().await;
                    woken.push("other");
                }
            });
            rt.spawn({
                let (rt, token) = (rt.clone(), token.clone());
                async move {
                    yield_now().await;
                    rt.sleep(SECOND).await;
                    token.cancel("now");
                }
            })
            .detach();
            let future = async move {
                yield_now().await;
                token.child_token().cancelled().or(token.cancelled()).await;
            };
            let check = move |sim: &Sim| {
                sim.advance(SECOND);
                assert!(other.is_finished());
                assert_eq!(woken.take(), ["other"]);
                sim.assert_empty();
            };
            (future, check)
        });
        assert_eq!(polls, 3);
    }
}

#[test]
fn a_result_that_is_ready_beats_the_cancel() {
    let token = CancellationToken::new();
    futures_lite::future::block_on(async {
        assert_eq!(token.run_until_cancelled(ready(1)).await, Some(1));
        token.cancel("now");
        assert_eq!(token.run_until_cancelled(ready(2)).await, Some(2));
        assert_eq!(token.run_until_cancelled(pending::<u8>()).await, None);
        // It is polled once though the token is cancelled.
        let mut polls = 0;
        let counted = poll_fn(|_| {
            polls += 1;
            Poll::<()>::Pending
        });
        assert_eq!(token.run_until_cancelled(counted).await, None);
        assert_eq!(polls, 1);
    });

    // Both in the same moment, whoever is asked first.
    explore_orders(16, |sim| {
        let rt = sim.runtime();
        let token = CancellationToken::new();
        let work = rt.spawn({
            let (rt, token) = (rt.clone(), token.clone());
            async move {
                let sleep = async { rt.sleep(SECOND).await };
                token.run_until_cancelled(sleep).await
            }
        });
        let canceller = rt.spawn({
            let rt = rt.clone();
            async move {
                rt.sleep(SECOND).await;
                token.cancel("now");
            }
        });
        sim.block_on(async {
            assert_eq!(work.await.unwrap(), Some(()));
            canceller.await.unwrap();
        });
    });
}

#[test]
fn what_was_cancelled_is_dropped_before_it_is_told() {
    let sim = Sim::new();
    let token = CancellationToken::new();
    let drops = Drops::default();
    let guard = drops.guard();
    sim.block_on(async {
        let mut run = pin!(token.run_until_cancelled(async move {
            let _guard = guard;
            pending::<()>().await
        }));
        assert!(poll_once(run.as_mut()).await.is_none());
        token.cancel("now");
        assert_eq!(drops.count(), 0);
        assert_eq!(poll_once(run.as_mut()).await, Some(None));
        assert_eq!(drops.count(), 1);
        let again = std::panic::AssertUnwindSafe(poll_once(run)).catch_unwind();
        let text = *again
            .await
            .unwrap_err()
            .downcast::<String>()
            .unwrap_or_else(|other| Box::new(other.downcast_ref::<&str>().unwrap().to_string()));
        assert!(text.contains("polled after it was ready"), "{text}");
    });
}

#[test]
fn a_panic_in_what_runs_goes_to_its_caller_and_leaves_the_token_in_order() {
    let token = CancellationToken::new();
    let text = panic_text(|| {
        futures_lite::future::block_on(token.run_until_cancelled(async { panic!("inside") }))
    });
    assert_eq!(text, "inside");
    token.cancel("now");
    assert!(token.is_cancelled());
}

#[test]
fn a_guard_cancels_unless_it_is_disarmed() {
    let token = CancellationToken::new();
    let child = token.child_token();
    drop(child.clone().drop_guard().disarm());
    assert!(!child.is_cancelled());
    drop(child.clone().drop_guard());
    assert_eq!(reason(&child).as_deref(), Some("its guard was dropped"));
    assert!(!token.is_cancelled());

    // Also when a panic drops it.
    let guarded = token.clone();
    panic_text(|| {
        let _guard = guarded.drop_guard();
        panic!("on the way");
    });
    assert!(token.is_cancelled());
}

#[test]
fn a_cancel_may_come_from_any_thread() {
    let sim = Sim::new();
    let token = CancellationToken::new();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let token = token.child_token();
            sim.runtime().spawn(async move { token.cancelled().await })
        })
        .collect();
    sim.run_until_idle();
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let token = &token;
            scope.spawn(move || token.cancel(name));
        }
    });
    sim.run_until_idle();
    assert!(tasks.iter().all(|task| task.is_finished()));
    let reason = token.reason().unwrap();
    assert!(["a", "b"].contains(&reason.as_str()));
}

#[test]
fn a_destructor_may_cancel() {
    let sim = Sim::new();
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let guard = OnDrop::new(move || cancelled.cancel("dropped"));
    let task = sim.runtime().spawn(async move {
        let _guard = guard;
        pending::<()>().await
    });
    sim.run_until_idle();
    drop(task);
    sim.block_on(token.cancelled());
    assert_eq!(reason(&token).as_deref(), Some("dropped"));
}

#[test]
fn a_reason_is_its_text() {
    let fixed = Reason::from("same");
    let made = Reason::from(String::from("same"));
    let cow = Reason::from(std::borrow::Cow::Owned(String::from("same")));
    assert!(fixed == made && made == cow.clone());
    assert_ne!(fixed, Reason::from("other"));
    assert_eq!(
        (format!("{fixed}"), format!("{cow:?}")),
        ("same".into(), "\"same\"".into())
    );
}

/// All of up to six steps with one token, its child and two waits: nothing is lost in any.
#[test]
fn no_short_sequence_of_steps_loses_a_wake() {
    const STEPS: usize = 6;
    let mut woken_after_a_drop = 0;
    for length in 1..=6_u32 {
        for code in 0..STEPS.pow(length) {
            let parent = CancellationToken::new();
            let child = parent.child_token();
            let tokens = [&parent, &child];
            let wakes = [Wakes::new(), Wakes::new()];
            let waits: [Mutex<Option<_>>; 2] = [Mutex::new(None), Mutex::new(None)];
            let mut dropped = false;
            let mut rest = code;
            for _ in 0..length {
                let step = rest % STEPS;
                rest /= STEPS;
                let which = step % 2;
                let mut wait = waits[which].lock().unwrap();
                match step / 2 {
                    0 => {
                        let wait = wait.get_or_insert_with(|| Box::pin(tokens[which].cancelled()));
                        let poll = wait
                            .as_mut()
                            .poll(&mut Context::from_waker(&wakes[which].1));
                        assert_eq!(poll.is_ready(), tokens[which].is_cancelled(), "code {code}");
                    }
                    1 => dropped |= wait.take().is_some(),
                    _ => {
                        drop(wait);
                        let before = wakes.each_ref().map(|(wakes, _)| wakes.count());
                        let was = tokens.map(CancellationToken::is_cancelled);
                        tokens[which].cancel("now");
                        for i in 0..2 {
                            let now = wakes[i].0.count() - before[i];
                            let cancelled = tokens[i].is_cancelled() && !was[i];
                            let waits = waits[i].lock().unwrap().is_some();
                            assert_eq!(now, usize::from(cancelled && waits), "code {code}");
                            woken_after_a_drop += usize::from(dropped && now == 1);
                        }
                    }
                }
            }
        }
    }
    assert!(woken_after_a_drop > 1000, "{woken_after_a_drop}");
}

#[test]
fn a_deadline_cancels_and_is_never_later_than_the_parents() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let second = Duration::from_secs(1);
    let start = rt.now();
    let parent = CancellationToken::new().child_until(&rt, start + second * 5);
    let later = parent.child_until(&rt, start + second * 9);
    let earlier = parent.child_token().child_until(&rt, start + second * 2);
    let below = earlier.child_token();
    assert_eq!(later.deadline(), Some(start + second * 5));
    assert_eq!(below.deadline(), Some(start + second * 2));
    sim.run_until_idle();
    assert_eq!(sim.live_timers(), 2, "the later one needs none");
    sim.block_on(below.cancelled());
    assert_eq!(sim.elapsed(), second * 2);
    assert!(!parent.is_cancelled());
    sim.block_on(later.cancelled());
    assert_eq!(sim.elapsed(), second * 5);
    assert_eq!(later.reason(), Some(Reason::from("deadline")));
    sim.run_until_idle();
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
    assert!(parent.child_until(&rt, start + second * 7).is_cancelled());
    assert!(
        CancellationToken::new()
            .child_until(&rt, start)
            .is_cancelled()
    );
}

#[test]
fn a_deadline_leaves_nothing_behind_when_its_token_is_dropped_or_cancelled() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let far = rt.now() + Duration::from_secs(1_000_000);
    let dropped = CancellationToken::new().child_until(&rt, far);
    let cancelled = CancellationToken::new().child_until(&rt, far);
    sim.run_until_idle();
    assert_eq!(sim.live_timers(), 2);
    drop(dropped);
    cancelled.cancel("before");
    sim.run_until_idle();
    assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
    assert_eq!(cancelled.reason(), Some(Reason::from("before")));
}
