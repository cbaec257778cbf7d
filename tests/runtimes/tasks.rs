//! Starting, awaiting, dropping and aborting tasks.

use std::cell::Cell;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use futures_lite::future::yield_now;
use untethered::task::AbortHandle;
use untethered::{CancellationToken, Task};

use crate::hosts::Host;

pub(crate) fn output_reaches_the_handle<H: Host>(host: H) {
    let task = host.runtime().spawn(async { 6 * 7 });
    assert_eq!(host.block_on(task).unwrap(), 42);
}

pub(crate) fn spawn_does_not_poll<H: Host>(host: H) {
    thread_local!(static SPAWNING: Cell<bool> = const { Cell::new(false) });

    let rt = host.runtime();
    for _ in 0..100 {
        SPAWNING.set(true);
        let task = rt.spawn(async { SPAWNING.get() });
        SPAWNING.set(false);
        assert!(!host.block_on(task).unwrap());
    }
    // From inside the runtime too.
    let outer = rt.clone().spawn(async move {
        SPAWNING.set(true);
        let task = rt.spawn(async { SPAWNING.get() });
        SPAWNING.set(false);
        task.await.unwrap()
    });
    assert!(!host.block_on(outer).unwrap());
}

pub(crate) fn a_task_starts_by_itself<H: Host>(host: H) {
    let started = CancellationToken::new();
    let tell = started.clone();
    let task = host.runtime().spawn(async move { tell.cancel("started") });
    host.block_on(started.cancelled());
    host.block_on(task).unwrap();
}

pub(crate) fn drop_aborts<H: Host>(host: H) {
    let rt = host.runtime();
    for polled in [true, false] {
        let (started, dropped) = (CancellationToken::new(), CancellationToken::new());
        let (tell, guard) = (started.clone(), dropped.clone().drop_guard());
        let task = rt.spawn(async move {
            let _guard = guard;
            tell.cancel("started");
            pending::<()>().await;
        });
        if polled {
            host.block_on(started.cancelled());
        }
        drop(task);
        host.block_on(dropped.cancelled());
    }
}

pub(crate) fn detach_lets_it_go_on<H: Host>(host: H) {
    let (gate, done) = (CancellationToken::new(), CancellationToken::new());
    let (wait, tell) = (gate.clone(), done.clone());
    let task = host.runtime().spawn(async move {
        wait.cancelled().await;
        tell.cancel("done");
    });
    task.detach();
    gate.cancel("go on");
    host.block_on(done.cancelled());
}

pub(crate) fn cancel_gives_an_output_that_came_first<H: Host>(host: H) {
    let task = host.runtime().spawn(async { "in time" });
    let output = host.block_on(async {
        while !task.is_finished() {
            yield_now().await;
        }
        task.cancel().await
    });
    assert_eq!(output.unwrap(), "in time");
}

pub(crate) fn cancel_waits_for_the_drop<H: Host>(host: H) {
    let (started, dropped) = (CancellationToken::new(), CancellationToken::new());
    let (tell, guard) = (started.clone(), dropped.clone().drop_guard());
    let task = host.runtime().spawn(async move {
        let _guard = guard;
        tell.cancel("started");
        pending::<()>().await;
    });
    let error = host.block_on(async {
        started.cancelled().await;
        task.cancel().await.unwrap_err()
    });
    assert!(error.is_cancelled() && !error.is_panic());
    assert!(dropped.is_cancelled());
}

pub(crate) fn abort_handle_outlives_the_task<H: Host>(host: H) {
    let rt = host.runtime();
    let task = rt.spawn(pending::<()>());
    let abort = task.abort_handle();
    assert!(!abort.is_finished() && !task.is_finished());
    abort.clone().abort();
    assert!(host.block_on(task).unwrap_err().is_cancelled());
    assert!(abort.is_finished());
    abort.abort();

    let task = rt.spawn(async { 1 });
    let abort = task.abort_handle();
    assert_eq!(host.block_on(task).unwrap(), 1);
    assert!(abort.is_finished());
    abort.abort();
}

/// Looks, while it is dropped, whether the outcome of its task is visible already.
struct Witness {
    task: Arc<Mutex<Option<AbortHandle>>>,
    early: Arc<AtomicBool>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        let finished = self.task.lock().unwrap().as_ref().unwrap().is_finished();
        self.early.fetch_or(finished, Ordering::SeqCst);
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// Ends a task in each of four ways; gives whether its outcome was visible early, and how often
/// what it held was dropped.
fn witness<H: Host>(host: &H, ends: fn(&CancellationToken) -> bool, abort: bool) -> (bool, usize) {
    let slot = Arc::new(Mutex::new(None));
    let early = Arc::new(AtomicBool::new(false));
    let drops = Arc::new(AtomicUsize::new(0));
    let witness = Witness {
        task: slot.clone(),
        early: early.clone(),
        drops: drops.clone(),
    };
    let (gate, started) = (CancellationToken::new(), CancellationToken::new());
    let (wait, tell) = (gate.clone(), started.clone());
    let task = host.runtime().spawn(async move {
        let _witness = witness;
        tell.cancel("started");
        wait.cancelled().await;
        while !ends(&wait) {
            yield_now().await;
        }
    });
    *slot.lock().unwrap() = Some(task.abort_handle());
    host.block_on(async {
        started.cancelled().await;
        gate.cancel("end");
        if abort {
            task.abort();
        }
        task.await.ok();
    });
    (early.load(Ordering::SeqCst), drops.load(Ordering::SeqCst))
}

pub(crate) fn a_future_is_dropped_before_its_outcome_is_visible<H: Host>(host: H) {
    for _ in 0..50 {
        assert!(!witness(&host, |_| true, false).0, "output");
        assert!(!witness(&host, |_| false, true).0, "abort");
    }
    assert!(!witness(&host, |_| panic!("of the task"), false).0, "panic");
}

pub(crate) fn a_destructor_runs_once<H: Host>(host: H) {
    for _ in 0..50 {
        assert_eq!(witness(&host, |_| true, false).1, 1, "output");
        assert_eq!(witness(&host, |_| false, true).1, 1, "abort");
    }
    assert_eq!(witness(&host, |_| panic!("of the task"), false).1, 1);
}

pub(crate) fn spawn_works_from_foreign_threads<H: Host>(host: H) {
    let rt = &host.runtime();
    let tasks: Vec<Task<usize>> = thread::scope(|scope| {
        let spawners: Vec<_> = (0..4)
            .map(|t| {
                let spawn = move |n: usize| rt.spawn(async move { t * 100 + n });
                scope.spawn(move || (0..100).map(spawn).collect::<Vec<_>>())
            })
            .collect();
        let tasks = spawners.into_iter().map(|thread| thread.join().unwrap());
        tasks.flatten().collect()
    });
    for (expected, task) in tasks.into_iter().enumerate() {
        assert_eq!(host.block_on(task).unwrap(), expected);
    }
}

pub(crate) fn spawn_works_from_tasks_and_destructors<H: Host>(host: H) {
    struct SpawnsOnDrop(untethered::Runtime, CancellationToken);

    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let tell = self.1.clone();
            self.0.spawn(async move { tell.cancel("run") }).detach();
        }
    }

    let rt = host.runtime();
    let run = CancellationToken::new();
    let spawns = SpawnsOnDrop(rt.clone(), run.clone());
    let outer = rt.clone().spawn(async move {
        let inner = rt.spawn(async { 7 });
        drop(spawns);
        inner.await.unwrap()
    });
    assert_eq!(host.block_on(outer).unwrap(), 7);
    host.block_on(run.cancelled());
}

pub(crate) fn a_task_can_be_woken_from_a_foreign_thread<H: Host>(host: H) {
    let (gate, started) = (CancellationToken::new(), CancellationToken::new());
    let (wait, tell) = (gate.clone(), started.clone());
    let task = host.runtime().spawn(async move {
        tell.cancel("started");
        wait.cancelled().await;
        "woken"
    });
    host.block_on(started.cancelled());
    thread::spawn(move || gate.cancel("go on")).join().unwrap();
    assert_eq!(host.block_on(task).unwrap(), "woken");
}

pub(crate) fn a_hundred_thousand_tasks<H: Host>(host: H) {
    const TASKS: usize = 100_000;

    let rt = host.runtime();
    let ended = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let ended = ended.clone();
            rt.spawn(async move {
                if n % 2 == 0 {
                    yield_now().await;
                }
                ended.fetch_add(1, Ordering::Relaxed);
                n
            })
        })
        .collect();
    let sum = host.block_on(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    assert_eq!(ended.load(Ordering::Relaxed), TASKS);
}

pub(crate) fn parallelism_is_the_number_of_workers<H: Host>(host: H) {
    let expected = match H::WORKERS {
        0 => thread::available_parallelism().unwrap().get(),
        workers => workers,
    };
    assert_eq!(host.runtime().parallelism().get(), expected);
}
