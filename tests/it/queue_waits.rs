//! What a wait for a queue costs, and what it leaves to others.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, SinkExt};
use untethered::Queue;

use crate::polled::{Polled, now};
use crate::support::on_clone;

#[test]
fn what_need_not_wait_clones_no_waker() {
    let clones = Arc::new(AtomicUsize::new(0));
    let counted = clones.clone();
    let waker = on_clone(Waker::noop().clone(), move || {
        counted.fetch_add(1, SeqCst);
    });
    let mut cx = Context::from_waker(&waker);
    let queue = Queue::bounded(2);
    for round in 0..3 {
        for item in [round, round + 1] {
            assert!(pin!(queue.push(item)).poll(&mut cx).is_ready());
        }
        for item in [round, round + 1] {
            assert_eq!(pin!(queue.pop()).poll(&mut cx), Poll::Ready(Some(item)));
        }
    }
    assert_eq!(clones.load(SeqCst), 0);

    let mut pop = pin!(queue.pop());
    assert!(pop.as_mut().poll(&mut cx).is_pending());
    queue.try_push(1).unwrap();
    assert!(pop.as_mut().poll(&mut cx).is_ready());
    assert_eq!(clones.load(SeqCst), 1);
}

// Q3
#[test]
fn the_next_is_served_though_the_one_before_it_has_left() {
    for left in 0..5 {
        let queue = Queue::bounded(1);
        let mut pops: Vec<_> = (0..5).map(|_| Polled::waiting(queue.pop())).collect();
        pops.remove(left);
        for pop in &mut pops {
            queue.try_push(7).unwrap();
            assert_eq!((pop.woken(), pop.ready()), (1, Some(7)));
        }

        queue.try_push(9).unwrap();
        let mut pushes: Vec<_> = (0..5)
            .map(|item| Polled::waiting(queue.push(item)))
            .collect();
        pushes.remove(left);
        for push in &mut pushes {
            queue.try_pop().unwrap();
            assert_eq!(push.woken(), 1);
            push.ready().unwrap();
        }
    }
}

// Q1
#[test]
fn a_long_queue_is_popped_to_its_end() {
    let queue = Queue::unbounded();
    (0..10_000).for_each(|item| queue.try_push(item).unwrap());
    for item in 0..10_000 {
        assert_eq!(now(queue.pop()), Some(item));
    }
    assert!(queue.is_empty());
}

#[test]
fn a_sink_is_flushed_and_closed_once_its_item_is_inside() {
    fn check<S: Sink<i32, Error = untethered::queue::Closed<i32>> + Unpin>(
        queue: &Queue<i32>,
        mut sink: S,
    ) {
        for close in [false, true] {
            queue.try_push(0).unwrap();
            sink.start_send_unpin(1).unwrap();
            let is_ready = poll_fn(|cx| sink.poll_ready_unpin(cx));
            assert!(Polled::new(is_ready).poll().is_pending());
            let mut flush = Polled::waiting(async {
                match close {
                    false => sink.flush().await,
                    true => sink.close().await,
                }
            });
            assert_eq!(queue.try_pop(), Ok(0));
            assert_eq!(flush.woken(), 1);
            flush.ready().unwrap();
            drop(flush);
            assert_eq!(queue.try_pop(), Ok(1));
        }
    }
    let queue = Queue::bounded(1);
    check(&queue, queue.sink());
    assert!(!queue.is_closed());
    check(&queue, queue.sender());
}
