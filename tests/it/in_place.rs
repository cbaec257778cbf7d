//! Futures that are run in place: how often they are polled, and whom their wakers keep.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::Stream;
use untethered::concurrent;
use untethered::group::scope_local;

use crate::polled::Polled;

// F1
#[test]
fn whoever_is_woken_again_waits_for_the_next_poll() {
    let polls = Cell::new(0);
    let wakers = RefCell::new([const { None::<Waker> }; 2]);
    let (polls, wakers) = (&polls, &wakers);
    let mut run = Polled::waiting(scope_local(|s| async move {
        // The first wakes both, the second wakes the first.
        for index in 0..2 {
            s.spawn(poll_fn(move |cx| {
                let mut wakers = wakers.borrow_mut();
                wakers[index] = Some(cx.waker().clone());
                match index {
                    0 => {
                        polls.set(polls.get() + 1);
                        wakers.iter().flatten().for_each(Waker::wake_by_ref);
                    }
                    _ => wakers.iter().flatten().take(1).for_each(Waker::wake_by_ref),
                }
                Poll::<()>::Pending
            }));
        }
        Ok(())
    }));
    for poll in 1..6 {
        assert_eq!(polls.get(), poll);
        assert!(run.poll().is_pending());
    }
}

#[test]
fn the_waker_of_a_child_that_has_gone_keeps_no_task() {
    struct Task;
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    let kept = RefCell::new(None);
    let task = Arc::new(Task);
    let waker = Waker::from(task.clone());
    let child = || {
        poll_fn(|cx: &mut Context<'_>| {
            *kept.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
    };
    let mut stream = Box::pin(concurrent([child()]).limit(1));
    let mut cx = Context::from_waker(&waker);
    assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    drop(waker);
    assert!(Arc::strong_count(&task) > 1, "it waits");
    drop(stream);
    assert!(kept.borrow().is_some());
    assert_eq!(Arc::strong_count(&task), 1);
}
