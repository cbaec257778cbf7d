use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::{Program, rows};
use crate::server::Server;

struct Output(PathBuf);

impl Output {
    fn new(name: &str) -> Self {
        let name = format!("fetch-all-resume-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn run(&self, input: &str) -> (i32, String) {
        let args = [
            "--input",
            "-",
            "--resume",
            "--output",
            self.0.to_str().unwrap(),
        ];
        let done = Program::new(&args).feed(input);
        (done.status, done.stderr)
    }

    fn keys(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap();
        let keys = rows(&text)
            .into_iter()
            .map(|row| row["key"].as_str().unwrap().to_owned());
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        keys
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[test]
fn what_is_done_is_not_fetched_again() {
    let server = Server::echo();
    let output = Output::new("done");
    let base = &server.base;
    let first = format!("a\t{base}/a\nb\t{base}/b\n");
    assert_eq!(output.run(&first).0, 0);
    assert_eq!(output.keys(), ["a", "b"]);
    // The same key with another URL is another request; what comes twice needs two rows.
    let more = format!("{first}c\t{base}/c\na\t{base}/other\nb\t{base}/b\n");
    let (status, stderr) = output.run(&more);
    assert_eq!(status, 0);
    assert!(stderr.contains("2 rows are done already"), "{stderr}");
    assert_eq!(output.keys(), ["a", "a", "b", "b", "c"]);
    assert_eq!(output.run(&more).0, 0);
    assert_eq!(output.keys().len(), 5);
}

#[test]
fn what_failed_is_fetched_again_and_a_torn_row_is_cut_off() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => request.raw("this is no HTTP\r\n\r\n"),
        _ => request.answer("there"),
    });
    let output = Output::new("failed");
    let input = format!("a\t{}/a\n", server.base);
    assert_eq!(output.run(&input).0, 1);
    let torn = format!(
        "{}{{\"key\":\"z\",\"ur",
        fs::read_to_string(&output.0).unwrap()
    );
    fs::write(&output.0, torn).unwrap();
    assert_eq!(output.run(&input).0, 0);
    assert_eq!(output.keys(), ["a", "a"]);
    assert_eq!(output.run(&input).0, 0);
    assert_eq!(output.keys(), ["a", "a"]);
}

#[test]
fn an_output_that_is_not_ours_is_left_alone() {
    let output = Output::new("other");
    for text in [
        "hello\n",
        "{\"key\":1}\n",
        "{\"key\":\"a\",\"url\":\"b\"}\n[]\n",
    ] {
        fs::write(&output.0, text).unwrap();
        let (status, stderr) = output.run("");
        assert_eq!(status, 2);
        assert!(stderr.contains("line "), "{stderr}");
        assert_eq!(fs::read_to_string(&output.0).unwrap(), text);
    }
}

#[test]
fn without_a_file_there_is_nothing_to_resume() {
    for args in [
        &["--input", "-", "--resume"][..],
        &["--resume", "--output", "x"],
    ] {
        let done = Program::new(args).feed("");
        assert_eq!(done.status, 2);
        assert!(done.stderr.contains("--resume: needs"), "{}", done.stderr);
    }
}
