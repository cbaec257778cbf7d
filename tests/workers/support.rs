use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Ends this program if it is not dropped in time: nothing here may hang.
pub(crate) struct DeadMan {
    _alive: mpsc::Sender<()>,
}

impl DeadMan {
    pub(crate) fn new() -> Self {
        let (alive, dead) = mpsc::channel();
        thread::spawn(move || {
            let waited = dead.recv_timeout(Duration::from_secs(120));
            if waited == Err(RecvTimeoutError::Timeout) {
                eprintln!("this took too long");
                std::process::abort();
            }
        });
        Self { _alive: alive }
    }
}

/// Whether the system still knows the process, be it as a zombie.
pub(crate) fn exists(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

/// Waits until the process is neither running nor a zombie.
pub(crate) fn until_gone(pid: u32) {
    while exists(pid) {
        thread::yield_now();
    }
}
