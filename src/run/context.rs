use std::fmt;
use std::future::Future;

use crate::group::{GroupRef, Handle};
use crate::runtime::Runtime;
use crate::task::CancellationToken;

/// What a main knows: the runtime, the token that a signal cancels, and a group for its tasks.
///
/// It comes from [`run_with`](super::run_with) and [`Run::main_with`](super::Run::main_with).
/// Clones are the same context, for tasks that look at the token too.
#[derive(Clone)]
pub struct Context {
    pub(super) runtime: Runtime,
    pub(super) token: CancellationToken,
    pub(super) second: CancellationToken,
    pub(super) group: GroupRef,
}

impl Context {
    /// Fires at the first signal, with the name of the signal as the reason.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Fires at the second signal, with its name as the reason: whoever sent it does not want to
    /// wait any longer.
    ///
    /// Main can cut its clean-up short and still return a value if the signals say
    /// [`SecondSignal::Hurry`](crate::signal::SecondSignal::Hurry). With
    /// [`Escalate`](crate::signal::SecondSignal::Escalate) main is dropped at the same moment;
    /// else, and that is the default, it never fires.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use untethered::run::Run;
    /// use untethered::signal::{SecondSignal, ShutdownSignals, Signal};
    /// use untethered::sim::Sim;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let signals = ShutdownSignals::builder().on_second(SecondSignal::Hurry);
    /// let (source, signals) = signals.manual(); // a program: signals.listen()?
    /// let main = Run::on(&rt).signals(signals).main_with(|cx| async move {
    ///     source.send(Signal::Interrupt);
    ///     cx.token().cancelled().await;
    ///     let drain = cx.runtime().sleep(Duration::from_secs(60));
    ///     source.send(Signal::Interrupt);
    ///     match cx.second_token().run_until_cancelled(drain).await {
    ///         Some(()) => "drained",
    ///         None => "cut short",
    ///     }
    /// });
    /// assert_eq!(sim.block_on(main).unwrap(), "cut short");
    /// ```
    pub fn second_token(&self) -> &CancellationToken {
        &self.second
    }

    /// Whether a signal came.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The runtime the program runs on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The group whose tasks are cancelled and waited for after main, not at the signal.
    pub fn group(&self) -> &GroupRef {
        &self.group
    }

    /// Starts a task in that group. As [`Group::spawn`](crate::group::Group::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.group.spawn(future)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
