//! A test of your own code that finds a bug: the schedule that breaks it, shrunk and played again.
//!
//! ```text
//! cargo run --example testing
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use untethered::Runtime;
use untethered::sim::{Sim, explore};

/// Two accounts.
#[derive(Default)]
struct Bank {
    from: AtomicU32,
    to: AtomicU32,
}

impl Bank {
    /// Wrong: what if it is dropped while it waits?
    async fn transfer_careless(&self, rt: &Runtime, amount: u32) {
        self.from.fetch_sub(amount, Ordering::Relaxed);
        rt.sleep(Duration::from_millis(1)).await; // asks the other bank
        self.to.fetch_add(amount, Ordering::Relaxed);
    }

    /// Right: there is no await between the two halves.
    async fn transfer(&self, rt: &Runtime, amount: u32) {
        rt.sleep(Duration::from_millis(1)).await;
        self.from.fetch_sub(amount, Ordering::Relaxed);
        self.to.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Two transfers at once; the client of the first may hang up. The money is in one account or in
/// the other.
fn two_transfers<F>(sim: &Sim, transfer: impl Fn(Arc<Bank>, Runtime) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let rt = sim.runtime();
    let bank = Arc::new(Bank::default());
    bank.from.store(100, Ordering::Relaxed);
    let first = rt.spawn(sim.may_drop(transfer(bank.clone(), rt.clone())));
    let second = rt.spawn(transfer(bank.clone(), rt.clone()));
    sim.block_on(async {
        first.await.expect("it does not panic");
        second.await.expect("it does not panic");
    });
    let sum = bank.from.load(Ordering::Relaxed) + bank.to.load(Ordering::Relaxed);
    assert_eq!(sum, 100, "money is lost");
}

fn careless(sim: &Sim) {
    two_transfers(sim, |bank, rt| async move {
        bank.transfer_careless(&rt, 30).await
    });
}

fn careful(sim: &Sim) {
    two_transfers(sim, |bank, rt| async move { bank.transfer(&rt, 30).await });
}

fn main() {
    // Time is virtual: a year takes no time, and a timeout is never a matter of luck.
    let sim = Sim::new();
    let year = Duration::from_secs(365 * 24 * 3600);
    sim.block_on(sim.runtime().sleep(year));
    assert_eq!(sim.elapsed(), year);

    // As it usually goes, all is well.
    careless(&Sim::new());

    // In one order after the other, with and without the drop, until something does not hold.
    let failure = explore(careless).try_run().expect_err("there is a bug");
    println!("{failure}\n");
    assert!(failure.message().contains("money is lost"));

    // What it prints is enough to see it again, in a debugger too.
    let schedule = failure.schedule().to_string();
    let again = catch_unwind(AssertUnwindSafe(|| explore(careless).replay(&schedule)));
    assert!(again.is_err());

    // Mended: that schedule passes, as do all those that are tried.
    explore(careful).replay(&schedule);
    let explored = explore(careful).exhaustive(2).seeds(100).run();
    println!("mended: {} schedules, no bug", explored.schedules());
    assert!(explored.schedules() > 100);
}
