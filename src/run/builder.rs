use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::{Context, RunError};
use crate::group::Group;
use crate::runtime::{Runtime, Unobserved};
use crate::signal::{SecondSignal, ShutdownSignals};
use crate::task::{CancellationToken, catch, catch_drop, caught};

/// How long tasks that main has left may take, unless the settings say otherwise.
const GRACE: Duration = Duration::from_secs(5);

/// Settings for a main, and the async form of [`run`](super::run()) and
/// [`run_with`](super::run_with): for a runtime that is there already, as in a `#[tokio::main]`.
///
/// # Examples
///
/// Inside of tokio, where the second Ctrl-C ends the program at once:
///
/// ```no_run
/// # #[cfg(feature = "tokio")] {
/// use untethered::run::Run;
/// use untethered::runtime;
/// use untethered::signal::{SecondSignal, ShutdownSignals};
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let signals = ShutdownSignals::builder().on_second(SecondSignal::Exit).listen()?;
///     let rt = runtime::tokio()?;
///     let main = Run::on(&rt).signals(signals).main_with(|cx| async move {
///         cx.token().cancelled().await;
///         println!("cleaning up");
///     });
///     Ok(main.await?)
/// }
/// # }
/// ```
///
/// A test without a signal and without a second of waiting:
///
/// ```
/// use untethered::run::Run;
/// use untethered::signal::{ShutdownSignals, Signal};
/// use untethered::sim::Sim;
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// let (source, signals) = ShutdownSignals::manual();
/// let main = Run::on(&rt).signals(signals).main_with(|cx| async move {
///     source.send(Signal::Interrupt);
///     cx.token().cancelled().await;
///     "cleaned up"
/// });
/// assert_eq!(sim.block_on(main).unwrap(), "cleaned up");
/// ```
#[must_use = "settings do nothing before main() or main_with()"]
pub struct Run {
    runtime: Runtime,
    signals: Signals,
    grace: Duration,
}

enum Signals {
    Default,
    None,
    These(ShutdownSignals),
}

impl Run {
    /// A main on `rt`. Signals after the first are ignored.
    pub fn on(rt: &Runtime) -> Self {
        Self {
            runtime: rt.clone(),
            signals: Signals::Default,
            grace: GRACE,
        }
    }

    /// Stops at these signals, which say too what a second one does:
    /// [`Escalate`](SecondSignal::Escalate) drops a main that is cleaning up, and its tasks;
    /// [`Hurry`](SecondSignal::Hurry) tells main, by its
    /// [`second_token`](Context::second_token), and takes the grace of tasks that main has left.
    pub fn signals(mut self, signals: ShutdownSignals) -> Self {
        self.signals = Signals::These(signals);
        self
    }

    /// Leaves signals alone.
    pub fn without_signals(mut self) -> Self {
        self.signals = Signals::None;
        self
    }

    /// How long tasks may take that main has left in its group, once they are cancelled, before
    /// they are dropped. Five seconds by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Runs `main`; the first signal drops it. The async form of [`run`](super::run()).
    ///
    /// Listens from the first poll on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `main` and detaches from the signals.
    ///
    /// # Errors
    ///
    /// [`RunError`] if a signal came first, or if the system does not let us listen.
    pub async fn main<F: IntoFuture>(self, main: F) -> Result<F::Output, RunError> {
        let Some(signals) = self.signals.listen()? else {
            return Ok(main.await);
        };
        let output = signals.token().run_until_cancelled(main).await;
        output.ok_or_else(|| RunError::cancelled(&signals))
    }

    /// Runs `main`; the first signal asks it to stop. The async form of
    /// [`run_with`](super::run_with).
    ///
    /// Listens from the first poll on, until the tasks that `main` has left have ended. One that
    /// has not, five seconds after it was dropped, goes to [`Runtime::on_unobserved`]; on tokio such a
    /// task keeps the process, as [`run_with`](super::run_with) says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `main`, cancels its tasks and detaches from the signals.
    ///
    /// # Errors
    ///
    /// [`RunError`] if the system does not let us listen, or if `main` was dropped because a
    /// second signal came and the settings say so.
    ///
    /// # Panics
    ///
    /// If `main` does, once its tasks have ended.
    pub async fn main_with<M, F>(self, main: M) -> Result<F::Output, RunError>
    where
        M: FnOnce(Context) -> F,
        F: Future,
    {
        let signals = self.signals.listen()?;
        let (token, second) = match &signals {
            Some(signals) => (signals.token().clone(), signals.second_token().clone()),
            None => (CancellationToken::new(), CancellationToken::new()),
        };
        // Nobody cancels the one of a main that is not to be dropped.
        let dropping = match &signals {
            Some(signals) if !signals.second_drops() => CancellationToken::new(),
            _ => second.clone(),
        };
        let group = Group::builder(&self.runtime).name("main").build();
        let context = Context {
            runtime: self.runtime.clone(),
            token,
            second: second.clone(),
            group: group.reference(),
        };
        let ended = match catch(|| main(context)) {
            Ok(main) => run_main(main, &dropping).await,
            Err(payload) => Ended::Panicked(payload),
        };
        stop_tasks(&group, self.grace, &second).await;
        match (ended, &signals) {
            (Ended::Done(output), _) => Ok(output),
            (Ended::Panicked(payload), _) => resume_unwind(payload),
            (Ended::Dropped, Some(signals)) => Err(RunError::cut_off(signals)),
            (Ended::Dropped, None) => unreachable!("only a second signal drops main"),
        }
    }
}

impl Signals {
    fn listen(self) -> Result<Option<ShutdownSignals>, RunError> {
        match self {
            Self::None => Ok(None),
            Self::These(signals) => Ok(Some(signals)),
            Self::Default => {
                let signals = ShutdownSignals::builder().on_second(SecondSignal::Ignore);
                signals.listen().map(Some).map_err(RunError::signals)
            }
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

enum Ended<T> {
    Done(T),
    Panicked(Box<dyn Any + Send>),
    /// By a second signal.
    Dropped,
}

async fn run_main<F: Future>(main: F, second: &CancellationToken) -> Ended<F::Output> {
    let mut main = Box::pin(caught(main));
    let mut second = pin!(second.cancelled());
    let ended = poll_fn(|cx| match main.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => second.as_mut().poll(cx).map(|()| None),
    })
    .await;
    match (ended, catch_drop(main)) {
        (Some(Ok(output)), _) => Ended::Done(output),
        (Some(Err(payload)), _) | (None, Err(payload)) => Ended::Panicked(payload),
        (None, Ok(())) => Ended::Dropped,
    }
}

/// Cancels what is left in `group` and waits for it; a second signal takes the grace away.
async fn stop_tasks(group: &Group, grace: Duration, second: &CancellationToken) {
    let mut stopped = pin!(group.shutdown(grace));
    let mut second = pin!(second.cancelled());
    let mut hurried = false;
    let report = poll_fn(|cx| {
        if !hurried && second.as_mut().poll(cx).is_ready() {
            hurried = true;
            group.abort();
        }
        stopped.as_mut().poll(cx)
    })
    .await;
    for task in report.stuck {
        let stuck = "it has not ended with the program's main";
        group
            .runtime()
            .report(Unobserved::error(task, stuck.into()));
    }
}
