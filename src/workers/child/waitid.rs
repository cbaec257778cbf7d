//! The end of a process, seen by a thread that waits for it.

use std::io;
use std::sync::Arc;
use std::thread;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::process::Process;

pub(super) fn watch(process: Arc<Process>) -> io::Result<()> {
    let pid = i32::try_from(process.pid()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    thread::Builder::new()
        .name("untethered-child".into())
        .spawn(move || {
            // Leaves the reaping to the lock of the process.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while !process.reap() {
                // What went wrong shows when it is reaped.
                waitid(WaitId::Pid(pid), options).ok();
            }
        })
        .map(drop)
}
