use std::cell::RefCell;
use std::future::Future;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use futures_lite::future::{block_on, zip};
use untethered::pool::BlockingPool;
use untethered::sim::{Sim, yield_now};

use super::row_then;
use crate::support::OnDrop;

thread_local! {
    /// Dropped when its thread has ended.
    static ALIVE: RefCell<Option<Sender<()>>> = const { RefCell::new(None) };
}

/// Where one sees that the thread of a pool is not alive any more.
type End = Arc<Mutex<Receiver<()>>>;

/// A row about a pool whose one thread is busy until the third poll. Afterwards the pool serves
/// whoever comes, or ends if it was closed.
#[track_caller]
fn pool_row<F: Future<Output = ()> + 'static>(paths: &str, make: impl Fn(Arc<BlockingPool>) -> F) {
    row_then(paths, |sim, p| {
        let pool = BlockingPool::builder().threads(1).queue(1).build();
        let pool = Arc::new(pool.unwrap());
        let (go, wait) = channel::<()>();
        let (alive, end) = channel();
        let end: End = Arc::new(Mutex::new(end));
        let busy = move || {
            ALIVE.set(Some(alive));
            wait.recv().ok();
        };
        let busy = pool.try_spawn(busy).unwrap();
        let (waits, outside) = (make(pool.clone()), sim.outside_work());
        let held = p.drops.guard();
        let used = (pool.clone(), end.clone());
        let future = async move {
            // A thread that wakes somebody holds the waker until it has done so.
            let _at_rest = OnDrop::new(move || come_to_rest(&used.0, &used.1));
            let _held = (held, outside);
            let lets_go = async move {
                yield_now().await;
                yield_now().await;
                drop(go);
            };
            zip(waits, lets_go).await;
        };
        (future, move |_: &Sim| {
            block_on(busy).unwrap();
            come_to_rest(&pool, &end);
        })
    });
}

/// Returns once the thread of `pool` has done all there was, or has ended.
fn come_to_rest(pool: &BlockingPool, end: &End) {
    if pool.is_closing() {
        end.lock().unwrap().recv().unwrap_err();
        assert!(pool.is_closed());
    } else {
        assert_eq!(block_on(pool.run(|| 7)).unwrap(), 7);
    }
}

// C10
#[test]
fn every_future_of_a_pool() {
    pool_row("pool::BlockingPool::run", |pool| async move {
        assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    });
    pool_row("pool::BlockingPool::spawn_when_free", |pool| async move {
        // It takes the room there is, or waits for the thread to take up its first closure.
        let first = pool.spawn_when_free(|| 1).await.unwrap();
        let second = pool.spawn_when_free(|| 2).await.unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
    });
    pool_row("pool::BlockingPool::join", |pool| async move {
        pool.join().await;
    });
    pool_row("pool::BlockingPool::closed", |pool| async move {
        pool.close();
        pool.closed().await;
    });
}
