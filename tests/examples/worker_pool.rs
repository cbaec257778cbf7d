//! The worker pool.

use std::fs;
use std::path::PathBuf;

use crate::program::Program;
use crate::refused;

/// A folder of its own, that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("worker-pool-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The columns of the output, in the order of the paths.
fn counted(stdout: &str) -> Vec<Vec<&str>> {
    let mut rows: Vec<Vec<_>> = stdout
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    rows.sort_by(|a, b| a[3].cmp(b[3]));
    rows
}

#[test]
fn it_counts_what_is_in_files_and_folders() {
    let folder = Folder::new("counts");
    fs::create_dir(folder.0.join("b")).unwrap();
    let long = "three short words\n".repeat(10_000);
    let (a, b) = (
        folder.file("a", "one\ntwo  three"),
        folder.file("b/inside", &long),
    );
    let c = folder.file("c", "");
    let all = folder.0.to_str().unwrap();
    for args in [
        &["--queue", "1", "--workers", "1", "--threads", "1", all][..],
        &[all],
        &[&c, &b, &a],
    ] {
        let done = Program::new("worker_pool", args).end();
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(
            counted(&done.stdout),
            [
                ["1", "3", "14", &a],
                ["10000", "30000", "180000", &b],
                ["0", "0", "0", &c]
            ],
        );
        assert_eq!(done.stderr, "worker_pool: 3 done, 0 failed\n");
    }
}

#[test]
fn a_file_that_can_not_be_read_fails_alone() {
    let folder = Folder::new("fails");
    let good = folder.file("good", "x");
    let bad = folder.0.join("missing");
    let bad = bad.to_str().unwrap();
    let done = Program::new("worker_pool", &[bad, &good]).end();
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert_eq!(counted(&done.stdout), [["0", "1", "1", &*good]]);
    assert!(
        done.stderr.contains(&format!("worker_pool: {bad}: ")),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.ends_with("worker_pool: 1 done, 1 failed\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn bad_options_are_refused() {
    for (args, says) in [
        (&["--workers", "0"][..], "--workers 0: number would be zero"),
        (&["--threads", "0"], "--threads 0: number would be zero"),
        (&["--queue", "0"], "--queue 0: number would be zero"),
        (&["--timeout", "soon"], "--timeout soon: invalid digit"),
        (&["--grace", "-1"], "--grace -1: invalid digit"),
        (&["--grace"], "missing argument"),
        (&["--what"], "invalid option '--what'"),
    ] {
        refused("worker_pool", args, says);
    }
}

#[cfg(unix)]
mod signals {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::process::Command;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::{Folder, counted};
    use crate::program::{LIMIT, Program};

    /// A pipe with a name, whose reader waits for what is written.
    fn pipe(folder: &Folder) -> String {
        let path = folder.0.join("0-pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        path.to_str().unwrap().to_owned()
    }

    /// The end to write to, once the other one is open too.
    fn until_read(pipe: &str) -> File {
        let (opened, is_open) = channel();
        let pipe = pipe.to_owned();
        thread::spawn(move || {
            opened
                .send(OpenOptions::new().write(true).open(pipe).unwrap())
                .ok();
        });
        is_open.recv_timeout(LIMIT).unwrap()
    }

    #[test]
    fn the_file_at_hand_is_finished() {
        for signal in ["INT", "TERM"] {
            let folder = Folder::new(signal);
            let pipe = pipe(&folder);
            for name in ["1", "2", "3"] {
                folder.file(name, "never read");
            }
            let all = folder.0.to_str().unwrap();
            let args = ["--workers", "1", "--grace", "1000", all];
            let mut pool = Program::new("worker_pool", &args);
            let mut writer = until_read(&pipe);
            pool.signal(signal);
            pool.wait_for("finishing the files at hand");
            writer.write_all(b"two words\n").unwrap();
            drop(writer);
            let done = pool.end();
            assert_eq!(done.code, Some(130), "{}", done.stderr);
            assert_eq!(counted(&done.stdout), [["1", "2", "10", &*pipe]]);
            assert!(
                done.stderr.contains("worker_pool: 1 done, 0 failed\n"),
                "{}",
                done.stderr
            );
            let stopped = format!("worker_pool: stopped by SIG{signal}: ");
            assert!(done.stderr.contains(&stopped), "{}", done.stderr);
            assert!(done.stderr.contains(" 0 aborted\n"), "{}", done.stderr);
        }
    }

    #[test]
    fn what_is_over_its_grace_is_left_behind() {
        let folder = Folder::new("grace");
        let pipe = pipe(&folder);
        let mut pool = Program::new("worker_pool", &["--workers", "1", "--grace", "0", &pipe]);
        let writer = until_read(&pipe);
        pool.signal("TERM");
        pool.wait_for("stopped by SIGTERM");
        let done = pool.end();
        drop(writer);
        assert_eq!(
            (done.code, &*done.stdout),
            (Some(130), ""),
            "{}",
            done.stderr
        );
        assert!(done.stderr.contains("1 aborted"), "{}", done.stderr);
    }

    #[test]
    fn a_reader_that_has_gone_ends_it() {
        let folder = Folder::new("unread");
        for n in 0..50 {
            folder.file(&n.to_string(), "text");
        }
        let all = folder.0.to_str().unwrap();
        let done = Program::unheard("worker_pool", &["--queue", "1", all]).end();
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert!(done.stderr.contains("Broken pipe"), "{}", done.stderr);
    }

    #[test]
    fn a_file_that_takes_too_long_fails_and_gives_its_thread_back() {
        let folder = Folder::new("endless");
        let pipe = pipe(&folder);
        let next = folder.file("1", "text");
        let args = [
            "--workers",
            "1",
            "--threads",
            "1",
            "--timeout",
            "5",
            &pipe,
            &next,
        ];
        let pool = Program::new("worker_pool", &args);
        let mut writer = until_read(&pipe);
        // Without an end, but for that of its reader.
        while writer.write_all(&[b'x'; 1024]).is_ok() {}
        let done = pool.end();
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert_eq!(counted(&done.stdout), [["0", "1", "4", &*next]]);
        assert!(
            done.stderr.contains("worker_pool: 1 done, 1 failed\n"),
            "{}",
            done.stderr
        );
    }

    #[test]
    fn a_second_signal_ends_it_at_once() {
        let folder = Folder::new("second");
        let pipe = pipe(&folder);
        let mut pool = Program::new("worker_pool", &["--grace", "1000", &pipe]);
        let _writer = until_read(&pipe);
        pool.signal("INT");
        pool.wait_for("once more to stop now");
        pool.signal("INT");
        let done = pool.end();
        assert_eq!(done.signal, Some(2), "{}", done.stderr); // as if nobody had listened
    }
}
