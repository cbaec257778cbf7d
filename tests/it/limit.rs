use std::cell::{Cell, RefCell};
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::Limit;

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), count.into())
}

#[test]
fn a_free_slot_is_given_at_once() {
    let limit = Limit::new(1);
    let (_, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let first = pin!(limit.acquire()).poll(&mut cx);
    assert!(first.is_ready());
    assert_eq!(limit.available(), 0);
    assert!(pin!(limit.acquire()).poll(&mut cx).is_pending());
    assert!(limit.try_acquire().is_none());
    drop(first);
    assert_eq!(limit.available(), 1);
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    let limit = Limit::new(1);
    let held = limit.try_acquire();
    let (a_count, a_waker) = counting();
    let (b_count, b_waker) = counting();
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
    assert_eq!((a_count.woken(), b_count.woken()), (1, 0));
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
    assert_eq!((a_count.woken(), b_count.woken()), (1, 1));
    assert!(
        b.as_mut()
            .poll(&mut Context::from_waker(&b_waker))
            .is_ready()
    );
}

#[test]
fn nobody_passes_a_waiter_even_when_the_slot_of_a_dropped_one_returns() {
    let limit = Limit::new(1);
    let held = limit.try_acquire();
    let (count, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let mut woken = Box::pin(limit.acquire());
    let mut next = pin!(limit.acquire());
    assert!(woken.as_mut().poll(&mut cx).is_pending());
    assert!(next.as_mut().poll(&mut cx).is_pending());
    drop(held);
    drop(woken);
    assert_eq!(count.woken(), 2);
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
    let (count, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let first = limit.try_acquire().unwrap();
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(limit.acquire())).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    limit.set_total(3);
    assert_eq!(count.woken(), 2);
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
        count.woken(),
        2,
        "three were out of one: two had to return first"
    );
    permits.pop();
    assert_eq!(count.woken(), 3);
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
