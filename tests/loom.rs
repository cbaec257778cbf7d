//! Every order in which threads can meet in the locks of the crate.
//!
//! ```text
//! RUSTFLAGS="--cfg untethered_loom" cargo test --release --no-default-features --lib --test loom
//! ```
//!
//! What synchronises threads, and where its models are:
//!
//! | Of `src` | Models |
//! |---|---|
//! | `queue` | this file; from threads that sleep: `loom/blocking.rs` |
//! | `sync::{event, limit, once, wait_list}` | this file |
//! | `sync::{rate_limit, keyed_rate_limit}` | `loom/rate.rs` |
//! | `sync::task_waker` | there |
//! | `task::{token, outcome}` | this file |
//! | `group`, `group::scope` | `loom/group.rs`, `loom/scope.rs`, `group::driver_model` |
//! | `set`, `combine::pack` | `set::model`, `combine::pack::model` |
//! | `stream::hub` | `loom/stream.rs` |
//! | `memo`, `pool`, `signal::shutdown` | this file |
//! | `runtime::block_on`, `runtime::timers` | this file, `runtime::timers::model` |
//!
//! Without one:
//!
//! | Of `src` | Why |
//! |---|---|
//! | `primitives::SpinLock` | the checker has no notion of spinning: it plays a lock in its place, and who uses it is modelled. The lock is that of a crate |
//! | `runtime::blocking` | waits on a `Condvar` for so long at most, and a model has no time; its unit tests start the thread beside the work that comes as it ends |
//! | `runtime::tokio`, `runtime::{async_io, async_std, smol}` | the other half is a foreign runtime: the contract suite runs on each |
//! | `http` | one lock each and counters; what crosses threads is the socket of a runtime |
//! | `signal::{unix, windows}`, `workers` | processes and signals: tested with real ones |
//! | `sim` | one thread; others only wake it, by a `park` |
//! | `context`, `time::timer` | a lock that one task takes, a counter that nothing is read through |
#![cfg(untethered_loom)]

#[path = "loom/blocking.rs"]
mod blocking;
#[path = "loom/group.rs"]
mod group;
#[path = "loom/rate.rs"]
mod rate;
#[path = "loom/scope.rs"]
mod scope;
#[path = "loom/stream.rs"]
mod stream;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use untethered::memo::Memo;
use untethered::pool::BlockingPool;
use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::signal::{ShutdownSignals, Signal};
use untethered::sync::{Event, Limit, Once};
use untethered::{CancellationToken, Queue, Runtime};

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// Polls once with a waker that nobody hears, then drops.
fn poll_and_drop(future: impl Future) -> bool {
    let waker = Waker::from(Arc::new(Ignore));
    pin!(future)
        .poll(&mut Context::from_waker(&waker))
        .is_ready()
}

/// One thread of the model for each task; no timers.
struct Threads;

impl Spawner for Threads {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        thread::spawn(|| block_on(task));
    }
}

impl Sleeper for Threads {
    fn now(&self) -> Instant {
        unreachable!("these models do not look at the clock")
    }

    fn sleep_until(&self, _deadline: Instant) -> BoxFuture<'static, ()> {
        unreachable!("these models do not sleep")
    }
}

// S2
#[test]
fn a_slot_that_a_dropped_wait_was_given_goes_on() {
    loom::model(|| {
        let limit = Limit::new(1);
        let permit = limit.try_acquire_owned().unwrap();
        let impatient = thread::spawn({
            let limit = limit.clone();
            move || poll_and_drop(limit.acquire())
        });
        let patient = thread::spawn({
            let limit = limit.clone();
            move || drop(block_on(limit.acquire()))
        });
        drop(permit);
        impatient.join().unwrap();
        patient.join().unwrap();
        assert_eq!(limit.available(), 1);
    });
}

// S1
#[test]
fn a_limit_is_never_passed() {
    loom::model(|| {
        let limit = Limit::new(1);
        let inside = Arc::new(AtomicUsize::new(0));
        let enter = {
            let (limit, inside) = (limit.clone(), inside.clone());
            move || {
                let permit = block_on(limit.acquire());
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }
        };
        let other = thread::spawn(enter.clone());
        enter();
        other.join().unwrap();
        assert_eq!(limit.available(), 1);
    });
}

#[test]
fn a_cancel_reaches_a_wait_that_begins_beside_it() {
    loom::model(|| {
        let token = CancellationToken::new();
        let waiter = thread::spawn({
            let token = token.clone();
            move || block_on(token.cancelled())
        });
        token.cancel("now");
        waiter.join().unwrap();
    });
}

#[test]
fn a_cancel_reaches_a_child_that_is_made_beside_it() {
    loom::model(|| {
        let token = CancellationToken::new();
        let made = thread::spawn({
            let token = token.clone();
            move || token.child_token()
        });
        token.cancel("now");
        let child = made.join().unwrap();
        assert_eq!(child.reason().unwrap().as_str(), "now");
        block_on(child.cancelled());
    });
}

#[test]
fn a_dropped_child_leaves_its_parent_in_order() {
    loom::model(|| {
        let token = CancellationToken::new();
        let child = token.child_token();
        let grandchild = child.child_token();
        let dropper = thread::spawn(move || drop(child));
        token.cancel("now");
        dropper.join().unwrap();
        assert!(grandchild.is_cancelled());
    });
}

#[test]
fn an_abort_beside_the_end_gives_one_outcome() {
    loom::model(|| {
        let rt = Runtime::new(Threads, Threads);
        let task = rt.spawn(async { 7 });
        task.abort();
        match block_on(task) {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert!(error.is_cancelled()),
        }
    });
}

#[test]
fn an_abort_wakes_a_task_that_waits() {
    loom::model(|| {
        let rt = Runtime::new(Threads, Threads);
        let task = rt.spawn(std::future::pending::<()>());
        assert!(block_on(task.cancel()).unwrap_err().is_cancelled());
    });
}

// Q1 Q2
#[test]
fn an_item_that_a_dropped_pop_was_given_goes_on() {
    loom::model(|| {
        let queue = Queue::bounded(1);
        let impatient = thread::spawn({
            let queue = queue.clone();
            move || poll_and_drop(queue.pop())
        });
        let patient = thread::spawn({
            let queue = queue.clone();
            move || block_on(queue.pop())
        });
        queue.try_push(7).unwrap();
        let taken = impatient.join().unwrap();
        if taken {
            queue.close();
        }
        assert_eq!(patient.join().unwrap(), (!taken).then_some(7));
        assert!(queue.is_empty());
    });
}

// Q2
#[test]
fn a_push_beside_a_pop_wakes_it() {
    loom::model(|| {
        let queue = Queue::bounded(1);
        let producer = thread::spawn({
            let queue = queue.clone();
            move || {
                for item in 0..2 {
                    block_on(queue.push(item)).unwrap();
                }
            }
        });
        assert_eq!(block_on(queue.pop()), Some(0));
        assert_eq!(block_on(queue.pop()), Some(1));
        producer.join().unwrap();
    });
}

// Q1
#[test]
fn a_push_dropped_beside_a_pop_happened_or_did_not() {
    loom::model(|| {
        let queue = Queue::bounded(1);
        queue.try_push(0).unwrap();
        let impatient = thread::spawn({
            let queue = queue.clone();
            move || poll_and_drop(queue.push(1))
        });
        assert_eq!(block_on(queue.pop()), Some(0));
        let at_once = impatient.join().unwrap();
        match queue.try_pop() {
            Ok(item) => assert_eq!(item, 1),
            Err(_) => assert!(!at_once),
        }
        assert!(queue.is_empty());
    });
}

// Q1
#[test]
fn a_push_that_is_over_sees_what_was_done_before_the_pop() {
    loom::model(|| {
        let queue = Queue::bounded(1);
        queue.try_push(0).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let consumer = thread::spawn({
            let (queue, done) = (queue.clone(), done.clone());
            move || {
                done.store(1, Ordering::Relaxed);
                assert_eq!(queue.try_pop(), Ok(0));
            }
        });
        // Nobody hears the waker, so only the queue can bring the news from the other thread.
        let waker = Waker::from(Arc::new(Ignore));
        let mut cx = Context::from_waker(&waker);
        let mut push = pin!(queue.push(1));
        if (0..2).any(|_| push.as_mut().poll(&mut cx).is_ready()) {
            assert_eq!(done.load(Ordering::Relaxed), 1);
        }
        consumer.join().unwrap();
    });
}

// Q2 Q4
#[test]
fn a_close_beside_a_push_and_a_pop_ends_both() {
    loom::model(|| {
        let queue = Queue::bounded(1);
        let popper = thread::spawn({
            let queue = queue.clone();
            move || block_on(queue.pop())
        });
        let pusher = thread::spawn({
            let queue = queue.clone();
            move || block_on(queue.push(1)).is_ok()
        });
        queue.close();
        let pushed = pusher.join().unwrap();
        assert_eq!(popper.join().unwrap(), pushed.then_some(1));
    });
}

// Q2 Q4
#[test]
fn the_last_halves_dropped_beside_each_other_leave_nobody_waiting() {
    loom::model(|| {
        let (sender, receiver) = Queue::bounded(1).into_halves();
        let producer = thread::spawn(move || sender.push_blocking(1).is_ok());
        assert!(receiver.pop_blocking().is_some());
        assert!(receiver.pop_blocking().is_none());
        assert!(producer.join().unwrap());
    });
}

// S2 S3
#[test]
fn waits_for_a_child_and_its_parent_end_beside_each_other() {
    loom::model(|| {
        let parent = Limit::new(1);
        let child = parent.child(1);
        let impatient = thread::spawn({
            let child = child.clone();
            move || poll_and_drop(child.acquire())
        });
        drop(block_on(parent.acquire()));
        drop(block_on(child.acquire()));
        impatient.join().unwrap();
        assert_eq!((parent.available(), child.available()), (1, 1));
    });
}

// E1
#[test]
fn an_event_set_beside_a_wait_lets_it_through_though_it_is_cleared() {
    loom::model(|| {
        let event = Event::new();
        let impatient = thread::spawn({
            let event = event.clone();
            move || poll_and_drop(event.wait())
        });
        let waiter = thread::spawn({
            let event = event.clone();
            move || block_on(event.wait())
        });
        event.set();
        impatient.join().unwrap();
        waiter.join().unwrap();
        event.clear();
        assert!(!event.is_set());
    });
}

// E1
#[test]
fn who_passes_an_event_sees_what_was_done_before_it() {
    loom::model(|| {
        let event = Event::new();
        let done = Arc::new(AtomicUsize::new(0));
        let waiter = thread::spawn({
            let (event, done) = (event.clone(), done.clone());
            move || {
                block_on(event.wait());
                assert_eq!(done.load(Ordering::Relaxed), 1);
            }
        });
        done.store(1, Ordering::Relaxed);
        event.set();
        waiter.join().unwrap();
    });
}

// O1 O2
#[test]
fn a_load_dropped_beside_another_leaves_it_the_turn() {
    loom::model(|| {
        let once = Arc::new(Once::new());
        let impatient = thread::spawn({
            let once = once.clone();
            move || poll_and_drop(once.load(std::future::pending))
        });
        assert_eq!(*block_on(once.load(|| async { 7 })), 7);
        impatient.join().unwrap();
        assert_eq!(once.get().as_deref(), Some(&7));
    });
}

/// Three threads and more: all orders would be too many.
fn bounded_model(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(f);
}

fn pool(threads: usize) -> Arc<BlockingPool> {
    let builder = BlockingPool::builder().threads(threads).queue(1);
    Arc::new(builder.build().unwrap())
}

// B1
#[test]
fn what_is_spawned_beside_a_close_is_finished_or_refused() {
    bounded_model(|| {
        let pool = pool(1);
        let spawner = thread::spawn({
            let pool = pool.clone();
            move || pool.try_spawn(|| 7)
        });
        block_on(Box::pin(pool.join()));
        match spawner.join().unwrap() {
            Ok(task) => {
                assert!(task.is_finished());
                assert_eq!(block_on(task).unwrap(), 7);
            }
            Err(refused) => assert!(refused.is_closed()),
        }
    });
}

// B1
#[test]
fn the_last_of_two_threads_ends_the_pool() {
    bounded_model(|| {
        let pool = pool(2);
        let task = pool.try_spawn(|| 7).unwrap();
        block_on(Box::pin(pool.join()));
        assert_eq!(block_on(task).unwrap(), 7);
        assert!(pool.is_closed());
    });
}

// B2
#[test]
fn what_is_spawned_beside_a_cancel_has_an_end() {
    bounded_model(|| {
        let pool = pool(1);
        let spawner = thread::spawn({
            let pool = pool.clone();
            move || pool.try_spawn(|| 7).ok()
        });
        pool.cancel("now");
        block_on(Box::pin(pool.closed()));
        match spawner.join().unwrap().map(block_on) {
            Some(Ok(value)) => assert_eq!(value, 7),
            Some(Err(error)) => assert_eq!(error.reason().unwrap().as_str(), "now"),
            None => {}
        }
    });
}

// M1 M2
#[test]
fn a_load_goes_on_for_one_beside_another_that_is_dropped() {
    bounded_model(|| {
        let memo = Memo::new(1);
        let go = Event::new();
        let impatient = thread::spawn({
            let (memo, go) = (memo.clone(), go.clone());
            move || poll_and_drop(memo.load(1, move || waited(go, 1)))
        });
        let setter = thread::spawn({
            let go = go.clone();
            move || go.set()
        });
        assert_eq!(*block_on(memo.load(1, move || waited(go, 1))).unwrap(), 1);
        impatient.join().unwrap();
        setter.join().unwrap();
        assert_eq!(memo.get(&1).as_deref(), Some(&1));
        assert!(memo.stats().loads <= 2);
    });
}

// M1 M2
#[test]
fn two_who_wait_for_a_load_that_is_woken_beside_them_get_it() {
    bounded_model(|| {
        let memo = Memo::new(1);
        let go = Event::new();
        let other = thread::spawn({
            let (memo, go) = (memo.clone(), go.clone());
            move || *block_on(memo.load(1, move || waited(go, 1))).unwrap()
        });
        let setter = thread::spawn({
            let go = go.clone();
            move || go.set()
        });
        assert_eq!(*block_on(memo.load(1, move || waited(go, 1))).unwrap(), 1);
        assert_eq!(other.join().unwrap(), 1);
        setter.join().unwrap();
        assert_eq!(memo.stats().loads, 1);
    });
}

// M5
#[test]
fn a_load_beside_an_invalidate_is_kept_or_not_but_given() {
    bounded_model(|| {
        let memo = Memo::new(1);
        let other = thread::spawn({
            let memo = memo.clone();
            move || memo.invalidate(&1)
        });
        assert_eq!(*block_on(memo.load(1, || async { 7 })).unwrap(), 7);
        let was_stored = other.join().unwrap();
        assert!(!(was_stored && memo.contains(&1)));
        assert_eq!(*block_on(memo.load(1, || async { 7 })).unwrap(), 7);
    });
}

async fn waited(go: Event, value: u8) -> u8 {
    go.wait().await;
    value
}

// K2
#[test]
fn a_wake_beside_a_block_on_is_not_lost() {
    loom::model(|| {
        let token = CancellationToken::new();
        let other = token.clone();
        let cancels = thread::spawn(move || other.cancel("now"));
        // A deadlock of the model, if the thread parks for good.
        untethered::block_on(token.cancelled());
        cancels.join().unwrap();
    });
}

// K2
#[test]
fn a_call_within_a_block_on_keeps_the_outer_one_from_no_wake_up() {
    loom::model(|| {
        let (token, event) = (CancellationToken::new(), Event::new());
        let wakes = thread::spawn({
            let (token, event) = (token.clone(), event.clone());
            move || {
                token.cancel("now");
                event.set();
            }
        });
        let mut cancelled = pin!(token.cancelled());
        untethered::block_on(poll_fn(|cx| {
            let poll = cancelled.as_mut().poll(cx);
            if poll.is_pending() {
                untethered::block_on(event.wait());
            }
            poll
        }));
        wakes.join().unwrap();
    });
}

// I1
#[test]
fn a_second_signal_is_never_seen_without_the_first() {
    loom::model(|| {
        let (source, signals) = ShutdownSignals::manual();
        let other = source.clone();
        let sends = thread::spawn(move || other.send(Signal::Interrupt));
        source.send(Signal::Terminate);
        if signals.second_token().is_cancelled() {
            let first = signals.first().unwrap();
            assert_eq!(signals.token().reason().unwrap().as_str(), first.name());
        }
        sends.join().unwrap();
        assert!(signals.second_token().is_cancelled());
    });
}
