//! What holds when a runtime is shut down.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::future::{block_on, yield_now};
use untethered::group::{Group, OnCancel};
use untethered::runtime::Sleep;
use untethered::{CancellationToken, Runtime, Task};

use crate::hosts::Ends;

pub(crate) fn live_tasks_are_cancelled<H: Ends>(host: H) {
    struct Counts(Arc<AtomicUsize>);

    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let rt = host.runtime();
    let drops = Arc::new(AtomicUsize::new(0));
    let spawn = |started: CancellationToken| {
        let counts = Counts(drops.clone());
        rt.spawn(async move {
            let _counts = counts;
            started.cancel("started");
            pending::<()>().await;
        })
    };
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let started = CancellationToken::new();
        tasks.push(spawn(started.clone()));
        host.block_on(started.cancelled());
    }
    let sleep = rt.sleep(Duration::from_secs(3600));
    tasks.push(rt.spawn(sleep));
    // These may never have been polled when the end comes.
    tasks.extend((0..50).map(|_| spawn(CancellationToken::new())));
    drop(host.end(rt));
    for task in tasks {
        assert!(block_on(task).unwrap_err().is_cancelled());
    }
    assert_eq!(drops.load(Ordering::SeqCst), 100);
}

pub(crate) fn what_is_spawned_later_is_cancelled<H: Ends>(host: H) {
    let rt = host.runtime();
    let Some(rt) = host.end(rt) else { return };
    let task = rt.spawn(async { "never run" });
    assert!(block_on(task).unwrap_err().is_cancelled());
    let later = rt.clone();
    let task = std::thread::spawn(move || later.spawn(async { "never run" }));
    assert!(block_on(task.join().unwrap()).unwrap_err().is_cancelled());
    // It runs, or it is dropped; it does not hang.
    if let Err(error) = block_on(rt.spawn_blocking(|| ())) {
        assert!(error.is_cancelled());
    }
}

pub(crate) fn a_destructor_may_spawn_while_it_ends<H: Ends>(host: H) {
    struct SpawnsOnDrop(Runtime, Arc<Mutex<Vec<Task<()>>>>);

    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            // The destructor of what it spawns may come while it does.
            let task = self.0.spawn(async {});
            self.1.lock().unwrap().push(task);
        }
    }

    if H::HANDLE_KEEPS {
        return;
    }
    let rt = host.runtime();
    let spawned = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let spawns = SpawnsOnDrop(rt.clone(), spawned.clone());
            rt.spawn(async move {
                let _spawns = spawns;
                pending::<()>().await;
            })
        })
        .collect();
    drop(host.end(rt));
    for task in tasks {
        assert!(block_on(task).unwrap_err().is_cancelled());
    }
    let spawned = std::mem::take(&mut *spawned.lock().unwrap());
    assert_eq!(spawned.len(), 10);
    for task in spawned {
        if let Err(error) = block_on(task) {
            assert!(error.is_cancelled());
        }
    }
}

pub(crate) fn work_under_way_delivers_its_value<H: Ends>(host: H) {
    if !H::REAL {
        return;
    }
    let rt = host.runtime();
    let (tell, started) = channel();
    let (go, wait) = channel::<()>();
    let work = rt.spawn_blocking(move || {
        tell.send(()).unwrap();
        wait.recv().unwrap();
        "delivered"
    });
    started.recv().unwrap();
    drop(host.end(rt));
    go.send(()).unwrap();
    assert_eq!(block_on(work).unwrap(), "delivered");
}

pub(crate) fn an_abort_before_the_first_poll_keeps_it_from_running<H: Ends>(host: H) {
    /// Keeps a worker busy until told.
    fn occupy(rt: &Runtime, tell: Sender<()>) -> (Sender<()>, Task<()>) {
        let (go, wait): (_, Receiver<()>) = channel();
        let task = rt.spawn(async move {
            tell.send(()).unwrap();
            wait.recv().ok();
        });
        (go, task)
    }

    let rt = host.runtime();
    let (tell, occupied) = channel();
    let mut hogs = Vec::new();
    if H::SELF_DRIVEN {
        for _ in 0..H::WORKERS {
            hogs.push(occupy(&rt, tell.clone()));
        }
        for _ in 0..H::WORKERS {
            occupied.recv().unwrap();
        }
    }
    let run = CancellationToken::new();
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let tell = run.clone();
            let task = rt.spawn(async move { tell.cancel("run") });
            task.abort();
            task
        })
        .collect();
    for (go, task) in hogs {
        drop(go);
        host.block_on(task).unwrap();
    }
    for task in tasks {
        assert!(host.block_on(task).unwrap_err().is_cancelled());
    }
    assert!(!run.is_cancelled());
}

pub(crate) fn a_sleep_does_not_panic<H: Ends>(host: H) {
    let rt = host.runtime();
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll = |sleep: &mut Pin<Box<Sleep>>| sleep.as_mut().poll(&mut cx);
    let mut armed = Box::pin(rt.sleep(Duration::from_millis(50)));
    let _ = poll(&mut armed);
    let mut unarmed = Box::pin(rt.sleep(Duration::from_millis(50)));
    let over = armed.is_elapsed();
    let Some(rt) = host.end(rt) else { return };

    let _ = poll(&mut armed);
    let mut later = Box::pin(rt.sleep(Duration::from_millis(1)));
    let _ = poll(&mut later);
    if H::REAL {
        while unarmed.deadline() > Some(rt.now()) {
            std::thread::yield_now();
        }
        // Never armed, it only looks at the clock.
        assert_eq!(poll(&mut unarmed), Poll::Ready(()));
    }
    if H::TIMERS_END {
        assert_eq!(poll(&mut armed).is_ready(), over);
    } else {
        block_on(armed);
        block_on(later);
    }
}

// G6
pub(crate) fn live_groups_end_with_their_runtime<H: Ends>(host: H) {
    if H::HANDLE_KEEPS {
        return;
    }
    let alive = Arc::new(());
    let rt = host.runtime();
    let make = || {
        let group = Group::builder(&rt).build();
        let sub = group.subgroup("sub").unwrap();
        for index in 0..20 {
            let alive = alive.clone();
            let owner = if index % 2 == 0 { &group } else { &sub };
            owner.spawn(async move {
                let _alive = alive;
                if index % 5 == 0 {
                    loop {
                        yield_now().await;
                    }
                }
                pending::<()>().await
            });
        }
        (group, sub)
    };
    let (parked, parked_sub) = make();
    host.block_on(async {
        for _ in 0..20 {
            yield_now().await;
        }
    });
    // Perhaps never polled.
    let (fresh, fresh_sub) = make();
    let waits: Vec<_> = [&parked, &parked_sub, &fresh, &fresh_sub]
        .map(|group| group.closed())
        .into();
    let handle = parked.spawn(pending::<()>());
    drop(host.end(rt));
    for wait in waits {
        block_on(wait).unwrap();
    }
    assert_eq!(Arc::strong_count(&alive), 1);
    assert!(block_on(handle).unwrap_err().is_cancelled());
    assert!(block_on(parked.spawn(async {})).unwrap_err().is_cancelled());
    assert!(block_on(fresh.spawn(async {})).unwrap_err().is_cancelled());
}

// G6
pub(crate) fn hooks_graces_and_clean_ups_end_with_their_runtime<H: Ends>(host: H) {
    if H::HANDLE_KEEPS {
        return;
    }
    let alive = Arc::new(());
    let rt = host.runtime();
    let group = Group::builder(&rt).build();
    let guard = || {
        let alive = alive.clone();
        async move {
            let _alive = alive;
            pending::<()>().await;
        }
    };
    let hook = group.on_closing(guard());
    for policy in [OnCancel::Finish, OnCancel::Grace(Duration::MAX)] {
        let (work, clean_up) = (guard(), guard());
        let task = group.task("t").on_cancel(policy);
        task.spawn_with(move |cx| async move {
            cx.on_exit(clean_up);
            cx.shield(work).await
        });
        group.task("alone").isolated().spawn(guard());
    }
    host.block_on(async {
        for _ in 0..20 {
            yield_now().await;
        }
        // Some are in their graces when the end comes.
        group.cancel("first");
        for _ in 0..20 {
            yield_now().await;
        }
    });
    let closed = group.closed();
    drop(host.end(rt));
    block_on(closed).unwrap();
    assert!(block_on(hook).unwrap_err().is_cancelled());
    assert_eq!(Arc::strong_count(&alive), 1);
}
