use std::cell::RefCell;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures_lite::future::block_on;
use untethered::group::{Group, Resource};
use untethered::pool::{BlockingPool, PoolResource};
use untethered::sim::{Sim, yield_now};
use untethered::task::BlockingTask;

use crate::polled::{Polled, now};
use crate::support::{Drops, panic_text};

fn pool(threads: usize, queue: usize) -> BlockingPool {
    let builder = BlockingPool::builder().threads(threads).queue(queue);
    builder.build().unwrap()
}

/// A closure that runs until it is let go.
struct Busy {
    go: Sender<()>,
    task: BlockingTask<()>,
}

impl Busy {
    /// Returns once it runs.
    fn on(pool: &BlockingPool) -> Self {
        let (go, wait) = channel::<()>();
        let (began, has_begun) = channel();
        let work = move || {
            began.send(()).unwrap();
            wait.recv().ok();
        };
        let task = block_on(pool.spawn_when_free(work)).unwrap();
        has_begun.recv().unwrap();
        Self { go, task }
    }

    fn end(self) {
        drop(self.go);
        block_on(self.task).unwrap();
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

// B1
#[test]
fn a_join_finishes_what_was_accepted() {
    let pool = pool(2, 100);
    let (first, second) = (Busy::on(&pool), Busy::on(&pool));
    let tasks: Vec<_> = (0..100)
        .map(|n| pool.try_spawn(move || n).unwrap())
        .collect();
    let mut join = Polled::waiting(is_send(pool.join()));
    assert!((pool.is_closing(), pool.is_closed()) == (true, false));
    assert!(pool.try_spawn(|| ()).unwrap_err().is_closed());
    first.end();
    second.end();
    while join.woken() == 0 {
        thread::yield_now();
    }
    join.ready();
    assert!(pool.is_closed());
    for (n, task) in tasks.into_iter().enumerate() {
        assert!(task.is_finished());
        assert_eq!(now(task).unwrap(), n);
    }
    now(pool.join());
}

// B1
#[test]
fn a_join_waits_for_the_ends_of_the_threads() {
    thread_local! {
        static ON_EXIT: RefCell<Option<OnExit>> = const { RefCell::new(None) };
    }
    struct OnExit(Arc<AtomicUsize>);
    impl Drop for OnExit {
        fn drop(&mut self) {
            // Time for a join that does not wait to come first.
            for _ in 0..1000 {
                thread::yield_now();
            }
            self.0.fetch_add(1, SeqCst);
        }
    }
    const THREADS: usize = 4;
    let pool = pool(THREADS, 8);
    let exits = Arc::new(AtomicUsize::new(0));
    let all_there = Arc::new(std::sync::Barrier::new(THREADS));
    let mark = || {
        let (exits, all_there) = (exits.clone(), all_there.clone());
        let work = move || {
            ON_EXIT.set(Some(OnExit(exits)));
            all_there.wait();
        };
        pool.try_spawn(work).unwrap()
    };
    let marks: Vec<_> = (0..THREADS).map(|_| mark()).collect();
    for mark in marks {
        block_on(mark).unwrap();
    }
    block_on(pool.join());
    assert!(
        exits.load(SeqCst) >= THREADS - 1,
        "all but the last are joined"
    );
}

// B2
#[test]
fn a_cancel_drops_the_queue_and_lets_what_runs_give_its_value() {
    let pool = pool(1, 8);
    let token = pool.token();
    let stopped = token.clone();
    let (began, has_begun) = channel();
    let work = move || {
        began.send(()).unwrap();
        while !stopped.is_cancelled() {
            thread::yield_now();
        }
        stopped.reason().unwrap().to_string()
    };
    let running = pool.try_spawn(work).unwrap();
    has_begun.recv().unwrap();
    let drops = Drops::default();
    let guard = drops.guard();
    let queued = pool
        .try_spawn(move || {
            drop(guard);
            unreachable!("it is not to run")
        })
        .unwrap();
    assert_eq!(pool.queued(), 1);
    pool.cancel("reload");
    pool.cancel("too late to be the reason");
    assert_eq!(drops.count(), 1);
    let error: untethered::task::JoinError = block_on::<Result<(), _>>(queued).unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.reason().unwrap().as_str(), "reload");
    assert_eq!(block_on(running).unwrap(), "reload");
    block_on(pool.closed());
    let late = block_on(pool.run(|| ())).unwrap_err();
    assert_eq!(late.reason().unwrap().as_str(), "reload");
}

// B2
#[test]
fn a_dropped_pool_is_cancelled_and_waits_for_nothing() {
    let pool = pool(1, 8);
    let token = pool.token();
    let busy = Busy::on(&pool);
    let queued = pool.try_spawn(|| 1).unwrap();
    let waiting = format!("{pool:?}");
    drop(pool);
    assert_eq!(token.reason().unwrap().as_str(), "the pool was dropped");
    let error = now(queued).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task was cancelled: the pool was dropped"
    );
    busy.end();
    assert_eq!(
        waiting,
        "BlockingPool { name: \"pool\", threads: 1, queued: 1, is_closing: false, is_closed: false }"
    );
}

// B1
#[test]
fn a_detached_pool_finishes_what_was_accepted() {
    let pool = pool(1, 8);
    let token = pool.token();
    let busy = Busy::on(&pool);
    let queued = pool.try_spawn(|| 1).unwrap();
    pool.detach();
    busy.end();
    assert_eq!(block_on(queued).unwrap(), 1);
    assert!(!token.is_cancelled());
}

// B3
#[test]
fn one_thread_runs_closures_in_order_and_no_two_pools_share_one() {
    let (one, other) = (pool(1, 100), pool(3, 100));
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |n| {
        let order = order.clone();
        move || order.lock().unwrap().push((n, thread::current().id()))
    };
    let notes: Vec<_> = (0..50).map(|n| one.try_spawn(note(n)).unwrap()).collect();
    for task in notes {
        block_on(task).unwrap();
    }
    let order = order.lock().unwrap();
    assert!(order.iter().map(|(n, _)| *n).eq(0..50));
    let id: ThreadId = order[0].1;
    assert!(order.iter().all(|(_, thread)| *thread == id));
    let busy: Vec<_> = (0..3).map(|_| Busy::on(&other)).collect();
    let elsewhere = block_on(one.run(|| thread::current().id())).unwrap();
    assert_eq!(elsewhere, id, "though the other pool is busy");
    busy.into_iter().for_each(Busy::end);
    for _ in 0..50 {
        assert_ne!(block_on(other.run(|| thread::current().id())).unwrap(), id);
    }
    assert_eq!((one.threads(), other.threads()), (1, 3));
}

// B3
#[test]
fn threads_have_the_name_of_their_pool() {
    let pool = BlockingPool::builder()
        .name("db")
        .threads(1)
        .build()
        .unwrap();
    let name = block_on(pool.run(|| thread::current().name().map(str::to_owned)));
    assert_eq!(name.unwrap().as_deref(), Some("db-0"));
    let error = BlockingPool::builder().name("d\0b").build().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "the name of a thread has no nul byte: \"d\\0b\""
    );
}

// B4
#[test]
fn a_panic_reaches_its_task_and_the_thread_lives_on() {
    let pool = pool(1, 8);
    let thread = block_on(pool.run(|| thread::current().id())).unwrap();
    let error = block_on(pool.run(|| -> u8 { panic_any(17_u8) })).unwrap_err();
    assert_eq!(*error.into_panic().unwrap().downcast::<u8>().unwrap(), 17);
    assert_eq!(
        block_on(pool.run(|| thread::current().id())).unwrap(),
        thread
    );
}

// B4
#[test]
fn a_panic_that_nobody_awaits_reaches_the_hook() {
    let (told, tell): (Receiver<String>, _) = {
        let (tell, told) = channel();
        (told, Mutex::new(tell))
    };
    let hook = move |unobserved: untethered::runtime::Unobserved| {
        tell.lock().unwrap().send(unobserved.to_string()).unwrap();
    };
    let builder = BlockingPool::builder().threads(1).on_unobserved(hook);
    let pool = builder.build().unwrap();
    let busy = Busy::on(&pool);
    drop(pool.try_spawn(|| panic!("boom")).unwrap());
    let ran = pool.try_spawn(|| ()).unwrap();
    busy.end();
    block_on(ran).unwrap();
    let told = told.recv().unwrap();
    assert_eq!(told, "a task that nobody waits for panicked: boom");
}

// B4
#[test]
fn a_closure_whose_destructor_panics_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let pool = pool(1, 8);
    let busy = Busy::on(&pool);
    let bomb = Bomb;
    let armed = pool.try_spawn(move || drop(bomb)).unwrap();
    let behind = pool.try_spawn(|| ()).unwrap();
    pool.cancel("enough");
    assert!(now(armed).unwrap_err().is_panic());
    assert!(now(behind).unwrap_err().is_cancelled());
    busy.end();
    block_on(pool.closed());
}

// B5
#[test]
fn a_full_queue_and_a_closed_one_give_the_closure_back() {
    let pool = pool(1, 2);
    let busy = Busy::on(&pool);
    let queued: Vec<_> = (0..2).map(|n| pool.try_spawn(move || n).unwrap()).collect();
    let held = String::from("held");
    let full = pool.try_spawn(move || held).unwrap_err();
    assert!(full.is_full() && !full.is_closed());
    assert_eq!(full.to_string(), "the queue of the pool is full");
    let work = full.into_inner();
    pool.close();
    let closed = pool.try_spawn(work).unwrap_err();
    assert!(closed.is_closed() && !closed.is_full());
    assert_eq!(closed.to_string(), "the pool takes no more closures");
    let closed = now(pool.spawn_when_free(closed.into_inner())).unwrap_err();
    assert_eq!(closed.into_inner()(), "held");
    let error = now(pool.run(|| ())).unwrap_err();
    assert_eq!(error.to_string(), "task was cancelled: the pool is closed");
    busy.end();
    for (n, task) in queued.into_iter().enumerate() {
        assert_eq!(block_on(task).unwrap(), n);
    }
}

// B5
#[test]
fn who_waits_for_room_gets_in_in_the_order_they_came() {
    let pool = pool(1, 1);
    let busy = Busy::on(&pool);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |n| {
        let order = order.clone();
        move || order.lock().unwrap().push(n)
    };
    let queued = pool.try_spawn(note(0)).unwrap();
    let mut waiting: Vec<_> = (1..4)
        .map(|n| Polled::waiting(is_send(pool.run(note(n)))))
        .collect();
    assert!(
        pool.try_spawn(note(9)).unwrap_err().is_full(),
        "nobody passes them"
    );
    assert_eq!(pool.queued(), 1);
    busy.end();
    block_on(queued).unwrap();
    while !waiting.is_empty() {
        waiting.retain_mut(|run| match run.poll() {
            std::task::Poll::Ready(done) => {
                done.unwrap();
                false
            }
            std::task::Poll::Pending => true,
        });
        thread::yield_now();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
}

// B6
#[test]
fn a_wait_dropped_for_room_drops_its_closure_and_a_later_one_lets_it_run() {
    let pool = pool(1, 1);
    let busy = Busy::on(&pool);
    let drops = Drops::default();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = |by| {
        let (ran, guard) = (ran.clone(), drops.guard());
        move || {
            let _guard = guard;
            ran.fetch_add(by, SeqCst);
        }
    };
    // In the queue, and then dropped.
    drop(Polled::waiting(pool.run(count(1))));
    assert_eq!((drops.count(), pool.queued()), (0, 1));
    // Not in the queue.
    drop(Polled::waiting(pool.run(count(10))));
    assert_eq!(drops.count(), 1);
    // Never polled.
    drop(pool.run(count(100)));
    assert_eq!(drops.count(), 2);
    busy.end();
    block_on(pool.join());
    assert_eq!((ran.load(SeqCst), drops.count()), (1, 3));
}

// B6
#[test]
fn a_close_ends_waits_for_room_with_their_closures() {
    let pool = pool(1, 1);
    let busy = Busy::on(&pool);
    let queued = pool.try_spawn(|| ()).unwrap();
    let mut waiting = Polled::waiting(pool.spawn_when_free(|| 7));
    pool.close();
    assert_eq!(waiting.woken(), 1);
    let refused = waiting.ready().unwrap_err();
    assert!(refused.is_closed());
    assert_eq!(refused.into_inner()(), 7);
    busy.end();
    block_on(queued).unwrap();
}

#[test]
fn nought_is_refused_where_it_is_said() {
    let threads = panic_text(|| BlockingPool::builder().threads(0));
    assert_eq!(threads, "a pool without threads never runs a closure");
    let queue = panic_text(|| BlockingPool::builder().queue(0));
    assert_eq!(queue, "a pool with a queue of nought takes no closure");
    assert!(
        BlockingPool::builder()
            .queue(usize::MAX)
            .threads(1)
            .build()
            .is_ok()
    );
}

/// Runs `sim` until `done`, while the threads of a pool work.
fn run_until(sim: &Sim, done: impl Fn() -> bool) {
    sim.block_on(async {
        while !done() {
            thread::yield_now();
            yield_now().await;
        }
    });
}

fn resource(owner: &Group) -> (PoolResource, Busy, BlockingTask<u8>) {
    let resource = pool(1, 8).into_resource(owner);
    let busy = Busy::on(resource.pool());
    let queued = resource.pool().try_spawn(|| 1).unwrap();
    (resource, busy, queued)
}

// B7
#[test]
fn it_closes_with_its_owner_which_waits_for_it() {
    let sim = Sim::new();
    let owner = Group::builder(&sim.runtime()).build();
    let (resource, busy, queued) = resource(&owner);
    sim.run_until_idle();
    owner.close();
    sim.run_until_idle();
    assert!(resource.pool().is_closing() && resource.is_closing());
    assert!(!owner.is_closed());
    busy.end();
    run_until(&sim, || owner.is_closed());
    assert_eq!(now(queued).unwrap(), 1);
    assert!(resource.pool().is_closed() && resource.is_closed());
}

// B7
#[test]
fn it_is_cancelled_with_its_owner() {
    let sim = Sim::new();
    let owner = Group::builder(&sim.runtime()).build();
    // Once before its task has begun, once after.
    for begun in [false, true] {
        let sub = owner.subgroup("sub").unwrap();
        let (resource, busy, queued) = resource(&sub);
        if begun {
            sim.run_until_idle();
        }
        sub.cancel("reload");
        sim.run_until_idle();
        let error = now(queued).unwrap_err();
        assert_eq!(error.reason().unwrap().as_str(), "reload");
        assert!(!resource.is_closed() && !sub.is_closed());
        busy.end();
        run_until(&sim, || sub.is_closed());
        assert!(resource.pool().is_closed());
    }
}

// B7
#[test]
fn a_closure_that_does_not_end_is_left_behind_at_the_hard_limit() {
    let sim = Sim::new();
    let second = Duration::from_secs(1);
    let owner = Group::builder(&sim.runtime()).hard_limit(second).build();
    let (resource, busy, _queued) = resource(&owner);
    sim.run_until_idle();
    let report = sim.block_on(resource.shutdown(second));
    assert_eq!((report.aborted, report.is_clean()), (1, false));
    assert!(resource.is_closed() && !resource.pool().is_closed());
    busy.end();
    block_on(resource.pool().closed());
}

// B7
#[test]
fn its_own_end_is_the_end_of_the_resource() {
    let sim = Sim::new();
    let owner = Group::builder(&sim.runtime()).build();
    let (resource, busy, queued) = resource(&owner);
    sim.run_until_idle();
    resource.pool().close();
    busy.end();
    run_until(&sim, || resource.is_closed());
    assert_eq!(now(queued).unwrap(), 1);
    assert!(!owner.is_closing());
}

// B7
#[test]
fn it_is_cancelled_where_it_has_no_owner() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let owner = Group::builder(&rt).build();
    owner.close();
    let refused = pool(1, 8).into_resource(&owner);
    assert!(refused.pool().token().is_cancelled() && refused.is_closed());

    let orphan = pool(1, 8).into_resource(&rt);
    sim.run_until_idle();
    let token = orphan.pool().token();
    assert!(!token.is_cancelled());
    drop(sim);
    assert_eq!(
        token.reason().unwrap().as_str(),
        "the owner of the pool has gone"
    );
    block_on(orphan.pool().closed());

    let sim = Sim::new();
    let dropped = pool(1, 8).into_resource(&sim.runtime());
    sim.run_until_idle();
    let token = dropped.pool().token();
    drop(dropped);
    assert_eq!(token.reason().unwrap().as_str(), "the pool was dropped");
    sim.run_until_idle();
}

// B7
#[test]
fn using_it_ends_it() {
    let sim = Sim::new();
    let resource = pool(1, 8).into_resource(&sim.runtime());
    let token = resource.pool().token();
    let answer = sim.block_on(resource.using(async |resource| {
        // The simulation does not wait for threads: this one has its answer at once.
        block_on(resource.pool().run(|| 42)).unwrap()
    }));
    assert_eq!(answer, 42);
    assert!(token.is_cancelled());
}
