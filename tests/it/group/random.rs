//! Groups under schedules drawn by chance, with one driver and with several.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use untethered::Runtime;
use untethered::group::{Group, Handle, OnCancel};
use untethered::sim::{Order, Sim, explore_orders, yield_now};

use super::{ByHand, Census, Log};
use crate::random::Random;
use crate::sometimes::Sometimes;
use crate::support::seeds;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum Step {
    Spawn,
    SpawnForGood,
    SpawnPolite,
    SpawnIsolated,
    SpawnMember,
    Fail,
    Subgroup,
    Close,
    Cancel,
    Drop,
    StopOne,
    Hook,
    TakeHookBack,
    Turn,
}

const STEPS: [(usize, Step); 14] = [
    (8, Step::Spawn),
    (4, Step::SpawnForGood),
    (4, Step::SpawnPolite),
    (2, Step::SpawnIsolated),
    (3, Step::SpawnMember),
    (2, Step::Fail),
    (5, Step::Subgroup),
    (2, Step::Close),
    (2, Step::Cancel),
    (2, Step::Drop),
    (3, Step::StopOne),
    (3, Step::Hook),
    (1, Step::TakeHookBack),
    (12, Step::Turn),
];

/// What a run did.
struct Run {
    seen: Sometimes,
    census: Census,
    handles: Vec<Handle<()>>,
    hooks: Vec<Handle<()>>,
    hooks_ran: Arc<AtomicUsize>,
}

impl Run {
    fn new(seen: &Sometimes) -> Self {
        Self {
            seen: seen.clone(),
            census: Census::default(),
            handles: Vec::new(),
            hooks: Vec::new(),
            hooks_ran: Arc::default(),
        }
    }

    fn step(&mut self, random: &mut Random, groups: &mut Vec<Group>, step: Step) {
        let alive = self.census.clone();
        let turns = random.below(4);
        let index = random.below(groups.len());
        let group = &groups[index];
        match step {
            Step::Spawn => self.handles.push(group.spawn(async move {
                let _alive = alive;
                for _ in 0..turns {
                    yield_now().await;
                }
            })),
            Step::SpawnForGood => self.handles.push(group.spawn(async move {
                let _alive = alive;
                pending::<()>().await
            })),
            Step::SpawnPolite => {
                let policy = [OnCancel::Finish, OnCancel::Grace(SECOND)][turns % 2];
                let task = group.task("polite").on_cancel(policy);
                let seen = self.seen.clone();
                self.handles.push(task.spawn_with(move |cx| async move {
                    let _alive = alive.clone();
                    let cleaned = seen.clone();
                    cx.on_exit(async move {
                        let _alive = alive;
                        yield_now().await;
                        cleaned.hit("clean-up");
                    });
                    cx.shield(yield_now()).await;
                    seen.hit_if("cancelled in a shield", cx.is_cancelled());
                    cx.token().cancelled().await;
                    yield_now().await;
                    seen.hit("polite end");
                }));
            }
            Step::SpawnIsolated => {
                let task = group.task("isolated").isolated();
                self.handles.push(task.spawn(async move {
                    let _alive = alive;
                    for _ in 0..turns * 8 {
                        yield_now().await;
                    }
                }));
            }
            Step::SpawnMember => {
                let task = group.task("parent");
                let seen = self.seen.clone();
                self.handles.push(task.spawn_with(move |cx| async move {
                    yield_now().await;
                    seen.hit_if("child while it closes", cx.group().is_closing());
                    let child = alive.clone();
                    cx.spawn(async move {
                        let _alive = child;
                        yield_now().await;
                    });
                    drop(alive);
                }));
            }
            Step::Fail if turns == 1 => self.handles.push(group.spawn(async move {
                let _alive = alive;
                std::panic::resume_unwind(Box::new("one of them panics"))
            })),
            Step::Fail => self.handles.push(group.spawn_fallible(async move {
                let _alive = alive;
                yield_now().await;
                if turns == 0 {
                    std::panic::resume_unwind(Box::new("one of them panics"));
                }
                Err("one of them fails")
            })),
            Step::Subgroup => match group.subgroup("sub") {
                Ok(sub) => groups.push(sub),
                Err(_) => self.seen.hit("subgroup refused"),
            },
            Step::Close if index > 0 => {
                self.seen.hit_if("close with tasks", !group.is_empty());
                group.close();
            }
            Step::Cancel if index > 0 => {
                self.seen.hit_if("cancel with tasks", !group.is_empty());
                group.cancel("by chance");
            }
            Step::Drop if index > 0 => {
                self.seen.hit_if("drop with tasks", !group.is_empty());
                drop(groups.swap_remove(index));
            }
            Step::StopOne if !self.handles.is_empty() => {
                let handle = &self.handles[random.below(self.handles.len())];
                self.seen.hit_if("stopped when over", handle.is_finished());
                if turns == 0 {
                    handle.abort();
                } else {
                    handle.cancel("by chance");
                }
            }
            Step::Hook => {
                let ran = self.hooks_ran.clone();
                self.hooks.push(group.on_closing(async move {
                    let _alive = alive;
                    yield_now().await;
                    ran.fetch_add(1, Ordering::SeqCst);
                }));
            }
            Step::TakeHookBack if !self.hooks.is_empty() => {
                let hook = random.below(self.hooks.len());
                self.hooks[hook].cancel("not needed");
            }
            _ => {}
        }
    }
}

// G1 G4 G9 G10
#[test]
fn random_schedules_end_with_nothing_left() {
    let seen = Sometimes::new([
        "cancel with tasks",
        "cancelled",
        "cancelled in a shield",
        "child while it closes",
        "clean-up",
        "close with tasks",
        "drop with tasks",
        "failed",
        "finished",
        "hook ran",
        "hook taken back",
        "panicked",
        "polite end",
        "stopped when over",
        "subgroup refused",
    ]);
    for seed in seeds(600) {
        let order = match seed % 8 {
            0 => Order::Fifo,
            1 => Order::Lifo,
            _ => Order::Seeded(seed),
        };
        let sim = Sim::with_order(order);
        sim.parallelism(1 + usize::try_from(seed % 4).unwrap());
        sim.spurious_wakes(seed % 3 == 0);
        let mut random = Random::new(seed);
        let mut run = Run::new(&seen);
        let rt = sim.runtime().on_unobserved(|_| {});
        let mut groups = vec![Group::builder(&rt).build()];
        let closed = sim.block_on(async {
            for _ in 0..random.below(60) {
                match random.weighted(&STEPS) {
                    Step::Turn => yield_now().await,
                    step => run.step(&mut random, &mut groups, step),
                }
            }
            let root = &groups[0];
            match random.below(3) {
                0 => root.cancel("the end"),
                1 => drop(root.shutdown(SECOND).await),
                _ => {
                    root.close();
                    yield_now().await;
                    root.abort();
                }
            }
            root.closed().await
        });
        closed.unwrap();
        assert_eq!(run.census.alive(), 0, "seed {seed}");
        assert!(groups.iter().all(Group::is_closed), "seed {seed}");
        assert_eq!(groups[0].len(), 0, "seed {seed}");
        for handle in run.handles {
            assert!(handle.is_finished(), "seed {seed}");
            seen.hit(match sim.block_on(handle) {
                Ok(()) => "finished",
                Err(error) if error.is_panic() => "panicked",
                Err(error) if error.is_failed() => "failed",
                Err(_) => "cancelled",
            });
        }
        let mut finished = 0;
        for hook in run.hooks {
            let ran = sim.block_on(hook).is_ok();
            seen.hit(if ran { "hook ran" } else { "hook taken back" });
            finished += usize::from(ran);
        }
        let ran = run.hooks_ran.load(Ordering::SeqCst);
        assert_eq!(ran, finished, "seed {seed}");
        drop(groups);
        sim.run_until_idle();
        sim.assert_empty();
    }
    seen.assert_each(10);
}

#[test]
fn seeds_vary_the_order_of_the_children_of_a_group_and_repeat_it() {
    let order_of = |sim: &Sim| {
        let group = Group::builder(&sim.runtime()).build();
        let log = Log::default();
        for index in 0..5 {
            let log = log.clone();
            group.spawn(async move {
                for _ in 0..2 {
                    log.add(index.to_string());
                    yield_now().await;
                }
            });
        }
        sim.block_on(group.join()).unwrap();
        log.take().concat()
    };
    for parallelism in [1, 3] {
        let of_seed = |seed| {
            let sim = Sim::with_order(Order::Seeded(seed));
            sim.parallelism(parallelism);
            order_of(&sim)
        };
        let orders: HashSet<_> = (0..100).map(of_seed).collect();
        assert!(orders.len() > 90, "{}", orders.len());
        assert!((0..100).all(|seed| of_seed(seed) == of_seed(seed)));
    }
    assert_eq!(order_of(&Sim::new()), "0123401234");
}

#[test]
fn seeds_let_a_child_woken_from_outside_pass_one_that_keeps_its_driver_busy() {
    let mut ahead = HashSet::new();
    explore_orders(50, |sim| {
        let group = Group::builder(&sim.runtime()).build();
        let turns = Arc::new(AtomicUsize::new(0));
        let count = turns.clone();
        let busy = group.spawn(async move {
            loop {
                count.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        });
        sim.block_on(async {
            for _ in 0..5 {
                yield_now().await;
            }
            let before = turns.load(Ordering::SeqCst);
            group.spawn(async {}).await.unwrap();
            ahead.insert(turns.load(Ordering::SeqCst) - before);
            busy.abort();
        });
    });
    assert!(ahead.len() > 2, "{ahead:?}");
}

// G8
#[test]
fn a_driver_that_is_dropped_half_way_leaves_its_children_to_another() {
    let host = ByHand::default();
    let group = Group::builder(&Runtime::new(host.clone(), host.clone())).build();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..1_000 {
        let ran = ran.clone();
        group.spawn(async move { ran.fetch_add(1, Ordering::SeqCst) });
    }
    for _ in 0..5 {
        let before = ran.load(Ordering::SeqCst);
        host.poll();
        assert!((before + 1..1_000).contains(&ran.load(Ordering::SeqCst)));
        host.drop_polled();
    }
    while !group.is_empty() {
        let before = ran.load(Ordering::SeqCst);
        host.poll();
        assert!(ran.load(Ordering::SeqCst) > before);
    }
    assert_eq!(ran.load(Ordering::SeqCst), 1_000);
    group.close();
    assert!(group.is_closed());
}

#[test]
fn a_driver_that_leaves_something_behind_has_called_another() {
    let host = ByHand::default();
    let group = Group::builder(&Runtime::new(host.clone(), host.clone())).build();
    let seen = Log::default();
    for _ in 0..3 {
        let (host, seen) = (host.clone(), seen.clone());
        group.spawn(async move { seen.add(host.tasks().to_string()) });
    }
    assert_eq!(host.tasks(), 1);
    host.poll();
    assert_eq!(seen.take()[0], "1");
}

#[test]
fn children_that_are_always_ready_do_not_starve_one_woken_from_outside() {
    let host = ByHand::default();
    let group = Group::builder(&Runtime::new(host.clone(), host.clone())).build();
    for _ in 0..2 {
        group.spawn(async {
            loop {
                yield_now().await;
            }
        });
    }
    // Until each keeps a driver busy.
    for _ in 0..3 {
        host.poll();
    }
    let outside = group.spawn(async {});
    host.poll();
    assert!(outside.is_finished());
}
