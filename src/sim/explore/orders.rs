use std::any::Any;
use std::future::Future;
use std::panic::resume_unwind;

use crate::sim::{Order, Sim};
use crate::task::{catch, panic_message};

/// After how many polls [`drop_at_every_poll`] gives up: the time it takes is the square of this.
const MOST_POLLS: usize = 2_000;

/// Runs `test` on a fresh [`Sim`] for each of many orders: FIFO, LIFO, and `seeds` random ones.
///
/// It looks for nothing that `test` does not look for, and shrinks nothing:
/// [`explore`](super::explore) does both.
///
/// # Panics
///
/// As `test` does. The message names the order; a [`Sim::with_order`] of it fails again.
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

/// Drops a future at its first await, at its second, and so on, until it is done before that.
///
/// For each k from nought on, `make` is called with a fresh [`Sim`] of `order` and gives a future
/// and a check. The future is polled k times while the tasks of the `Sim` run, and dropped. Then
/// all that is ready runs, without time moving, and the check looks at what is left; the last
/// check sees the future done. Returns how many polls the future needs, so that a test can tell
/// that there was something to drop.
///
/// # Panics
///
/// As `make`, the future or the check does, if the future can not go on
/// ([`Deadlock`](crate::sim::Deadlock)), or if it is not done after two thousand polls. The message
/// says after how many polls the future was dropped.
///
/// # Examples
///
/// A wait that is dropped leaves no timer behind:
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::{Order, Sim, drop_at_every_poll};
///
/// let polls = drop_at_every_poll(Order::Fifo, |sim| {
///     let rt = sim.runtime();
///     let future = async move {
///         rt.sleep(Duration::from_secs(1)).await;
///         rt.spawn(async {}).await.unwrap();
///     };
///     (future, |sim: &Sim| sim.assert_empty())
/// });
/// assert_eq!(polls, 3);
/// ```
#[track_caller]
pub fn drop_at_every_poll<F, C>(order: Order, mut make: impl FnMut(&Sim) -> (F, C)) -> usize
where
    F: Future,
    C: FnOnce(&Sim),
{
    for polls in 0..=MOST_POLLS {
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
    panic!("the future is not done after {MOST_POLLS} polls");
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
