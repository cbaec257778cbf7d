mod exit;
mod process;
mod signal_error;

#[cfg(all(unix, not(target_os = "openbsd")))]
mod waitid;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod watch;
#[cfg(all(unix, not(target_os = "linux"), not(target_os = "openbsd")))]
use self::waitid as watch;
#[cfg(any(not(unix), target_os = "openbsd"))]
#[path = "other.rs"]
mod watch;

pub use self::exit::Exit;
pub use self::signal_error::SignalError;

use std::fmt;
use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use std::sync::Arc;

use self::process::Process;
use crate::signal::Signal;

/// One process that this program started.
///
/// Any number of tasks may wait for its end, also when it is over. It is reaped as soon as it
/// ends, whether or not anybody waits: it never stays behind as a zombie. Needs no runtime.
///
/// Dropping it kills the process and returns at once; [`detach`](Self::detach) lets it go on. A
/// `Child` that many tasks share is an `Arc<Child>`.
///
/// On Linux the kernel reports the end through a pidfd. Where there is none, a thread waits for
/// each child.
///
/// # Examples
///
/// ```
/// use std::process::Command;
/// use untethered::workers::{Child, Exit};
///
/// # #[cfg(unix)]
/// futures_lite::future::block_on(async {
///     let child = Child::spawn(Command::new("sleep").arg("60")).unwrap();
///     child.kill().unwrap();
///     assert_eq!(child.wait().await.to_string(), "killed by SIGKILL");
///     assert!(child.kill().is_err(), "its pid may be somebody else's by now");
/// });
/// ```
#[must_use = "dropping it kills the process"]
pub struct Child {
    process: Arc<Process>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    detached: bool,
}

impl Child {
    /// Starts `command`.
    ///
    /// # Errors
    ///
    /// If the system can not start it, or gives no means to wait for it; nothing runs then.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Self::spawn_watched(command, watch::watch)
    }

    fn spawn_watched(
        command: &mut Command,
        watch: impl FnOnce(Arc<Process>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let mut this = Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            process: Process::new(child),
            detached: false,
        };
        // On failure the drop of `this` kills it.
        if let Err(error) = watch(this.process.clone()) {
            this.process.kill_and_reap();
            this.detached = true;
            return Err(error);
        }
        Ok(this)
    }

    /// The id of the process. Once it has ended, the system may give it to another one.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.process.exit()
    }

    /// Waits until the process has ended, and says how.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait leaves nothing behind, and the process is reaped all the same.
    pub async fn wait(&self) -> Exit {
        self.process.wait().await
    }

    /// Sends it a signal. On Windows there are none to send.
    ///
    /// # Errors
    ///
    /// [`SignalError`] if it has ended, which is never mistaken for another process with the same
    /// id; or if the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        self.process.signal(signal)
    }

    /// Ends it at once, by SIGKILL where there are signals. Does not wait.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn kill(&self) -> Result<(), SignalError> {
        self.process.kill()
    }

    /// Its standard input, if the command said `Stdio::piped()` and nobody took it before.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Its standard output, likewise.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Its standard error, likewise.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.stderr.take()
    }

    /// Lets the process go on alone. It is still reaped when it ends, while this program runs.
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.detached {
            // It may have ended, and a system that refuses would refuse again.
            self.process.kill().ok();
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid())
            .field("exit", &self.exit())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
