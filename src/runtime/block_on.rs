use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::primitives::thread::{self, Thread};

/// Runs `future` on the calling thread, which is parked while there is nothing to do.
///
/// For programs without a runtime; one that has a [`Runtime`](super::Runtime) takes
/// [`Runtime::block_on`](super::Runtime::block_on). Only `future` itself runs: tasks that it waits
/// for need threads of their own.
///
/// A call within a call works: the outer `future` waits meanwhile. Inside a task it blocks the
/// thread that runs the task, and the other tasks of that thread with it; a runtime with that one
/// thread stands still, for ever if `future` waits for one of its tasks.
///
/// # Panics
///
/// If `future` does.
///
/// # Examples
///
/// ```
/// use untethered::{Queue, block_on};
///
/// let queue = Queue::bounded(8);
/// std::thread::spawn({
///     let queue = queue.clone();
///     move || queue.push_blocking("from another thread")
/// });
/// assert_eq!(block_on(queue.pop()), Some("from another thread"));
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let unpark = Arc::new(Unpark {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(unpark.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future.into_future());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // Acquire, with the release in `wake`: what was done before the wake is seen by the poll.
        while !unpark.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

struct Unpark {
    thread: Thread,
    /// Beside the thread's own token, which a future that parks the thread would take.
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}
