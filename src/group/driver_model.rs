//! Every order in which drivers can start, park, be called and end, with a stand-in for children.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use loom::future::{AtomicWaker, block_on};
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::executor::{Executor, Job, Owner};
use crate::runtime::{BoxFuture, Runtime, Sleeper, Spawner};

/// A thread of the model for each task. Takes `left` tasks and drops those that come after.
struct Threads {
    left: AtomicUsize,
    /// How many of those it took are dropped after their first poll.
    ends: AtomicUsize,
    /// Whether every task has to give way after each child.
    gives_way: bool,
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

impl Spawner for Threads {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        if !take_one(&self.left) {
            return;
        }
        if take_one(&self.ends) {
            thread::spawn(|| {
                let mut task = task;
                let mut cx = Context::from_waker(Waker::noop());
                let _: Poll<()> = task.as_mut().poll(&mut cx);
            });
        } else {
            thread::spawn(|| block_on(task));
        }
    }

    fn should_yield(&self) -> bool {
        self.gives_way
    }

    fn keeps_woken_last(&self) -> bool {
        true
    }
}

struct NoClock;

impl Sleeper for NoClock {
    #[expect(clippy::disallowed_methods, reason = "time does not count in a model")]
    fn now(&self) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    fn sleep_until(&self, _deadline: Instant) -> BoxFuture<'static, ()> {
        unreachable!("drivers do not sleep")
    }
}

/// Counts its children; tells who waits when the last is gone.
struct Children {
    executor: Executor<Child>,
    alive: AtomicUsize,
    ran: AtomicUsize,
    waiter: AtomicWaker,
    /// Those that wait to be woken. `None` once the runtime is gone.
    parked: Mutex<Option<Vec<Child>>>,
}

impl Owner for Children {
    type Job = Child;

    fn lines(self: Arc<Self>) -> Vec<String> {
        Vec::new()
    }

    fn executor(&self) -> &Executor<Child> {
        &self.executor
    }

    fn has_children(&self) -> bool {
        // No more than the owner promises: what orders it is the fences of the executor.
        self.alive.load(Ordering::Relaxed) > 0
    }

    fn runtime_gone(self: &Arc<Self>) {
        let parked = self.parked.lock().unwrap().take();
        for child in parked.into_iter().flatten() {
            self.executor.push(self, child, false);
        }
    }
}

struct Child {
    owner: Arc<Children>,
    /// How many others it makes ready when it runs.
    spawns: usize,
    /// Whether it makes one ready as if it woke itself, for which no driver is called.
    goes_on: bool,
    /// Whether it waits for a wake-up, that of the runtime's end, when it runs.
    parks: bool,
}

impl Job for Child {
    fn run(self) {
        self.owner.ran.fetch_add(1, Ordering::SeqCst);
        for _ in 0..self.spawns {
            self.owner.spawn(0);
        }
        if self.goes_on {
            self.owner.add(Child::new(&self.owner, 0), true);
        }
        if self.parks {
            let owner = self.owner.clone();
            let mut parked = owner.parked.lock().unwrap();
            match &mut *parked {
                Some(parked) => parked.push(self),
                None => {
                    drop(parked);
                    drop(self);
                }
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.owner.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.owner.executor.last_child_gone();
            self.owner.waiter.wake();
        }
    }
}

impl Child {
    fn new(owner: &Arc<Children>, spawns: usize) -> Self {
        owner.alive.fetch_add(1, Ordering::SeqCst);
        Self {
            owner: owner.clone(),
            spawns,
            goes_on: false,
            parks: false,
        }
    }
}

impl Children {
    fn new(drivers: usize, tasks: usize) -> Arc<Self> {
        Self::on(drivers, tasks, 0, false)
    }

    fn on(drivers: usize, tasks: usize, ends: usize, gives_way: bool) -> Arc<Self> {
        let threads = Threads {
            left: AtomicUsize::new(tasks),
            ends: AtomicUsize::new(ends),
            gives_way,
        };
        let executor = Executor::new(Runtime::new(threads, NoClock), Some(drivers));
        executor.grow();
        Arc::new(Self {
            executor,
            alive: AtomicUsize::new(0),
            ran: AtomicUsize::new(0),
            waiter: AtomicWaker::new(),
            parked: Mutex::new(Some(Vec::new())),
        })
    }

    fn spawn(self: &Arc<Self>, spawns: usize) {
        self.add(Child::new(self, spawns), false);
    }

    fn park(self: &Arc<Self>, spawns: usize) {
        let mut child = Child::new(self, spawns);
        child.parks = true;
        self.add(child, false);
    }

    fn add(self: &Arc<Self>, child: Child, again: bool) {
        self.executor.push(self, child, again);
    }

    fn wait(&self) {
        block_on(poll_fn(|cx| {
            self.waiter.register_by_ref(cx.waker());
            match self.alive.load(Ordering::SeqCst) {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
    }
}

fn model(f: impl Fn() + Send + Sync + 'static) {
    bounded(2, f);
}

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

#[test]
fn what_is_pushed_while_the_last_driver_ends_runs() {
    model(|| {
        let owner = Children::new(1, usize::MAX);
        owner.spawn(0);
        owner.wait();
        // The driver parks or ends at this moment.
        owner.spawn(0);
        owner.wait();
        assert_eq!(owner.ran.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn what_is_pushed_while_the_only_driver_parks_runs() {
    model(|| {
        let owner = Children::new(1, usize::MAX);
        // Somebody is alive all the time, so that the driver parks instead of ending.
        owner.alive.fetch_add(1, Ordering::SeqCst);
        owner.spawn(0);
        let pusher = thread::spawn({
            let owner = owner.clone();
            move || owner.spawn(0)
        });
        pusher.join().unwrap();
        block_on(poll_fn(|cx| {
            owner.waiter.register_by_ref(cx.waker());
            match owner.alive.load(Ordering::SeqCst) {
                1 => Poll::Ready(()),
                _ => {
                    // Nobody wakes us for this count: look again.
                    thread::yield_now();
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }));
        // Ends the parked driver, or the model reports that its thread hangs.
        owner.alive.fetch_sub(1, Ordering::SeqCst);
        owner.executor.last_child_gone();
    });
}

#[test]
fn two_drivers_share_what_one_made_ready_and_both_end() {
    model(|| {
        let owner = Children::new(2, usize::MAX);
        owner.spawn(1);
        owner.wait();
        assert_eq!(owner.ran.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_driver_that_finds_two_gives_way_to_the_second_and_both_end() {
    model(|| {
        let owner = Children::new(2, usize::MAX);
        owner.spawn(0);
        owner.spawn(0);
        owner.wait();
        assert_eq!(owner.ran.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn of_two_drivers_that_have_nothing_to_do_the_last_parks_and_hears_of_the_last_child() {
    model(|| {
        let owner = Children::new(2, usize::MAX);
        // Alive until both have seen that nothing is left to do, or not yet.
        let last = Child::new(&owner, 0);
        owner.spawn(1);
        // A driver that parks and is not told, or leaves none behind, hangs the model.
        drop(last);
        owner.wait();
        assert_eq!(owner.ran.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_runtime_that_drops_its_drivers_drops_the_children() {
    model(|| {
        let owner = Children::new(1, 0);
        let other = thread::spawn({
            let owner = owner.clone();
            move || owner.spawn(0)
        });
        owner.spawn(0);
        other.join().unwrap();
        owner.wait();
        assert_eq!(owner.ran.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_runtime_that_drops_its_only_driver_strands_no_child_that_waits() {
    model(|| {
        let owner = Children::on(1, 1, 1, false);
        let other = thread::spawn({
            let owner = owner.clone();
            move || owner.park(0)
        });
        owner.park(0);
        other.join().unwrap();
        owner.wait();
    });
}

#[test]
fn a_runtime_that_drops_two_drivers_strands_no_child_that_waits() {
    // Two preemptions take minutes.
    bounded(1, || {
        let owner = Children::on(2, 2, 2, false);
        owner.park(0);
        owner.park(1);
        owner.wait();
    });
}

#[test]
fn what_a_dropped_driver_had_queued_runs_on_the_one_that_is_left() {
    model(|| {
        let owner = Children::on(2, usize::MAX, 1, true);
        owner.spawn(1);
        // A driver that sees what it may not take turns for ever, which the model reports.
        owner.wait();
        assert_eq!(owner.ran.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn what_a_dropped_driver_had_queued_is_dropped_when_the_runtime_ends_beside_it() {
    model(|| {
        let owner = Children::on(2, 1, 1, true);
        let mut child = Child::new(&owner, 0);
        child.goes_on = true;
        owner.add(child, false);
        // Calls a second driver, which the runtime does not take.
        owner.spawn(0);
        owner.wait();
    });
}
