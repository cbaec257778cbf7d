//! What a group costs its runtime, seen by a runtime that counts.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use untethered::Runtime;
use untethered::group::Group;
use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::sim::{Sim, yield_now};

use super::{Forever, PanicsOnDrop};

/// Keeps what it is to run, until [`run`](Self::run) is called.
#[derive(Clone)]
struct ByHand {
    clock: Runtime,
    tasks: Arc<Mutex<Vec<HandTask>>>,
    spawned: Arc<AtomicUsize>,
    sleeps: Arc<AtomicUsize>,
    /// Whether it says that it keeps the task woken last for the thread that woke it.
    keeps_last: bool,
    /// Called by the next spawn.
    at_spawn: Arc<Mutex<Option<Once>>>,
}

type Once = Box<dyn FnOnce() + Send>;

struct HandTask {
    future: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
}

/// Whether the task is to be polled, and how often it was woken.
struct Woken {
    ready: Mutex<bool>,
    times: AtomicUsize,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        *self.ready.lock().unwrap() = true;
        self.times.fetch_add(1, Ordering::SeqCst);
    }
}

impl Spawner for ByHand {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.spawned.fetch_add(1, Ordering::SeqCst);
        self.tasks.lock().unwrap().push(HandTask {
            future,
            woken: Arc::new(Woken {
                ready: Mutex::new(true),
                times: AtomicUsize::new(0),
            }),
        });
        let then = self.at_spawn.lock().unwrap().take();
        if let Some(then) = then {
            then();
        }
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::new(4).unwrap()
    }

    fn keeps_woken_last(&self) -> bool {
        self.keeps_last
    }
}

impl Sleeper for ByHand {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn sleep_until(&self, _deadline: Instant) -> BoxFuture<'static, ()> {
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

impl ByHand {
    fn new() -> Self {
        Self {
            clock: Sim::new().runtime(),
            tasks: Arc::default(),
            spawned: Arc::default(),
            sleeps: Arc::default(),
            keeps_last: false,
            at_spawn: Arc::default(),
        }
    }

    fn runtime(&self) -> Runtime {
        Runtime::new(self.clone(), self.clone())
    }

    /// Polls until nobody is woken any more. Says how many polls that took.
    fn run(&self) -> usize {
        std::iter::repeat_with(|| self.turn())
            .take_while(|polled| *polled)
            .count()
    }

    /// Polls one task that was woken, if there is one.
    fn turn(&self) -> bool {
        let mut tasks = self.tasks.lock().unwrap();
        let next = tasks
            .iter()
            .position(|task| std::mem::take(&mut *task.woken.ready.lock().unwrap()));
        let Some(next) = next else {
            return false;
        };
        let mut task = tasks.remove(next);
        drop(tasks);
        let waker = task.woken.clone().into();
        if task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            self.tasks.lock().unwrap().push(task);
        }
        true
    }

    fn alive(&self) -> usize {
        self.tasks.lock().unwrap().len()
    }
}

// G18
#[test]
fn a_group_with_one_long_task_costs_one_parked_driver_and_no_timer_and_no_poll() {
    let host = ByHand::new();
    let group = Group::builder(&host.runtime()).build();
    assert_eq!(host.spawned.load(Ordering::SeqCst), 0, "no task, no driver");
    let polls = Arc::new(AtomicUsize::new(0));
    let handle = group.spawn(Forever(polls.clone()));
    assert_eq!(host.run(), 1);
    assert_eq!((host.alive(), polls.load(Ordering::SeqCst)), (1, 1));
    let driver = host.tasks.lock().unwrap()[0].woken.clone();
    assert_eq!(
        driver.times.load(Ordering::SeqCst),
        0,
        "it does not wake itself"
    );
    assert_eq!(host.sleeps.load(Ordering::SeqCst), 0);

    group.cancel("enough");
    assert_eq!((driver.times.load(Ordering::SeqCst), host.run()), (1, 1));
    assert!(group.is_closed() && handle.is_finished());
    assert_eq!((host.alive(), host.spawned.load(Ordering::SeqCst)), (0, 1));
}

// G18
#[test]
fn drivers_that_much_work_has_called_end_but_for_one() {
    let host = ByHand::new();
    let group = Group::builder(&host.runtime()).build();
    let polls = Arc::new(AtomicUsize::new(0));
    group.spawn(Forever(polls.clone()));
    for _ in 0..1_000 {
        group.spawn(async {
            for _ in 0..3 {
                yield_now().await;
            }
        });
    }
    host.run();
    assert_eq!((host.alive(), group.len()), (1, 1));
    assert!(
        host.spawned.load(Ordering::SeqCst) > 1,
        "there was work for many"
    );
    assert_eq!(host.sleeps.load(Ordering::SeqCst), 0);
    group.abort();
    host.run();
    assert_eq!((host.alive(), group.is_closed()), (0, true));
}

#[test]
fn the_driver_of_an_isolated_task_ends_with_it() {
    let host = ByHand::new();
    let group = Group::builder(&host.runtime()).build();
    let polls = Arc::new(AtomicUsize::new(0));
    let handle = group.task("alone").isolated().spawn(Forever(polls.clone()));
    host.run();
    assert_eq!((host.alive(), polls.load(Ordering::SeqCst)), (1, 1));
    handle.abort();
    host.run();
    assert!(handle.is_finished());
    assert_eq!((host.alive(), polls.load(Ordering::SeqCst)), (0, 1));
}

#[test]
fn each_task_of_an_isolated_group_has_a_driver() {
    let host = ByHand::new();
    let group = Group::builder(&host.runtime()).isolated().build();
    group.spawn(Forever(Arc::default()));
    for name in ["one", "two"] {
        group.task(name).spawn(Forever(Arc::default()));
    }
    host.run();
    assert_eq!(host.alive(), 3);
}

#[test]
fn a_child_is_polled_once_for_each_wake_from_outside() {
    let host = ByHand::new();
    let group = Group::builder(&host.runtime()).build();
    let waker = Arc::new(Mutex::new(None));
    let polls = Arc::new(AtomicUsize::new(0));
    let (kept, counted) = (waker.clone(), polls.clone());
    group.spawn(std::future::poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::SeqCst);
        *kept.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    host.run();
    for round in 1..=100 {
        let waker = waker.lock().unwrap().take().unwrap();
        waker.wake();
        assert_eq!(host.run(), 1, "one poll of the driver");
        assert_eq!(polls.load(Ordering::SeqCst), 1 + round);
    }
    assert_eq!(host.spawned.load(Ordering::SeqCst), 1);
}

// G8
#[test]
fn a_driver_that_finds_two_children_gives_way_to_a_second_before_it_polls_any() {
    let host = ByHand {
        keeps_last: true,
        ..ByHand::new()
    };
    let group = Group::builder(&host.runtime()).build();
    let polls = Arc::new(AtomicUsize::new(0));
    group.spawn(Forever(polls.clone()));
    assert!(host.turn(), "one child needs no second driver");
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    assert_eq!(host.spawned.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        group.spawn(Forever(polls.clone()));
    }
    assert!(host.turn());
    assert_eq!(polls.load(Ordering::SeqCst), 1, "it gave way");
    assert_eq!(host.spawned.load(Ordering::SeqCst), 2);
    host.run();
    assert_eq!(polls.load(Ordering::SeqCst), 4);
    assert_eq!(host.alive(), 1);
    group.abort();
    host.run();
    assert_eq!((host.alive(), group.is_closed()), (0, true));
}

// G19
#[test]
fn a_turn_of_a_driver_is_over_after_at_most_four_polls_that_took_long() {
    for long_ones in 0..1_u32 << 9 {
        let sim = Arc::new(Sim::new());
        let host = ByHand {
            clock: sim.runtime(),
            ..ByHand::new()
        };
        let group = Group::builder(&host.runtime()).build();
        let blocked = Arc::new(AtomicUsize::new(0));
        for index in 0..9 {
            let (sim, blocked) = (sim.clone(), blocked.clone());
            group.spawn(async move {
                if long_ones >> index & 1 == 1 {
                    sim.advance(Duration::from_millis(1));
                    blocked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        assert!(host.turn());
        let blocked = blocked.load(Ordering::SeqCst);
        assert!(
            blocked <= 4,
            "{blocked} polls of {long_ones:b} before the host"
        );
        host.run();
        assert!(group.is_empty());
    }
}

// G10
#[test]
fn a_hook_that_is_taken_back_when_it_is_about_to_begin_is_not_polled() {
    let host = ByHand::new();
    let group = Group::builder(&host.runtime()).build();
    let polls = Arc::new(AtomicUsize::new(0));
    let first = group.on_closing(async {});
    let second = Arc::new(group.on_closing(Forever(polls.clone())));
    // The first is started, the second is not yet, and both are off the list.
    let taken = second.clone();
    *host.at_spawn.lock().unwrap() = Some(Box::new(move || taken.cancel("not needed")));
    group.cancel("enough");
    host.run();
    assert!(first.is_finished() && second.is_finished() && group.is_closed());
    assert_eq!(polls.load(Ordering::SeqCst), 0);
    let second = Arc::into_inner(second).unwrap();
    let error = futures_lite::future::block_on(second).unwrap_err();
    assert_eq!(error.reason().unwrap().as_str(), "not needed");
}

// G4
#[test]
fn a_waker_of_a_driver_that_panics_with_what_panics_when_dropped_harms_nobody() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::panic_any(PanicsOnDrop("the payload"));
        }
    }

    let host = ByHand::new();
    let group = Group::builder(&host.runtime()).build();
    let polls = Arc::new(AtomicUsize::new(0));
    group.spawn(Forever(polls.clone()));
    let mut tasks = std::mem::take(&mut *host.tasks.lock().unwrap());
    let waker = Arc::new(Panics).into();
    let mut cx = Context::from_waker(&waker);
    assert!(tasks[0].future.as_mut().poll(&mut cx).is_pending());
    let other = group.spawn(async { 7 });
    assert!(tasks[0].future.as_mut().poll(&mut cx).is_pending());
    assert_eq!(futures_lite::future::block_on(other).unwrap(), 7);
    group.abort();
    assert!(tasks[0].future.as_mut().poll(&mut cx).is_ready());
    assert!(group.is_closed());
}
