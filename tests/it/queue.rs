use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures_lite::future::or;
use futures_lite::{StreamExt, stream};
use futures_util::SinkExt;
use untethered::queue::{Closed, Receiver, Sender, TryPopError, TryPushError};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::{Queue, queue};

use crate::polled::{Polled, now};
use crate::support::{Drops, OnDrop, Wakes, panic_text};

const ORDERS: [Order; 3] = [Order::Fifo, Order::Lifo, Order::Seeded(5)];

fn filled<const N: usize>(queue: &Queue<usize>, items: [usize; N]) {
    for item in items {
        queue.try_push(item).unwrap();
    }
}

#[test]
fn items_leave_in_the_order_they_came() {
    let queue = Queue::bounded(3);
    assert_eq!((queue.len(), queue.capacity()), (0, Some(3)));
    assert!(queue.is_empty() && !queue.is_full());
    filled(&queue, [1, 2, 3]);
    assert!(queue.is_full() && !queue.is_empty());
    assert_eq!(queue.try_push(4), Err(TryPushError::Full(4)));
    assert_eq!([now(queue.pop()), now(queue.pop())], [Some(1), Some(2)]);
    assert_eq!(queue.try_pop(), Ok(3));
    assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
}

#[test]
fn unbounded_never_waits() {
    let queue = Queue::unbounded();
    for item in 0..10_000 {
        now(queue.push(item)).unwrap();
    }
    assert_eq!((queue.len(), queue.capacity()), (10_000, None));
    assert!(!queue.is_full());
    assert!(queue.drain().into_iter().eq(0..10_000));
}

#[test]
fn nought_and_nothing_are_items_like_others() {
    let queue = Queue::bounded(2);
    now(queue.push(None)).unwrap();
    now(queue.push(Some(()))).unwrap();
    assert_eq!(now(queue.pop()), Some(None));
    assert_eq!(now(queue.pop()), Some(Some(())));
}

// Q3
#[test]
fn nobody_passes_a_pop_that_waits() {
    let queue = Queue::bounded(2);
    let mut first = Polled::waiting(queue.pop());
    let mut second = Polled::waiting(queue.pop());
    queue.try_push(1).unwrap();
    assert_eq!((first.woken(), second.woken()), (1, 0));
    assert_eq!(
        queue.try_pop(),
        Err(TryPopError::Empty),
        "it is the first one's"
    );
    assert!(queue.is_empty());
    assert!(Polled::new(queue.pop()).poll().is_pending());
    assert!(second.poll().is_pending());
    assert_eq!(first.ready(), Some(1));
    assert!(queue.is_empty());
    queue.try_push(2).unwrap();
    assert_eq!(second.ready(), Some(2));
}

// Q3
#[test]
fn nobody_passes_a_push_that_waits() {
    let queue = Queue::bounded(1);
    filled(&queue, [1]);
    let mut second = Polled::waiting(queue.push(2));
    let mut third = Polled::waiting(queue.push(3));
    assert_eq!(queue.try_pop(), Ok(1));
    assert_eq!((second.woken(), third.woken()), (1, 0));
    assert_eq!(
        queue.try_push(9),
        Err(TryPushError::Full(9)),
        "the place is the second one's"
    );
    assert!(third.poll().is_pending());
    second.ready().unwrap();
    assert_eq!(queue.try_pop(), Ok(2));
    third.ready().unwrap();
    assert_eq!(queue.try_pop(), Ok(3));
}

// Q3
#[test]
fn who_stays_is_served_in_order_however_many_leave_from_the_middle() {
    const WAITS: usize = 500;
    let stays = |wait: usize| wait % 5 == 0;
    // Each once, far from the one before.
    let scattered = || (0..WAITS).map(|step| step * 211 % WAITS);

    let queue = Queue::bounded(1);
    let mut pops: Vec<_> = (0..WAITS)
        .map(|_| Some(Polled::waiting(queue.pop())))
        .collect();
    scattered()
        .filter(|&wait| !stays(wait))
        .for_each(|wait| pops[wait] = None);
    for (item, pop) in pops.iter_mut().flatten().enumerate() {
        pop.change_waker();
        assert!(pop.poll().is_pending());
        queue.try_push(item).unwrap();
        assert_eq!((pop.woken(), pop.ready()), (1, Some(item)));
    }

    filled(&queue, [WAITS]);
    let mut pushes: Vec<_> = (0..WAITS)
        .map(|item| Some(Polled::waiting(queue.push(item))))
        .collect();
    scattered()
        .filter(|&wait| !stays(wait))
        .for_each(|wait| pushes[wait] = None);
    assert_eq!(queue.try_pop(), Ok(WAITS));
    for (item, push) in pushes.iter_mut().enumerate() {
        let Some(push) = push else { continue };
        assert_eq!(push.woken(), 1);
        assert_eq!(queue.try_pop(), Ok(item));
        push.ready().unwrap();
    }
    assert!(queue.is_empty());
}

// Q1
#[test]
fn items_given_to_pops_that_are_polled_out_of_order_stay_theirs() {
    const WAITS: usize = 300;
    let queue = Queue::unbounded();
    let mut pops: Vec<_> = (0..WAITS).map(|_| Polled::waiting(queue.pop())).collect();
    (0..WAITS).for_each(|item| queue.try_push(item).unwrap());
    assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
    queue.close();
    for wait in (0..WAITS).map(|step| step * 211 % WAITS) {
        assert_eq!(pops[wait].ready(), Some(wait));
    }
    assert_eq!(queue.try_pop(), Err(TryPopError::Closed));
}

// Q1
#[test]
fn what_dropped_pops_were_given_keeps_its_order() {
    for dropped in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let queue = Queue::bounded(2);
        let mut pops: Vec<_> = (0..3).map(|_| Some(Polled::waiting(queue.pop()))).collect();
        filled(&queue, [1, 2, 3, 4, 5]);
        assert_eq!(queue.len(), 2);
        for at in dropped {
            pops[at] = None;
        }
        assert_eq!(queue.len(), 5);
        assert!(queue.try_push(6).unwrap_err().is_full());
        assert_eq!(queue.drain(), [1, 2, 3, 4, 5]);
    }
}

// Q4
#[test]
fn close_wakes_every_wait_once_and_gives_pushes_their_items_back() {
    let full = Queue::bounded(1);
    filled(&full, [0]);
    let mut pushes: Vec<_> = (1..=3)
        .map(|item| Polled::waiting(full.push(item)))
        .collect();
    let mut closed = Polled::waiting(full.closed());
    full.close();
    full.close();
    for (push, item) in pushes.iter_mut().zip(1..) {
        assert_eq!(push.woken(), 1);
        assert_eq!(push.ready().unwrap_err().into_inner(), item);
    }
    assert_eq!(closed.woken(), 1);
    closed.ready();
    now(full.closed());
    assert_eq!(
        full.try_push(4),
        Err(TryPushError::Closed(4)),
        "closed goes before full"
    );
    assert_eq!(now(full.push(5)).unwrap_err().into_inner(), 5);
    assert_eq!(now(full.pop()), Some(0), "what is inside can be popped");
    assert_eq!(now(full.pop()), None);
    assert_eq!(full.try_pop(), Err(TryPopError::Closed));

    let empty = Queue::<usize>::bounded(1);
    let mut pops: Vec<_> = (0..3).map(|_| Polled::waiting(empty.pop())).collect();
    let mut latest = Polled::waiting(empty.pop_latest());
    let mut batch = Polled::waiting(empty.pop_batch(2));
    empty.close();
    for pop in &mut pops {
        assert_eq!(pop.woken(), 1);
        assert_eq!(pop.ready(), None);
    }
    assert_eq!((latest.ready(), batch.ready()), (None, vec![]));
}

// Q1 Q4
#[test]
fn a_closed_queue_ends_only_when_what_was_given_is_taken() {
    let queue = Queue::bounded(1);
    let first = Polled::waiting(queue.pop());
    let mut second = Polled::waiting(queue.pop());
    queue.try_push(1).unwrap();
    queue.close();
    assert!(second.poll().is_pending(), "the first one may be dropped");
    assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
    drop(first);
    assert_eq!(second.ready(), Some(1));
    assert_eq!(now(queue.pop()), None);
}

#[test]
fn close_now_takes_what_is_inside() {
    let queue = Queue::bounded(2);
    filled(&queue, [1, 2]);
    let mut push = Polled::waiting(queue.push(3));
    assert_eq!(queue.close_now(), [1, 2]);
    assert_eq!(push.ready().unwrap_err().into_inner(), 3);
    assert_eq!(now(queue.pop()), None);
    assert!(queue.close_now().is_empty());
}

#[test]
fn close_now_after_close_takes_the_rest() {
    let queue = Queue::bounded(2);
    filled(&queue, [1, 2]);
    queue.close();
    assert_eq!(queue.close_now(), [1, 2]);
    assert_eq!(now(queue.pop()), None);
}

#[test]
fn the_latest_is_popped_and_all_places_are_filled_again() {
    let queue = Queue::bounded(3);
    filled(&queue, [1, 2, 3]);
    let mut pushes: Vec<_> = (4..8)
        .map(|item| Polled::waiting(queue.push(item)))
        .collect();
    assert_eq!(
        now(queue.pop_latest()),
        Some(3),
        "what waits to be pushed is not inside"
    );
    let woken: Vec<_> = pushes.iter().map(Polled::woken).collect();
    assert_eq!(woken, [1, 1, 1, 0]);
    for push in &mut pushes[..3] {
        push.ready().unwrap();
    }
    assert_eq!(queue.try_pop_latest(), Ok(6));
    assert_eq!(queue.try_pop(), Ok(7));
    assert_eq!(queue.try_pop_latest(), Err(TryPopError::Empty));

    let mut waiting = Polled::waiting(queue.pop_latest());
    filled(&queue, [8, 9]);
    assert_eq!(waiting.ready(), Some(9), "it looks when it runs");
    queue.close();
    assert_eq!(queue.try_pop_latest(), Err(TryPopError::Closed));
}

#[test]
fn batches_hold_what_is_there_up_to_their_size() {
    let queue = Queue::bounded(4);
    filled(&queue, [1, 2, 3]);
    assert_eq!(now(queue.pop_batch(2)), [1, 2]);
    assert_eq!(now(queue.pop_batch(usize::MAX)), [3]);
    assert_eq!(queue.try_pop_batch(2), Err(TryPopError::Empty));
    let mut waiting = Polled::waiting(queue.pop_batch(3));
    filled(&queue, [4, 5, 6, 7]);
    assert_eq!(waiting.ready(), [4, 5, 6]);
    assert_eq!(queue.try_pop_batch(9), Ok(vec![7]));
}

#[test]
fn nought_is_refused_at_the_callers_line() {
    for text in [
        panic_text(|| Queue::<()>::bounded(0)),
        panic_text(|| Queue::<()>::unbounded().try_pop_batch(0)),
        panic_text(|| drop(Queue::<()>::unbounded().pop_batch(0))),
    ] {
        assert!(text.ends_with("give one or more"), "{text}");
    }
}

#[test]
fn configuration_comes_in_checked() {
    let queue = Queue::from(NonZeroUsize::new(1).unwrap());
    queue.try_push(1).unwrap();
    assert!(queue.is_full());
    let huge = Queue::bounded(usize::MAX - 1);
    huge.try_push(1).unwrap();
    assert_eq!(huge.capacity(), Some(usize::MAX - 1));
}

/// An item that uses its queue when it is dropped.
struct Meddler(Queue<Meddler>, Arc<AtomicUsize>);

impl Drop for Meddler {
    fn drop(&mut self) {
        self.1.fetch_add(1, SeqCst);
        let _ = (self.0.len(), self.0.try_pop().map(std::mem::forget));
        self.0.close();
    }
}

// Q6
#[test]
fn items_may_use_the_queue_while_they_are_dropped() {
    let fresh = || {
        let queue = Queue::bounded(2);
        let dropped = Arc::new(AtomicUsize::new(0));
        let item = {
            let (queue, dropped) = (queue.clone(), dropped.clone());
            move || Meddler(queue.clone(), dropped.clone())
        };
        queue.try_push(item()).ok().unwrap();
        queue.try_push(item()).ok().unwrap();
        (queue, item, dropped)
    };
    let (queue, _, dropped) = fresh();
    drop(queue.drain());
    assert_eq!(dropped.load(SeqCst), 2);

    let (queue, _, dropped) = fresh();
    drop(queue.close_now());
    assert_eq!(dropped.load(SeqCst), 2);

    let (queue, item, dropped) = fresh();
    let push = Polled::waiting(queue.push(item()));
    drop(push);
    assert_eq!(dropped.load(SeqCst), 1);

    let (queue, _, dropped) = fresh();
    let latest = queue.try_pop_latest().unwrap();
    assert_eq!(dropped.load(SeqCst), 1);
    drop(latest);
    assert_eq!(dropped.load(SeqCst), 2);
}

/// A waker all of whose doings use the queue.
struct Nosy(Queue<usize>);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        assert!(self.0.len() < 10);
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        assert!(self.0.len() < 10);
    }
}

// Q6
#[test]
fn wakers_may_use_the_queue() {
    let queue = Queue::bounded(1);
    let nosy = || Waker::from(Arc::new(Nosy(queue.clone())));
    let mut pop = pin!(queue.pop());
    // The second waker takes the place of the first, which is dropped with it.
    assert!(
        pop.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    assert!(
        pop.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    queue.try_push(1).unwrap();
    assert!(
        pop.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_ready()
    );
    let mut fill = pin!(queue.push(2));
    assert!(
        fill.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_ready()
    );
    let mut push = Box::pin(queue.push(3));
    assert!(
        push.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    assert!(
        push.as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    let mut closed = Box::pin(queue.closed());
    assert!(
        closed
            .as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    assert!(
        closed
            .as_mut()
            .poll(&mut Context::from_waker(&nosy()))
            .is_pending()
    );
    drop(push);
    queue.close();
    drop(closed);
}

/// A waker that panics.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

// Q7
#[test]
fn a_waker_that_panics_harms_nobody() {
    let bomb = Waker::from(Arc::new(Bomb));
    let mut cx = Context::from_waker(&bomb);
    let queue = Queue::bounded(1);
    let mut bombs: Vec<_> = (0..2).map(|_| Box::pin(queue.pop())).collect();
    for bomb in &mut bombs {
        assert!(bomb.as_mut().poll(&mut cx).is_pending());
    }
    let mut behind = Polled::waiting(queue.pop());
    queue.try_push(1).unwrap();
    assert_eq!(bombs[0].as_mut().poll(&mut cx), Poll::Ready(Some(1)));
    queue.close();
    assert_eq!(behind.woken(), 1);
    assert_eq!(behind.ready(), None);

    let full = Queue::bounded(1);
    filled(&full, [1]);
    let mut bomb = Box::pin(full.push(2));
    assert!(bomb.as_mut().poll(&mut cx).is_pending());
    let mut behind = Polled::waiting(full.push(3));
    assert_eq!(full.try_pop(), Ok(1));
    assert_eq!(full.try_pop(), Ok(2));
    behind.ready().unwrap();
    assert_eq!(full.try_pop(), Ok(3));
}

// Q7
#[test]
fn a_destructor_that_panics_leaves_the_queue_in_use() {
    let queue = Queue::unbounded();
    queue
        .try_push(OnDrop::new(|| panic!("a destructor that panics")))
        .ok()
        .unwrap();
    queue.try_push(OnDrop::new(|| ())).ok().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| queue.try_pop_latest().map(drop))).is_err());
    assert!(queue.is_empty());
    queue.try_push(OnDrop::new(|| ())).ok().unwrap();
    assert_eq!(queue.len(), 1);
}

// Q7
#[test]
fn a_sender_whose_item_panics_when_dropped_closes_the_queue_all_the_same() {
    let queue = Queue::bounded(1);
    let (mut sender, receiver) = (queue.sender(), queue.receiver());
    drop(queue);
    sender.try_push(OnDrop::new(|| ())).ok().unwrap();
    let bomb = OnDrop::new(|| panic!("a destructor that panics"));
    sender.start_send_unpin(bomb).ok().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(sender))).is_err());
    assert!(receiver.is_closed());
}

#[test]
fn several_streams_share_the_items() {
    let queue = Queue::unbounded();
    filled(&queue, [0, 1, 2, 3, 4, 5]);
    queue.close();
    let (mut a, mut b) = (queue.stream(), queue.stream());
    let mut seen = [Vec::new(), Vec::new()];
    while let Some(item) = now(a.next()) {
        seen[0].push(item);
        seen[1].extend(now(b.next()));
    }
    assert_eq!(seen, [[0, 2, 4], [1, 3, 5]]);
    assert_eq!(now(b.next()), None);
}

#[test]
fn a_stream_that_is_dropped_passes_on_what_it_was_given() {
    let queue = Queue::bounded(1);
    let mut stream = queue.stream();
    drop(Polled::waiting(stream.next()));
    let mut pop = Polled::waiting(queue.pop());
    queue.try_push(1).unwrap();
    assert!(pop.poll().is_pending(), "the stream has kept its place");
    drop(stream);
    assert_eq!(pop.ready(), Some(1));
}

#[test]
fn a_sink_waits_for_room() {
    let queue = Queue::bounded(1);
    let mut sink = queue.sink();
    now(sink.send(1)).unwrap();
    now(sink.feed(2)).unwrap();
    assert_eq!(queue.len(), 1);
    {
        let mut flush = Polled::waiting(SinkExt::<usize>::flush(&mut sink));
        assert_eq!(queue.try_pop(), Ok(1));
        assert_eq!(flush.woken(), 1);
        flush.ready().unwrap();
    }
    assert_eq!(queue.try_pop(), Ok(2));
    now(sink.feed(3)).unwrap();
    now(sink.feed(4)).unwrap();
    queue.close();
    assert_eq!(now(sink.flush()).unwrap_err().into_inner(), 4);
    assert_eq!(now(sink.send(5)).unwrap_err().into_inner(), 5);
}

#[test]
fn forwarding_into_a_sender_ends_with_it() {
    for order in ORDERS {
        let sim = Sim::with_order(order);
        let rt = sim.runtime();
        let (sender, receiver) = Queue::bounded(2).into_halves();
        for part in 0..3 {
            let mut sender = sender.clone();
            rt.spawn(async move {
                let mut items = stream::iter(part * 10..part * 10 + 10).map(Ok);
                sender.send_all(&mut items).await.unwrap();
                SinkExt::close(&mut sender).await.unwrap();
            })
            .detach();
        }
        drop(sender);
        let mut items: Vec<_> = sim.block_on(receiver.collect());
        items.sort_unstable();
        assert!(items.into_iter().eq(0..30));
    }
}

#[test]
fn the_last_sender_closes() {
    let queue = Queue::<usize>::bounded(1);
    let sender = queue.sender();
    let another = sender.clone();
    drop(sender);
    assert!(!another.is_closed());
    let mut pop = Polled::waiting(queue.pop());
    drop(another);
    assert!(queue.is_closed());
    assert_eq!(pop.ready(), None);
}

#[test]
fn the_last_receiver_gives_pushes_their_items_back() {
    let (sender, receiver) = Queue::bounded(1).into_halves();
    let another = receiver.clone();
    let drops = Drops::default();
    now(sender.push(drops.guard())).unwrap();
    let mut push = Polled::waiting(sender.push(drops.guard()));
    drop(receiver);
    assert!(push.poll().is_pending());
    drop(another);
    assert_eq!(push.woken(), 1);
    assert_eq!(drops.count(), 1, "nobody could ever pop what was inside");
    drop(push.ready().unwrap_err());
    assert_eq!(drops.count(), 2);
    assert!(sender.is_closed() && sender.is_empty());
}

#[test]
fn what_is_inside_stays_while_a_queue_could_pop_it() {
    let queue = Queue::bounded(2);
    let (sender, receiver) = (queue.sender(), queue.receiver());
    now(sender.push(1)).unwrap();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(now(queue.pop()), Some(1));
    assert_eq!(now(queue.pop()), None);
}

#[test]
fn the_shared_handle_closes_only_when_told_or_missed() {
    let queue = Queue::bounded(1);
    let stream = queue.stream();
    let (sender, receiver) = (queue.sender(), queue.receiver());
    drop(queue.clone());
    drop(queue);
    drop(stream);
    assert!(!sender.is_closed());
    now(sender.push(1)).unwrap();
    drop((sender, receiver));

    let queue = Queue::bounded(1);
    let sender = queue.sender();
    now(sender.push(1)).unwrap();
    let mut push = Polled::waiting(sender.push(2));
    drop(queue);
    assert_eq!(
        push.ready().unwrap_err().into_inner(),
        2,
        "nobody is left to pop"
    );

    let queue = Queue::<usize>::bounded(1);
    let receiver = queue.receiver();
    let mut pop = Polled::waiting(receiver.pop());
    drop(queue);
    assert_eq!(pop.ready(), None, "nobody is left to push");
}

#[test]
fn a_receiver_dropped_as_a_stream_passes_on_what_it_was_given() {
    let (sender, mut receiver) = Queue::bounded(1).into_halves();
    let other = receiver.clone();
    drop(Polled::waiting(receiver.next()));
    now(sender.push(1)).unwrap();
    drop(receiver);
    assert_eq!(now(other.pop()), Some(1));
}

#[test]
fn threads_outside_async_code_may_block() {
    let (sender, receiver) = Queue::bounded(2).into_halves();
    let producer = thread::spawn(move || {
        for item in 0..1000 {
            sender.push_blocking(item).unwrap();
        }
    });
    let mut items = Vec::new();
    while let Some(item) = receiver.pop_blocking() {
        items.push(item);
    }
    producer.join().unwrap();
    assert!(items.into_iter().eq(0..1000));

    let (sender, receiver) = Queue::bounded(1).into_halves();
    sender.push_blocking(1).unwrap();
    let closer = thread::spawn(move || drop(receiver));
    let _ = sender.push_blocking(2);
    closer.join().unwrap();
    assert_eq!(sender.push_blocking(3).unwrap_err().into_inner(), 3);
}

// Q1
#[test]
fn threads_lose_and_double_nothing() {
    const PRODUCERS: usize = 3;
    const EACH: usize = 2000;
    for capacity in [1, 4, 64] {
        let (sender, receiver) = Queue::bounded(capacity).into_halves();
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for item in 0..EACH {
                        sender.push_blocking((producer, item)).unwrap();
                    }
                })
            })
            .collect();
        drop(sender);
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let receiver = receiver.clone();
                thread::spawn(move || {
                    let mut items = Vec::new();
                    while let Some(item) = receiver.pop_blocking() {
                        // One that is given up half-way.
                        drop(Polled::new(receiver.pop()));
                        items.push(item);
                    }
                    items
                })
            })
            .collect();
        drop(receiver);
        for producer in producers {
            producer.join().unwrap();
        }
        let mut all = Vec::new();
        for consumer in consumers {
            let items = consumer.join().unwrap();
            for producer in 0..PRODUCERS {
                let own = items.iter().filter(|(from, _)| *from == producer);
                assert!(own.is_sorted(), "out of order for one consumer");
            }
            all.extend(items);
        }
        all.sort_unstable();
        let expected = (0..PRODUCERS).flat_map(|from| (0..EACH).map(move |item| (from, item)));
        assert!(all.into_iter().eq(expected));
    }
}

// Q3
#[test]
fn each_producer_is_seen_in_order_whatever_runs_first() {
    explore_orders(200, |sim| {
        let rt = sim.runtime();
        let (sender, receiver) = Queue::bounded(2).into_halves();
        for producer in 0..3 {
            let sender = sender.clone();
            rt.spawn(async move {
                for item in 0..5 {
                    sender.push((producer, item)).await.unwrap();
                    if item == producer {
                        yield_now().await;
                    }
                }
            })
            .detach();
        }
        drop(sender);
        let items: Vec<(i32, i32)> = sim.block_on(receiver.collect());
        for producer in 0..3 {
            let own = items.iter().filter(|(from, _)| *from == producer);
            assert!(own.map(|(_, item)| *item).eq(0..5));
        }
        assert_eq!(items.len(), 15);
        assert_eq!(sim.live_tasks(), 0);
    });
}

/// Drops `wait` at each of its polls while others push and pop, and sees that the items which the
/// others and the wait saw are all there were.
fn drop_everywhere<F: Future<Output = ()>>(
    wait: impl Fn(Queue<usize>, Rc<RefCell<Vec<usize>>>) -> F,
) -> usize {
    let mut most = 0;
    for order in ORDERS {
        for capacity in [1, 2] {
            let polls = drop_at_every_poll(order, |sim| {
                let rt = sim.runtime();
                let queue = Queue::bounded(capacity);
                let seen = Rc::new(RefCell::new(Vec::new()));
                let producer = {
                    let queue = queue.clone();
                    async move {
                        yield_now().await;
                        let mut back = Vec::new();
                        for item in 0..4 {
                            back.extend(queue.push(item).await.map_err(Closed::into_inner).err());
                            yield_now().await;
                        }
                        queue.close();
                        back
                    }
                };
                let producer = rt.spawn(producer);
                let future = wait(queue.clone(), seen.clone());
                (future, move |sim: &Sim| {
                    let mut all = seen.take();
                    all.extend(sim.block_on(queue.stream().collect::<Vec<_>>()));
                    all.extend(sim.block_on(producer).unwrap());
                    all.sort_unstable();
                    // Items from 100 on are those of the wait: it may have been dropped with one.
                    all.retain(|item| *item < 100);
                    assert_eq!(all, [0, 1, 2, 3]);
                    assert!(queue.is_empty());
                })
            });
            most = most.max(polls);
        }
    }
    most
}

// Q1
#[test]
fn a_pop_dropped_at_any_poll_loses_nothing() {
    let polls = drop_everywhere(|queue, seen| async move {
        while let Some(item) = queue.pop().await {
            seen.borrow_mut().push(item);
        }
    });
    assert!(polls >= 4, "{polls}");
    let polls = drop_everywhere(|queue, seen| async move {
        let mut stream = queue.stream();
        while let Some(item) = stream.next().await {
            seen.borrow_mut().push(item);
        }
    });
    assert!(polls >= 4, "{polls}");
}

// Q1
#[test]
fn a_batch_dropped_at_any_poll_loses_nothing() {
    let polls = drop_everywhere(|queue, seen| async move {
        loop {
            let batch = queue.pop_batch(2).await;
            if batch.is_empty() {
                break;
            }
            seen.borrow_mut().extend(batch);
        }
    });
    assert!(polls >= 2, "{polls}");
}

// Q1
#[test]
fn a_push_dropped_at_any_poll_takes_nothing_with_it() {
    let polls = drop_everywhere(|queue, seen| async move {
        for item in 100..104 {
            // So that the others fill the queue.
            yield_now().await;
            let push = async {
                let _ = queue.push(item).await;
            };
            // Makes room until the item is in; ends when all is.
            let pop = async {
                while let Some(item) = queue.pop().await {
                    seen.borrow_mut().push(item);
                }
            };
            or(push, pop).await;
        }
    });
    assert!(polls > 5, "{polls}");
}

#[test]
fn waits_for_the_close_may_be_dropped_at_any_poll() {
    for order in ORDERS {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let queue = Queue::<usize>::bounded(1);
            let others: Vec<_> = (0..3)
                .map(|_| {
                    let queue = queue.clone();
                    rt.spawn(async move { queue.closed().await })
                })
                .collect();
            let closer = queue.clone();
            rt.spawn(async move {
                yield_now().await;
                closer.close();
            })
            .detach();
            let check = |sim: &Sim| {
                for other in others {
                    sim.block_on(other).unwrap();
                }
            };
            (async move { queue.closed().await }, check)
        });
        assert!(polls >= 1, "{polls}");
    }
}

#[test]
fn errors_say_what_happened_without_the_item() {
    struct Opaque;
    let queue = Queue::bounded(1);
    queue.try_push(Opaque).unwrap();
    let full = queue.try_push(Opaque).unwrap_err();
    assert!(full.is_full() && !full.is_closed());
    assert_eq!(format!("{full} {full:?}"), "the queue is full Full(..)");
    queue.close();
    let closed = queue.try_push(Opaque).unwrap_err();
    assert!(closed.is_closed() && !closed.is_full());
    assert_eq!(
        format!("{closed} {closed:?}"),
        "the queue is closed Closed(..)"
    );
    let closed = now(queue.push(Opaque)).unwrap_err();
    assert_eq!(
        format!("{closed} {closed:?}"),
        "the queue is closed Closed(..)"
    );
    assert_eq!(
        format!("{queue:?}"),
        "Queue { len: 1, capacity: Some(1), closed: true }"
    );
    assert!(TryPopError::Empty.is_empty() && TryPopError::Closed.is_closed());
    assert_eq!(
        TryPopError::Closed.to_string(),
        "the queue is closed and empty"
    );
    let (sender, receiver): (Sender<Opaque>, Receiver<Opaque>) = Queue::unbounded().into_halves();
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "Sender { len: 0, capacity: None, closed: false } \
         Receiver { len: 0, capacity: None, closed: false }"
    );
}

#[test]
fn a_finished_wait_leaves_its_waker() {
    let queue = Queue::<usize>::bounded(1);
    let (wakes, waker) = Wakes::new();
    let mut pop = pin!(queue.pop());
    let mut cx = Context::from_waker(&waker);
    assert!(pop.as_mut().poll(&mut cx).is_pending());
    queue.try_push(1).unwrap();
    assert!(pop.as_mut().poll(&mut cx).is_ready());
    drop(waker);
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
}

#[expect(dead_code, reason = "it is enough that it compiles")]
fn the_module_is_public(push: queue::Push<'_, ()>, pop: queue::Pop<'_, ()>) {
    drop((push, pop));
}

#[test]
fn each_half_says_and_does_what_the_queue_does() {
    let queue = Queue::bounded(3);
    let (sender, receiver) = (queue.sender(), queue.receiver());
    filled(&queue, [1, 2, 3]);
    assert!(sender.is_full() && receiver.is_full());
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(3), Some(3)));
    assert_eq!((sender.len(), receiver.len()), (3, 3));
    assert_eq!(receiver.try_pop(), Ok(1));
    assert_eq!(receiver.try_pop_latest(), Ok(3));
    // Those before it are dropped.
    assert!(receiver.is_empty() && sender.is_empty());
    filled(&queue, [2, 4]);
    assert!(!receiver.is_full() && !receiver.is_empty() && !sender.is_empty());
    assert_eq!(receiver.try_pop_batch(7), Ok(vec![2, 4]));
    assert!(receiver.is_empty() && sender.is_empty());
    filled(&queue, [5, 6]);
    assert_eq!(receiver.drain(), [5, 6]);
    assert_eq!(receiver.try_pop_batch(7), Err(TryPopError::Empty));
    filled(&queue, [7, 8, 9]);
    assert_eq!(now(receiver.pop_latest()), Some(9));
    filled(&queue, [7, 8]);
    assert_eq!(now(receiver.pop_batch(7)), [7, 8]);

    let mut closed = [sender.closed(), receiver.closed()].map(Polled::waiting);
    sender.close();
    assert!(closed.iter_mut().all(|wait| wait.poll().is_ready()));
    assert!(sender.is_closed() && receiver.is_closed());
    assert_eq!(receiver.try_pop_latest(), Err(TryPopError::Closed));

    let (sender, receiver) = Queue::unbounded().into_halves();
    assert_eq!((sender.capacity(), receiver.is_full()), (None, false));
    sender.try_push(1).unwrap();
    receiver.close();
    assert_eq!(sender.try_push(2).unwrap_err().into_inner(), 2);
    assert_eq!(receiver.close_now(), [1]);
    assert_eq!(receiver.try_pop(), Err(TryPopError::Closed));
}

#[test]
fn a_sink_that_is_closed_has_flushed_and_leaves_the_queue_open() {
    let queue = Queue::bounded(1);
    let mut sink = queue.sink();
    now(sink.feed(1)).unwrap();
    now(sink.feed(2)).unwrap();
    let mut close = Polled::waiting(sink.close());
    assert_eq!(queue.try_pop(), Ok(1));
    close.ready().unwrap();
    drop(close);
    assert!(!queue.is_closed());
    assert_eq!(queue.drain(), [2]);
    let full = Queue::bounded(1);
    full.try_push(1).unwrap();
    assert_eq!(full.try_push(2).unwrap_err().into_inner(), 2);
}
