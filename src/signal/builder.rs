use std::io;

use super::{ShutdownSignals, Signal, Source, system};
use crate::task::CancellationToken;

/// What a second signal does. A third and later ones do the same.
///
/// Where a terminal and a parent process both pass Ctrl-C on, one key is two signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SecondSignal {
    /// Nothing: who was asked once stops in its own time.
    Ignore,
    /// Cancels [`ShutdownSignals::second_token`], at which a [`Run`](crate::run::Run) drops its
    /// main. The default.
    #[default]
    Escalate,
    /// Cancels [`ShutdownSignals::second_token`] and nothing else: a main of a
    /// [`Run`](crate::run::Run) cuts its clean-up short by itself, and still returns a value.
    Hurry,
    /// Ends the program at once, whatever its threads are at, as the signal does by default.
    Exit,
}

/// Settings of new [`ShutdownSignals`]. From [`ShutdownSignals::builder`].
///
/// # Examples
///
/// ```no_run
/// use untethered::CancellationToken;
/// use untethered::signal::{SecondSignal, ShutdownSignals, Signal};
///
/// # fn main() -> std::io::Result<()> {
/// let stop = CancellationToken::new();
/// let signals = ShutdownSignals::builder()
///     .signals([Signal::Interrupt, Signal::Hangup])
///     .cancels(&stop)
///     .on_second(SecondSignal::Exit)
///     .listen()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before listen() or manual()"]
pub struct Builder {
    signals: Vec<Signal>,
    pub(super) token: CancellationToken,
    pub(super) second: SecondSignal,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            signals: system::SHUTDOWN.to_vec(),
            token: CancellationToken::new(),
            second: SecondSignal::default(),
        }
    }

    /// Listens for these signals. By default for SIGINT and SIGTERM; on Windows for Ctrl-C and
    /// Ctrl-Break.
    pub fn signals(mut self, signals: impl IntoIterator<Item = Signal>) -> Self {
        self.signals.clear();
        for signal in signals {
            if !self.signals.contains(&signal) {
                self.signals.push(signal);
            }
        }
        self
    }

    /// Has the first signal cancel `token` instead of a new one.
    ///
    /// It may be cancelled by others too: the first signal is the first one that came, whatever
    /// the token says by then.
    pub fn cancels(mut self, token: &CancellationToken) -> Self {
        self.token = token.clone();
        self
    }

    /// What a second signal does. By default it cancels [`ShutdownSignals::second_token`].
    pub fn on_second(mut self, second: SecondSignal) -> Self {
        self.second = second;
        self
    }

    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// If there are no signals to listen for, if the system does not know one of them, or if it
    /// refuses a handler, a descriptor or a thread.
    pub fn listen(self) -> io::Result<ShutdownSignals> {
        if self.signals.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no signal to listen for",
            ));
        }
        let exits = self.second == SecondSignal::Exit;
        let (held, incoming) = system::listen(&self.signals, exits)?;
        ShutdownSignals::listening(self, held, incoming)
    }

    /// Listens to nothing but what a test sends through the [`Source`].
    ///
    /// It never ends the program: [`SecondSignal::Exit`] is [`SecondSignal::Escalate`] here.
    pub fn manual(self) -> (Source, ShutdownSignals) {
        let signals = ShutdownSignals::of(self);
        (Source::new(&signals), signals)
    }
}
