//! What only our own threads have: a number, names, and an end.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use untethered::CancellationToken;
use untethered::runtime::{self, Sleep};
use untethered::time::Timer;

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
        let sleep = rt.sleep(Duration::MAX);
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

/// Runs a closure on the thread that wakes it.
struct Call<F>(F);

impl<F: Fn() + Send + Sync> Wake for Call<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Polls a sleep for the first time. Gives it if it has to wait.
fn armed(sleep: Sleep, woken: impl Fn() + Send + Sync + 'static) -> Option<Pin<Box<Sleep>>> {
    let waker = Waker::from(Arc::new(Call(woken)));
    let mut sleep = Box::pin(sleep);
    let poll = sleep.as_mut().poll(&mut Context::from_waker(&waker));
    poll.is_pending().then_some(sleep)
}

const HOUR: Duration = Duration::from_secs(60 * 60);

// T3
#[test]
fn its_timers_fire_in_the_order_of_their_deadlines() {
    without_hanging(|| {
        let rt = runtime::threads(1);
        let mut ahead = Duration::from_millis(20);
        // All have to be armed before the first is due.
        let (sleeps, told) = loop {
            let (tell, told) = channel();
            let base = rt.now() + ahead;
            // Some of the same moment, some in one slot, some slots apart, in no order.
            let sleeps: Vec<_> = (0..2000_u32)
                .filter_map(|index| {
                    let late = Duration::from_micros(10) * ((index * 7919) % 1000);
                    let tell = tell.clone();
                    let key = (late, index);
                    armed(rt.sleep_until(base + late), move || tell.send(key).unwrap())
                })
                .collect();
            if rt.now() < base {
                break (sleeps, told);
            }
            ahead *= 2;
        };
        let fired: Vec<_> = told.iter().take(sleeps.len()).collect();
        assert_eq!(fired.len(), 2000);
        assert!(fired.is_sorted());
        for sleep in sleeps {
            block_on(sleep);
        }
    });
}

// T3
#[test]
fn a_waker_that_panics_harms_no_other_timer() {
    without_hanging(|| {
        let rt = runtime::threads(1);
        let (tell, told) = channel();
        let soon = || rt.sleep(Duration::from_millis(1));
        let bombs: Vec<_> = (0..100)
            .map(|_| {
                let tell = tell.clone();
                armed(soon(), move || {
                    tell.send(()).unwrap();
                    panic!("in a waker");
                })
            })
            .collect();
        block_on(soon());
        let armed = bombs.iter().flatten().count();
        assert_eq!(told.iter().take(armed).count(), armed);
        for sleep in bombs.into_iter().flatten() {
            block_on(sleep);
        }
        block_on(soon());
    });
}

// T3
#[test]
fn a_waker_may_use_the_timers_and_park_their_thread() {
    without_hanging(|| {
        let rt = runtime::threads(1);
        let (tell, told) = channel();
        let clock = rt.clone();
        let first = loop {
            let (tell, clock) = (tell.clone(), clock.clone());
            let first = armed(rt.sleep(Duration::from_millis(1)), move || {
                drop(armed(clock.sleep(HOUR), || {}));
                let next = tell.clone();
                let second = armed(clock.sleep(Duration::from_millis(1)), move || {
                    next.send(None).unwrap();
                });
                tell.send(second).unwrap();
                thread::park_timeout(Duration::from_millis(2));
            });
            if first.is_some() {
                break first;
            }
        };
        // Kept, or it would not fire.
        let second = told.recv().unwrap();
        if second.is_some() {
            assert!(told.recv().unwrap().is_none());
        }
        drop((first, second));
    });
}

#[test]
fn the_thread_of_its_timers_ends_with_the_last_sleep() {
    without_hanging(|| {
        let rt = runtime::threads(1);
        let far = armed(rt.sleep(HOUR), || {});
        let (tell, ended) = channel();
        let (tell_fired, fired) = channel();
        let end = Mutex::new(Some(ThreadEnd(tell)));
        let mut soon = armed(rt.sleep(Duration::from_millis(100)), move || {
            let name = thread::current().name().map(str::to_owned);
            assert_eq!(name.as_deref(), Some("untethered-timers"));
            END.set(end.lock().unwrap().take());
            tell_fired.send(()).unwrap();
        })
        .expect("a tenth of a second takes longer than to arm it");
        drop(rt);
        // The sleeps go on without a runtime. Polled sooner, this one would wake somebody else.
        fired.recv().unwrap();
        block_on(soon.as_mut());
        soon.as_mut().reset(Duration::from_millis(1));
        block_on(soon);
        assert_eq!(ended.try_recv(), Err(TryRecvError::Empty));
        drop(far);
        ended.recv().unwrap_err();
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

#[test]
fn a_tick_that_blocks_its_thread_is_left_behind_and_told() {
    let rt = runtime::threads(2);
    let (began, begins) = channel();
    let (release, released) = channel::<()>();
    let mut released = Some(released);
    let timer = Timer::builder(&rt, Duration::from_secs(3600))
        .hard_limit(Duration::from_millis(10))
        .start(move |_| {
            let (began, released) = (began.clone(), released.take());
            async move {
                began.send(()).unwrap();
                // Not an await: it can not be dropped here.
                released.expect("one tick").recv().ok();
            }
        });
    begins.recv().unwrap();
    let stuck = rt.block_on(timer.stop()).unwrap_err();
    assert_eq!(stuck.ticks(), 1);
    assert_eq!(
        stuck.to_string(),
        "a tick of the stopped timer blocks its thread"
    );
    drop(release);
}
