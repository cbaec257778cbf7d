//! Groups, on every runtime.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, or, poll_fn, yield_now};
use untethered::CancellationToken;
use untethered::group::{BlockError, BoxError, Group, OnCancel, task_group};

use crate::hosts::Host;

pub(crate) fn tasks_give_their_outputs<H: Host>(host: H) {
    let group = Group::builder(&host.runtime()).build();
    host.block_on(async {
        let handles: Vec<_> = (0..100_000usize)
            .map(|index| {
                group.spawn(async move {
                    yield_now().await;
                    index
                })
            })
            .collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.unwrap();
        }
        assert_eq!(sum, 4_999_950_000);
        group.join().await.unwrap();
    });
    assert!(group.is_closed());
}

// G1
pub(crate) fn a_cancel_reaches_every_task_before_closed<H: Host>(host: H) {
    let alive = Arc::new(());
    let group = Group::builder(&host.runtime()).build();
    let sub = group.subgroup("sub").unwrap();
    for index in 0..2_000 {
        let alive = alive.clone();
        let owner = if index % 2 == 0 { &group } else { &sub };
        let policy = match index % 5 {
            0 => OnCancel::Finish,
            _ => OnCancel::Drop,
        };
        owner
            .task("t")
            .on_cancel(policy)
            .spawn_with(move |cx| async move {
                let _alive = alive;
                if index % 3 == 0 {
                    yield_now().await;
                }
                cx.token().cancelled().await;
                yield_now().await;
            });
    }
    host.block_on(async {
        yield_now().await;
        group.cancel("enough");
        group.closed().await.unwrap();
    });
    assert_eq!(Arc::strong_count(&alive), 1);
    assert!(sub.is_closed());
}

// G4
pub(crate) fn a_panic_stays_in_its_task<H: Host>(host: H) {
    let group = Group::builder(&host.runtime()).build();
    host.block_on(async {
        for _ in 0..100 {
            let bad = group.spawn(async {
                yield_now().await;
                panic!("contained");
            });
            let good = group.spawn(async { 1 });
            let ended: Result<(), _> = bad.await;
            assert!(ended.unwrap_err().is_panic());
            assert_eq!(good.await.unwrap(), 1);
        }
        group.join().await.unwrap();
    });
}

/// Spawns and wakes from threads the runtime does not know, just as the last driver parks or
/// ends, again and again.
// G8
pub(crate) fn nothing_is_lost_when_drivers_start_and_stop<H: Host>(host: H) {
    let group = Group::builder(&host.runtime()).build();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let group = group.reference();
            thread::spawn(move || {
                for round in 0..1_000 {
                    let flag = CancellationToken::new();
                    let seen = flag.clone();
                    let waits = group.spawn(async move {
                        seen.cancelled().await;
                        round
                    });
                    if round % 3 == 0 {
                        thread::yield_now();
                    }
                    flag.cancel("go on");
                    assert_eq!(block_on(waits).unwrap(), round);
                }
            })
        })
        .collect();
    // For hosts that run tasks only in here.
    host.block_on(async {
        while !threads.iter().all(thread::JoinHandle::is_finished) {
            yield_now().await;
        }
        group.join().await.unwrap();
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

pub(crate) fn a_child_that_blocks_does_not_hold_up_its_siblings<H: Host>(host: H) {
    if H::WORKERS < 2 {
        return;
    }
    let rt = host.runtime();
    for isolated in [false, true] {
        let group = Group::builder(&rt).build();
        let blocks = group.task("blocks");
        let blocks = if isolated { blocks.isolated() } else { blocks };
        let handle = blocks.spawn_with(|cx| async move {
            let (tell, hear) = channel();
            cx.spawn(async move { tell.send("a sibling ran").unwrap() });
            // Nobody else polls what this driver has queued, unless it is stolen.
            hear.recv().unwrap()
        });
        assert_eq!(host.block_on(handle).unwrap(), "a sibling ran");
        host.block_on(group.join()).unwrap();
    }
}

pub(crate) fn a_group_may_be_dropped_by_its_own_task<H: Host>(host: H) {
    let group = Arc::new(Mutex::new(None));
    let made = Group::builder(&host.runtime()).build();
    let closed = made.closed();
    let own = group.clone();
    let alive = Arc::new(());
    let kept = alive.clone();
    made.spawn(async move {
        let _kept = kept;
        while own.lock().unwrap().take().is_none() {
            yield_now().await;
        }
        pending::<()>().await
    });
    let kept = alive.clone();
    made.spawn(async move {
        let _kept = kept;
        pending::<()>().await
    });
    *group.lock().unwrap() = Some(made);
    host.block_on(closed).unwrap();
    assert_eq!(Arc::strong_count(&alive), 1);
}

pub(crate) fn a_grace_and_a_clean_up_have_time<H: Host>(host: H) {
    let group = Group::builder(&host.runtime()).build();
    let cleaned = Arc::new(AtomicUsize::new(0));
    let count = cleaned.clone();
    let grace = OnCancel::Grace(Duration::from_secs(600));
    let handle = group
        .task("t")
        .on_cancel(grace)
        .spawn_with(move |cx| async move {
            let rt = cx.runtime().clone();
            cx.on_exit(async move {
                rt.sleep(Duration::from_millis(5)).await;
                count.fetch_add(1, Ordering::SeqCst);
            });
            cx.token().cancelled().await;
            cx.runtime().sleep(Duration::from_millis(5)).await;
            "in its own time"
        });
    let report = host.block_on(group.shutdown(Duration::from_secs(600)));
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.finished, 1);
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
    assert_eq!(host.block_on(handle).unwrap(), "in its own time");
}

pub(crate) fn a_stored_waker_of_a_task_that_ended_does_nothing<H: Host>(host: H) {
    let group = Group::builder(&host.runtime()).build();
    let stored: Arc<Mutex<Option<Waker>>> = Arc::default();
    let store = stored.clone();
    let handle = group.spawn(poll_fn(move |cx| {
        *store.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    host.block_on(async {
        while stored.lock().unwrap().is_none() {
            yield_now().await;
        }
        handle.abort();
        assert!(handle.await.is_err());
        stored.lock().unwrap().take().unwrap().wake();
        assert_eq!(group.spawn(async { 1 }).await.unwrap(), 1);
        group.join().await.unwrap();
    });
}

// G11
pub(crate) fn a_member_may_close_its_group_and_is_answered_when_it_waits_for_it<H: Host>(host: H) {
    let group = Group::builder(&host.runtime()).build();
    let sub = group.subgroup("sub").unwrap();
    let (own, above) = (sub.reference(), group.reference());
    let asked = sub.spawn(async move {
        own.close();
        // It would wait for itself in both.
        let answers = [own.closed().await, above.closed().await];
        yield_now().await;
        answers.map(|answer| answer.is_err())
    });
    let below = sub.reference();
    let waits = group.spawn(async move { below.closed().await });
    host.block_on(async {
        assert_eq!(asked.await.unwrap(), [true, true]);
        assert!(waits.await.unwrap().is_ok());
        let way_in = group.reference();
        let canceller = group.spawn(async move {
            way_in.cancel("by a member");
            pending::<()>().await
        });
        group.closed().await.unwrap();
        let error = canceller.await.unwrap_err();
        assert_eq!(error.reason().unwrap().as_str(), "by a member");
    });
}

// G9
pub(crate) fn ten_thousand_nested_groups_are_cancelled_and_dropped<H: Host>(host: H) {
    let alive = Arc::new(());
    let root = Group::builder(&host.runtime()).build();
    let mut chain = vec![root.subgroup("0").unwrap()];
    for depth in 1..10_000 {
        let deepest = chain.last().unwrap().subgroup(format!("{depth}")).unwrap();
        if depth % 1_000 == 999 {
            let guard = alive.clone();
            deepest.spawn(async move {
                let _guard = guard;
                pending::<()>().await
            });
            drop(deepest.on_closing(async {}));
        }
        chain.push(deepest);
    }
    host.block_on(async {
        yield_now().await;
        root.cancel("all of it");
        root.closed().await.unwrap();
    });
    assert!(chain.iter().all(Group::is_closed));
    assert_eq!(Arc::strong_count(&alive), 1);
    // The parents first, so that the last drop frees the whole chain.
    drop(root);
    chain.into_iter().for_each(drop);
}

// G9
pub(crate) fn a_cancel_misses_no_subgroup_and_no_task_that_comes_beside_it<H: Host>(host: H) {
    let rt = host.runtime();
    for round in 0..1_000 {
        let group = Group::builder(&rt).build();
        let (way_in, start) = (group.reference(), Arc::new(Barrier::new(2)));
        let ready = start.clone();
        let maker = thread::spawn(move || {
            ready.wait();
            let handle = way_in.spawn(pending::<()>());
            (handle, way_in.subgroup("sub").ok())
        });
        start.wait();
        for _ in 0..round % 50 {
            std::hint::spin_loop();
        }
        group.cancel("now");
        let (handle, sub) = maker.join().unwrap();
        if let Some(sub) = sub {
            assert_eq!(sub.reason().unwrap().as_str(), "now");
            assert!(sub.is_closed());
        }
        host.block_on(async {
            assert!(handle.await.unwrap_err().is_cancelled());
            group.closed().await.unwrap();
        });
    }
}

// G4 G10
pub(crate) fn hooks_run_once_and_panics_in_them_destructors_and_wakers_harm_nobody<H: Host>(
    host: H,
) {
    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("contained");
            }
        }
    }

    struct PanicsOnWake;

    impl Wake for PanicsOnWake {
        fn wake(self: Arc<Self>) {
            panic!("contained");
        }
    }

    let rt = host.runtime().on_unobserved(|_| panic!("contained too"));
    for round in 0..100 {
        let group = Group::builder(&rt).build();
        let ran = Arc::new(AtomicUsize::new(0));
        let count = || {
            let ran = ran.clone();
            async move {
                yield_now().await;
                ran.fetch_add(1, Ordering::SeqCst);
            }
        };
        let hook = group.on_closing(count());
        drop(group.on_closing(count()));
        drop(group.on_closing(async { panic!("contained") }));
        group.on_closing(count()).cancel("not needed");
        drop(group.spawn(async {
            let _guard = PanicsOnDrop;
            pending::<()>().await
        }));
        let mut closed = group.closed();
        let waker = Waker::from(Arc::new(PanicsOnWake));
        let poll = Pin::new(&mut closed).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        let way_in = group.reference();
        let other = thread::spawn(move || way_in.cancel("one of two"));
        if round % 2 == 0 {
            group.close();
        } else {
            group.cancel("one of two");
        }
        other.join().unwrap();
        host.block_on(async {
            group.closed().await.unwrap();
            hook.await.unwrap();
        });
        assert_eq!(ran.load(Ordering::SeqCst), 2, "in round {round}");
    }
}

// G17
pub(crate) fn a_block_dropped_half_way_ends_before_its_owner<H: Host>(host: H) {
    let owner = Group::builder(&host.runtime()).build();
    let drops = Arc::new(AtomicUsize::new(0));
    host.block_on(async {
        for turns in 0..50 {
            let block = task_group(&owner, |group| {
                let guards = [(); 3].map(|()| Guard(drops.clone()));
                async move {
                    for guard in guards {
                        group.spawn(async move {
                            let _guard = guard;
                            pending::<()>().await
                        });
                    }
                    pending::<Result<(), BoxError>>().await
                }
            });
            let limit = async {
                for _ in 0..turns {
                    yield_now().await;
                }
                Err(BlockError::Cancelled("dropped".into()))
            };
            assert!(or(block, limit).await.is_err());
        }
        owner.join().await.unwrap();
    });
    assert_eq!(drops.load(Ordering::SeqCst), 150);
}

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
