//! What a group costs its runtime, seen by a runtime that counts.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};
use std::time::Instant;

use untethered::Runtime;
use untethered::group::Group;
use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::sim::{Sim, yield_now};

use super::Forever;

/// Keeps what it is to run, until [`run`](Self::run) is called.
#[derive(Clone)]
struct ByHand {
    clock: Runtime,
    tasks: Arc<Mutex<Vec<HandTask>>>,
    spawned: Arc<AtomicUsize>,
    sleeps: Arc<AtomicUsize>,
}

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
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::new(4).unwrap()
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
        }
    }

    fn runtime(&self) -> Runtime {
        Runtime::new(self.clone(), self.clone())
    }

    /// Polls until nobody is woken any more. Says how many polls that took.
    fn run(&self) -> usize {
        let mut polls = 0;
        loop {
            let mut tasks = self.tasks.lock().unwrap();
            let next = tasks
                .iter()
                .position(|task| std::mem::take(&mut *task.woken.ready.lock().unwrap()));
            let Some(next) = next else {
                return polls;
            };
            let mut task = tasks.remove(next);
            drop(tasks);
            polls += 1;
            let waker = task.woken.clone().into();
            if task
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                self.tasks.lock().unwrap().push(task);
            }
        }
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
