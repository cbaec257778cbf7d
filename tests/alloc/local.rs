use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use untethered::context::TaskLocal;

use crate::counter::count;

static NUMBER: TaskLocal<u64> = TaskLocal::new();

#[test]
fn a_scope_of_a_local_costs_an_allocation_and_a_poll_none() {
    let polled = |polls: u64| {
        let mut left = polls;
        let future = poll_fn(move |_| {
            assert_eq!(NUMBER.get(), Some(7));
            left -= 1;
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let mut scoped = pin!(NUMBER.scope(7, future));
        let mut cx = Context::from_waker(Waker::noop());
        while scoped.as_mut().poll(&mut cx).is_pending() {}
    };
    // What the thread keeps from then on.
    polled(1);
    for polls in [1, 1_000] {
        let (counts, ()) = count(|| polled(polls));
        assert_eq!((counts.allocations, counts.kept), (1, 0));
    }
}
