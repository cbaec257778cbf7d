//! Groups, on every runtime.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, poll_fn, yield_now};
use untethered::CancellationToken;
use untethered::group::{Group, OnCancel};

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
