//! Shutdown signals as tokens and as a stream.
//!
//! [`ShutdownSignals`] turns SIGINT and SIGTERM (Ctrl-C and Ctrl-Break on Windows) into a
//! [`CancellationToken`](crate::CancellationToken): the first signal asks to stop, a second one
//! does what [`SecondSignal`] says. It needs no runtime: a thread of its own waits for the signals.
//!
//! [`run`](crate::run()) puts it around a whole program. Tests raise signals by hand, through a
//! [`Source`].

mod builder;
mod shutdown;
mod source;

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

pub use builder::{Builder, SecondSignal};
pub use shutdown::ShutdownSignals;
pub use source::Source;

use std::fmt;
use std::process::ExitCode;

/// A signal that asks a program to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT: Ctrl-C. The only one on Windows, where it is Ctrl-Break and the end of the session
    /// too.
    Interrupt,
    /// SIGTERM: asked to end, by a service manager for one.
    Terminate,
    /// SIGHUP: the terminal has gone, or the configuration is to be read again.
    Hangup,
    /// SIGQUIT: Ctrl-\.
    Quit,
    /// SIGUSR1.
    User1,
    /// SIGUSR2.
    User2,
}

impl Signal {
    /// The number of the signal, as the system has it.
    pub fn number(self) -> i32 {
        system::number(self)
    }

    /// What a program returns from `main` that this signal has stopped: 128 and the number, as a
    /// shell reports one that the signal has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::ExitCode;
    /// use untethered::signal::Signal;
    ///
    /// assert_eq!(Signal::Interrupt.exit_code(), ExitCode::from(130));
    /// ```
    pub fn exit_code(self) -> ExitCode {
        // The numbers of all of these are small.
        ExitCode::from(u8::try_from(128 + self.number()).unwrap_or(u8::MAX))
    }

    /// The name of the signal, as the system has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::Quit => "SIGQUIT",
            Self::User1 => "SIGUSR1",
            Self::User2 => "SIGUSR2",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
