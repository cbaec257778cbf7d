//! Pools that have an owner, on every runtime.

use std::sync::mpsc::channel;
use std::thread;

use futures_lite::future::yield_now;
use untethered::group::{Group, Resource};
use untethered::pool::BlockingPool;

use crate::hosts::Host;

/// Not all hosts wait for threads they know nothing of.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        thread::yield_now();
        yield_now().await;
    }
}

// B7
pub(crate) fn a_pool_that_closes_with_its_owner_finishes_its_work<H: Host>(host: H) {
    let owner = Group::builder(&host.runtime()).build();
    let pool = BlockingPool::builder().threads(2).build().unwrap();
    let db = pool.into_resource(&owner);
    let work = |n| db.pool().try_spawn(move || n).unwrap();
    let tasks: Vec<_> = (0..100).map(work).collect();
    owner.close();
    host.block_on(async {
        until(|| owner.is_closed()).await;
        assert!(db.is_closed() && db.pool().is_closed());
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
    });
}

// B7
pub(crate) fn a_pool_is_cancelled_with_its_owner_which_waits_for_what_runs<H: Host>(host: H) {
    let owner = Group::builder(&host.runtime()).build();
    let pool = BlockingPool::builder().threads(1).build().unwrap();
    let db = pool.into_resource(&owner);
    let stop = db.pool().token();
    let (began, has_begun) = channel();
    let work = move || {
        began.send(()).unwrap();
        while !stop.is_cancelled() {
            thread::yield_now();
        }
    };
    let running = db.pool().try_spawn(work).unwrap();
    has_begun.recv().unwrap();
    let queued = db.pool().try_spawn(|| ()).unwrap();
    owner.cancel("reload");
    host.block_on(async {
        until(|| owner.is_closed()).await;
        assert!(db.pool().is_closed() && running.is_finished());
        let error = queued.await.unwrap_err();
        assert_eq!(error.reason().unwrap().as_str(), "reload");
    });
}
