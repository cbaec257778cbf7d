//! The end of a process, seen through a pidfd.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use async_io::Async;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::process::Process;
use super::waitid;

/// Watches through a pidfd; by a thread where the kernel, or what guards it, gives none.
pub(super) fn watch(process: Arc<Process>) -> io::Result<()> {
    // Asked of the kernel each time, since sandboxes refuse what the kernel's version promises.
    match pidfd(&process) {
        Ok(pidfd) => {
            Arc::new(Watch { process, pidfd }).look();
            Ok(())
        }
        Err(_) => waitid::watch(process),
    }
}

fn pidfd(process: &Process) -> io::Result<Async<OwnedFd>> {
    let pid = i32::try_from(process.pid()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    // The process is not reaped before this returns, so the id is its own.
    Async::new_nonblocking(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Is its own waker: it needs no task, and lives in the reactor until the process has ended.
struct Watch {
    process: Arc<Process>,
    pidfd: Async<OwnedFd>,
}

impl Watch {
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        while !self.process.reap() {
            match self.pidfd.poll_readable(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                // A reactor that fails: a thread can still wait.
                Poll::Ready(Err(_)) => {
                    waitid::watch(self.process.clone()).ok();
                    return;
                }
            }
        }
    }
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}
