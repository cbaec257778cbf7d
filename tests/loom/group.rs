//! Groups: what two threads do to one at the same moment. The drivers are polled by hand, so that
//! only the group itself is left to meet.

use std::future::{Future, pending, poll_fn};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;
use untethered::Runtime;
use untethered::group::{Group, Handle, OnCancel, task_group};
use untethered::runtime::{BoxFuture, Sleeper, Spawner};

/// Keeps its tasks until [`run`](Self::run).
#[derive(Clone)]
pub(super) struct Hand(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Hand {
    pub(super) fn new() -> (Self, Runtime) {
        let hand = Self(Arc::new(Mutex::new(Vec::new())));
        (hand.clone(), Runtime::new(hand.clone(), hand))
    }

    /// Polls all tasks until none was woken or started meanwhile.
    fn run(&self) {
        loop {
            let tasks = std::mem::take(&mut *self.0.lock().unwrap());
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let waker = Waker::from(woken.clone());
            let mut left = Vec::new();
            for mut task in tasks {
                if task
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
                {
                    left.push(task);
                }
            }
            let mut tasks = self.0.lock().unwrap();
            let rest = tasks.is_empty() && !woken.0.load(Ordering::SeqCst);
            tasks.append(&mut left);
            if rest {
                return;
            }
        }
    }

    /// Drops all tasks, as a runtime does that ends.
    fn end(&self) {
        loop {
            let tasks = std::mem::take(&mut *self.0.lock().unwrap());
            if tasks.is_empty() {
                return;
            }
            drop(tasks);
        }
    }
}

impl Spawner for Hand {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(task);
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

impl Sleeper for Hand {
    #[expect(clippy::disallowed_methods, reason = "time stands still in a model")]
    fn now(&self) -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    fn sleep_until(&self, _deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }
}

/// What a handle has by now.
fn now<T>(handle: Handle<T>) -> Option<Result<T, untethered::task::JoinError>> {
    let mut handle = handle;
    match Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

// G1
#[test]
fn a_spawn_beside_a_cancel_is_cancelled_or_refused() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let way_in = group.reference();
        let alive = Arc::new(());
        let guard = alive.clone();
        let spawner = thread::spawn(move || {
            way_in.spawn(async move {
                let _guard = guard;
                pending::<()>().await
            })
        });
        group.cancel("now");
        let handle = spawner.join().unwrap();
        hand.run();
        assert!(group.is_closed());
        assert_eq!(Arc::strong_count(&alive), 1);
        assert!(now(handle).unwrap().unwrap_err().is_cancelled());
    });
}

// G1
#[test]
fn a_spawn_beside_a_close_runs_to_its_end_or_is_refused() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let way_in = group.reference();
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let spawner = thread::spawn(move || {
            way_in.spawn(async move {
                count.fetch_add(1, Ordering::SeqCst);
                7
            })
        });
        group.close();
        let closed_early = group.is_closed();
        let handle = spawner.join().unwrap();
        hand.run();
        assert!(group.is_closed());
        match now(handle).unwrap() {
            Ok(value) => assert_eq!((value, closed_early), (7, false)),
            Err(error) => assert!(error.is_cancelled()),
        }
        assert_eq!(ran.load(Ordering::SeqCst), usize::from(!closed_early));
    });
}

// G1
#[test]
fn the_end_of_the_last_task_beside_a_wait_for_closed_wakes_it() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let handle = group.spawn(async { 7 });
        let runner = thread::spawn(move || hand.run());
        group.close();
        block_on(group.closed()).unwrap();
        assert_eq!(block_on(handle).unwrap(), 7);
        runner.join().unwrap();
    });
}

// G1
#[test]
fn the_end_of_the_last_task_of_a_subgroup_beside_the_close_of_its_parent_closes_both() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let sub = group.subgroup("sub").unwrap();
        let _handle = sub.spawn(async {});
        let runner = thread::spawn(move || hand.run());
        group.close();
        runner.join().unwrap();
        assert!(sub.is_closed() && group.is_closed());
    });
}

// G17
#[test]
fn the_end_of_the_body_of_a_block_beside_the_close_of_its_parent_closes_both() {
    model(|| {
        let (_hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let owner = group.reference();
        let block = thread::spawn(move || {
            let body = task_group(&owner, |_| async { Ok(5) });
            match block_on(body) {
                Ok(value) => assert_eq!(value, 5),
                Err(error) => assert!(error.is_cancelled(), "refused"),
            }
        });
        group.close();
        block.join().unwrap();
        assert!(group.is_closed());
    });
}

// G17
#[test]
fn a_cancel_beside_the_first_poll_of_a_body_drops_it() {
    model(|| {
        let (_hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let owner = group.reference();
        let block = thread::spawn(move || {
            let body = task_group(&owner, |_| pending::<Result<(), _>>());
            // Not told, it would wait for ever.
            assert!(block_on(body).unwrap_err().is_cancelled());
        });
        group.cancel("now");
        block.join().unwrap();
        assert!(group.is_closed());
    });
}

// G1 G9
#[test]
fn a_subgroup_made_beside_a_cancel_is_cancelled_or_refused() {
    model(|| {
        let (_hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let way_in = group.reference();
        let maker = thread::spawn(move || way_in.subgroup("sub").ok());
        group.cancel("now");
        if let Some(sub) = maker.join().unwrap() {
            assert_eq!(sub.reason().unwrap().as_str(), "now");
            assert!(sub.is_closed());
        }
        assert!(group.is_closed());
    });
}

// G1 G9
#[test]
fn a_subgroup_made_beside_a_close_closes_or_is_refused() {
    model(|| {
        let (_hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let way_in = group.reference();
        let maker = thread::spawn(move || way_in.subgroup("sub").ok());
        group.close();
        if let Some(sub) = maker.join().unwrap() {
            assert!(sub.is_closed() && sub.reason().is_none());
        }
        assert!(group.is_closed());
    });
}

// G10
#[test]
fn a_hook_beside_two_who_close_runs_once() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let hook = group.on_closing(async move { count.fetch_add(1, Ordering::SeqCst) });
        let way_in = group.reference();
        let other = thread::spawn(move || way_in.close());
        group.cancel("now");
        other.join().unwrap();
        assert!(!group.is_closed());
        hand.run();
        assert!(now(hook).unwrap().is_ok());
        assert!(group.is_closed());
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    });
}

// G10
#[test]
fn a_hook_beside_the_end_of_the_last_task_and_a_cancel_runs_once() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let hook = group.on_closing(async move { count.fetch_add(1, Ordering::SeqCst) });
        let _task = group.spawn(async {});
        let runner = thread::spawn({
            let hand = hand.clone();
            move || hand.run()
        });
        group.cancel("now");
        runner.join().unwrap();
        hand.run();
        assert!(now(hook).unwrap().is_ok());
        assert!(group.is_closed());
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    });
}

// G10
#[test]
fn a_hook_taken_back_beside_a_close_runs_or_is_dropped() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let alive = Arc::new(());
        let guard = alive.clone();
        let hook = group.on_closing(async move { drop(guard) });
        let way_in = group.reference();
        let other = thread::spawn(move || way_in.close());
        hook.abort();
        other.join().unwrap();
        hand.run();
        assert!(now(hook).is_some());
        assert!(group.is_closed());
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn a_cancel_of_one_task_beside_its_end_gives_one_outcome() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let mut polled = false;
        let handle = group.spawn(poll_fn(move |cx| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(7);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        let runner = thread::spawn({
            let hand = hand.clone();
            move || hand.run()
        });
        handle.cancel("alone");
        runner.join().unwrap();
        hand.run();
        match now(handle).unwrap() {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert_eq!(error.reason().unwrap().as_str(), "alone"),
        }
        assert!(group.is_empty() && !group.is_closing());
        group.close();
        assert!(group.is_closed());
    });
}

#[test]
fn a_token_asked_for_beside_a_cancel_fires() {
    model(|| {
        let (_hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let way_in = Arc::new(group);
        let asker = thread::spawn({
            let group = way_in.clone();
            move || group.token()
        });
        way_in.cancel("now");
        let token = asker.join().unwrap();
        assert_eq!(token.reason().unwrap().as_str(), "now");
    });
}

// G5
#[test]
fn a_cancel_beside_the_end_of_a_shield_reaches_the_group_made_inside() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let made = Arc::new(std::sync::Mutex::new(None));
        let place = made.clone();
        let _task = group
            .task("t")
            .on_cancel(OnCancel::Finish)
            .spawn_with(|cx| async move {
                cx.shield(async {
                    let inner = Group::builder(&cx).build();
                    *place.lock().unwrap() = Some(inner);
                })
                .await;
            });
        let runner = thread::spawn({
            let hand = hand.clone();
            move || hand.run()
        });
        group.cancel("now");
        runner.join().unwrap();
        hand.run();
        let inner = made.lock().unwrap().take().unwrap();
        assert_eq!(inner.reason().unwrap().as_str(), "now");
        assert!(group.is_closed());
    });
}

// G6
#[test]
fn a_spawn_beside_the_end_of_the_runtime_strands_nobody() {
    model(|| {
        let (hand, rt) = Hand::new();
        let group = Group::builder(&rt).build();
        let alive = Arc::new(());
        let task = |guard: Arc<()>| async move {
            let _guard = guard;
            pending::<()>().await
        };
        let _first = group.spawn(task(alive.clone()));
        hand.run();
        let way_in = group.reference();
        let second = task(alive.clone());
        let spawner = thread::spawn(move || drop(way_in.spawn(second)));
        // It drops what it has, and from then on all that comes.
        hand.end();
        spawner.join().unwrap();
        hand.end();
        assert!(group.is_closed());
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}
