use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::program::{Program, rows};
use crate::server::Server;

#[test]
fn lines_are_read_as_documented() {
    let server = Server::echo();
    let base = &server.base;
    let long = "x".repeat(70_000);
    let text = format!(
        "\u{feff}{base}/bom\n\
         # a comment\n\
         \n\
         \u{20}\u{20} \n\
         key\t{base}/keyed\r\n\
         key\t{base}/again\n\
         \u{20}{base}/trimmed \n\
         no url\n\
         lonely\t\n\
         ftp\tftp://127.0.0.1/\n\
         a key with blanks\t{base}/tab\tstop\n\
         {base}/{long}\n\
         {base}/last"
    );
    let mut bytes = text.into_bytes();
    // Line 14 is not UTF-8.
    bytes.extend_from_slice(b"\nlatin\thttp://127.0.0.1/\xe4\n");
    let path = std::env::temp_dir().join(format!("fetch-all-lines-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let done = Program::new(&["--input", path.to_str().unwrap()]).run();
    std::fs::remove_file(path).unwrap();
    assert_eq!(done.status, 1, "{}", done.stderr);
    let rows = rows(&done.stdout);
    let by_line: HashMap<_, _> = rows
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row))
        .collect();
    assert_eq!(by_line.len(), rows.len());
    let mut lines: Vec<_> = by_line.keys().copied().collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    let url = |path: &str| format!("{base}/{path}");
    for (line, key, path) in [
        (1, url("bom"), "bom"),
        (5, "key".into(), "keyed"),
        (6, "key".into(), "again"),
        (7, url("trimmed"), "trimmed"),
        (13, url("last"), "last"),
    ] {
        let row = by_line[&line];
        assert_eq!(
            (row["key"].as_str(), row["url"].as_str()),
            (Some(&*key), Some(&*url(path)))
        );
        assert_eq!(
            (row["status"].as_u64(), row["bytes"].as_u64()),
            (Some(200), Some(path.len() as u64 + 1))
        );
    }
    for (line, says) in [
        (8, "not a URL"),
        (9, "line 9: no URL"),
        (10, "only http and https"),
        (11, "control character"),
        (12, "line 12: longer"),
        (14, "line 14: not UTF-8"),
    ] {
        let error = &by_line[&line]["error"];
        assert_eq!(error["kind"], "invalid_request", "line {line}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert_eq!(by_line[&line]["attempts"], 0);
    }
    assert_eq!(by_line[&9]["key"], "lonely");
    assert!(done.stderr.contains("Progress: 11/11\n"), "{}", done.stderr);
}

#[test]
fn nothing_in_gives_nothing_out() {
    for text in ["", "\n\n# nothing\n"] {
        let done = Program::new(&["--input", "-"]).feed(text);
        assert_eq!((done.status, &*done.stdout), (0, ""), "{}", done.stderr);
    }
}

#[test]
fn a_password_is_written_nowhere() {
    let server = Server::start(|request| match &*request.path {
        "/good" => request.answer("ok"),
        "/loop" => request.answer_with(
            "302 Found",
            "Location: http://me:canary@127.0.0.1/\u{1}\r\n",
            "",
        ),
        _ => request.close(),
    });
    let port = server.port;
    let with = format!("http://me:canary@127.0.0.1:{port}");
    let text = format!(
        "{with}/good\n\
         {with}/closed\n\
         {with}/loop\n\
         {with}/good\t{with}/good\n\
         http://me:canary@127.0.0.1:99999/\n\
         http://me:can/canary@127.0.0.1:x/\n\
         http://canary@127.0.0.1:x/\n\
         key\thttp://me:canary@h:x/\n\
         HTTP:me:canary@h\t{with}/good\n\
         https:\\\\me:canary@h\t{with}/good\n\
         me@h\t{with}/good\n\
         http://me:canary@h:x/\thttp://me:canary@h:x/\n\
         ftp://me:canary@127.0.0.1/\n\
         me:canary@127.0.0.1\n\
         http://me:canary@/\n"
    );
    let folder = std::env::temp_dir().join(format!("fetch-all-secret-{}", std::process::id()));
    let mut args = vec!["--input", "-", "--bodies", folder.to_str().unwrap()];
    args.extend(["--header", "Cookie: canary", "--header", "X-Key: canary"]);
    let done = Program::new(&args).feed(&text);
    assert_eq!(done.status, 1);
    let rows = rows(&done.stdout);
    assert_eq!(rows.len(), 15);
    assert!(rows.iter().any(|row| row["key"] == "me@h"));
    assert!(!done.stdout.contains("canary"), "{}", done.stdout);
    assert!(!done.stderr.contains("canary"), "{}", done.stderr);
    for file in std::fs::read_dir(&folder).unwrap() {
        assert!(
            !file
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .contains("canary")
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_key_is_the_url_if_it_is_blank() {
    let server = Server::echo();
    let base = &server.base;
    let text = format!("\t{base}/1\n \t{base}/2\n");
    let done = Program::new(&["--input", "-"]).feed(&text);
    assert_eq!(done.status, 0, "{}", done.stderr);
    for row in rows(&done.stdout) {
        assert_eq!(row["key"], row["url"]);
    }
}

#[test]
fn a_row_is_written_as_soon_as_it_is_known() {
    let server = Server::echo();
    let mut running = Program::new(&["--input", "-"]).start();
    for n in 0..5 {
        // The next line is written only when the row of this one was read.
        running.write(&format!("{n}\t{}/{n}\n", server.base));
        assert_eq!(running.row()["key"], n.to_string());
    }
    let done = running.end();
    assert_eq!((done.status, &*done.stdout), (0, ""));
}

#[test]
fn standard_input_is_read_no_further_than_needed() {
    const LINE: usize = 100;
    let server = Server::echo();
    let args = ["--input", "-", "--concurrency", "2", "--per-host", "1"];
    let mut running = Program::new(&args).start();
    let mut line = format!("{}/", server.base);
    line += &"x".repeat(LINE - line.len() - 1);
    line.push('\n');
    let written = Arc::new(AtomicUsize::new(0));
    let mut stdin = running.stdin.take().unwrap();
    let count = written.clone();
    let feeder = thread::spawn(move || {
        while stdin.write_all(line.as_bytes()).is_ok() {
            count.fetch_add(LINE, SeqCst);
        }
    });
    // 50 rows were read, and nobody reads more of them: everything backs up.
    for _ in 0..50 {
        running.row();
    }
    let server_requests = || server.requests.lock().unwrap().try_iter().count();
    assert!(server_requests() >= 50);
    drop(running.stdout.take());
    let done = running.end_by_itself();
    feeder.join().unwrap();
    assert_eq!(done.status, 1);
    let asked = 50 + server_requests();
    // What was asked for, what the window, a batch and two buffers hold, and the pipe.
    let most = (asked + 8 + 64) * LINE + 2 * 8192 + 2 * 65536;
    let written = written.load(SeqCst);
    assert!(written < most, "{written} bytes for {asked} requests");
}

#[test]
fn a_query_is_in_the_url_of_its_row_and_in_no_message() {
    let server = Server::start(|request| request.close());
    let url = format!("{}/closed?canary#canary", server.base);
    let done = Program::new(&["--input", "-"]).feed(&url);
    let row = &rows(&done.stdout)[0];
    assert_eq!(row["url"], *url);
    assert_eq!(row["error"]["kind"], "truncated");
    let message = row["error"]["message"].as_str().unwrap();
    assert!(!message.contains("canary"), "{message}");
    assert!(!done.stderr.contains("canary"), "{}", done.stderr);
}
