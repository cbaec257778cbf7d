//! Both ways to see the end of a process; tests of the public API see only one of them.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures_lite::future::{block_on, poll_once};

use super::process::Process;
use super::{Child, Exit, waitid, watch};
use crate::signal::Signal;

const WAYS: [fn(Arc<Process>) -> io::Result<()>; 2] = [watch::watch, waitid::watch];

/// A process that ends when its standard input does.
fn cat() -> Command {
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).stdout(Stdio::null());
    cat
}

#[test]
fn each_way_sees_codes_and_signals() {
    for way in WAYS {
        let mut child = Child::spawn_watched(&mut cat(), way).unwrap();
        assert!(block_on(poll_once(child.wait())).is_none());
        drop(child.take_stdin());
        assert_eq!(block_on(child.wait()), Exit::Code(0));
        let child = Child::spawn_watched(&mut cat(), way).unwrap();
        child.signal(Signal::Terminate).unwrap();
        assert_eq!(block_on(child.wait()).signal_name(), Some("SIGTERM"));
        assert!(child.kill().unwrap_err().is_ended());
    }
}

#[test]
fn a_process_that_can_not_be_watched_does_not_stay() {
    let mut pid = 0;
    let refused = Child::spawn_watched(&mut cat(), |process| {
        pid = process.pid();
        Err(io::ErrorKind::Other.into())
    });
    assert!(refused.is_err());
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    assert!(rustix::process::test_kill_process(pid).is_err());
}
