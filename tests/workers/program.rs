//! Runs of this test program that play a role, with workers of their own.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use untethered::workers::Notice;

const ROLE: &str = "UNTETHERED_TEST_ROLE";

/// A program that plays one role. It and its workers say on standard output how far they are.
pub(crate) struct Program {
    child: Child,
    /// Gone unless the role reads it.
    pub(crate) stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Program {
    pub(crate) fn start(role: &str) -> Self {
        Self::start_with(role, |_| {})
    }

    pub(crate) fn command(role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["processes::play_role", "--exact", "--nocapture", "--quiet"]);
        command.env(ROLE, role);
        command
    }

    pub(crate) fn start_with(role: &str, set: impl FnOnce(&mut Command)) -> Self {
        let mut command = Self::command(role);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        set(&mut command);
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().unwrap();
        Self {
            stdin: child.stdin.take(),
            child,
            lines: BufReader::new(output).lines(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads on until one of the program's processes says a line that begins so; the rest of it.
    pub(crate) fn expect(&mut self, said: &str) -> String {
        let said = format!("> {said}");
        for line in self.lines.by_ref().map(Result::unwrap) {
            self.seen.push(line.clone());
            if let Some(rest) = line.strip_prefix(&said) {
                return rest.to_owned();
            }
        }
        panic!(
            "the program ended before it said {said:?}, after {:#?}",
            self.seen
        );
    }

    /// The same in any order.
    pub(crate) fn expect_all<S: AsRef<str>>(&mut self, said: impl IntoIterator<Item = S>) {
        let mut said: Vec<_> = said
            .into_iter()
            .map(|said| format!("> {}", said.as_ref()))
            .collect();
        while !said.is_empty() {
            let Some(line) = self.lines.next().map(Result::unwrap) else {
                panic!(
                    "the program ended before it said {said:?}, after {:#?}",
                    self.seen
                );
            };
            if let Some(found) = said.iter().position(|said| line.starts_with(said.as_str())) {
                said.swap_remove(found);
            }
            self.seen.push(line);
        }
    }

    /// What was said so far.
    pub(crate) fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Waits for the end of the program, whatever its workers do.
    pub(crate) fn child_ended(&mut self) {
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        send(name, &self.pid().to_string());
    }

    /// Reads what is left, and waits for the end of the program and of all that share its output.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        self.stdin = None;
        self.seen.extend(self.lines.by_ref().map(Result::unwrap));
        let status = self.child.wait().unwrap();
        (status, std::mem::take(&mut self.seen))
    }

    /// The same, of a program that ends with an exit code.
    pub(crate) fn code(self) -> (i32, Vec<String>) {
        let (status, seen) = self.end();
        (
            status
                .code()
                .unwrap_or_else(|| panic!("{:?}", status.signal())),
            seen,
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a signal to a process, or to a group if it begins with a minus.
pub(crate) fn send(name: &str, pid: &str) {
    let status = Command::new("kill").args([name, "--", pid]).status();
    assert!(status.unwrap().success());
}

pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// A line of its own, whoever else writes at the same time.
pub(crate) fn say(what: impl Display) {
    let line = format!("> {what}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// Says what happens to workers, for tests to wait for.
pub(crate) fn tell(notice: &Notice) {
    match notice {
        Notice::Started { index, pid } => say(format_args!("started {index} {}", pid.unwrap())),
        Notice::Ready { index, pid } => say(format_args!("ready {index} {}", pid.unwrap())),
        Notice::Ended(end) => {
            let clean = if end.is_clean() { "clean" } else { "bad" };
            say(format_args!("ended {} {clean}: {end}", end.index));
        }
        notice => say(notice),
    }
}
