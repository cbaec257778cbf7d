//! An hour of a service to which everything happens.

mod ledger;
mod service;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use untethered::group::{Handle, scope};
use untethered::queue::TryPushError;
use untethered::sim::{Order, Sim, yield_now};
use untethered::time::{Overlap, Timer, move_on_after};

use self::ledger::Stage;
use self::service::{MOST_AT_WORK, MOST_STARTS, SECOND, Service, Shared};
use crate::random::Random;
use crate::sometimes::Sometimes;
use crate::support::{OnDrop, seeds};

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Nothing,
    CancelCrew,
    AbortTask,
    Unheard,
    Resize,
    Rate,
    Forget,
    Pause,
    Outage,
    Burst,
    DropFetch,
    Restart,
    Fail,
    Scope,
    Blocking,
}

const TROUBLES: [(usize, Trouble); 15] = [
    (90, Trouble::Nothing),
    (3, Trouble::CancelCrew),
    (1, Trouble::AbortTask),
    (1, Trouble::Unheard),
    (5, Trouble::Resize),
    (5, Trouble::Rate),
    (5, Trouble::Forget),
    (4, Trouble::Pause),
    (2, Trouble::Outage),
    (4, Trouble::Burst),
    (4, Trouble::DropFetch),
    (2, Trouble::Restart),
    (4, Trouble::Fail),
    (2, Trouble::Scope),
    (2, Trouble::Blocking),
];

/// What a seed of the hour was, if it fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("by the seed {}", self.0);
        }
    }
}

/// A timer that now and then fails, and never runs two ticks at once.
fn timer(shared: &Arc<Shared>) -> Timer {
    let (shared, hears) = (shared.clone(), shared.clone());
    let running = Arc::new(AtomicBool::new(false));
    let overlap = [Overlap::Skip, Overlap::Wait][shared.settings.len() % 2];
    let timer = Timer::builder(&shared.rt.clone(), 7 * SECOND).overlap(overlap);
    timer.start_fallible(
        move |tick| {
            let (shared, running) = (shared.clone(), running.clone());
            async move {
                let first = !running.swap(true, SeqCst);
                shared.check(first, || "two ticks at once".into());
                let _over = OnDrop::new(move || running.store(false, SeqCst));
                shared.seen.hit("tick");
                match tick.number() % 16 {
                    5 => return Err("a tick fails"),
                    9 => std::panic::resume_unwind(Box::new("a tick panics")),
                    _ => shared.rt.sleep(SECOND).await,
                }
                Ok(())
            }
        },
        move |_| hears.seen.hit("tick failed"),
    )
}

impl Service {
    async fn trouble(&self, random: &mut Random, timer: &mut Option<Timer>) -> Option<Handle<()>> {
        let shared = self.shared.clone();
        let crews = shared.crews.lock().unwrap().clone();
        let luck = random.below(4);
        match random.weighted(&TROUBLES) {
            Trouble::CancelCrew if !crews.is_empty() => {
                crews[random.below(crews.len())].cancel("trouble");
                shared.seen.hit("crew cancelled");
            }
            Trouble::Unheard => {
                let seen = shared.clone();
                drop(self.root.spawn(async move { drop(seen.fail(true)) }));
            }
            Trouble::AbortTask => {
                let task = self.root.spawn(std::future::pending::<()>());
                yield_now().await;
                task.abort();
            }
            Trouble::Resize => shared.at_work.set_total(1 + random.below(MOST_AT_WORK)),
            Trouble::Rate => shared.starts.set(1 + random.below(MOST_STARTS), SECOND),
            Trouble::Forget if luck == 0 => shared.settings.clear(),
            Trouble::Forget => {
                let had = shared.settings.invalidate(&"fast.example");
                shared.seen.hit_if("memo forgot", had);
            }
            Trouble::Pause if luck == 0 => shared.open.clear(),
            Trouble::Pause => shared.open.set(),
            Trouble::Outage => {
                let down = !shared.down.fetch_not(SeqCst);
                shared.seen.hit_if("outage", down);
            }
            Trouble::Burst => self.burst(random.below(30)),
            Trouble::DropFetch => {
                let urls = (0..9).map(|n| format!("http://slow.example/{n}"));
                let fetching = shared.fan_out.fetch_all(urls);
                let limit = SECOND * u32::try_from(luck).unwrap();
                let cut = move_on_after(&shared.rt, limit, fetching).await.is_none();
                shared.seen.hit_if("fan-out dropped", cut);
            }
            Trouble::Restart => {
                if let Some(old) = timer.take() {
                    let stopped = old.stop().await;
                    shared.check(stopped.is_ok(), || format!("{stopped:?}"));
                }
                *timer = Some(self::timer(&shared));
            }
            Trouble::Fail => {
                return Some(self.root.task("fails").spawn_fallible(async move {
                    shared.rt.sleep(SECOND / 2).await;
                    Err(shared.fail(luck < 2))
                }));
            }
            Trouble::Scope => {
                let seen = &shared.seen;
                let run = scope(|scope| async move {
                    let first = scope.spawn(async { seen.hit("scope") });
                    scope.spawn(std::future::pending::<()>());
                    let _ = first.await;
                    scope.cancel("done");
                    Ok::<_, untethered::group::BoxError>(())
                });
                let limit = SECOND;
                drop(move_on_after(&shared.rt, limit, run).await);
            }
            Trouble::Blocking => {
                let sum = shared.rt.spawn_blocking(|| (0..10).sum::<u32>()).await;
                shared.check(matches!(sum, Ok(45)), || format!("{sum:?}"));
            }
            _ => {}
        }
        None
    }

    /// Many small tasks that push, in a group that is dropped with half of them.
    fn burst(&self, tasks: usize) {
        let group = self.root.subgroup("burst").expect("it is open");
        for number in 0..tasks {
            let (shared, jobs) = (self.shared.clone(), self.jobs.clone());
            drop(group.spawn(async move {
                let job = shared.ledger.job();
                let id = job.id;
                if number % 2 == 0 {
                    return match jobs.try_push(job) {
                        Ok(()) => shared.ledger.pushed(id),
                        Err(TryPushError::Full(job) | TryPushError::Closed(job)) => job.returned(),
                    };
                }
                match jobs.push(job).await {
                    Ok(()) => shared.ledger.pushed(id),
                    Err(closed) => closed.into_inner().returned(),
                }
            }));
        }
        let rt = self.shared.rt.clone();
        drop(self.root.spawn(async move {
            rt.sleep(SECOND).await;
            drop(group);
        }));
    }
}

fn hour(seed: u64, seen: &Sometimes) {
    let _seed = Seed(seed);
    let order = match seed % 4 {
        0 => Order::Fifo,
        1 => Order::Seeded(seed),
        2 => Order::Lifo,
        _ => Order::Adversarial(seed),
    };
    let sim = Sim::with_order(order);
    sim.parallelism(1 + usize::try_from(seed % 3).unwrap());
    sim.spurious_wakes(seed % 2 == 1);
    let service = service::start(&sim, seed, seen);
    let mut random = service.shared.random(99);
    let shared = service.shared.clone();
    let (report, tasks) = sim.block_on(async {
        let mut timer = Some(timer(&shared));
        let mut handles = Vec::new();
        while sim.elapsed() < 3600 * SECOND {
            shared.rt.sleep(SECOND).await;
            handles.extend(service.trouble(&mut random, &mut timer).await);
            let broken = shared.broken();
            assert!(broken.is_empty(), "at {:?}: {broken:#?}", sim.elapsed());
            assert!(service.root.len() < 100, "{}", service.root.tree());
        }
        for handle in handles {
            let result = handle.await;
            assert!(result.is_err_and(|error| error.is_failed() || error.is_panic()));
        }
        timer.take().unwrap().stop().await.unwrap();
        let tasks = service.root.len();
        (service.root.shutdown(20 * SECOND).await, tasks)
    });
    assert!(service.root.is_closed(), "{}", service.root.tree());
    assert!(report.stuck.is_empty(), "{report}");
    let ended = report.finished + report.failed + report.cancelled + report.aborted;
    assert_eq!(ended, tasks, "{report}");
    let left = service.jobs.close_now();
    seen.hit_if("left at the end", !left.is_empty());
    left.into_iter().for_each(ledger::Job::returned);
    sim.run_until_idle();
    let broken = shared.broken();
    assert!(broken.is_empty(), "{broken:#?}");
    let (raised, told) = shared.failures();
    assert_eq!(raised, told, "failures and those that were told");
    let books = shared.ledger.books().clone();
    assert!(books.is_settled(), "{books:?}");
    assert!(books.done > 1_000, "{books:?}");
    seen.hit_if("job dropped at work", books.dropped(Stage::Work) > 0);
    assert!(shared.network.peak() <= service::REQUESTS);
    assert_eq!(shared.network.under_way(), 0);
    seen.hit_if(
        "all requests at once",
        shared.network.peak() == service::REQUESTS,
    );
    drop(service);
    sim.run_until_idle();
    sim.assert_empty();
    let shared = Arc::into_inner(shared).expect("no task is left to hold it");
    assert_eq!(shared.at_work.available(), shared.at_work.total());
}

// G23 U5
#[test]
fn an_hour_of_chaos_keeps_its_promises() {
    let seen = Sometimes::new([
        "all requests at once",
        "back-pressure",
        "batch",
        "crew cancelled",
        "failure",
        "fan-out dropped",
        "full",
        "job dropped at work",
        "left at the end",
        "memo failed",
        "memo forgot",
        "memo hit",
        "outage",
        "panic",
        "push dropped",
        "reported",
        "request failed",
        "restart",
        "retry",
        "scope",
        "short batch",
        "supervisor stopped",
        "tick",
        "tick failed",
        "unobserved",
        "worker stopped",
    ]);
    for seed in seeds(4) {
        hour(seed, &seen);
    }
    seen.assert_each(1);
}
