use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::LocalBoxFuture;

use super::body::{Hook, Role, Runner, WorkerOutput, body, without_value};
use super::control::Control;
use super::main_context::{Main, MainBody, main_body};
use super::plan::Plan;
use super::worker::Worker;
use super::{Notice, OnDeath, Report};
use crate::group::BoxError;
use crate::runtime::block_on;
use crate::signal::Signal;

/// Marks [`Workers`] that are processes.
#[derive(Debug)]
pub enum Processes {}

/// Marks [`Workers`] that are threads.
#[derive(Debug)]
pub enum Threads {}

/// Several workers that serve together: started, watched, reloaded, stopped, reaped.
///
/// [`processes`](Self::processes) starts this program again, once for each worker, with the same
/// arguments. `main` runs in all of them up to [`run`](Self::run): in the parent `run` supervises
/// and comes back when the last worker has ended; in a worker it runs the body, and ends the
/// process. So what comes before `run` is done by all, and what only the parent shall do belongs
/// into [`main`](Self::main) or behind `run`. [`threads`](Self::threads) does the same in one
/// process.
///
/// # Signals
///
/// While the workers run, SIGINT or SIGTERM asks them to stop: each is told the reason, has a limit
/// to end, and is killed beyond it; a second signal kills at once. Nothing is sent to process
/// groups, nor to anybody but workers of this parent. SIGHUP reloads only if
/// [`reload_on`](Self::reload_on) says so. Before and after, signals do what they always do.
///
/// # Examples
///
/// ```no_run
/// use untethered::workers::{Report, Workers, WorkersError};
///
/// fn main() -> Result<Report, WorkersError> {
///     Workers::processes(4).run(|worker| async move {
///         println!("worker {} is ready", worker.index());
///         println!("stops: {}", worker.stopped().await);
///     })
/// }
/// ```
///
/// In threads:
///
/// ```
/// use untethered::workers::{StopReason, Workers};
///
/// let workers = Workers::threads(2);
/// let control = workers.control();
/// let report = workers
///     .run(move |worker| {
///         let control = control.clone();
///         async move {
///             if worker.index() == 1 {
///                 control.stop("done");
///             }
///             worker.stopped().await;
///         }
///     })
///     .unwrap();
/// assert_eq!(report.reason, StopReason::Asked("done".into()));
/// assert_eq!((report.ends.len(), report.code()), (2, 0));
/// ```
#[must_use = "workers do nothing until they are run"]
pub struct Workers<M, V = ()> {
    pub(super) set: Set<V>,
    pub(super) main: MainBody<V>,
    pub(super) control: Control,
    mode: PhantomData<fn() -> M>,
}

/// What the builder was told.
pub(super) struct Set<V> {
    pub(super) name: String,
    pub(super) plan: Plan,
    pub(super) count: NonZeroUsize,
    pub(super) listen: Vec<String>,
    pub(super) extras: Vec<Role<V>>,
    pub(super) orphan_within: Duration,
    pub(super) before_start: Hook,
    pub(super) runner: Runner,
}

/// The name of the workers that are not extra.
pub(super) const WORKER: &str = "worker";

/// How many sockets a worker may inherit.
pub(super) const MOST_LISTENERS: usize = 16;

impl Workers<Processes> {
    /// `n` worker processes.
    ///
    /// # Panics
    ///
    /// If `n` is nought: nobody would serve. For a number that comes from outside take
    /// `Workers::<Processes>::from(NonZeroUsize)`.
    #[track_caller]
    pub fn processes(n: usize) -> Self {
        NonZeroUsize::new(n)
            .expect("nought worker processes serve nobody: give one or more")
            .into()
    }

    /// Runs `main` in the parent around all workers, and hands them a value as bytes.
    ///
    /// What is before [`Main::serve`] is done before the first worker starts, what is after it when
    /// the last one has ended. See [`Main`].
    pub fn main<F, Fut, E>(self, main: F) -> Workers<Processes, Vec<u8>>
    where
        F: FnOnce(Main<Vec<u8>>) -> Fut + 'static,
        Fut: Future<Output = Result<Report, E>> + 'static,
        E: Into<BoxError>,
    {
        self.with_main(main_body(main))
    }
}

impl Workers<Threads> {
    /// `n` worker threads.
    ///
    /// Threads can not be killed: one that does not stop in time is left behind, and the
    /// [`Report`] says so.
    ///
    /// # Panics
    ///
    /// If `n` is nought: nobody would serve. For a number that comes from outside take
    /// `Workers::<Threads>::from(NonZeroUsize)`.
    #[track_caller]
    pub fn threads(n: usize) -> Self {
        NonZeroUsize::new(n)
            .expect("nought worker threads serve nobody: give one or more")
            .into()
    }

    /// Runs `main` around all workers, and hands each a clone of a value.
    ///
    /// What is before [`Main::serve`] is done before the first worker starts, what is after it when
    /// the last one has ended. See [`Main`].
    pub fn main<V, F, Fut, E>(self, main: F) -> Workers<Threads, V>
    where
        V: Clone + Send + 'static,
        F: FnOnce(Main<V>) -> Fut + 'static,
        Fut: Future<Output = Result<Report, E>> + 'static,
        E: Into<BoxError>,
    {
        self.with_main(main_body(main))
    }
}

impl<M, V> Workers<M, V> {
    /// Stops and reloads the workers from elsewhere.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Tells this set of worker processes from others that the program has. Without one it is
    /// `workers`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.set.name = name.into();
        self
    }

    /// Listens on a TCP address, such as `127.0.0.1:8080`, for all workers.
    ///
    /// The parent binds it and keeps it open; workers inherit it. So no connection is refused and
    /// none is lost while workers come and go. Call it again for more.
    ///
    /// # Panics
    ///
    /// Beyond 16 addresses: more can not be handed to a process at once.
    #[track_caller]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        assert!(
            self.set.listen.len() < MOST_LISTENERS,
            "workers listen on up to {MOST_LISTENERS} addresses"
        );
        self.set.listen.push(address.into());
        self
    }

    /// One more worker beside the others, with a body of its own.
    ///
    /// Its index comes after those before it. It is ready, dies, is reloaded and stopped as the
    /// others are.
    ///
    /// # Panics
    ///
    /// If the name is taken: a worker process finds its body by it.
    #[track_caller]
    pub fn extra<F, Fut>(mut self, name: impl Into<String>, extra: F) -> Self
    where
        F: Fn(Worker<V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: WorkerOutput> + 'static,
        V: 'static,
    {
        let name = name.into();
        assert!(
            name != WORKER && self.set.extras.iter().all(|role| role.name != name),
            "there is a worker named {name:?} already: give each extra one a name of its own"
        );
        self.set.extras.push(Role {
            name,
            body: body(extra),
        });
        self
    }

    /// The signals that ask all workers to stop: SIGINT and SIGTERM, if nothing else is said.
    ///
    /// # Panics
    ///
    /// If there is none: nothing but a kill would end the workers.
    #[track_caller]
    pub fn stop_on(mut self, signals: impl IntoIterator<Item = Signal>) -> Self {
        self.set.plan.stop_signals = signals.into_iter().collect();
        assert!(
            !self.set.plan.stop_signals.is_empty(),
            "workers that no signal stops: name one or more"
        );
        self
    }

    /// The signals that [reload](Control::reload): none, if nothing is said. One that also stops,
    /// stops.
    pub fn reload_on(mut self, signals: impl IntoIterator<Item = Signal>) -> Self {
        self.set.plan.reload_signals = signals.into_iter().collect();
        self
    }

    /// What to do when a worker ends that nobody asked to: stop all, if nothing is said.
    pub fn on_death(mut self, on_death: OnDeath) -> Self {
        self.set.plan.on_death = on_death;
        self
    }

    /// How long a worker may take until it is [ready](Worker::ready): 30 s, if nothing is said.
    /// One that takes longer is killed, and has died.
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.set.plan.ready_within = limit;
        self
    }

    /// How long a worker may take to stop: 10 s, if nothing is said. One that takes longer is
    /// killed.
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.set.plan.stop_within = limit;
        self
    }

    /// How long a worker process may take to stop when the parent has gone without a word: 1 s, if
    /// nothing is said. Then it kills itself.
    pub fn orphans_within(mut self, limit: Duration) -> Self {
        self.set.orphan_within = limit;
        self
    }

    /// Asks workers to stop as soon as they start, and waits until they end, however long it takes.
    ///
    /// For workers that have an amount of work to do. A worker that fails stops none of the others,
    /// and none is started again.
    pub fn run_to_completion(mut self) -> Self {
        self.set.plan.to_completion = true;
        self
    }

    /// Runs `hook` with the index in each worker, before its runtime starts.
    pub fn before_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.set.before_start = Arc::new(hook);
        self
    }

    /// Runs everything async with `runner`, which is to drive a future to its end: in each worker,
    /// and in the parent for [`Main`].
    ///
    /// Without one a future is driven by the thread it is on, which suits bodies that have all they
    /// need in a [`Runtime`](crate::Runtime).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use untethered::workers::Workers;
    /// let workers = Workers::processes(2).runner(|worker| {
    ///     tokio::runtime::Builder::new_multi_thread()
    ///         .enable_all()
    ///         .build()
    ///         .expect("the system gives threads")
    ///         .block_on(worker)
    /// });
    /// # let _ = workers;
    /// ```
    pub fn runner(
        mut self,
        runner: impl Fn(LocalBoxFuture<'static, ()>) + Send + Sync + 'static,
    ) -> Self {
        self.set.runner = Arc::new(runner);
        self
    }

    /// Tells `hook` what happens to workers, in the parent. It must not block.
    ///
    /// Without one, [trouble](Notice::is_trouble) gives a line on standard error.
    pub fn on_notice(mut self, hook: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.set.plan.notice = Arc::new(hook);
        self
    }

    fn new(count: NonZeroUsize, main: MainBody<V>) -> Self {
        Self {
            set: Set {
                name: "workers".into(),
                plan: Plan {
                    names: Vec::new(),
                    stop_signals: vec![Signal::Interrupt, Signal::Terminate],
                    reload_signals: Vec::new(),
                    on_death: OnDeath::default(),
                    ready_within: Duration::from_secs(30),
                    stop_within: Duration::from_secs(10),
                    to_completion: false,
                    notice: Arc::new(|notice| {
                        if notice.is_trouble() {
                            eprintln!("untethered: {notice}");
                        }
                    }),
                },
                count,
                listen: Vec::new(),
                extras: Vec::new(),
                orphan_within: Duration::from_secs(1),
                before_start: Arc::new(|_| {}),
                runner: Arc::new(block_on),
            },
            main,
            control: Control::default(),
            mode: PhantomData,
        }
    }
}

impl<M> Workers<M> {
    fn with_main<V: 'static>(self, main: MainBody<V>) -> Workers<M, V> {
        let extras = self.set.extras.into_iter().map(|role| Role {
            name: role.name,
            body: without_value(role.body),
        });
        Workers {
            set: Set {
                name: self.set.name,
                plan: self.set.plan,
                count: self.set.count,
                listen: self.set.listen,
                extras: extras.collect(),
                orphan_within: self.set.orphan_within,
                before_start: self.set.before_start,
                runner: self.set.runner,
            },
            main,
            control: self.control,
            mode: PhantomData,
        }
    }
}

impl From<NonZeroUsize> for Workers<Processes> {
    fn from(n: NonZeroUsize) -> Self {
        Self::new(n, main_body(|main: Main<()>| main.serve(())))
    }
}

impl From<NonZeroUsize> for Workers<Threads> {
    fn from(n: NonZeroUsize) -> Self {
        Self::new(n, main_body(|main: Main<()>| main.serve(())))
    }
}

impl<M, V> fmt::Debug for Workers<M, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("name", &self.set.name)
            .field("count", &self.set.count)
            .field("listen", &self.set.listen)
            .finish_non_exhaustive()
    }
}
