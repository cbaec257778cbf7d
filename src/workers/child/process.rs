use std::io;
use std::process::Child;
use std::sync::{Arc, OnceLock};

use super::{Exit, SignalError};
use crate::primitives::Mutex;
use crate::signal::Signal;
use crate::sync::Event;

/// A process, shared by its [`Child`](super::Child) and by whatever watches for its end.
pub(super) struct Process {
    pid: u32,
    /// `None` once reaped. It is signalled and reaped under this lock only, so that a signal never
    /// reaches a process that was given the same id.
    running: Mutex<Option<Child>>,
    exit: OnceLock<Exit>,
    ended: Event,
}

impl Process {
    pub(super) fn new(child: Child) -> Arc<Self> {
        Arc::new(Self {
            pid: child.id(),
            running: Mutex::new(Some(child)),
            exit: OnceLock::new(),
            ended: Event::new(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit.get().copied()
    }

    pub(super) async fn wait(&self) -> Exit {
        loop {
            if let Some(exit) = self.exit() {
                return exit;
            }
            self.ended.wait().await;
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        self.while_running(|child| send(child, signal))
    }

    pub(super) fn kill(&self) -> Result<(), SignalError> {
        self.while_running(Child::kill)
    }

    /// Ends a process that nothing watches.
    pub(super) fn kill_and_reap(&self) {
        if let Some(mut child) = self.running.lock().take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Reaps the process if it has ended. Whether it has.
    pub(super) fn reap(&self) -> bool {
        let mut running = self.running.lock();
        let ended = self.reap_locked(&mut running).is_some();
        drop(running);
        if ended {
            self.ended.set();
        }
        ended
    }

    fn reap_locked(&self, running: &mut Option<Child>) -> Option<Exit> {
        if let Some(child) = running {
            let exit = match child.try_wait() {
                Ok(None) => return None,
                Ok(Some(status)) => status.into(),
                Err(_) => Exit::Unknown,
            };
            *running = None;
            // Set under the lock: whoever finds the process reaped finds how it ended.
            self.exit.set(exit).ok();
        }
        self.exit()
    }

    fn while_running(
        &self,
        send: impl FnOnce(&mut Child) -> io::Result<()>,
    ) -> Result<(), SignalError> {
        let mut running = self.running.lock();
        let ended = self.reap_locked(&mut running);
        let sent = match (ended, running.as_mut()) {
            (None, Some(child)) => send(child).map_err(SignalError::from),
            (exit, _) => Err(SignalError::ended(exit.unwrap_or(Exit::Unknown))),
        };
        drop(running);
        if ended.is_some() {
            self.ended.set();
        }
        sent
    }
}

#[cfg(unix)]
fn send(child: &mut Child, signal: Signal) -> io::Result<()> {
    use rustix::process::{Pid, kill_process};

    let signal = rustix::process::Signal::from_named_raw(signal.number())
        .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
    Ok(kill_process(Pid::from_child(child), signal)?)
}

#[cfg(not(unix))]
fn send(_child: &mut Child, _signal: Signal) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system has no signals to send",
    ))
}
