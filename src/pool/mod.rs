//! Threads of your own for closures that block.
//!
//! [`Runtime::spawn_blocking`](crate::Runtime::spawn_blocking) shares its threads with the whole
//! program. A [`BlockingPool`] has some that nobody else uses, so many of them, behind a queue with
//! room for so many closures: for a database that takes four connections, or a library that wants
//! to be called from one thread only. It needs no runtime.
//!
//! | Want | Take |
//! |---|---|
//! | the value of a closure, waiting for room and for its end | [`BlockingPool::run`] |
//! | a handle, once there is room | [`BlockingPool::spawn_when_free`] |
//! | a handle at once, or the closure back | [`BlockingPool::try_spawn`] |
//! | what is accepted to be finished, and the threads gone | [`BlockingPool::join`] |
//! | what has not begun to be dropped | [`BlockingPool::cancel`] |
//! | a pool that ends with a group | [`BlockingPool::into_resource`] |
//!
//! # Stopping a closure
//!
//! Nothing can stop a thread. A closure that takes long looks at a token now and then: that of
//! the pool, from [`BlockingPool::token`], which [`cancel`](BlockingPool::cancel) fires, or a
//! [child](crate::CancellationToken::child_token) of it for one closure alone.
//!
//! # Left out
//!
//! Pools of processes: a closure can not be sent to one. For work in parallel processes start
//! them yourself, and talk to them.
//!
//! # Examples
//!
//! ```
//! use untethered::pool::BlockingPool;
//! use untethered::sync::Event;
//!
//! # fn main() -> std::io::Result<()> {
//! let pool = BlockingPool::builder().name("db").threads(2).queue(16).build()?;
//! # futures_lite::future::block_on(async {
//! let name = pool.run(|| std::thread::current().name().map(str::to_owned)).await.unwrap();
//! assert!(name.unwrap().starts_with("db-"));
//!
//! let (begun, stop) = (Event::new(), pool.token());
//! let tells = begun.clone();
//! let endless = pool.spawn_when_free(move || {
//!     tells.set();
//!     while !stop.is_cancelled() {
//!         std::thread::yield_now();
//!     }
//!     "asked to stop"
//! });
//! let endless = endless.await.unwrap();
//! begun.wait().await;
//! pool.cancel("shutdown");
//! assert_eq!(endless.await.unwrap(), "asked to stop");
//! pool.closed().await;
//! # });
//! # Ok(())
//! # }
//! ```

mod builder;
mod job;
mod resource;
mod workers;

use std::fmt;
use std::sync::Arc;

use self::job::{AnyJob, give_back};
use self::workers::Workers;
use crate::queue::TryPushError;
use crate::task::{BlockingTask, CancellationToken, JoinError, Reason};

pub use self::builder::Builder;
pub use self::resource::PoolResource;

/// Threads of its own for closures that block, and a bounded queue before them.
///
/// The threads start with the pool, have names, and stay until it ends, idle or not. No two pools
/// share one; with a single thread, closures run one after the other on that thread, in the order
/// in which they were accepted. A panic of a closure goes to whoever has its [`BlockingTask`], and
/// the thread lives on.
///
/// Dropping the pool [cancels](Self::cancel) it and waits for nothing: closures that run go on to
/// their end, those in the queue are dropped. For another end take [`join`](Self::join) or
/// [`detach`](Self::detach). To share it, put it in an [`Arc`]. See the [module](self) for an
/// example.
pub struct BlockingPool {
    workers: Arc<Workers>,
    detached: bool,
}

impl BlockingPool {
    /// Settings for a new pool.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Runs `work` on a thread of the pool and gives what it returns. Waits first while the queue
    /// is full, behind others who wait.
    ///
    /// A closure of the pool must not wait for another one: with all threads waiting, none would
    /// ever run.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, it drops `work`; later, `work` is run all the same.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if `work` panicked, or was dropped unrun because the pool was closed or
    /// cancelled, with the reason.
    pub async fn run<F, T>(&self, work: F) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.spawn_when_free(work).await {
            Ok(task) => task.await,
            Err(_) => {
                let closed = || Reason::from("the pool is closed");
                let reason = self.token().reason().unwrap_or_else(closed);
                Err(JoinError::cancelled(Some(reason)))
            }
        }
    }

    /// Waits for room in the queue, behind others who wait, and puts `work` in it.
    ///
    /// Dropping the [`BlockingTask`] lets `work` go on.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropped while it waits, it drops `work`, which has not run.
    ///
    /// # Errors
    ///
    /// [`TrySpawnError::Closed`] with `work` if the pool is closed, or is while this waits.
    pub async fn spawn_when_free<F, T>(&self, work: F) -> Result<BlockingTask<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, body) = BlockingTask::with_hook(work, self.workers.hook.clone());
        let job: AnyJob = Box::new(body);
        match self.workers.queue.push(job).await {
            Ok(()) => Ok(task),
            Err(closed) => {
                let work = give_back::<F, T>(closed.into_inner());
                Err(TrySpawnError::Closed(work))
            }
        }
    }

    /// Puts `work` in the queue if there is room.
    ///
    /// Dropping the [`BlockingTask`] lets `work` go on.
    ///
    /// # Errors
    ///
    /// [`TrySpawnError`] with `work`: `Closed` if the pool is closed, else `Full`.
    pub fn try_spawn<F, T>(&self, work: F) -> Result<BlockingTask<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, body) = BlockingTask::with_hook(work, self.workers.hook.clone());
        match self.workers.queue.try_push(Box::new(body)) {
            Ok(()) => Ok(task),
            Err(TryPushError::Full(job)) => Err(TrySpawnError::Full(give_back::<F, T>(job))),
            Err(TryPushError::Closed(job)) => Err(TrySpawnError::Closed(give_back::<F, T>(job))),
        }
    }

    /// Takes nothing more, and finishes what was accepted. Returns at once; see
    /// [`join`](Self::join).
    pub fn close(&self) {
        self.workers.queue.close();
    }

    /// Takes nothing more, drops the closures in the queue, and asks those that run to stop by
    /// the [`token`](Self::token). Returns at once; see [`closed`](Self::closed).
    ///
    /// Whoever awaits a closure that was dropped gets a cancelled [`JoinError`] with the reason;
    /// one that runs gives its value. The first cancel gives the reason.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        self.workers.cancel(reason.into());
    }

    /// Closes the pool, and waits until what was accepted is finished and the threads have ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the returned future leaves the pool closed; it may be called again.
    pub async fn join(&self) {
        self.close();
        self.closed().await;
    }

    /// Waits until the pool was closed or cancelled, nothing runs any more, and its threads have
    /// ended.
    ///
    /// All of them were joined but the one that told of it, which has nothing left to do. Awaited
    /// by a closure of the pool this never ends.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub async fn closed(&self) {
        self.workers.ended.wait().await;
    }

    /// Lets go of the pool without cancelling it: what was accepted is finished, and nothing more
    /// is taken.
    pub fn detach(mut self) {
        self.close();
        self.detached = true;
    }

    /// Fires when the pool is cancelled, for closures that are to stop early. Not when it is
    /// closed.
    pub fn token(&self) -> CancellationToken {
        self.workers.token.clone()
    }

    /// Whether it takes nothing more.
    pub fn is_closing(&self) -> bool {
        self.workers.queue.is_closed()
    }

    /// Whether its threads have ended.
    pub fn is_closed(&self) -> bool {
        self.workers.ended.is_set()
    }

    /// How many closures wait in the queue for a thread.
    pub fn queued(&self) -> usize {
        self.workers.queue.len()
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.workers.threads
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        if !self.detached {
            self.cancel("the pool was dropped");
        }
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPool")
            .field("name", &self.workers.name)
            .field("threads", &self.threads())
            .field("queued", &self.queued())
            .field("is_closing", &self.is_closing())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// Why a [`BlockingPool`] did not take a closure, which it gives back.
pub enum TrySpawnError<F> {
    /// The pool takes no more.
    Closed(F),
    /// The queue is full.
    Full(F),
}

impl<F> TrySpawnError<F> {
    /// The closure that was not taken.
    pub fn into_inner(self) -> F {
        match self {
            Self::Closed(work) | Self::Full(work) => work,
        }
    }

    /// Whether the pool takes no more.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Whether the queue is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "the pool takes no more closures",
            Self::Full(_) => "the queue of the pool is full",
        })
    }
}

impl<F> std::error::Error for TrySpawnError<F> {}
