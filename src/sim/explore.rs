use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Order, Sim};
use crate::task::{catch, panic_message};

/// Runs `test` on a fresh [`Sim`] for each of many orders: FIFO, LIFO, and `seeds` random ones.
///
/// # Panics
///
/// As `test` does; the message names the order, to be used with [`Sim::with_order`].
#[track_caller]
pub fn explore_orders(seeds: u64, mut test: impl FnMut(&Sim)) {
    let orders = [Order::Fifo, Order::Lifo]
        .into_iter()
        .chain((0..seeds).map(Order::Seeded));
    for order in orders {
        let sim = Sim::with_order(order);
        if let Err(payload) = catch(|| test(&sim)) {
            fail(&format!("with Order::{order:?}"), payload);
        }
    }
}

/// Drops a future at its first, second, third.. await, until it is done before that.
///
/// `make` gives the future and a check. For each k from nought on it is called with a fresh
/// [`Sim`], its future is polled k times while the tasks of the `Sim` run, and dropped; then what
/// is ready runs, and the check is called. Gives the number of polls the future took to its end,
/// so that a test can tell that there was something to drop.
///
/// # Panics
///
/// As the check does, or if the future can not go on ([`Deadlock`](super::Deadlock)); the message
/// names k.
#[track_caller]
pub fn drop_at_every_poll<F, C>(order: Order, mut make: impl FnMut(&Sim) -> (F, C)) -> usize
where
    F: Future,
    C: FnOnce(&Sim),
{
    for polls in 0.. {
        let sim = Sim::with_order(order);
        let done = catch(|| {
            let (future, check) = make(&sim);
            let done = match sim.run(future, Some(polls)) {
                Ok(output) => output.is_some(),
                Err(deadlock) => panic!("{deadlock}"),
            };
            sim.run_until_idle();
            check(&sim);
            done
        });
        match done {
            Ok(true) => return polls,
            Ok(false) => {}
            Err(payload) => fail(&format!("dropped after {polls} polls"), payload),
        }
    }
    unreachable!("a future is done or waits")
}

/// Goes on with a panic, with `place` before its message.
#[track_caller]
fn fail(place: &str, payload: Box<dyn Any + Send>) -> ! {
    match panic_message(&*payload) {
        Some(message) => panic!("{place}: {message}"),
        None => {
            eprintln!("{place}:");
            resume_unwind(payload)
        }
    }
}

/// Lets everything else that is ready run first.
///
/// # Examples
///
/// ```
/// use untethered::sim::{Sim, yield_now};
///
/// let sim = Sim::new();
/// let task = sim.runtime().spawn(async {});
/// sim.block_on(async {
///     assert!(!task.is_finished());
///     yield_now().await;
///     assert!(task.is_finished());
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for YieldNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YieldNow").finish_non_exhaustive()
    }
}
