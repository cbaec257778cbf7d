use std::future::Future;

use futures_lite::StreamExt;
use futures_lite::future::zip;
use futures_util::SinkExt;
use untethered::queue::Queue;
use untethered::sim::Sim;

use super::{Parts, row_then};

/// A row about a queue with room for one, which holds an item if it is to be full. Afterwards it
/// serves whoever comes, and lets go of what is inside.
#[track_caller]
fn queue_row<F: Future<Output = ()> + 'static>(
    paths: &str,
    full: bool,
    make: impl Fn(Parts, Queue<u32>) -> F,
) {
    row_then(paths, |_, p| {
        let queue = Queue::bounded(1);
        if full {
            queue.try_push(1).unwrap();
        }
        (make(p, queue.clone()), move |sim: &Sim| {
            queue.drain();
            if !queue.is_closed() {
                let (popped, pushed) = sim.block_on(zip(queue.pop(), queue.push(7)));
                assert_eq!((popped, pushed), (Some(7), Ok(())));
            }
        })
    });
}

// C10
#[test]
fn every_future_of_a_queue() {
    queue_row("queue::Pop", false, |p, queue| async move {
        let (popped, _) = zip(queue.pop(), p.later(|| queue.try_push(1))).await;
        assert_eq!(popped, Some(1));
    });
    queue_row("queue::PopLatest", false, |p, queue| async move {
        let (popped, _) = zip(queue.pop_latest(), p.later(|| queue.try_push(1))).await;
        assert_eq!(popped, Some(1));
    });
    queue_row("queue::PopBatch", false, |p, queue| async move {
        let (popped, _) = zip(queue.pop_batch(3), p.later(|| queue.try_push(1))).await;
        assert_eq!(popped, [1]);
    });
    queue_row("queue::Push", true, |p, queue| async move {
        let (pushed, popped) = zip(queue.push(2), p.later(|| queue.try_pop())).await;
        assert_eq!((pushed, popped), (Ok(()), Ok(1)));
    });
    queue_row("queue::QueueSink", true, |p, queue| async move {
        let mut sink = queue.sink();
        let (sent, popped) = zip(sink.send(2), p.later(|| queue.try_pop())).await;
        assert_eq!((sent, popped), (Ok(()), Ok(1)));
    });
    queue_row("queue::QueueStream", false, |p, queue| async move {
        let mut stream = queue.stream();
        let (item, _) = zip(stream.next(), p.later(|| queue.try_push(1))).await;
        assert_eq!(item, Some(1));
    });
    queue_row("queue::Receiver", false, |p, queue| async move {
        let mut receiver = queue.receiver();
        let (item, _) = zip(receiver.next(), p.later(|| queue.try_push(1))).await;
        assert_eq!(item, Some(1));
    });
    queue_row("queue::WaitClosed", false, |p, queue| async move {
        zip(queue.closed(), p.later(|| queue.close())).await;
    });
}
