//! What only tokio has: a clock that can be paused, timers that can be off, a context to be in.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use untethered::Runtime;
use untethered::group::Group;
use untethered::runtime::{self, NoRuntime};
use untethered::{run, run_with};

use crate::contract::without_hanging;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn current_thread() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn captured(tokio: &tokio::runtime::Runtime) -> Runtime {
    tokio.handle().clone().try_into().unwrap()
}

/// How often tokio's timers panicked.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Where a `block_on` was refused.
static PLACES: Mutex<Vec<(String, u32)>> = Mutex::new(Vec::new());

/// One hook for all: while one is put in the place of another, a panic is lost.
fn watch_panics() {
    static WATCHED: Once = Once::new();

    WATCHED.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.to_string();
            if text.contains("Run::on(&rt).main_with(..).await") {
                let place = info.location().unwrap();
                let place = (place.file().to_owned(), place.line());
                PLACES.lock().unwrap().push(place);
                return;
            }
            // Tests panic for reasons of their own.
            if text.contains("shutdown") || text.contains("timer error") {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            others(info);
        }));
    });
}

#[test]
fn outside_of_a_runtime_is_an_error() {
    let error = runtime::tokio().unwrap_err();
    assert_eq!(error, NoRuntime::NotInside);
    assert_eq!(error.to_string(), "not called from inside a tokio runtime");
}

#[test]
fn a_runtime_without_timers_is_an_error() {
    for tokio in [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap(),
    ] {
        let error = tokio.block_on(async { runtime::tokio().unwrap_err() });
        assert_eq!(error, NoRuntime::TimersOff);
        assert!(error.to_string().contains("enable_time"));
        let error = Runtime::try_from(tokio.handle().clone()).unwrap_err();
        assert_eq!(error, NoRuntime::TimersOff);
    }
}

#[test]
fn it_is_found_in_tasks_and_on_threads_that_entered() {
    without_hanging(|| {
        let tokio = current_thread();
        tokio.block_on(async {
            let inner = tokio::spawn(async { runtime::tokio().unwrap().spawn(async { 7 }).await });
            assert_eq!(inner.await.unwrap().unwrap(), 7);
        });
        let handle = tokio.handle().clone();
        let entered = thread::spawn(move || {
            let _inside = handle.enter();
            runtime::tokio().map(drop)
        });
        assert_eq!(entered.join().unwrap(), Ok(()));
    });
}

#[test]
fn it_goes_by_the_paused_clock() {
    without_hanging(|| {
        let tokio = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let rt = captured(&tokio);
        let start = rt.now();
        assert_eq!(rt.now(), start);
        // The clock jumps when nothing is left to do but to sleep.
        tokio.block_on(rt.sleep(DAY));
        assert_eq!(rt.now() - start, DAY);
        let foreign = rt.clone();
        let there = thread::spawn(move || foreign.now()).join().unwrap();
        assert_eq!(there, rt.now());

        let mut sleep = Box::pin(rt.sleep(DAY));
        tokio.block_on(async {
            let poll = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
            assert_eq!(poll, Poll::Pending);
            tokio::time::advance(DAY - Duration::from_millis(1)).await;
            let poll = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
            assert_eq!(poll, Poll::Pending);
            tokio::time::advance(Duration::from_millis(1)).await;
            sleep.await;
        });
        assert_eq!(rt.now() - start, 2 * DAY);

        // From the context of another runtime, whose clock goes on.
        let other = current_thread();
        let (here, there) = other.block_on(async { (rt.now(), tokio::time::Instant::now()) });
        assert_eq!(here - start, 2 * DAY);
        assert!(there.into_std() < here);
    });
}

#[test]
fn it_leaves_nothing_on_the_runtime() {
    without_hanging(|| {
        let tokio = current_thread();
        let alive = || tokio.metrics().num_alive_tasks();
        for _ in 0..10 {
            let rt = captured(&tokio);
            let sleep = rt.sleep(Duration::from_millis(1));
            assert_eq!(alive(), 1);
            drop(rt);
            assert_eq!(alive(), 1);
            tokio.block_on(sleep);
            tokio.block_on(async {
                while alive() > 0 {
                    tokio::task::yield_now().await;
                }
            });
        }
    });
}

#[test]
fn a_runtime_that_had_gone_before_is_no_harm() {
    without_hanging(|| {
        for tokio in [
            current_thread(),
            Builder::new_multi_thread()
                .enable_time()
                .worker_threads(1)
                .build()
                .unwrap(),
        ] {
            let handle = tokio.handle().clone();
            drop(tokio);
            let rt = Runtime::try_from(handle).unwrap();
            let task = rt.spawn(async {});
            assert!(
                futures_lite::future::block_on(task)
                    .unwrap_err()
                    .is_cancelled()
            );
            let deadline = rt.now() + Duration::from_millis(2);
            let mut sleep = Box::pin(rt.sleep_until(deadline));
            let mut cx = Context::from_waker(Waker::noop());
            let first = sleep.as_mut().poll(&mut cx);
            while rt.now() < deadline {
                thread::yield_now();
            }
            assert_eq!(sleep.as_mut().poll(&mut cx), first);
        }
    });
}

#[test]
fn a_timeout_ends_work_that_always_uses_up_the_budget_of_its_task() {
    without_hanging(|| {
        let tokio = current_thread();
        let rt = captured(&tokio);
        let greedy = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        let limit = Duration::from_millis(1);
        let task = rt.spawn({
            let rt = rt.clone();
            async move { untethered::time::timeout(&rt, limit, greedy).await.is_err() }
        });
        assert!(tokio.block_on(task).unwrap());
    });
}

// K1
#[test]
fn a_block_on_inside_of_tokio_is_refused_at_the_line_that_calls_it() {
    watch_panics();
    fn calls_refused(rt: &Runtime) -> Vec<(String, u32)> {
        let first = line!() + 2;
        for call in [
            (|rt| rt.block_on(async {})) as fn(&Runtime),
            |rt| run_with(rt, |_| async {}).unwrap(),
            |rt| run(rt, async {}).unwrap(),
        ] {
            panic::catch_unwind(AssertUnwindSafe(|| call(rt))).unwrap_err();
        }
        (first..first + 3)
            .map(|line| (file!().to_owned(), line))
            .collect()
    }
    without_hanging(|| {
        let many = Builder::new_multi_thread()
            .enable_time()
            .worker_threads(2)
            .build()
            .unwrap();
        let rt = &captured(&many);
        for tokio in [&many, &current_thread()] {
            // In the main of a program, in a task, and in what has used up its budget.
            let refused = tokio.block_on(async { calls_refused(rt) });
            assert_eq!(std::mem::take(&mut *PLACES.lock().unwrap()), refused);
            let task = tokio.spawn({
                let rt = rt.clone();
                async move { (calls_refused(&rt), calls_refused(&rt)) }
            });
            let (refused, again) = tokio.block_on(task).unwrap();
            assert_eq!(
                std::mem::take(&mut *PLACES.lock().unwrap()),
                [refused, again].concat()
            );
        }
        // Where tokio lets a thread block.
        let _inside = many.enter();
        assert_eq!(rt.block_on(async { 1 }), 1);
        let here = rt.clone();
        let closure = many.spawn_blocking(move || here.block_on(async { 2 }));
        assert_eq!(rt.block_on(closure).unwrap(), 2);
        let here = rt.clone();
        let task =
            many.spawn(async move { tokio::task::block_in_place(|| here.block_on(async { 3 })) });
        assert_eq!(rt.block_on(task).unwrap(), 3);
    });
}

/// Polls sleeps from foreign threads while the runtime ends. tokio is not even to panic
/// where that would be caught: the panic hook would be told.
#[test]
fn a_sleep_does_not_panic_in_the_middle_of_a_shutdown() {
    watch_panics();
    without_hanging(|| {
        for round in 0..100 {
            let tokio = if round % 2 == 0 {
                current_thread()
            } else {
                Builder::new_multi_thread()
                    .enable_time()
                    .worker_threads(2)
                    .build()
                    .unwrap()
            };
            let rt = captured(&tokio);
            let polls = &AtomicUsize::new(0);
            let ended = &AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..2 {
                    let rt = rt.clone();
                    scope.spawn(move || {
                        let mut cx = Context::from_waker(Waker::noop());
                        let mut sleeps: Vec<_> = (0..10).map(|_| Box::pin(rt.sleep(DAY))).collect();
                        while ended.load(Ordering::Relaxed) == 0 {
                            for sleep in &mut sleeps {
                                assert!(sleep.as_mut().poll(&mut cx).is_pending());
                                polls.fetch_add(1, Ordering::Relaxed);
                            }
                            let mut fresh = pin!(rt.sleep(DAY));
                            assert!(fresh.as_mut().poll(&mut cx).is_pending());
                        }
                    });
                }
                while polls.load(Ordering::Relaxed) < 100 {
                    thread::yield_now();
                }
                tokio.shutdown_background();
                let goal = polls.load(Ordering::Relaxed) + 100;
                while polls.load(Ordering::Relaxed) < goal {
                    thread::yield_now();
                }
                ended.store(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

/// The runtime ends inside of a poll of one of its own sleeps.
#[test]
fn a_waker_may_end_the_runtime_when_it_is_dropped() {
    struct Owns(#[expect(dead_code, reason = "its drop is what counts")] tokio::runtime::Runtime);

    impl Wake for Owns {
        fn wake(self: Arc<Self>) {}
    }

    without_hanging(|| {
        let tokio = current_thread();
        let rt = captured(&tokio);
        let mut sleep = Box::pin(rt.sleep(DAY));
        let owner = Waker::from(Arc::new(Owns(tokio)));
        let poll = sleep.as_mut().poll(&mut Context::from_waker(&owner));
        assert_eq!(poll, Poll::Pending);
        drop(owner);
        for _ in 0..3 {
            let poll = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(poll, Poll::Pending);
        }
        let task = rt.spawn(async {});
        assert!(
            futures_lite::future::block_on(task)
                .unwrap_err()
                .is_cancelled()
        );
    });
}

/// The destructors of thread-local variables run when tokio's own may be gone.
#[test]
fn it_works_while_a_thread_ends() {
    struct AtTheEnd(
        Runtime,
        std::sync::mpsc::Sender<(Instant, untethered::Task<u8>)>,
    );

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            drop(self.0.sleep(DAY));
            let mut armed = pin!(self.0.sleep(DAY));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(armed.as_mut().poll(&mut cx).is_pending());
            let task = self.0.spawn(async { 7 });
            self.1.send((self.0.now(), task)).unwrap();
        }
    }

    thread_local! {
        static FIRST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
        static LAST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
    }

    without_hanging(|| {
        let tokio = current_thread();
        let rt = captured(&tokio);
        let (tell, told) = channel();
        let start = rt.now();
        let foreign = thread::spawn(move || {
            // One on each side of tokio's variable, whichever order they are dropped in.
            FIRST.set(Some(AtTheEnd(rt.clone(), tell.clone())));
            rt.now();
            assert!(Handle::try_current().is_err());
            LAST.set(Some(AtTheEnd(rt, tell)));
        });
        foreign.join().unwrap();
        let ends: Vec<_> = told.iter().collect();
        assert_eq!(ends.len(), 2);
        for (now, task) in ends {
            assert!(now >= start);
            assert_eq!(tokio.block_on(task).unwrap(), 7);
        }
    });
}

#[test]
fn children_that_use_up_the_budget_are_not_polled_for_nothing_and_starve_nobody() {
    const CHILDREN: usize = 200;
    const UNITS: usize = 1_000;
    const BUDGET: usize = 128;
    without_hanging(|| {
        let tokio = current_thread();
        let group = Group::builder(&captured(&tokio)).build();
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..CHILDREN {
            let counted = polls.clone();
            let mut drain = Box::pin(async {
                for _ in 0..UNITS {
                    tokio::task::consume_budget().await;
                }
            });
            group.spawn(poll_fn(move |cx| {
                counted.fetch_add(1, Ordering::SeqCst);
                drain.as_mut().poll(cx)
            }));
        }
        let turns = tokio.block_on(async {
            let members = group.reference();
            let outside = tokio::spawn(async move {
                let mut turns = 0;
                while !members.is_closed() {
                    tokio::task::yield_now().await;
                    turns += 1;
                }
                turns
            });
            group.join().await.unwrap();
            outside.await.unwrap()
        });
        let needed = CHILDREN * UNITS / BUDGET;
        let polls = polls.load(Ordering::SeqCst);
        assert!(
            turns >= needed,
            "a sibling outside had {turns} turns, not {needed}"
        );
        assert!(
            polls <= 2 * (needed + CHILDREN),
            "{polls} polls of {needed} needed"
        );
    });
}
