use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};

use super::wire::ToParent;
use super::{Phase, StopReason};
use crate::primitives::atomic::{AtomicBool, Ordering};
use crate::task::CancellationToken;

/// What a worker knows of itself, and how it is asked to stop.
///
/// A worker starts, says that it is ready, serves, is asked to stop, and stops: one async function
/// from top to bottom.
///
/// ```no_run
/// use untethered::group::BoxError;
/// use untethered::workers::Worker;
///
/// # async fn connect() -> Result<(), BoxError> { Ok(()) }
/// # async fn answer() {}
/// async fn body(worker: Worker) -> Result<(), BoxError> {
///     connect().await?; // it starts
///     worker.run_until_stopped(answer()).await; // it is ready, and serves
///     println!("stops: {}", worker.stopped().await); // it stops
///     Ok(())
/// }
/// ```
///
/// Clones are the same worker.
pub struct Worker<V = ()> {
    seat: Arc<Seat>,
    value: Arc<V>,
}

impl<V> Worker<V> {
    pub(super) fn new(seat: Arc<Seat>, value: V) -> Self {
        Self {
            seat,
            value: Arc::new(value),
        }
    }

    /// Which worker this is, from nought. Extra ones come after the others.
    pub fn index(&self) -> usize {
        self.seat.index
    }

    /// `worker`, or the name of an extra one.
    pub fn name(&self) -> &str {
        &self.seat.name
    }

    /// How many reloads came before it was started.
    pub fn generation(&self) -> u64 {
        self.seat.generation
    }

    /// What the main context handed over.
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The socket of the first [`listen`](super::Workers::listen), shared by all workers.
    ///
    /// # Errors
    ///
    /// If there is none, or the system refuses a descriptor.
    pub fn listener(&self) -> io::Result<TcpListener> {
        let listener = self.seat.listeners.first().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "nothing to listen on: give Workers::listen an address",
            )
        })?;
        listener.try_clone()
    }

    /// All sockets of [`listen`](super::Workers::listen), in the order in which it was called.
    ///
    /// They are non-blocking. That is a setting of the socket, not of the worker: who changes it
    /// changes it for all.
    pub fn listeners(&self) -> &[TcpListener] {
        &self.seat.listeners
    }

    /// Says that the worker is ready. Only the first call does anything.
    ///
    /// A reload asks the old workers to stop once all new ones have said so, and a worker that does
    /// not say it in time is killed.
    pub fn ready(&self) {
        self.seat.ready();
    }

    /// Waits until the worker is asked to stop, and says why. The first reason stays.
    ///
    /// Who waits for that is [`ready`](Self::ready). A start that can be broken off looks at the
    /// [`token`](Self::token) instead.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind.
    pub async fn stopped(&self) -> StopReason {
        self.ready();
        self.seat.stop.cancelled().await;
        self.stop_reason()
            .expect("the reason is there before the token is cancelled")
    }

    /// Says that the worker is [`ready`](Self::ready), and runs `future` until it is done or the
    /// worker is asked to stop. Then it gives `None`, and `future` has been dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `future`. The worker stays ready.
    pub async fn run_until_stopped<F: IntoFuture>(&self, future: F) -> Option<F::Output> {
        self.ready();
        self.seat.stop.run_until_cancelled(future).await
    }

    /// Cancelled when the worker is asked to stop.
    pub fn token(&self) -> &CancellationToken {
        &self.seat.stop
    }

    /// Why it was asked to stop, if it was.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.seat.reason.get().cloned()
    }

    /// The same worker without the value.
    pub(super) fn without_value(self) -> Worker {
        Worker::new(self.seat, ())
    }
}

impl<V> Clone for Worker<V> {
    fn clone(&self) -> Self {
        Self {
            seat: self.seat.clone(),
            value: self.value.clone(),
        }
    }
}

impl<V> fmt::Debug for Worker<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.seat.index)
            .field("name", &self.seat.name)
            .field("phase", &self.seat.phase())
            .finish_non_exhaustive()
    }
}

/// The index of the worker that runs here: of this process, or of the thread of a worker.
///
/// `None` in the parent, and on threads that a worker thread started.
///
/// # Examples
///
/// ```
/// use untethered::workers::worker_index;
///
/// let log = format!("service-{}.log", worker_index().map_or("main".into(), |n| n.to_string()));
/// assert_eq!(log, "service-main.log");
/// ```
pub fn worker_index() -> Option<usize> {
    THREAD.get().or_else(|| PROCESS.get().copied())
}

std::thread_local! {
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

static PROCESS: OnceLock<usize> = OnceLock::new();

pub(super) fn set_thread_index(index: usize) {
    THREAD.set(Some(index));
}

#[cfg(unix)]
pub(super) fn set_process_index(index: usize) {
    PROCESS.set(index).ok();
}

/// The place of one worker, shared by its body and whoever asks it to stop.
pub(super) struct Seat {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) listeners: Vec<TcpListener>,
    stop: CancellationToken,
    reason: OnceLock<StopReason>,
    ready: AtomicBool,
    say: Box<dyn Fn(ToParent) + Send + Sync>,
}

impl Seat {
    pub(super) fn new(
        index: usize,
        name: String,
        generation: u64,
        listeners: Vec<TcpListener>,
        say: impl Fn(ToParent) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            index,
            name,
            generation,
            listeners,
            stop: CancellationToken::new(),
            reason: OnceLock::new(),
            ready: AtomicBool::new(false),
            say: Box::new(say),
        })
    }

    /// Asks the worker to stop. The first reason stays.
    pub(super) fn stop(&self, reason: StopReason) {
        let first = self.reason.get_or_init(|| reason);
        self.stop.cancel(first.to_string());
    }

    pub(super) fn reason(&self) -> Option<StopReason> {
        self.reason.get().cloned()
    }

    pub(super) fn phase(&self) -> Phase {
        if self.reason.get().is_some() {
            Phase::Stop
        } else if self.ready.load(Ordering::Acquire) {
            Phase::Serve
        } else {
            Phase::Start
        }
    }

    pub(super) fn say(&self, what: ToParent) {
        (self.say)(what);
    }

    fn ready(&self) {
        if !self.ready.swap(true, Ordering::AcqRel) {
            self.say(ToParent::Ready);
        }
    }
}
