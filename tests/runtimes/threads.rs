//! What only our own threads have: a number, names, and an end.

use std::cell::RefCell;
use std::future::pending;
use std::panic::catch_unwind;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use futures_lite::future::block_on;
use untethered::CancellationToken;
use untethered::runtime;

use crate::contract::without_hanging;

#[test]
fn nought_panics_with_a_sentence() {
    let panic = catch_unwind(|| runtime::threads(0)).unwrap_err();
    let message = panic.downcast_ref::<&str>().unwrap();
    assert_eq!(*message, "a runtime without threads would never run a task");
}

#[test]
fn its_threads_have_names() {
    without_hanging(|| {
        let rt = runtime::threads(1);
        let name = rt.spawn(async { thread::current().name().map(str::to_owned) });
        assert_eq!(block_on(name).unwrap().unwrap(), "untethered-0");
        let name = rt.spawn_blocking(|| thread::current().name().map(str::to_owned));
        assert_eq!(block_on(name).unwrap().unwrap(), "untethered-blocking");
    });
}

/// Tells when its thread ends.
struct ThreadEnd(#[expect(dead_code, reason = "its drop is what tells")] Sender<()>);

thread_local!(static END: RefCell<Option<ThreadEnd>> = const { RefCell::new(None) });

#[test]
fn its_threads_end_with_the_last_handle() {
    without_hanging(|| {
        let rt = runtime::threads(1);
        let (tell, ended) = channel();
        block_on(rt.spawn(async { END.set(Some(ThreadEnd(tell))) })).unwrap();
        let clone = rt.clone();
        let hooked = rt.on_unobserved(|_| {});
        drop(clone);
        assert_eq!(block_on(hooked.spawn(async { 7 })).unwrap(), 7);
        drop(hooked);
        // Nothing is ever sent: this waits for the sender to go with its thread.
        ended.recv().unwrap_err();
    });
}

#[test]
fn a_task_or_a_sleep_that_waits_does_not_keep_it() {
    without_hanging(|| {
        let rt = runtime::threads(2);
        let (dropped, guard) = (CancellationToken::new(), CancellationToken::new());
        let guard = (dropped.clone().drop_guard(), guard);
        let sleep = rt.sleep(std::time::Duration::MAX);
        rt.spawn(async move {
            let _guard = guard;
            sleep.await;
        })
        .detach();
        drop(rt);
        block_on(dropped.cancelled());
    });
}

#[test]
fn the_last_handle_may_be_dropped_by_its_own_thread() {
    without_hanging(|| {
        for workers in [1, 2] {
            let rt = runtime::threads(workers);
            let (tell, ended) = channel();
            let left = rt.spawn(pending::<()>());
            let go = CancellationToken::new();
            let wait = go.clone();
            let handle = rt.clone();
            rt.spawn(async move {
                END.set(Some(ThreadEnd(tell)));
                wait.cancelled().await;
                drop(handle);
            })
            .detach();
            drop(rt);
            assert!(!left.is_finished());
            go.cancel("drop it");
            assert!(block_on(left).unwrap_err().is_cancelled());
            ended.recv().unwrap_err();
        }
    });
}

/// A task that parks its thread must not swallow what was meant for the worker.
#[test]
fn a_task_may_park_its_thread() {
    without_hanging(|| {
        let rt = runtime::threads(1);
        let (tell, ended) = channel();
        let handle = rt.clone();
        let go = CancellationToken::new();
        let wait = go.clone();
        rt.spawn(async move {
            END.set(Some(ThreadEnd(tell)));
            wait.cancelled().await;
            // Wakes the worker, which runs this task, so that it ends.
            drop(handle);
            thread::park();
        })
        .detach();
        drop(rt);
        go.cancel("drop it");
        ended.recv().unwrap_err();
    });
}
