use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::Pin;
use std::task::Context;

use futures_core::future::BoxFuture;

use super::driver::Driver;

/// Starts tasks. One of the two traits behind a [`Runtime`](super::Runtime).
///
/// # Examples
///
/// A spawner that gives each task a thread of its own:
///
/// ```
/// use untethered::runtime::{BoxFuture, Spawner};
///
/// struct ThreadEach;
///
/// impl Spawner for ThreadEach {
///     fn spawn(&self, task: BoxFuture<'static, ()>) {
///         std::thread::spawn(|| futures_lite::future::block_on(task));
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not start tasks",
    label = "implements no `untethered::runtime::Spawner`",
    note = "for tokio, smol, async-std and plain threads `untethered::runtime` has constructors; for \
            another runtime implement `Spawner`"
)]
pub trait Spawner: Send + Sync + 'static {
    /// Runs `task` to its end, or drops it.
    ///
    /// Must return at once and must not poll `task` on the caller's stack. The task never
    /// unwinds. An implementation that can not run it (any more) drops it.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// As [`spawn`](Self::spawn), for a spawner that tells where its tasks come from.
    #[doc(hidden)]
    fn spawn_at(&self, task: BoxFuture<'static, ()>, caller: &'static Location<'static>) {
        let _ = caller;
        self.spawn(task);
    }

    /// As [`spawn`](Self::spawn), for a driver of a group, and a spawner that needs no box for it or
    /// tells what it drives.
    #[doc(hidden)]
    fn spawn_driver(&self, driver: Driver) {
        self.spawn(Box::pin(driver));
    }

    /// Runs `work` where it may block.
    ///
    /// By default on a pool of the whole process: at most 500 threads, started as they are needed
    /// and ended when idle. Work beyond that waits its turn. Where the system gives no thread at
    /// all, the work is dropped.
    ///
    /// Neither running nor dropping `work` unwinds. An implementation that can not run it drops
    /// it.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        super::blocking::spawn(work);
    }

    /// How many tasks can run at the same moment: the number of worker threads.
    ///
    /// By default what the machine offers.
    fn parallelism(&self) -> NonZeroUsize {
        available_parallelism()
    }

    /// Runs `main` to its end on the calling thread, with what tasks of the runtime find there.
    /// Otherwise says why that can not be.
    #[doc(hidden)]
    fn block_on(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), String> {
        super::block_on(main);
        Ok(())
    }

    /// Has the runtime's own reactor watch `socket`, which does not block.
    ///
    /// By default that of async-io, which serves every executor from a thread of its own.
    #[cfg(feature = "http")]
    #[doc(hidden)]
    fn watch(
        &self,
        socket: std::net::TcpStream,
    ) -> std::io::Result<std::sync::Arc<dyn super::Tcp>> {
        super::tcp::watch(socket)
    }

    /// Whether the task that is polled on this thread has used up its share and ought to yield.
    #[doc(hidden)]
    fn should_yield(&self) -> bool {
        false
    }

    /// Has the task of `cx` polled again once others had their turn.
    #[doc(hidden)]
    fn yield_now(&self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Whether the task that was woken last is kept for the thread it was woken on.
    #[doc(hidden)]
    fn keeps_woken_last(&self) -> bool {
        false
    }

    /// Called by a task that has just woken another which must not wait for it, for a scheduler
    /// that [`keeps_woken_last`](Self::keeps_woken_last).
    #[doc(hidden)]
    fn bump(&self) {}

    /// Whether it makes use of [`choose`](Self::choose), and tells what groups drive.
    #[doc(hidden)]
    fn watches_groups(&self) -> bool {
        false
    }

    /// Which of `ready` children of a group is to be polled next, the oldest being nought.
    #[doc(hidden)]
    fn choose(&self, ready: usize) -> usize {
        let _ = ready;
        0
    }
}

pub(super) fn available_parallelism() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
