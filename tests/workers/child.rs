use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use futures_lite::future::{block_on, poll_once, zip};
use futures_util::future::join_all;
use untethered::signal::Signal;
use untethered::workers::{Child, Exit};

use crate::program::Program;
use crate::support::{DeadMan, until_gone};

/// A process that ends when its standard input does.
fn cat() -> Child {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Child::spawn(&mut command).unwrap()
}

fn shell(script: &str) -> Child {
    Child::spawn(Command::new("sh").args(["-c", script])).unwrap()
}

// W1
#[test]
fn thirty_two_at_once_each_have_their_right_end() {
    let _dead_man = DeadMan::new();
    // Not `cat`: where this test runs in the background, a shell may have it ignore SIGINT.
    let mut children: Vec<_> = (0..32)
        .map(|_| {
            let mut program = Program::command("waits for any signal");
            Child::spawn(program.stdout(Stdio::piped())).unwrap()
        })
        .collect();
    for child in &mut children {
        let mut lines = BufReader::new(child.take_stdout().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "> here"));
    }
    let ends = block_on(async {
        let ends = join_all(children.iter().map(Child::wait));
        let signals = async {
            for (index, child) in children.iter().enumerate() {
                let signal = [Signal::Interrupt, Signal::Terminate][index % 2];
                child.signal(signal).unwrap();
            }
        };
        zip(ends, signals).await.0
    });
    for (index, end) in ends.into_iter().enumerate() {
        let name = ["SIGINT", "SIGTERM"][index % 2];
        assert_eq!(end.signal_name(), Some(name), "child {index}");
    }
}

// W1
#[test]
fn codes_and_signals_are_kept_apart() {
    let _dead_man = DeadMan::new();
    let end = block_on(shell("exit 7").wait());
    assert_eq!(
        (end, end.to_string()),
        (Exit::Code(7), "exit code 7".into())
    );
    assert_eq!(
        (end.code(), end.signal(), end.shell_code()),
        (Some(7), None, 7)
    );
    // No core file where the test runs.
    let end = block_on(shell("ulimit -c 0; kill -SEGV $$").wait());
    assert_eq!(
        (end.signal(), end.signal_name()),
        (Some(11), Some("SIGSEGV"))
    );
    assert_eq!(end.to_string(), "killed by SIGSEGV");
    assert_eq!((end.code(), end.shell_code()), (None, 139));
    assert!(!end.success());
    let end = block_on(shell("true").wait());
    assert!(end.success());
}

// W1
#[test]
fn many_wait_and_some_come_late() {
    let _dead_man = DeadMan::new();
    let child = Arc::new(cat());
    let waiters: Vec<_> = (0..8)
        .map(|_| {
            let child = child.clone();
            std::thread::spawn(move || block_on(child.wait()))
        })
        .collect();
    child.kill().unwrap();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap().signal_name(), Some("SIGKILL"));
    }
    assert_eq!(block_on(poll_once(child.wait())), child.exit());
    assert_eq!(child.exit().unwrap().signal(), Some(9));
}

// W1
#[test]
fn a_signal_to_what_has_ended_is_an_error() {
    let _dead_man = DeadMan::new();
    let child = shell("exit 3");
    block_on(child.wait());
    for sent in [child.kill(), child.signal(Signal::Terminate)] {
        let error = sent.unwrap_err();
        assert_eq!(error.exit(), Some(Exit::Code(3)));
        assert_eq!(error.to_string(), "the process has ended: exit code 3");
    }
}

// W2
#[test]
fn a_dropped_wait_leaves_the_others_and_no_zombie() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let _dead_man = DeadMan::new();
    let mut child = cat();
    let (dropped, kept) = (Arc::new(Count(0.into())), Arc::new(Count(0.into())));
    let mut first = Box::pin(child.wait());
    let mut second = Box::pin(child.wait());
    for (wait, count) in [(&mut first, &dropped), (&mut second, &kept)] {
        let waker = Waker::from(count.clone());
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    drop(first);
    child.kill().unwrap();
    until_gone(child.pid());
    assert_eq!(block_on(second).signal(), Some(9));
    assert_eq!(dropped.0.load(Ordering::SeqCst), 0);
    drop(child.take_stdin());
}

// W2
#[test]
fn nobody_waits_and_there_is_no_zombie() {
    let _dead_man = DeadMan::new();
    let children: Vec<_> = (0..8).map(|code| shell(&format!("exit {code}"))).collect();
    for (code, child) in children.iter().enumerate() {
        until_gone(child.pid());
        // Reaped just before the answer is there.
        while child.exit().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(child.exit(), Some(Exit::Code(code as i32)));
    }
}

// W2
#[test]
fn a_dropped_child_is_killed_and_a_detached_one_goes_on() {
    let _dead_man = DeadMan::new();
    let child = cat();
    let pid = child.pid();
    drop(child);
    until_gone(pid);

    let mut child = cat();
    let (pid, stdin, stdout) = (child.pid(), child.take_stdin(), child.take_stdout());
    child.detach();
    let (mut stdin, mut stdout) = (stdin.unwrap(), BufReader::new(stdout.unwrap()));
    stdin.write_all(b"alive\n").unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "alive\n");
    drop(stdin);
    until_gone(pid);
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_can_not_be_started_is_an_error() {
    let error = Child::spawn(&mut Command::new("/nowhere/to/be/found")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
