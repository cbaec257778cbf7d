use std::task::Waker;

use crate::primitives::SpinLock;
use crate::task::discard;

/// Whom to wake: left by a task, taken by whoever wakes it.
///
/// Cloning and dropping a waker runs the executor's code, which neither does under the lock.
pub(crate) struct TaskWaker(SpinLock<Option<Waker>>);

impl TaskWaker {
    pub(crate) fn new() -> Self {
        Self(SpinLock::new(None))
    }

    /// Has `waker` woken, and no other. Only the task itself calls this.
    pub(crate) fn register(&self, waker: &Waker) {
        let known = self.0.lock();
        if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        drop(known);
        let new = waker.clone();
        let old = self.0.lock().replace(new);
        discard(old);
    }

    /// To be woken, or dropped, by who took it.
    pub(crate) fn take(&self) -> Option<Waker> {
        self.0.lock().take()
    }
}

#[cfg(all(test, untethered_loom))]
mod model {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use loom::future::block_on;
    use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use loom::thread;

    use super::*;

    /// Woken once it is set. Relaxed: what the lock orders is all there is.
    struct Flag {
        set: AtomicBool,
        task: TaskWaker,
    }

    impl Flag {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                set: AtomicBool::new(false),
                task: TaskWaker::new(),
            })
        }

        /// Whether somebody was woken.
        fn set(&self) -> bool {
            self.set.store(true, Ordering::Relaxed);
            let task = self.task.take();
            let woke = task.is_some();
            task.into_iter().for_each(Waker::wake);
            woke
        }

        fn poll(&self, cx: &Context<'_>) -> Poll<()> {
            self.task.register(cx.waker());
            match self.set.load(Ordering::Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }
    }

    #[test]
    fn a_wake_beside_a_registration_is_not_lost() {
        loom::model(|| {
            let flag = Flag::new();
            let setting = flag.clone();
            let thread = thread::spawn(move || setting.set());
            block_on(poll_fn(|cx| flag.poll(cx)));
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_wake_beside_a_change_of_the_waker_reaches_the_new_one() {
        loom::model(|| {
            let flag = Flag::new();
            assert!(flag.poll(&Context::from_waker(Waker::noop())).is_pending());
            let setting = flag.clone();
            let thread = thread::spawn(move || setting.set());
            block_on(poll_fn(|cx| flag.poll(cx)));
            thread.join().unwrap();
        });
    }

    #[test]
    fn of_two_who_wake_beside_each_other_one_takes_the_waker() {
        loom::model(|| {
            let flag = Flag::new();
            assert!(flag.poll(&Context::from_waker(Waker::noop())).is_pending());
            let woken = Arc::new(AtomicUsize::new(0));
            let threads = [0; 2].map(|_| {
                let (flag, woken) = (flag.clone(), woken.clone());
                thread::spawn(move || {
                    woken.fetch_add(usize::from(flag.set()), Ordering::Relaxed);
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(woken.load(Ordering::Relaxed), 1);
        });
    }
}
