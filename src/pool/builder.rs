use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::BlockingPool;
use super::workers::Workers;
use crate::queue::Queue;
use crate::runtime::{Hook, Unobserved, print_unobserved};

/// How many closures wait for a thread, unless the builder says otherwise.
const QUEUE: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Settings of a new [`BlockingPool`]. From [`BlockingPool::builder`].
#[must_use = "a builder does nothing before build()"]
pub struct Builder {
    name: String,
    threads: Option<NonZeroUsize>,
    queue: NonZeroUsize,
    hook: Arc<Hook>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            name: "pool".to_owned(),
            threads: None,
            queue: QUEUE,
            hook: Arc::new(print_unobserved),
        }
    }

    /// The name of the pool. Its threads have it with their number behind it: `db-0`, `db-1`.
    ///
    /// By default `pool`. Some systems show no more than its first letters.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many threads it has. By default as many as the machine runs at the same moment.
    ///
    /// # Panics
    ///
    /// If `threads` is nought: nothing would ever run. A number that comes from outside is best read as a
    /// [`NonZeroUsize`].
    #[track_caller]
    pub fn threads(mut self, threads: usize) -> Self {
        let threads = NonZeroUsize::new(threads);
        self.threads = Some(threads.expect("a pool without threads never runs a closure"));
        self
    }

    /// How many closures may wait for a thread. By default 1024.
    ///
    /// # Panics
    ///
    /// If `room` is nought: closures reach a thread by the queue. A number that comes from outside is best read as a
    /// [`NonZeroUsize`].
    #[track_caller]
    pub fn queue(mut self, room: usize) -> Self {
        let room = NonZeroUsize::new(room);
        self.queue = room.expect("a pool with a queue of nought takes no closure");
        self
    }

    /// Where a panic goes whose [`BlockingTask`](crate::task::BlockingTask) was dropped.
    ///
    /// By default each gives one line on standard error, as on a
    /// [`Runtime`](crate::Runtime::on_unobserved).
    pub fn on_unobserved(mut self, hook: impl Fn(Unobserved) + Send + Sync + 'static) -> Self {
        self.hook = Arc::new(hook);
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// What the system says if it does not give all of them; those it gave have ended by then. An
    /// error of the kind `InvalidInput` if the name has a nul byte in it, which the name of a
    /// thread can not have.
    pub fn build(self) -> io::Result<BlockingPool> {
        if self.name.contains('\0') {
            let text = format!("the name of a thread has no nul byte: {:?}", self.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let threads = match self.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        let queue = Queue::from(self.queue);
        let workers = Workers::start(self.name, threads.get(), queue, self.hook)?;
        Ok(BlockingPool {
            workers,
            detached: false,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("threads", &self.threads)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
