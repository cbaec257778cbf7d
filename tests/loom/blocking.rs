//! Queues from threads that sleep while they wait.

use loom::thread;
use untethered::Queue;

// Q2
#[test]
fn a_push_beside_a_thread_that_goes_to_sleep_wakes_it() {
    loom::model(|| {
        let queue = Queue::bounded(1);
        let producer = thread::spawn({
            let queue = queue.clone();
            move || queue.push_blocking(1)
        });
        assert_eq!(queue.pop_blocking(), Some(1));
        producer.join().unwrap().unwrap();
    });
}

// Q2
#[test]
fn a_pop_beside_a_thread_that_goes_to_sleep_for_room_wakes_it() {
    loom::model(|| {
        let queue = Queue::bounded(1);
        queue.try_push(0).unwrap();
        let producer = thread::spawn({
            let queue = queue.clone();
            move || queue.push_blocking(1)
        });
        assert_eq!(queue.pop_blocking(), Some(0));
        producer.join().unwrap().unwrap();
        assert_eq!(queue.try_pop(), Ok(1));
    });
}

// Q4
#[test]
fn a_close_beside_a_thread_that_goes_to_sleep_wakes_it() {
    loom::model(|| {
        let queue = Queue::<u8>::bounded(1);
        let consumer = thread::spawn({
            let queue = queue.clone();
            move || queue.pop_blocking()
        });
        queue.close();
        assert_eq!(consumer.join().unwrap(), None);
    });
}
