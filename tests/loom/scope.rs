//! Scopes: what another thread does to one while it is polled.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::yield_now;
use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;
use untethered::group::{Scope, ScopeHandle, ScopeRun, scope};

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Cancels its scope when it is dropped.
struct Ends(Scope<'static>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.cancel("the task is gone");
    }
}

/// A scope that waits until it is cancelled, and the way in.
fn left_open() -> (ScopeRun<'static, ()>, Scope<'static>) {
    let place = Arc::new(Mutex::new(None));
    let given = place.clone();
    let running = scope(move |s| {
        *given.lock().unwrap() = Some(s);
        pending()
    });
    let way_in = place.lock().unwrap().take();
    (running, way_in.expect("the body was called"))
}

/// A bound, because the lock of a scope, those of its set and of each task are many.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

// G21
#[test]
fn a_scope_that_goes_to_wait_sees_a_spawn() {
    model(|| {
        let (running, s) = left_open();
        let other = thread::spawn(move || {
            let inner = s.clone();
            s.spawn(async move { inner.cancel("by the task") });
        });
        // Lost, it would wait for ever.
        assert!(block_on(running).unwrap_err().is_cancelled());
        other.join().unwrap();
    });
}

// G21
#[test]
fn a_spawn_beside_the_end_of_a_scope_is_run_or_refused() {
    model(|| {
        let (give, given) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
        let place = give.clone();
        let running = scope(move |s| {
            *place.lock().unwrap() = Some(s);
            async { Ok(()) }
        });
        let s: Scope<'static> = give.lock().unwrap().take().expect("the body was called");
        let dropped = given.clone();
        let other = thread::spawn(move || {
            let value = Counted(dropped);
            let task = s.spawn(async move { value });
            drop(s);
            match block_on(task) {
                Ok(_) => true,
                Err(error) => {
                    assert!(error.is_cancelled());
                    false
                }
            }
        });
        assert!(block_on(running).is_ok());
        other.join().unwrap();
        assert_eq!(given.load(Ordering::SeqCst), 1);
    });
}

// G21
#[test]
fn a_task_whose_handle_is_cancelled_beside_its_polls_is_dropped() {
    model(|| {
        let (running, s) = left_open();
        let ends = Ends(s.clone());
        let task: ScopeHandle<()> = s.spawn(async move {
            let _ends = ends;
            pending().await
        });
        let other = thread::spawn(move || task.cancel("by its handle"));
        assert!(block_on(running).unwrap_err().is_cancelled());
        other.join().unwrap();
    });
}

// G21
#[test]
fn two_tasks_whose_handles_are_cancelled_beside_one_poll_are_dropped() {
    model(|| {
        let (running, s) = left_open();
        let ends = Arc::new(Ends(s.clone()));
        let tasks = [ends.clone(), ends].map(|ends| {
            s.spawn(async move {
                let _ends = ends;
                pending::<()>().await
            })
        });
        let other = thread::spawn(move || {
            for task in tasks {
                task.cancel("by its handle");
            }
        });
        assert!(block_on(running).unwrap_err().is_cancelled());
        other.join().unwrap();
    });
}

// G21
#[test]
fn a_cancel_beside_the_end_of_its_task_does_not_reach_the_next_in_its_slot() {
    model(|| {
        let (running, s) = left_open();
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counts, inner, first) = ((begun.clone(), ended.clone()), s.clone(), s);
        // Dropped with the first task it ends the scope, else with the second.
        let ends = Ends(first);
        let task = inner.clone().spawn(async move {
            yield_now().await;
            counts.0.fetch_add(1, Ordering::SeqCst);
            inner.spawn(async move {
                let ends = ends;
                yield_now().await;
                counts.1.fetch_add(1, Ordering::SeqCst);
                drop(ends);
            });
        });
        let other = thread::spawn(move || task.cancel("by its handle"));
        assert!(block_on(running).unwrap_err().is_cancelled());
        other.join().unwrap();
        let [begun, ended] = [begun, ended].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(begun, ended, "one that nobody cancelled was dropped");
    });
}

// G22
#[test]
fn a_result_beside_its_handle_is_given_or_dropped_once() {
    for awaited in [true, false] {
        model(move || {
            let (mut running, s) = left_open();
            let drops = Arc::new(AtomicUsize::new(0));
            let value = Counted(drops.clone());
            let task = s.spawn(async move { value });
            let other = thread::spawn(move || match awaited {
                true => {
                    assert!(block_on(task).is_ok());
                    s.cancel("it has it");
                }
                false => {
                    drop(task);
                    s.cancel("nobody wants it");
                }
            });
            assert!(block_on(&mut running).is_err());
            other.join().unwrap();
            drop(running);
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        });
    }
}
