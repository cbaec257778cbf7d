use std::cell::{Cell, RefCell};
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::{AcquireOwned, Limit, OwnedPermit};

use crate::polled::Polled;
use crate::random::Random;
use crate::support::{Wakes, panic_text, seeds};

#[test]
fn a_free_slot_is_given_at_once() {
    let limit = Limit::new(1);
    let (_, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let first = pin!(limit.acquire()).poll(&mut cx);
    assert!(first.is_ready());
    assert_eq!(limit.available(), 0);
    assert!(pin!(limit.acquire()).poll(&mut cx).is_pending());
    assert!(limit.try_acquire().is_none());
    drop(first);
    assert_eq!(limit.available(), 1);
}

// S1
#[test]
fn waiters_are_served_in_the_order_they_came() {
    let limit = Limit::new(1);
    let held = limit.try_acquire();
    let (a_count, a_waker) = Wakes::new();
    let (b_count, b_waker) = Wakes::new();
    let mut a = pin!(limit.acquire());
    let mut b = pin!(limit.acquire());
    assert!(
        a.as_mut()
            .poll(&mut Context::from_waker(&a_waker))
            .is_pending()
    );
    assert!(
        b.as_mut()
            .poll(&mut Context::from_waker(&b_waker))
            .is_pending()
    );
    drop(held);
    assert_eq!((a_count.count(), b_count.count()), (1, 0));
    // The slot is a's, though a has not run yet.
    assert!(limit.try_acquire().is_none());
    assert_eq!(limit.available(), 0);
    assert!(
        b.as_mut()
            .poll(&mut Context::from_waker(&b_waker))
            .is_pending()
    );
    let Poll::Ready(permit) = a.as_mut().poll(&mut Context::from_waker(&a_waker)) else {
        panic!("a was served");
    };
    drop(permit);
    assert_eq!((a_count.count(), b_count.count()), (1, 1));
    assert!(
        b.as_mut()
            .poll(&mut Context::from_waker(&b_waker))
            .is_ready()
    );
}

// S1 S2
#[test]
fn nobody_passes_a_waiter_even_when_the_slot_of_a_dropped_one_returns() {
    let limit = Limit::new(1);
    let held = limit.try_acquire();
    let (count, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut woken = Box::pin(limit.acquire());
    let mut next = pin!(limit.acquire());
    assert!(woken.as_mut().poll(&mut cx).is_pending());
    assert!(next.as_mut().poll(&mut cx).is_pending());
    drop(held);
    drop(woken);
    assert_eq!(count.count(), 2);
    assert!(limit.try_acquire().is_none());
    assert!(next.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_waiter_dropped_from_the_middle_of_the_queue_leaves_the_others_in_order() {
    let limit = Limit::new(1);
    let order = RefCell::new(Vec::new());
    let sim = Sim::new();
    sim.block_on(async {
        let held = limit.acquire().await;
        let mut waits: Vec<_> = (0..5).map(|_| Some(Box::pin(limit.acquire()))).collect();
        std::future::poll_fn(|cx| {
            for wait in waits.iter_mut().flatten() {
                assert!(wait.as_mut().poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        for dropped in [0, 2, 4] {
            waits[dropped] = None;
        }
        drop(held);
        for (index, wait) in waits.into_iter().enumerate() {
            if let Some(wait) = wait {
                drop(wait.await);
                order.borrow_mut().push(index);
            }
        }
    });
    assert_eq!(*order.borrow(), [1, 3]);
    assert_eq!(limit.available(), 1);
}

#[test]
fn more_slots_serve_waiters_at_once_and_fewer_wait_for_permits_to_return() {
    let limit = Limit::new(1);
    let (count, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let first = limit.try_acquire().unwrap();
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(limit.acquire())).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    limit.set_total(3);
    assert_eq!(count.count(), 2);
    let mut permits: Vec<_> = waits
        .iter_mut()
        .filter_map(|wait| match wait.as_mut().poll(&mut cx) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        })
        .collect();
    assert_eq!(permits.len(), 2);
    limit.set_total(1);
    assert_eq!((limit.total(), limit.available()), (1, 0));
    drop(first);
    permits.pop();
    assert_eq!(
        count.count(),
        2,
        "three were out of one: two had to return first"
    );
    permits.pop();
    assert_eq!(count.count(), 3);
    assert!(waits[2].as_mut().poll(&mut cx).is_ready());
}

struct Inside(Arc<AtomicUsize>);

impl Inside {
    fn enter(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

// S1
#[test]
fn the_limit_is_never_passed_in_any_order() {
    let full = Cell::new(0);
    explore_orders(200, |sim| {
        let limit = Limit::from(NonZeroUsize::new(3).unwrap());
        let rt = sim.runtime();
        let inside = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..10)
            .map(|index| {
                let (limit, inside, most) = (limit.clone(), inside.clone(), most.clone());
                rt.spawn(async move {
                    let _permit = limit.acquire_owned().await;
                    // Dropped before the permit, also where the task is dropped half-way.
                    let inside = Inside::enter(inside);
                    most.fetch_max(inside.count(), Ordering::SeqCst);
                    for _ in 0..index % 3 {
                        yield_now().await;
                    }
                })
            })
            .collect();
        sim.block_on(async {
            for (index, task) in tasks.into_iter().enumerate() {
                // Some are dropped while they wait or hold a slot.
                if index % 4 == 1 {
                    drop(task);
                } else {
                    task.await.unwrap();
                }
            }
        });
        sim.run_until_idle();
        assert!(most.load(Ordering::SeqCst) <= 3);
        full.set(full.get() + usize::from(most.load(Ordering::SeqCst) == 3));
        assert_eq!(limit.available(), 3);
    });
    assert!(full.get() > 0, "the limit was never reached");
}

// S2
#[test]
fn a_wait_dropped_at_any_poll_gives_its_slot_on() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(3)] {
        let polls = drop_at_every_poll(order, |sim| {
            let limit = Limit::new(1);
            let rt = sim.runtime();
            let served = Rc::new(Cell::new(false));
            let wait = {
                let (limit, served, rt) = (limit.clone(), served.clone(), rt.clone());
                async move {
                    let first = limit.acquire().await;
                    let behind = rt.spawn({
                        let limit = limit.clone();
                        async move { drop(limit.acquire().await) }
                    });
                    let mut wait = pin!(limit.acquire());
                    let mut first = Some(first);
                    std::future::poll_fn(|cx| {
                        if first.is_some() {
                            assert!(wait.as_mut().poll(cx).is_pending());
                            first = None;
                            return Poll::Pending;
                        }
                        wait.as_mut().poll(cx).map(drop)
                    })
                    .await;
                    served.set(true);
                    behind.await.unwrap();
                }
            };
            (wait, move |_: &Sim| assert_eq!(limit.available(), 1))
        });
        assert!(polls >= 2, "{polls}");
    }
}

#[test]
#[should_panic(expected = "a limit of nought lets nobody in")]
fn nought_is_refused() {
    Limit::new(0);
}

#[test]
#[should_panic(expected = "a limit of nought lets nobody in")]
fn nought_is_refused_later_too() {
    Limit::new(1).set_total(0);
}

#[test]
fn the_biggest_limit_works() {
    let limit = Limit::new(usize::MAX);
    let permits: Vec<_> = (0..100).map(|_| limit.try_acquire().unwrap()).collect();
    assert_eq!(limit.available(), usize::MAX - 100);
    drop(permits);
    assert_eq!(limit.available(), usize::MAX);
}

#[test]
fn a_weight_takes_several_slots_at_once() {
    let limit = Limit::new(5);
    let three = limit.try_acquire_many(3).unwrap();
    assert_eq!(limit.available(), 2);
    assert!(limit.try_acquire_many_owned(3).is_none());
    let two = limit.try_acquire_many_owned(2).unwrap();
    assert_eq!(limit.available(), 0);
    drop(three);
    assert_eq!(limit.available(), 3);
    drop(two);
    assert_eq!(limit.available(), 5);
}

// S1
#[test]
fn nobody_passes_a_heavy_waiter() {
    let limit = Limit::new(3);
    let one = limit.try_acquire().unwrap();
    let mut heavy = Polled::waiting(limit.acquire_many(3));
    let mut light = Polled::waiting(limit.acquire());
    assert!(
        limit.try_acquire().is_none(),
        "two are free, but somebody waits"
    );
    drop(one);
    assert_eq!((heavy.woken(), light.woken()), (1, 0));
    drop(heavy.ready());
    assert_eq!(light.woken(), 1);
    drop(light.ready());
    assert_eq!(limit.available(), 3);
}

// S2
#[test]
fn when_a_heavy_waiter_gives_up_those_behind_it_get_in() {
    let limit = Limit::new(3);
    let one = limit.try_acquire().unwrap();
    let heavy = Polled::waiting(limit.acquire_many(3));
    let mut light: Vec<_> = (0..3).map(|_| Polled::waiting(limit.acquire())).collect();
    drop(heavy);
    let woken: Vec<_> = light.iter().map(Polled::woken).collect();
    assert_eq!(woken, [1, 1, 0]);
    drop(one);
    let permits: Vec<_> = light.iter_mut().map(Polled::ready).collect();
    drop(permits);
    assert_eq!(limit.available(), 3);
}

#[test]
fn more_than_there_are_is_let_in_alone() {
    let limit = Limit::new(2);
    let one = limit.try_acquire().unwrap();
    assert!(limit.try_acquire_many(9).is_none());
    let mut huge = Polled::waiting(limit.acquire_many(9));
    drop(one);
    let huge = huge.ready();
    assert_eq!(limit.available(), 0);
    assert!(limit.try_acquire().is_none());
    drop(huge);
    assert_eq!(limit.available(), 2);

    let one = limit.try_acquire().unwrap();
    let mut two = Polled::waiting(limit.acquire_many(2));
    limit.set_total(1);
    drop(one);
    drop(two.ready());
    let all = limit.try_acquire_many(usize::MAX).unwrap();
    assert!(limit.try_acquire_many(usize::MAX).is_none());
    drop(all);
    assert_eq!(limit.available(), 1);
}

// S3
#[test]
fn a_child_takes_from_its_parent() {
    let parent = Limit::new(3);
    let (a, b) = (parent.child(2), parent.child(2));
    let first = a.try_acquire().unwrap();
    let second = a.try_acquire().unwrap();
    assert!(a.try_acquire().is_none());
    assert_eq!((a.available(), parent.available()), (0, 1));
    let third = b.try_acquire().unwrap();
    assert!(b.try_acquire().is_none(), "the parent has none left");
    assert_eq!(b.available(), 1, "what was taken of the child came back");
    drop(first);
    let fourth = b.try_acquire_owned().unwrap();
    assert_eq!(
        (a.available(), b.available(), parent.available()),
        (1, 0, 0)
    );
    drop((second, third, fourth));
    assert_eq!(
        (a.available(), b.available(), parent.available()),
        (2, 2, 3)
    );
}

// S3
#[test]
fn who_waits_for_a_child_keeps_nothing_from_the_others() {
    let parent = Limit::new(2);
    let (a, b) = (parent.child(1), parent.child(1));
    let held = a.try_acquire().unwrap();
    let mut waits = Polled::waiting(a.acquire());
    let other = b.try_acquire();
    assert!(
        other.is_some(),
        "the one that waits for a has no slot of the parent"
    );
    let mut behind = Polled::waiting(parent.acquire());
    drop(held);
    // The slot of the parent is the one's who came to the parent first.
    assert_eq!((waits.woken(), behind.woken()), (1, 1));
    assert!(waits.poll().is_pending());
    drop(behind.ready());
    drop(waits.ready());
    drop(other);
    assert_eq!(
        (a.available(), b.available(), parent.available()),
        (1, 1, 2)
    );
}

// S2 S3
#[test]
fn a_wait_that_is_dropped_at_any_level_gives_back_all_it_has() {
    let root = Limit::new(1);
    let middle = root.child(2);
    let leaf = middle.child_from(NonZeroUsize::new(3).unwrap());
    let held = root.try_acquire().unwrap();
    let at_root = Polled::waiting(leaf.acquire_owned());
    let mut also = Polled::waiting(leaf.acquire_owned());
    let at_middle = Polled::waiting(leaf.acquire_owned());
    let at_leaf = Polled::waiting(leaf.acquire_owned());
    assert_eq!(
        (leaf.available(), middle.available(), root.available()),
        (0, 0, 0)
    );
    drop(at_middle);
    assert_eq!(
        (leaf.available(), middle.available()),
        (0, 0),
        "the one behind has its slot"
    );
    drop(at_leaf);
    assert_eq!((leaf.available(), middle.available()), (1, 0));
    drop(held);
    assert_eq!((at_root.woken(), also.woken()), (1, 0));
    // Dropped with the slot of the root that it was given.
    drop(at_root);
    assert_eq!(also.woken(), 1);
    drop(also.ready());
    assert_eq!(
        (leaf.available(), middle.available(), root.available()),
        (3, 2, 1)
    );
}

/// What a random schedule does to a tree of limits.
#[derive(Clone, Copy)]
enum Step {
    Acquire,
    TryAcquire,
    Release,
    DropWait,
    Run,
    SetTotal,
}

// S1 S2 S3
#[test]
fn random_schedules_keep_every_limit_and_strand_nobody() {
    let steps = [
        (10, Step::Acquire),
        (3, Step::TryAcquire),
        (6, Step::Release),
        (5, Step::DropWait),
        (5, Step::Run),
        (1, Step::SetTotal),
    ];
    let (mut waited, mut dropped_woken, mut alone, mut shrunk) = (0, 0, 0, 0);
    for seed in seeds(3000) {
        let mut random = Random::new(seed);
        let root = Limit::new(1 + random.below(4));
        let child = root.child(1 + random.below(3));
        let mut waits: Vec<Polled<AcquireOwned>> = Vec::new();
        let mut permits: Vec<OwnedPermit> = Vec::new();
        let run = |waits: &mut Vec<Polled<AcquireOwned>>, permits: &mut Vec<OwnedPermit>| {
            // One that was let in may let in others by going up to the parent.
            loop {
                let before = waits.len();
                waits.retain_mut(|wait| match wait.poll() {
                    Poll::Ready(permit) => {
                        permits.push(permit);
                        false
                    }
                    Poll::Pending => true,
                });
                if waits.len() == before {
                    break;
                }
            }
        };
        for _ in 0..4 + random.below(16) {
            let limit = if random.below(2) == 0 { &root } else { &child };
            let weight = 1 + random.below(4);
            match random.weighted(&steps) {
                Step::Acquire => {
                    let mut wait = Polled::new(limit.acquire_many_owned(weight));
                    match wait.poll() {
                        Poll::Ready(permit) => permits.push(permit),
                        Poll::Pending => {
                            waited += 1;
                            waits.push(wait);
                        }
                    }
                }
                Step::TryAcquire => permits.extend(limit.try_acquire_many_owned(weight)),
                Step::Release if !permits.is_empty() => {
                    drop(permits.swap_remove(random.below(permits.len())));
                }
                Step::DropWait if !waits.is_empty() => {
                    let wait = waits.remove(random.below(waits.len()));
                    dropped_woken += usize::from(wait.woken() > 0);
                }
                Step::Run => run(&mut waits, &mut permits),
                Step::SetTotal => {
                    let total = 1 + random.below(4);
                    shrunk += usize::from(total < limit.total());
                    limit.set_total(total);
                }
                _ => {}
            }
            if random.below(2) == 0 {
                continue;
            }
            run(&mut waits, &mut permits);
            // At rest somebody waits only if somebody has what is waited for.
            assert!(waits.is_empty() || !permits.is_empty(), "seed {seed}");
            alone += usize::from(permits.len() == 1 && root.available() == 0);
        }
        run(&mut waits, &mut permits);
        // Whoever waits gets in once others give back.
        while !waits.is_empty() {
            assert!(!permits.is_empty(), "seed {seed}");
            permits.clear();
            run(&mut waits, &mut permits);
        }
        permits.clear();
        assert_eq!(root.available(), root.total(), "seed {seed}");
        assert_eq!(child.available(), child.total(), "seed {seed}");
    }
    assert!(waited > 0 && dropped_woken > 0 && alone > 0 && shrunk > 0);
}

#[test]
fn a_weight_of_nought_is_refused() {
    let text = panic_text(|| drop(Limit::new(1).acquire_many(0)));
    assert_eq!(text, "a weight of nought takes no slot: give one or more");
    let text = panic_text(|| Limit::new(1).child(0));
    assert_eq!(text, "a limit of nought lets nobody in: give one or more");
}
