//! What a half of a queue tells and takes is what its queue does.

use untethered::Queue;
use untethered::queue::{TryPopError, TryPushError};

use crate::polled::{Polled, now};

#[test]
fn both_tell_how_much_is_inside() {
    let (sender, receiver) = Queue::bounded(2).into_halves();
    let told = |len: usize, is_empty: bool, is_full: bool| {
        assert_eq!((sender.len(), receiver.len()), (len, len));
        assert_eq!(
            (sender.is_empty(), receiver.is_empty()),
            (is_empty, is_empty)
        );
        assert_eq!((sender.is_full(), receiver.is_full()), (is_full, is_full));
    };
    told(0, true, false);
    sender.try_push('a').unwrap();
    told(1, false, false);
    sender.push_blocking('b').unwrap();
    told(2, false, true);
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(2), Some(2)));

    let (sender, receiver) = Queue::<()>::unbounded().into_halves();
    assert_eq!((sender.capacity(), receiver.capacity()), (None, None));
}

#[test]
fn a_receiver_takes_as_a_queue_does() {
    let (sender, receiver) = Queue::unbounded().into_halves();
    let fill = || (0..5).for_each(|item| sender.try_push(item).unwrap());
    fill();
    assert_eq!(receiver.try_pop(), Ok(0));
    assert_eq!(receiver.pop_blocking(), Some(1));
    assert_eq!(receiver.try_pop_batch(2), Ok(vec![2, 3]));
    assert_eq!(now(receiver.pop_batch(2)), [4]);
    assert_eq!(receiver.try_pop_batch(1), Err(TryPopError::Empty));
    fill();
    assert_eq!(receiver.try_pop_latest(), Ok(4));
    assert_eq!(receiver.try_pop_latest(), Err(TryPopError::Empty));
    fill();
    assert_eq!(now(receiver.pop_latest()), Some(4));
    fill();
    assert_eq!(receiver.drain(), [0, 1, 2, 3, 4]);
    assert!(receiver.is_empty() && !receiver.is_closed());
    fill();
    assert_eq!(receiver.close_now(), [0, 1, 2, 3, 4]);
    assert!(sender.is_closed() && receiver.is_empty());
    assert_eq!(receiver.try_pop_latest(), Err(TryPopError::Closed));
    assert_eq!(receiver.pop_blocking(), None);
}

#[test]
fn each_can_close_and_wait_for_it() {
    for by_sender in [true, false] {
        let (sender, receiver) = Queue::bounded(1).into_halves();
        let mut told = Polled::waiting(sender.closed());
        let mut told_too = Polled::waiting(receiver.closed());
        sender.try_push(1).unwrap();
        assert!(!sender.is_closed() && !receiver.is_closed());
        match by_sender {
            true => sender.close(),
            false => receiver.close(),
        }
        assert_eq!((told.woken(), told_too.woken()), (1, 1));
        told.ready();
        told_too.ready();
        assert!(sender.is_closed() && receiver.is_closed());
        assert_eq!(sender.try_push(2), Err(TryPushError::Closed(2)));
        assert_eq!(sender.push_blocking(3).unwrap_err().into_inner(), 3);
        assert_eq!(now(receiver.pop()), Some(1));
        assert_eq!(now(receiver.pop()), None);
    }
}

#[test]
fn errors_of_a_pop_tell_which_they_are() {
    let told = |error: TryPopError| (error.is_empty(), error.is_closed());
    assert_eq!(told(TryPopError::Empty), (true, false));
    assert_eq!(told(TryPopError::Closed), (false, true));
}
