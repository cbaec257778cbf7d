use untethered::Queue;
use untethered::queue::TryPushError;

use super::{Opaque, shows};

// C11
#[test]
fn debug_of_queues() {
    let queue = Queue::bounded(2);
    queue.try_push(Opaque).ok().unwrap();
    shows(&queue, "Queue { len: 1, capacity: Some(2), closed: false }");
    shows(
        &queue.sink(),
        "QueueSink { len: 1, capacity: Some(2), closed: false }",
    );
    let (sender, receiver) = queue.clone().into_halves();
    shows(
        &sender,
        "Sender { len: 1, capacity: Some(2), closed: false }",
    );
    shows(&sender.push(Opaque), "Push { .. }");
    shows(&receiver.pop(), "Pop { .. }");
    shows(&receiver.pop_latest(), "PopLatest { .. }");
    shows(&receiver.pop_batch(2), "PopBatch { .. }");
    shows(&receiver.closed(), "WaitClosed { .. }");
    queue.close();
    shows(
        &receiver,
        "Receiver { len: 1, capacity: Some(2), closed: true }",
    );
    shows(
        &queue.stream(),
        "QueueStream { len: 1, capacity: Some(2), closed: true }",
    );
    let unbounded = Queue::<Opaque>::unbounded();
    shows(
        &unbounded,
        "Queue { len: 0, capacity: None, closed: false }",
    );
}

// C11
#[test]
fn debug_of_errors_that_hold_an_item() {
    let queue = Queue::bounded(1);
    queue.try_push(Opaque).ok().unwrap();
    let full: TryPushError<Opaque> = queue.try_push(Opaque).unwrap_err();
    shows(&full, "Full(..)");
    queue.close();
    shows(&queue.try_push(Opaque).unwrap_err(), "Closed(..)");
    shows(&queue.push_blocking(Opaque).unwrap_err(), "Closed(..)");
}
