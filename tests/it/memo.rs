use std::cell::RefCell;
use std::future::{pending, poll_fn, ready};
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use untethered::memo::{LoadError, Memo};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::Event;

use crate::polled::{Polled, now};
use crate::support::{Drops, Log, OnDrop, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// Loads `value` once `go` is set.
fn after<T: Send + 'static>(go: &Event, value: T) -> impl Future<Output = T> + Send + use<T> {
    let go = go.clone();
    async move {
        go.wait().await;
        value
    }
}

// M1
#[test]
fn it_is_loaded_once_whoever_comes_first() {
    explore_orders(100, |sim| {
        sim.spurious_wakes(true);
        let rt = sim.runtime();
        let memo = Memo::new(4);
        let loads = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let (memo, loads) = (memo.clone(), loads.clone());
                rt.spawn(async move {
                    let key = n % 2;
                    let load = || async move {
                        loads.fetch_add(1, SeqCst);
                        for _ in 0..3 {
                            yield_now().await;
                        }
                        key * 10
                    };
                    assert_eq!(*memo.load(key, load).await.unwrap(), key * 10);
                })
            })
            .collect();
        sim.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(loads.load(SeqCst), 2);
        let stats = memo.stats();
        assert_eq!((stats.loads, stats.hits + stats.misses), (2, 8));
    });
}

// M2
#[test]
fn one_who_is_not_polled_holds_nobody_up() {
    let memo = Memo::new(1);
    let go = Event::new();
    let first = Polled::waiting(memo.load(1, || after(&go, "one")));
    let mut second = Polled::waiting(memo.load(1, || ready("never")));
    go.set();
    assert_eq!((first.woken(), second.woken()), (1, 1));
    assert_eq!(*second.ready().unwrap(), "one");
    assert!(memo.contains(&1));
    drop(first);
}

// M2
#[test]
fn a_load_goes_on_while_one_waits_and_ends_with_the_last() {
    let memo = Memo::new(1);
    let log = Log::default();
    let guard = log.on_drop("load dropped");
    let go = Event::new();
    let loading = after(&go, 7);
    let first = Polled::waiting(memo.load(1, || async move {
        let _guard = guard;
        loading.await
    }));
    let second = Polled::waiting(memo.load(1, || ready(8)));
    drop(first);
    assert!(log.take().is_empty());
    drop(second);
    assert_eq!(log.take(), ["load dropped"]);
    assert_eq!(
        *now(memo.load(1, || ready(9))).unwrap(),
        9,
        "the key is free"
    );
}

// M1 M2
#[test]
fn one_who_asks_may_be_dropped_at_any_poll() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(4)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let memo: Memo<u8, u8, ()> = Memo::new(2);
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let memo = memo.clone();
                    rt.spawn(async move {
                        yield_now().await;
                        *memo.try_load(1, || async { Ok(7) }).await.unwrap()
                    })
                })
                .collect();
            let asked = memo.clone();
            let ask = async move {
                let load = || async {
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    Ok(7)
                };
                assert_eq!(*asked.try_load(1, load).await.unwrap(), 7);
                assert_eq!(*asked.try_load(2, load).await.unwrap(), 7);
            };
            let check = move |sim: &Sim| {
                for other in others {
                    assert_eq!(sim.block_on(other).unwrap(), 7);
                }
                assert!(memo.contains(&1));
                assert_eq!(*now(memo.try_load(2, || ready(Ok(7)))).unwrap(), 7);
            };
            (ask, check)
        });
        assert!(polls >= 4, "{polls}");
    }
}

// M3
#[test]
fn an_error_goes_to_all_who_wait_and_is_not_kept() {
    let memo: Memo<u8, u8, &str> = Memo::new(1);
    let go = Event::new();
    let mut first = Polled::waiting(memo.try_load(1, || after(&go, Err("no"))));
    let mut second = Polled::waiting(memo.try_load(1, || ready(Ok(2))));
    go.set();
    for told in [first.ready(), second.ready()] {
        let error = told.unwrap_err();
        assert_eq!(error.to_string(), "load failed");
        assert!(matches!(error, LoadError::Failed(error) if *error == "no"));
    }
    assert!(!memo.contains(&1));
    assert_eq!(*now(memo.try_load(1, || ready(Ok(3)))).unwrap(), 3);
}

// M3
#[test]
fn errors_are_kept_where_that_was_asked_for() {
    let memo: Memo<u8, u8, std::fmt::Error> = Memo::builder().keep_errors().build();
    now(memo.try_load(1, || ready(Err(std::fmt::Error)))).unwrap_err();
    assert!(memo.contains(&1));
    assert_eq!(memo.get(&1), None);
    let error = now(memo.try_load(1, || ready(Ok(2)))).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.is::<std::fmt::Error>());
    assert_eq!((memo.stats().hits, memo.stats().loads), (2, 1));
}

// M3
#[test]
fn a_panic_is_that_of_its_function_and_the_next_loads() {
    let memo = Memo::new(1);
    let go = Event::new();
    let log = Log::default();
    let guard = log.on_drop("load dropped");
    let gone = after(&go, ());
    let mut first = Polled::waiting(memo.load(1, || async move {
        let _guard = guard;
        gone.await;
        panic!("of the first")
    }));
    let begins = log.clone();
    let mut second = Polled::waiting(memo.load(1, move || {
        begins.push("second begins");
        ready(2)
    }));
    go.set();
    // It polls the load that panics, for another, and goes on with its own.
    assert_eq!(*second.ready().unwrap(), 2);
    assert_eq!(log.take(), ["load dropped", "second begins"]);
    assert_eq!(panic_text(|| first.poll()), "of the first");
    assert!(memo.contains(&1));
}

// M3
#[test]
fn a_panic_whose_function_was_dropped_is_that_of_who_polls() {
    let memo = Memo::new(1);
    let go = Event::new();
    let gone = after(&go, ());
    let first = Polled::waiting(memo.load(1, || async move {
        gone.await;
        panic!("of the first")
    }));
    let mut second = Polled::waiting(memo.load(1, || ready(2)));
    let mut third = Polled::waiting(memo.load(1, || ready(3)));
    drop(first);
    go.set();
    assert_eq!(panic_text(|| second.poll()), "of the first");
    drop(second);
    assert_eq!(*third.ready().unwrap(), 3);
}

// M3
#[test]
fn a_function_that_panics_leaves_the_key_free() {
    let memo = Memo::new(1);
    let mut bad = Polled::new(memo.load(1, || -> std::future::Ready<u8> { panic!("at once") }));
    assert_eq!(panic_text(|| bad.poll()), "at once");
    assert_eq!(*now(memo.load(1, || ready(1))).unwrap(), 1);
    memo.clear();
    // The destructor of a load counts as the load.
    let armed = OnDrop::new(|| panic!("in a destructor"));
    let mut bad = Polled::new(memo.load(1, || {
        poll_fn(move |_| {
            let _ = &armed;
            Poll::Ready(1)
        })
    }));
    assert_eq!(panic_text(|| bad.poll()), "in a destructor");
    assert!(!memo.contains(&1));
}

// M4
#[test]
fn the_one_whose_use_is_longest_ago_goes_first() {
    let memo = Memo::new(2);
    let ask = |key| *now(memo.load(key, || ready(key))).unwrap();
    assert_eq!([ask(1), ask(2), ask(1), ask(3)], [1, 2, 1, 3]);
    assert!(memo.contains(&1) && !memo.contains(&2) && memo.contains(&3));
    // Looking whether it is there is no use of it, getting it is.
    assert!(memo.contains(&1));
    memo.get(&1);
    assert!(memo.contains(&3));
    ask(4);
    assert!(memo.contains(&1) && !memo.contains(&3));
    let stats = memo.stats();
    assert_eq!((stats.hits, stats.misses), (2, 4));
    assert_eq!((stats.loads, stats.evictions), (4, 2));
    assert_eq!((memo.len(), memo.capacity()), (2, Some(2)));
}

// M4
#[test]
fn a_value_lives_from_the_end_of_its_load() {
    let sim = Sim::new();
    let memo = Memo::builder()
        .unbounded()
        .time_to_live(&sim.runtime(), 2 * SECOND)
        .build();
    let go = Event::new();
    let mut loading = Polled::waiting(memo.load(1, || after(&go, 1)));
    sim.advance(5 * SECOND);
    go.set();
    loading.ready().unwrap();
    sim.advance(2 * SECOND - Duration::from_nanos(1));
    assert!(memo.get(&1).is_some(), "a use does not make it live longer");
    sim.advance(Duration::from_nanos(1));
    assert!(memo.get(&1).is_none() && !memo.contains(&1) && !memo.invalidate(&1));
    // What is over is freed when something is stored.
    for key in 0..100 {
        now(memo.load(key, || ready(key))).unwrap();
    }
    sim.advance(2 * SECOND);
    assert_eq!(memo.len(), 100);
    now(memo.load(100, || ready(100))).unwrap();
    assert_eq!(memo.len(), 1);
}

#[test]
fn a_life_too_long_for_the_clock_does_not_end() {
    let sim = Sim::new();
    let memo = Memo::builder()
        .time_to_live(&sim.runtime(), Duration::MAX)
        .build();
    now(memo.load(1, || ready(1))).unwrap();
    sim.advance(1_000_000_000 * SECOND);
    assert!(memo.contains(&1));
}

// M5
#[test]
fn a_stale_load_is_not_kept_and_takes_no_newer_one_away() {
    let memo = Memo::new(1);
    let (slow, fast) = (Event::new(), Event::new());
    let mut old = Polled::waiting(memo.load(1, || after(&slow, "old")));
    assert!(!memo.invalidate(&1));
    let mut new = Polled::waiting(memo.load(1, || after(&fast, "new")));
    slow.set();
    assert_eq!(*old.ready().unwrap(), "old");
    assert!(!memo.contains(&1));
    fast.set();
    assert_eq!(*new.ready().unwrap(), "new");
    assert_eq!(*memo.get(&1).unwrap(), "new");

    let failing: Memo<u8, u8, ()> = Memo::new(1);
    let mut old = Polled::waiting(failing.try_load(1, || after(&Event::new(), Err(()))));
    failing.clear();
    now(failing.try_load(1, || ready(Ok(2)))).unwrap();
    assert!(old.poll().is_pending());
    drop(old);
    assert!(failing.contains(&1), "the drop of the old load left it");
}

// M5
#[test]
fn a_closed_memo_loads_nothing_more() {
    let memo = Memo::new(2);
    let go = Event::new();
    let stored = now(memo.load(1, || ready(1))).unwrap();
    let mut loading = Polled::waiting(memo.load(2, || after(&go, 2)));
    memo.close();
    assert_eq!(Arc::strong_count(&stored), 1, "it is forgotten");
    go.set();
    assert_eq!(*loading.ready().unwrap(), 2, "it had begun");
    assert!(memo.is_closed() && memo.is_empty());
    let error = now(memo.load(1, || -> std::future::Ready<u8> { unreachable!() })).unwrap_err();
    assert!(matches!(error, LoadError::Closed));
    assert_eq!(error.to_string(), "the memo is closed");
}

/// A key that has the hash of all others, and does something when it is looked at or dropped.
struct Odd {
    number: u32,
    act: Arc<dyn Fn() + Send + Sync>,
}

impl Hash for Odd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.act)();
        0.hash(state);
    }
}

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        (self.act)();
        self.number == other.number
    }
}

impl Eq for Odd {}

impl Drop for Odd {
    fn drop(&mut self) {
        (self.act)();
    }
}

// M6
#[test]
fn keys_and_values_may_use_the_memo_and_share_a_hash() {
    static MEMO: OnceLock<Memo<Odd, OnDrop>> = OnceLock::new();
    let memo = MEMO.get_or_init(|| Memo::new(3));
    let acts = Arc::new(AtomicUsize::new(0));
    let act: Arc<dyn Fn() + Send + Sync> = {
        let acts = acts.clone();
        Arc::new(move || {
            // Waits for ever if a lock is held.
            memo.len();
            acts.fetch_add(1, SeqCst);
        })
    };
    let odd = |number| Odd {
        number,
        act: act.clone(),
    };
    let ask = |number| {
        let value = act.clone();
        let load = move || ready(OnDrop::new(move || value()));
        drop(now(memo.load(odd(number), load)).unwrap());
    };
    for number in [1, 2, 3, 1, 4, 5, 1, 2, 4] {
        ask(number);
    }
    // 3, 2, then 5 and 4 were pushed out, by 4, 5, 2 and 4.
    for (number, inside) in [(1, true), (2, true), (3, false), (4, true), (5, false)] {
        assert_eq!(memo.contains(&odd(number)), inside, "{number}");
    }
    assert!(memo.invalidate(&odd(2)) && !memo.invalidate(&odd(2)));
    assert!(memo.contains(&odd(1)) && memo.contains(&odd(4)));
    memo.clear();
    assert!(acts.load(SeqCst) > 50);
}

// M6
#[test]
fn a_destructor_that_panics_harms_no_load() {
    let memo = Memo::new(1);
    let bomb = now(memo.load(1, || ready(OnDrop::new(|| panic!("in a destructor"))))).unwrap();
    drop(bomb);
    let quiet = now(memo.load(2, || ready(OnDrop::new(|| {})))).unwrap();
    drop(quiet);
    assert!(memo.contains(&2) && !memo.contains(&1));
}

// M6
#[test]
fn a_waker_may_use_the_memo() {
    struct Uses(Memo<u8, u8>);
    impl std::task::Wake for Uses {
        fn wake(self: Arc<Self>) {
            self.0.invalidate(&2);
            self.0.len();
        }
    }
    let memo = Memo::new(1);
    let waker = std::task::Waker::from(Arc::new(Uses(memo.clone())));
    let go = Event::new();
    let mut first = Box::pin(memo.load(1, || after(&go, 1)));
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let mut second = Polled::waiting(memo.load(1, pending));
    go.set();
    assert_eq!(*second.ready().unwrap(), 1);
    assert!(first.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn it_is_asked_with_what_a_key_borrows_as() {
    let memo: Memo<String, usize> = Memo::unbounded();
    now(memo.load("key".to_owned(), || ready(3))).unwrap();
    assert!(memo.contains("key"));
    assert_eq!(memo.get("key").as_deref(), Some(&3));
    assert!(memo.invalidate("key"));
    assert_eq!(memo.capacity(), None);
    assert_eq!(format!("{memo:?}"), "Memo { len: 0, capacity: None, .. }");
}

#[test]
fn nought_is_refused_where_it_is_said() {
    let text = panic_text(|| Memo::<u8, u8>::new(0));
    assert_eq!(text, "a memo with room for nought keeps nothing");
    let sim = Sim::new();
    let text = panic_text(|| Memo::builder().time_to_live(&sim.runtime(), Duration::ZERO));
    assert_eq!(text, "a value that lives for no time is never found");
    let one: Memo<u8, u8> = Memo::from(NonZeroUsize::MIN);
    assert_eq!(one.capacity(), Some(1));
    assert_eq!(Memo::<u8, u8>::new(usize::MAX).capacity(), Some(usize::MAX));
    assert_eq!(Memo::builder().build::<u8, u8, ()>().capacity(), Some(128));
}

#[test]
fn it_must_not_be_polled_after_it_was_ready() {
    let memo = Memo::new(1);
    for _ in 0..2 {
        let mut load = Polled::new(memo.load(1, || ready(1)));
        load.ready().unwrap();
        let again = catch_unwind(AssertUnwindSafe(|| load.poll()));
        assert!(again.is_err());
    }
}

#[test]
fn the_functions_need_not_be_send_nor_live_for_ever() {
    let memo = Memo::new(1);
    let local = RefCell::new(Vec::new());
    let value = now(memo.load("key", || {
        local.borrow_mut().push(1);
        ready(local.borrow().len())
    }));
    assert_eq!(*value.unwrap(), 1);
}

#[test]
fn values_are_dropped_with_the_memo_and_the_last_who_has_one() {
    let drops = Drops::default();
    let memo = Memo::new(10);
    let held = now(memo.load(1, || ready(drops.guard()))).unwrap();
    now(memo.load(2, || ready(drops.guard()))).unwrap();
    drop(memo.clone());
    assert_eq!(drops.count(), 0);
    drop(memo);
    assert_eq!(drops.count(), 1);
    drop(held);
    assert_eq!(drops.count(), 2);
}
