//! The end of a process, seen by a thread that looks again and again.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::process::Process;

const PERIOD: Duration = Duration::from_millis(20);

pub(super) fn watch(process: Arc<Process>) -> io::Result<()> {
    thread::Builder::new()
        .name("untethered-child".into())
        .spawn(move || {
            while !process.reap() {
                thread::park_timeout(PERIOD);
            }
        })
        .map(drop)
}
