//! Runs an example.

use std::env::{self, consts::EXE_SUFFIX};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// A program that hangs is killed after so long, and its test fails. It measures nothing: a machine
/// that is busy with other things must not reach it.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Program {
    name: String,
    child: Child,
    said: Arc<Said>,
}

/// What is left of a run.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    /// The signal that ended it, where there is no code.
    #[cfg(all(unix, feature = "threads"))]
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[derive(Default)]
struct Said {
    text: Mutex<Text>,
    changed: Condvar,
}

#[derive(Default)]
struct Text {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    closed: usize,
}

impl Program {
    pub(crate) fn new(example: &str, args: &[&str]) -> Self {
        Self::start(example, args, Stdio::piped())
    }

    /// One whose standard output nobody reads any more.
    #[cfg(all(unix, feature = "threads"))]
    pub(crate) fn unheard(example: &str, args: &[&str]) -> Self {
        let (gone, stdout) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(gone);
        Self::start(example, args, std::os::fd::OwnedFd::from(stdout).into())
    }

    fn start(example: &str, args: &[&str], stdout: Stdio) -> Self {
        let mut child = Command::new(path(example))
            .args(args)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Said::default());
        match child.stdout.take() {
            Some(stdout) => listen(&said, stdout, |text| &mut text.stdout),
            None => said.text.lock().unwrap().closed += 1,
        }
        listen(&said, child.stderr.take().unwrap(), |text| &mut text.stderr);
        Self {
            name: example.to_owned(),
            child,
            said,
        }
    }

    #[cfg(all(unix, feature = "threads"))]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until it has said so on standard output or standard error.
    #[cfg(all(unix, feature = "threads"))]
    pub(crate) fn wait_for(&mut self, what: &str) {
        let has = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(what);
        let is_said = |text: &Text| has(&text.stdout) || has(&text.stderr);
        self.wait(|text| is_said(text) || text.closed == 2, what);
        let text = self.said.text.lock().unwrap();
        assert!(
            is_said(&text),
            "{} ended before it said {what:?}",
            self.name
        );
    }

    /// Waits for its end, and that of all who share its output.
    pub(crate) fn end(mut self) -> Done {
        self.wait(|text| text.closed == 2, "its end");
        let status = self.child.wait().unwrap();
        let text = std::mem::take(&mut *self.said.text.lock().unwrap());
        Done {
            code: status.code(),
            #[cfg(all(unix, feature = "threads"))]
            signal: std::os::unix::process::ExitStatusExt::signal(&status),
            stdout: String::from_utf8(text.stdout).unwrap(),
            stderr: String::from_utf8(text.stderr).unwrap(),
        }
    }

    fn wait(&mut self, is_there: impl Fn(&Text) -> bool, what: &str) {
        let text = self.said.text.lock().unwrap();
        let changed = &self.said.changed;
        let waited = changed.wait_timeout_while(text, LIMIT, |text| !is_there(text));
        let (text, result) = waited.unwrap();
        if result.timed_out() {
            let stdout = String::from_utf8_lossy(&text.stdout).into_owned();
            let stderr = String::from_utf8_lossy(&text.stderr).into_owned();
            drop(text);
            panic!("{} hangs before {what}:\n{stdout}\n{stderr}", self.name);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn listen(
    said: &Arc<Said>,
    mut output: impl Read + Send + 'static,
    which: impl Fn(&mut Text) -> &mut Vec<u8> + Send + 'static,
) {
    let said = said.clone();
    thread::spawn(move || {
        let mut piece = [0; 4096];
        loop {
            let length = output.read(&mut piece).unwrap();
            let mut text = said.text.lock().unwrap();
            which(&mut text).extend_from_slice(&piece[..length]);
            text.closed += usize::from(length == 0);
            drop(text);
            said.changed.notify_all();
            if length == 0 {
                return;
            }
        }
    });
}

/// Examples lie in a folder beside that of the tests.
fn path(example: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let file = format!("{example}{EXE_SUFFIX}");
    let path = profile.join("examples").join(file);
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, a single `--test` does not; \
         `cargo build --examples` with the same features does",
        path.display()
    );
    path
}
