use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use super::BlockingPool;
use super::workers::Workers;
use crate::combine::race;
use crate::group::{Group, Life, OnCancel, Parent, Resource};

/// A [`BlockingPool`] that has an owner. From [`BlockingPool::into_resource`].
///
/// Dropping it cancels the pool and waits for nothing.
pub struct PoolResource {
    pool: BlockingPool,
    /// Has one task, which cannot fail.
    group: Group<Infallible>,
}

impl BlockingPool {
    /// Gives the pool an owner: a [`Runtime`](crate::Runtime), a [`Group`] or the
    /// [`Context`](crate::group::Context) of a task.
    ///
    /// The pool closes and is cancelled with its owner, which is not closed before the threads
    /// have ended, and it is a [`Resource`]. Closures that go on for longer than the hard limit of
    /// the owner after a cancel are left behind: the owner closes without them, and its
    /// [`Report`](crate::group::Report) counts the pool as aborted. Where the owner takes no more,
    /// or its runtime goes away, the pool is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
    /// use std::time::Duration;
    /// use untethered::group::Group;
    /// use untethered::pool::BlockingPool;
    ///
    /// let rt = untethered::runtime::threads(1);
    /// let service = Group::builder(&rt).name("service").build();
    /// let pool = BlockingPool::builder().name("db").threads(2).build().unwrap();
    /// let db = pool.into_resource(&service);
    /// assert_eq!(db.pool().run(|| 6 * 7).await.unwrap(), 42);
    ///
    /// let report = service.shutdown(Duration::from_secs(10)).await;
    /// assert!(report.is_clean());
    /// assert!(db.pool().is_closed());
    /// # });
    /// ```
    pub fn into_resource(self, owner: &impl Parent) -> PoolResource {
        let name = self.workers.name.clone();
        let group = Group::builder(owner).name(name).errors().build();
        let keeper = Keeper(self.workers.clone());
        let keep = group.task("threads").on_cancel(OnCancel::Finish);
        let kept = keep.spawn_with(move |cx| async move {
            let workers = &keeper.0;
            race((cx.group().closing(), workers.ended.wait())).await;
            workers.queue.close();
            let token = cx.token();
            if token
                .run_until_cancelled(workers.ended.wait())
                .await
                .is_none()
            {
                let reason = token.reason();
                workers.cancel(reason.unwrap_or_else(|| "its owner was cancelled".into()));
                workers.ended.wait().await;
            }
            cx.group().close();
        });
        drop(kept);
        PoolResource { pool: self, group }
    }
}

impl PoolResource {
    /// The pool.
    pub fn pool(&self) -> &BlockingPool {
        &self.pool
    }
}

impl Resource for PoolResource {
    fn life(&self) -> &Life {
        self.group.life()
    }
}

impl fmt::Debug for PoolResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolResource")
            .field("pool", &self.pool)
            .field("life", self.life())
            .finish()
    }
}

/// Cancels the pool where its task is dropped before the threads have ended.
struct Keeper(Arc<Workers>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.cancel("the owner of the pool has gone".into());
    }
}
