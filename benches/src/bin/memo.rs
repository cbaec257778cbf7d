//! The memo beside moka's future cache.
//!
//! ```text
//! cargo run --release --bin memo -- [--rounds N] [--items N] [--only VARIANT] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words. An item is one call that asks for a value.

use std::future::ready;
use std::sync::Arc;

use futures::future::join_all;
use futures_lite::future::{block_on, yield_now};
use untethered::memo::Memo;
use untethered_benches::{Asked, Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many values are kept.
const CAPACITY: usize = 1_000;
/// How many ask for one key at once.
const FLIGHT: usize = 100;

fn main() {
    let mut asked = Asked::new(31);
    let rows: [(&str, fn() -> Vec<Variant>); 4] = [
        ("hit", hits),
        ("hit threads", hits_of_threads),
        ("miss evict", evictions),
        ("flight", flights),
    ];
    for (name, variants) in rows {
        if asked.wants(name) {
            asked.measure(Row {
                name: name.to_owned(),
                items: asked.items(100_000),
                variants: variants(),
            });
        }
    }
    asked.end();
}

/// All keys are inside, asked for in a fixed order that jumps.
fn keys(items: usize) -> impl Iterator<Item = usize> {
    (0..items).map(|n| n.wrapping_mul(7_919) % CAPACITY)
}

fn ours() -> Memo<usize, usize> {
    let memo = Memo::new(CAPACITY);
    for key in 0..CAPACITY {
        block_on(memo.load(key, || ready(key))).unwrap();
    }
    memo
}

/// As in its documentation, values in an `Arc`, as ours are.
fn moka() -> moka::future::Cache<usize, Arc<usize>> {
    // Room to spare: what it keeps of a full house is its choice.
    let cache = moka::future::Cache::new(2 * CAPACITY as u64);
    for key in 0..CAPACITY {
        block_on(cache.get_with(key, ready(Arc::new(key))));
    }
    block_on(cache.run_pending_tasks());
    cache
}

fn hits() -> Vec<Variant> {
    let (memo, cache, map) = (ours(), moka(), moka());
    vec![
        Variant::new("Memo::load", move |items| {
            block_on(async {
                for key in keys(items) {
                    let value = memo.load(key, || ready(key)).await.unwrap();
                    assert_eq!(*value, key);
                }
            });
        }),
        Variant::new("moka get_with", move |items| {
            block_on(async {
                for key in keys(items) {
                    assert_eq!(*cache.get_with(key, async { Arc::new(key) }).await, key);
                }
            });
        }),
        Variant::new("moka get", move |items| {
            block_on(async {
                for key in keys(items) {
                    assert_eq!(*map.get(&key).await.unwrap(), key);
                }
            });
        }),
    ]
}

fn hits_of_threads() -> Vec<Variant> {
    const THREADS: usize = 2;
    let (memo, cache) = (ours(), moka());
    vec![
        Variant::new("Memo::load", move |items| {
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        block_on(async {
                            for key in keys(items / THREADS) {
                                let value = memo.load(key, || ready(key)).await.unwrap();
                                assert_eq!(*value, key);
                            }
                        });
                    });
                }
            });
        }),
        Variant::new("moka get_with", move |items| {
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        block_on(async {
                            for key in keys(items / THREADS) {
                                let value = cache.get_with(key, async { Arc::new(key) }).await;
                                assert_eq!(*value, key);
                            }
                        });
                    });
                }
            });
        }),
    ]
}

/// No key comes twice: each is loaded and pushes another out.
fn evictions() -> Vec<Variant> {
    let (memo, cache) = (ours(), moka::future::Cache::new(CAPACITY as u64));
    let (mut next, mut moka_next) = (CAPACITY, CAPACITY);
    vec![
        Variant::new("Memo::load", move |items| {
            block_on(async {
                for key in next..next + items {
                    memo.load(key, || ready(key)).await.unwrap();
                }
            });
            next += items;
        }),
        Variant::new("moka get_with", move |items| {
            block_on(async {
                for key in moka_next..moka_next + items {
                    cache.get_with(key, async { Arc::new(key) }).await;
                }
                // It does part of the work later.
                cache.run_pending_tasks().await;
            });
            moka_next += items;
        }),
    ]
}

/// Many ask in one task for a key that takes three polls to load.
fn flights() -> Vec<Variant> {
    async fn load(key: usize) -> usize {
        yield_now().await;
        yield_now().await;
        key
    }
    let (memo, cache) = (
        Memo::new(CAPACITY),
        moka::future::Cache::new(CAPACITY as u64),
    );
    let (mut next, mut moka_next) = (0, 0);
    vec![
        Variant::new("Memo::load", move |items| {
            block_on(async {
                for _ in 0..items / FLIGHT {
                    next += 1;
                    let asked = (0..FLIGHT).map(|_| memo.load(next, || load(next)));
                    for value in join_all(asked).await {
                        assert_eq!(*value.unwrap(), next);
                    }
                }
            });
        }),
        Variant::new("moka get_with", move |items| {
            block_on(async {
                for _ in 0..items / FLIGHT {
                    moka_next += 1;
                    let key = moka_next;
                    let asked = (0..FLIGHT)
                        .map(|_| cache.get_with(key, async move { Arc::new(load(key).await) }));
                    for value in join_all(asked).await {
                        assert_eq!(*value, key);
                    }
                }
                cache.run_pending_tasks().await;
            });
        }),
    ]
}
