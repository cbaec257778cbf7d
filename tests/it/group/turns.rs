//! Who is polled when there is more to poll than a turn has room for.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use untethered::group::{BoxError, Local, Scope, scope_local};
use untethered::sim::Sim;

// F1
#[test]
fn tasks_that_begin_and_tasks_that_are_woken_share_a_turn() {
    const WOKEN: usize = 200;
    const ENOUGH: usize = 2_000;
    const TOO_MANY: usize = 20_000;

    struct Seen {
        wakers: RefCell<[Option<Waker>; WOKEN]>,
        begun: Cell<usize>,
        woken: Cell<usize>,
    }
    impl Seen {
        fn is_over(&self) -> bool {
            self.begun.get() >= ENOUGH && self.woken.get() >= ENOUGH
        }
    }
    fn add(count: &Cell<usize>) {
        count.set(count.get() + 1);
        assert!(count.get() < TOO_MANY, "the others get no turn");
    }
    /// Each that begins starts another.
    fn chain<'a>(s: Scope<'a, BoxError, Local>, seen: &'a Seen) {
        let next = s.clone();
        s.spawn(async move {
            add(&seen.begun);
            if !seen.is_over() {
                chain(next, seen);
            }
        });
    }

    let seen = Seen {
        wakers: RefCell::new([const { None }; WOKEN]),
        begun: Cell::new(0),
        woken: Cell::new(0),
    };
    let seen = &seen;
    let run = scope_local(|s| async move {
        // Each that is polled wakes all but itself.
        for index in 0..WOKEN {
            s.spawn(poll_fn(move |cx| {
                add(&seen.woken);
                let mut wakers = seen.wakers.borrow_mut();
                wakers[index] = None;
                wakers.iter().flatten().for_each(Waker::wake_by_ref);
                wakers[index] = Some(cx.waker().clone());
                match seen.is_over() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
        }
        chain(s, seen);
        Ok(())
    });
    Sim::new().block_on(run).unwrap();
}
