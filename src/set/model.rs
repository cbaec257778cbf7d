//! Every order in which wakes can meet the task.
//!
//! ```text
//! RUSTFLAGS="--cfg untethered_loom" cargo test --release --lib set
//! ```

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::{Set, Turn};

/// What a child waits for.
struct Flag {
    set: Arc<AtomicBool>,
    waker: Waker,
}

impl Flag {
    /// Relaxed: only the wake makes it visible.
    fn raise(self) {
        self.set.store(true, Ordering::Relaxed);
        self.waker.wake();
    }
}

type Child = Pin<Box<dyn Future<Output = ()>>>;

/// Enters a child that waits for a flag.
fn enter(set: &mut Set<Child>, key: usize) -> Flag {
    let flag = Arc::new(AtomicBool::new(false));
    let waker = Rc::new(RefCell::new(None));
    let (raised, polled_with) = (flag.clone(), waker.clone());
    let child = poll_fn(move |cx| {
        *polled_with.borrow_mut() = Some(cx.waker().clone());
        match raised.load(Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    });
    assert!(set.enter(key, Box::pin(child)).is_pending());
    let waker = waker.borrow_mut().take();
    Flag {
        set: flag,
        waker: waker.expect("the child was polled"),
    }
}

/// One poll of the set: the key of a child that is done.
fn poll(set: &mut Set<Child>, cx: &mut Context<'_>) -> Poll<usize> {
    set.begin();
    match set.poll_woken() {
        Turn::Output(key, ()) => return Poll::Ready(key),
        Turn::GiveWay => set.give_way(cx),
        Turn::Over => set.park(cx),
    }
    Poll::Pending
}

fn next(set: &mut Set<Child>) -> usize {
    block_on(poll_fn(|cx| poll(set, cx)))
}

/// Three threads meet in too many ways to try all: two preemptions find what loses a wake.
fn model_of_three(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(test);
}

#[test]
fn a_wake_meets_a_task_that_goes_to_wait() {
    loom::model(|| {
        let mut set = Set::new();
        let flag = enter(&mut set, 7);
        let waking = thread::spawn(|| flag.raise());
        assert_eq!(next(&mut set), 7);
        waking.join().unwrap();
    });
}

#[test]
fn two_are_woken_at_once() {
    model_of_three(|| {
        let mut set = Set::new();
        let flags = [enter(&mut set, 0), enter(&mut set, 1)];
        let waking = flags.map(|flag| thread::spawn(|| flag.raise()));
        assert_eq!(next(&mut set) + next(&mut set), 1);
        for thread in waking {
            thread.join().unwrap();
        }
    });
}

#[test]
fn two_of_different_lanes_are_woken_at_once() {
    model_of_three(|| {
        let mut set = Set::new();
        let lane = usize::BITS as usize;
        let mut flags: Vec<_> = (0..=lane).map(|key| enter(&mut set, key)).collect();
        let flags = [flags.remove(lane), flags.remove(0)];
        let waking = flags.map(|flag| thread::spawn(|| flag.raise()));
        assert_eq!(next(&mut set) + next(&mut set), lane);
        for thread in waking {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_late_wake_meets_the_next_child_of_its_place() {
    model_of_three(|| {
        let mut set = Set::new();
        let first = enter(&mut set, 0);
        let late = first.waker.clone();
        first.raise();
        assert_eq!(next(&mut set), 0);
        let second = enter(&mut set, 1);
        let waking = [
            thread::spawn(|| late.wake()),
            thread::spawn(|| second.raise()),
        ];
        assert_eq!(next(&mut set), 1);
        for thread in waking {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_set_goes_while_a_child_is_woken() {
    loom::model(|| {
        let mut set = Set::new();
        let flag = enter(&mut set, 0);
        let waking = thread::spawn(|| flag.raise());
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let _ = poll(&mut set, &mut Context::from_waker(&waker));
        drop(set);
        drop(waker);
        waking.join().unwrap();
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_wake_meets_a_task_that_moves() {
    loom::model(|| {
        let mut set = Set::new();
        let flag = enter(&mut set, 0);
        let counts = [(); 2].map(|()| Arc::new(Count::default()));
        let wakers = counts.clone().map(Waker::from);
        let mut done = poll(&mut set, &mut Context::from_waker(&wakers[0])).is_ready();
        let waking = thread::spawn(|| flag.raise());
        done |= poll(&mut set, &mut Context::from_waker(&wakers[1])).is_ready();
        waking.join().unwrap();
        // Either the second poll had it, or the second task was told.
        assert_ne!(done, counts[1].0.load(Ordering::Relaxed) > 0);
        if !done {
            assert_eq!(next(&mut set), 0);
        }
    });
}
