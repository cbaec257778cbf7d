//! Signals, seen from outside: this program runs itself and sends itself real ones.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use futures_lite::future::block_on;
use untethered::signal::{ShutdownSignals, Signal};

const ROLE: &str = "UNTETHERED_TEST_ROLE";

/// A run of this program that plays one role and says on standard output how far it is.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["play_role", "--exact", "--nocapture", "--quiet"])
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, lines };
        program.expect("ready");
        program
    }

    fn expect(&mut self, said: &str) {
        let said = format!("> {said}");
        let found = self
            .lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| *line == said);
        assert!(found.is_some(), "the program ended before it said {said:?}");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(name)
            .arg(self.child.id().to_string())
            .status();
        assert!(status.unwrap().success());
    }

    fn end(mut self) -> ExitStatus {
        // Reads on until the program has closed its output, so that it can not block on it.
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn say(what: impl std::fmt::Display) {
    println!("> {what}");
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

/// Not a test by itself: what the program does when another test started it.
#[test]
fn play_role() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let mut signals = ShutdownSignals::new().unwrap();
    match role.as_str() {
        "tokens" => {
            say("ready");
            block_on(signals.token().cancelled());
            say(signals.token().reason().unwrap());
            assert!(!signals.second_token().is_cancelled());
            say("once");
            block_on(signals.second_token().cancelled());
            say(signals.second_token().reason().unwrap());
            assert_eq!(signals.token().reason().unwrap().as_str(), "SIGTERM");
            assert_eq!(block_on(signals.next()), Signal::Terminate);
            assert_eq!(block_on(signals.next()), Signal::Interrupt);
        }
        "dropped" => {
            drop(signals);
            say("ready");
            sleep_for_ever();
        }
        "dropped after use" => {
            say("ready");
            assert_eq!(block_on(signals.next()), Signal::Interrupt);
            drop(signals);
            say("dropped");
            sleep_for_ever();
        }
        "one of two dropped" => {
            let mut other = ShutdownSignals::listen_for([Signal::Interrupt]).unwrap();
            say("ready");
            assert_eq!(block_on(signals.next()), Signal::Interrupt);
            assert_eq!(block_on(other.next()), Signal::Interrupt);
            drop(other);
            say("one left");
            assert_eq!(block_on(signals.next()), Signal::Interrupt);
            drop(signals);
            signals = ShutdownSignals::new().unwrap();
            say("new");
            assert_eq!(block_on(signals.next()), Signal::Interrupt);
        }
        role => panic!("no such role: {role}"),
    }
}

#[test]
fn first_signal_asks_and_second_insists() {
    let mut program = Program::start("tokens");
    program.signal("-TERM");
    program.expect("SIGTERM");
    program.expect("once");
    program.signal("-INT");
    program.expect("SIGINT");
    assert!(program.end().success());
}

#[test]
fn default_acts_again_once_nobody_listens() {
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        let program = Program::start("dropped");
        program.signal(signal);
        assert_eq!(program.end().signal(), Some(number));
    }
    let mut program = Program::start("dropped after use");
    program.signal("-INT");
    program.expect("dropped");
    program.signal("-INT");
    assert_eq!(program.end().signal(), Some(2));
}

#[test]
fn registrations_do_not_disturb_each_other() {
    let mut program = Program::start("one of two dropped");
    program.signal("-INT");
    program.expect("one left");
    program.signal("-INT");
    program.expect("new");
    program.signal("-INT");
    assert!(program.end().success());
}

#[test]
fn no_signals_is_an_error() {
    let error = ShutdownSignals::listen_for([]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
