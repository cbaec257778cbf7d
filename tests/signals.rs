//! Signals, seen from outside: this program runs itself and sends itself real ones.
#![cfg(all(unix, feature = "threads"))]

use std::future::pending;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Barrier};
use std::task::{Context, Wake};
use std::thread;
use std::time::Duration;

use untethered::run::Run;
use untethered::signal::{SecondSignal, ShutdownSignals, Signal};
use untethered::{block_on, run, run_with, runtime};

const ROLE: &str = "UNTETHERED_TEST_ROLE";

/// A run of this program that plays one role and says on standard output how far it is.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(role: &str) -> Self {
        Self::started_by(Command::new(std::env::current_exe().unwrap()), role)
    }

    /// Where SIGINT is ignored, as `nohup` and the shells do to what runs in the background.
    fn start_ignoring_int(role: &str) -> Self {
        let mut shell = Command::new("sh");
        let script = "trap '' INT; exec \"$0\" \"$@\"";
        shell
            .args(["-c", script])
            .arg(std::env::current_exe().unwrap());
        Self::started_by(shell, role)
    }

    fn started_by(mut command: Command, role: &str) -> Self {
        let mut child = command
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
        thread::park();
    }
}

/// Ends the program should it hang. The sender is what keeps it from that.
fn dead_mans_switch() -> Sender<()> {
    let (alive, ended): (_, Receiver<()>) = channel();
    thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(100)) == Err(RecvTimeoutError::Timeout) {
            eprintln!("hangs");
            std::process::abort();
        }
    });
    alive
}

// Of the C library, which every Rust program on Unix is linked with.
unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn raise(number: i32) -> i32;
}

static FORMER_CALLS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn former_handler(_number: i32) {
    FORMER_CALLS.fetch_add(1, SeqCst);
}

/// Has a handler of the program's own in place before anything of ours.
fn install_former_handler(of: Signal) {
    // SAFETY: the handler adds to an atomic, which is async-signal-safe.
    unsafe { signal(of.number(), former_handler) };
}

fn raise_here(which: Signal) {
    // SAFETY: takes a number. Has run the handler when it returns.
    unsafe { raise(which.number()) };
}

/// A waker that holds up who wakes it, from the first wait of another thread to the second.
struct HeldUp(Barrier);

impl Wake for HeldUp {
    fn wake(self: Arc<Self>) {
        self.0.wait();
        self.0.wait();
    }
}

/// Threads that allocate all the time, and raise `total` signals among them by the way.
fn storm(total: usize, threads: usize) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut kept = Vec::new();
                for n in 0..total / threads {
                    kept.push(black_box(vec![n; n % 97]));
                    raise_here(Signal::User1);
                    if n % 64 == 0 {
                        kept = Vec::new();
                    }
                }
            });
        }
    });
}

/// Not a test by itself: what the program does when another test started it.
#[test]
fn play_role() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let _alive = dead_mans_switch();
    if plays_with_settings(&role) {
        return;
    }
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

/// The roles that say what they listen for; `false` if it is none of these.
fn plays_with_settings(role: &str) -> bool {
    match role {
        "exit" => {
            let builder = ShutdownSignals::builder().on_second(SecondSignal::Exit);
            let signals = builder.listen().unwrap();
            say("ready");
            block_on(signals.token().cancelled());
            say("asked");
            loop {
                // Stuck: nothing is awaited, nobody looks at a token.
                black_box(());
            }
        }
        "exit dropped" => {
            let builder = ShutdownSignals::builder().on_second(SecondSignal::Exit);
            let mut exits = builder.listen().unwrap();
            let mut other = ShutdownSignals::new().unwrap();
            say("ready");
            assert_eq!(block_on(exits.next()), Signal::Interrupt);
            assert_eq!(block_on(other.next()), Signal::Interrupt);
            drop(exits);
            say("dropped");
            assert_eq!(block_on(other.next()), Signal::Interrupt);
        }
        "former" => {
            install_former_handler(Signal::Interrupt);
            let mut signals = ShutdownSignals::new().unwrap();
            raise_here(Signal::Interrupt);
            assert_eq!(block_on(signals.next()), Signal::Interrupt);
            assert_eq!(FORMER_CALLS.load(SeqCst), 1);
            drop(signals);
            raise_here(Signal::Interrupt);
            assert_eq!(
                FORMER_CALLS.load(SeqCst),
                2,
                "called alone, and the program lives"
            );
            say("ready");
            sleep_for_ever();
        }
        "ignored" => {
            let mut signals = ShutdownSignals::new().unwrap();
            raise_here(Signal::Interrupt);
            assert_eq!(block_on(signals.next()), Signal::Interrupt);
            drop(signals);
            raise_here(Signal::Interrupt);
            say("ready");
            sleep_for_ever();
        }
        "storm" => {
            say("ready");
            install_former_handler(Signal::User1);
            let mut signals = ShutdownSignals::listen_for([Signal::User1]).unwrap();
            storm(100_000, 4);
            assert_eq!(FORMER_CALLS.load(SeqCst), 100_000);
            assert_eq!(block_on(signals.next()), Signal::User1);
            assert!(signals.token().is_cancelled());
            drop(signals);
            // While listeners come and go.
            thread::scope(|scope| {
                scope.spawn(|| storm(20_000, 2));
                for _ in 0..200 {
                    drop(ShutdownSignals::listen_for([Signal::User1]).unwrap());
                }
            });
            say("calm");
        }
        "crowd" => {
            say("ready");
            let kinds = [Signal::User1, Signal::Terminate];
            let mut signals = ShutdownSignals::listen_for(kinds).unwrap();
            let held_up = Arc::new(HeldUp(Barrier::new(2)));
            let waker = held_up.clone().into();
            let token = signals.token().clone();
            let asked = pin!(token.cancelled());
            assert!(asked.poll(&mut Context::from_waker(&waker)).is_pending());
            raise_here(Signal::User1);
            held_up.0.wait();
            for _ in 0..10_000 {
                raise_here(Signal::User1);
            }
            raise_here(Signal::Terminate);
            held_up.0.wait();
            assert_eq!(block_on(signals.next()), Signal::User1);
            assert_eq!(block_on(signals.next()), Signal::Terminate, "in its turn");
            say("seen");
        }
        "run" => {
            let rt = runtime::threads(1);
            let stopped = run(&rt, async {
                say("ready");
                pending::<()>().await
            });
            let stopped = stopped.unwrap_err();
            say(&stopped);
            std::process::exit(128 + stopped.signal().unwrap().number());
        }
        "run_with" => {
            let rt = runtime::threads(2);
            let mut all = ShutdownSignals::new().unwrap();
            let value = run_with(&rt, |cx| async move {
                say("ready");
                cx.token().cancelled().await;
                say("asked");
                assert_eq!(all.next().await, Signal::Interrupt);
                let later = [all.next().await, all.next().await];
                assert!(later.contains(&Signal::Terminate));
                say("cleaned up");
                7
            });
            assert_eq!(value.unwrap(), 7);
            say("over");
            sleep_for_ever();
        }
        "run inside" => {
            let rt = runtime::threads(1);
            let main = Run::on(&rt).main_with(|cx| async move {
                say("ready");
                cx.token().cancelled().await;
            });
            block_on(main).unwrap();
        }
        "run fails" => {
            let rt = runtime::threads(1);
            say("ready");
            let panics = catch_unwind(AssertUnwindSafe(|| run(&rt, async { panic!("main") })));
            assert!(panics.is_err());
            raise_here(Signal::Interrupt);
        }
        _ => return false,
    }
    true
}

// I1
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

// I2
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

// I2
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

// I1
#[test]
fn a_second_signal_may_end_a_program_that_is_stuck() {
    let mut program = Program::start("exit");
    program.signal("-TERM");
    program.expect("asked");
    program.signal("-INT");
    assert_eq!(program.end().signal(), Some(2));
    let mut program = Program::start("exit dropped");
    program.signal("-INT");
    program.expect("dropped");
    program.signal("-INT");
    assert!(
        program.end().success(),
        "who is left listens, and says nothing of an end"
    );
}

// I2
#[test]
fn what_a_signal_did_before_it_does_again() {
    let program = Program::start("former");
    program.signal("-TERM");
    assert_eq!(program.end().signal(), Some(15), "that one had its default");
    if cfg!(target_os = "linux") {
        let program = Program::start_ignoring_int("ignored");
        program.signal("-INT");
        program.signal("-TERM");
        assert_eq!(program.end().signal(), Some(15), "SIGINT is ignored again");
    }
}

// I3
#[test]
fn a_hundred_thousand_signals_hang_nobody_and_reach_former_handlers() {
    let mut program = Program::start("storm");
    program.expect("calm");
    assert!(program.end().success());
}

// I4
#[test]
fn a_crowd_of_one_signal_takes_no_other_away() {
    let mut program = Program::start("crowd");
    program.expect("seen");
    assert!(program.end().success());
}

// N1
#[test]
fn a_signal_stops_a_run_which_says_by_which() {
    let mut program = Program::start("run");
    program.signal("-TERM");
    program.expect("stopped: SIGTERM");
    assert_eq!(program.end().code(), Some(143));
}

// N2
#[test]
fn a_main_cleans_up_while_later_signals_are_ignored_and_the_default_acts_after_it() {
    let mut program = Program::start("run_with");
    program.signal("-INT");
    program.expect("asked");
    program.signal("-INT");
    program.signal("-TERM");
    program.expect("cleaned up");
    program.expect("over");
    program.signal("-INT");
    assert_eq!(program.end().signal(), Some(2));
}

// N2
#[test]
fn the_default_acts_after_a_panic_of_main_too() {
    let program = Program::start("run fails");
    assert_eq!(program.end().signal(), Some(2));
    let program = Program::start("run inside");
    program.signal("-INT");
    assert!(program.end().success());
}

#[test]
fn a_signal_that_is_named_twice_counts_once() {
    let twice = [Signal::User2, Signal::User2];
    let builder = ShutdownSignals::builder().signals(twice);
    let mut signals = builder.on_second(SecondSignal::Exit).listen().unwrap();
    raise_here(Signal::User2);
    assert_eq!(block_on(signals.next()), Signal::User2);
    assert!(!signals.second_token().is_cancelled());
}
