//! Shutdown signals as tokens and as a stream.
//!
//! [`ShutdownSignals`] turns SIGINT and SIGTERM (Ctrl-C on Windows) into a
//! [`CancellationToken`](crate::CancellationToken): the first signal asks to stop, a second one asks to stop now. It needs
//! no runtime: a thread of its own waits for the signals.

mod shutdown;

#[cfg(unix)]
#[path = "unix.rs"]
mod disposition;
#[cfg(windows)]
#[path = "windows.rs"]
mod disposition;

pub use shutdown::ShutdownSignals;

use std::fmt;

/// A signal that asks a program to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT: Ctrl-C. The only one on Windows.
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
    /// The number of the signal. A program that it ended leaves 128 more as its exit status.
    pub fn number(self) -> i32 {
        self.to_async_signal() as i32
    }

    fn to_async_signal(self) -> async_signal::Signal {
        match self {
            Self::Interrupt => async_signal::Signal::Int,
            Self::Terminate => async_signal::Signal::Term,
            Self::Hangup => async_signal::Signal::Hup,
            Self::Quit => async_signal::Signal::Quit,
            Self::User1 => async_signal::Signal::Usr1,
            Self::User2 => async_signal::Signal::Usr2,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::Quit => "SIGQUIT",
            Self::User1 => "SIGUSR1",
            Self::User2 => "SIGUSR2",
        })
    }
}
