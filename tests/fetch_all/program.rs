//! Runs the example.

use std::env::{self, consts::EXE_SUFFIX};

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

pub(crate) struct Program(Command);

/// What is left of a run.
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The JSON rows of a text, each of which must be one.
pub(crate) fn rows(text: &str) -> Vec<Value> {
    let row =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text.lines().map(row).collect()
}

impl Program {
    pub(crate) fn new(args: &[&str]) -> Self {
        let mut command = Command::new(path());
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command)
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Done {
        self.start().end()
    }

    /// Runs it to its end with `text` on standard input.
    pub(crate) fn feed(self, text: &str) -> Done {
        let mut running = self.start();
        let text = text.to_owned();
        let mut stdin = running.stdin.take().unwrap();
        // It may end without having read everything.
        let feeder = thread::spawn(move || stdin.write_all(text.as_bytes()).ok());
        let done = running.end();
        feeder.join().unwrap();
        done
    }

    /// Runs it with `text` on standard input, and with nobody at the other end of its standard
    /// error. Gives exit status and standard output.
    pub(crate) fn feed_unheard(mut self, text: &str) -> (i32, String) {
        let mut child = self.0.spawn().unwrap();
        drop(child.stderr.take());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        let stdout = String::from_utf8(done.stdout).unwrap();
        (done.status.code().unwrap_or(-1), stdout)
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self.0.spawn().unwrap();
        let said = Said::default();
        Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            listener: said.listen(child.stderr.take().unwrap()),
            said,
            child,
        }
    }
}

/// The program while it runs.
pub(crate) struct Running {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    said: Said,
    listener: JoinHandle<()>,
    child: Child,
}

impl Running {
    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the next row.
    pub(crate) fn row(&mut self) -> Value {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().unwrap();
        stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until standard error says so.
    pub(crate) fn wait_for(&self, text: &str) {
        self.said.wait_for(text);
    }

    /// Waits for its end, without closing standard input.
    pub(crate) fn end_by_itself(mut self) -> Done {
        let mut stdout = String::new();
        if let Some(mut rest) = self.stdout.take() {
            rest.read_to_string(&mut stdout).unwrap();
        }
        let status = self.child.wait().unwrap();
        Done {
            status: status.code().unwrap_or(-1),
            stdout,
            stderr: {
                self.listener.join().unwrap();
                self.said.text()
            },
        }
    }

    pub(crate) fn end(mut self) -> Done {
        drop(self.stdin.take());
        self.end_by_itself()
    }
}

/// What was written to standard error so far.
#[derive(Clone, Default)]
struct Said(Arc<(Mutex<Text>, Condvar)>);

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Said {
    fn listen(&self, mut stderr: ChildStderr) -> JoinHandle<()> {
        let said = self.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = stderr.read(&mut buffer).unwrap();
                let mut text = said.0.0.lock().unwrap();
                text.bytes.extend_from_slice(&buffer[..read]);
                text.is_over = read == 0;
                said.0.1.notify_all();
                if text.is_over {
                    return;
                }
            }
        })
    }

    fn wait_for(&self, wanted: &str) {
        let text = self.0.0.lock().unwrap();
        let is_missing = |text: &mut Text| {
            !String::from_utf8_lossy(&text.bytes).contains(wanted) && !text.is_over
        };
        drop(self.0.1.wait_while(text, is_missing).unwrap());
        assert!(self.text().contains(wanted), "{}", self.text());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }
}

/// The runtimes that were compiled in, and those that were not.
pub(crate) fn runtimes() -> (Vec<&'static str>, Vec<&'static str>) {
    let all = [
        ("threads", cfg!(feature = "threads")),
        ("tokio", cfg!(feature = "tokio")),
        ("smol", cfg!(feature = "smol")),
        ("async-std", cfg!(feature = "async-std")),
    ];
    let (there, not_there): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, is_there)| *is_there);
    let names = |list: Vec<(&'static str, bool)>| list.into_iter().map(|(name, _)| name).collect();
    (names(there), names(not_there))
}

/// Examples lie in a folder beside that of the tests.
fn path() -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let path = profile
        .join("examples")
        .join(format!("fetch_all{EXE_SUFFIX}"));
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, a single `--test` does not",
        path.display()
    );
    path
}
