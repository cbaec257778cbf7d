//! What is sent once, twice, coded or with cookies.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::{Program, rows};
use crate::server::Server;

#[test]
fn equal_lines_are_fetched_once_and_each_has_its_row() {
    let server = Server::echo();
    let url = format!("{}/same", server.base);
    let input = format!("{url}\nown key\t{url}\n{}/other\n{url}\n", server.base);
    let done = Program::new(&["--input", "-", "--dedupe"]).feed(&input);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let rows = rows(&done.stdout);
    let mut lines: Vec<_> = rows.iter().map(|row| row["line"].as_u64()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [Some(1), Some(2), Some(3), Some(4)]);
    assert!(rows.iter().all(|row| row["status"] == 200));
    let mut asked = [server.next(), server.next()];
    asked.sort();
    assert_eq!(asked, ["/other", "/same"]);
    assert!(!server.was_asked());
}

#[test]
fn what_is_slow_is_sent_a_second_time() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => request.wait_for_close(),
        _ => request.answer("ok"),
    });
    let args = ["--input", "-", "--hedge", "0.02", "--timeout", "1000"];
    let done = Program::new(&args).feed(&server.base);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let row = &rows(&done.stdout)[0];
    assert_eq!((&row["status"], &row["attempts"]), (&200.into(), &2.into()));
    let done = Program::new(&["--input", "-", "--hedge", "p95"]).feed(&server.base);
    assert_eq!(
        (done.status, &rows(&done.stdout)[0]["attempts"]),
        (0, &1.into())
    );
}

#[cfg(feature = "decode")]
#[test]
fn coded_answers_are_decoded() {
    const CODED: &[u8] =
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";
    let server = Server::start(|request| {
        let asks = request
            .head
            .to_lowercase()
            .contains("accept-encoding: gzip");
        let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n";
        match asks {
            true => request.raw(&[head.as_bytes(), CODED].concat()),
            false => request.answer("plain"),
        }
    });
    assert_eq!(CODED.len(), 25);
    for (client, args) in [
        ("surf", &["--decode"][..]),
        ("engine", &["--decode"]),
        ("engine", &[]),
    ] {
        let folder = std::env::temp_dir().join(format!("decoded-bodies-{}", std::process::id()));
        let bodies = ["--bodies", folder.to_str().unwrap()];
        let args = [&["--input", "-", "--client", client], &bodies[..], args].concat();
        let done = Program::new(&args).feed(&server.base);
        assert_eq!(done.status, 0, "{}", done.stderr);
        let row = &rows(&done.stdout)[0];
        assert_eq!(row["bytes"], 5);
        let body = std::fs::read(folder.join(row["file"].as_str().unwrap())).unwrap();
        let wanted = if args.contains(&"--decode") {
            "hello"
        } else {
            "plain"
        };
        assert_eq!(body, wanted.as_bytes());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[cfg(feature = "cookies")]
#[test]
fn cookies_go_back_where_that_is_asked_for() {
    let server = Server::start(|request| {
        let head = request.head.to_lowercase();
        let sent = head.lines().find_map(|line| line.strip_prefix("cookie: "));
        let sent = sent.unwrap_or("none").to_owned();
        request.answer_with("200 OK", "Set-Cookie: id=canary; Path=/\r\n", &sent)
    });
    let input = format!("{0}/1\n{0}/2\n", server.base);
    for (option, second) in [(&["--cookies"][..], "id=canary"), (&[], "none")] {
        let args = [&["--input", "-", "--concurrency", "1"], option].concat();
        let done = Program::new(&args).feed(&input);
        let bytes: Vec<_> = rows(&done.stdout)
            .iter()
            .map(|row| row["bytes"].as_u64())
            .collect();
        assert_eq!(bytes, [Some(4), Some(second.len() as u64)]);
        assert!(!done.stdout.contains("canary") && !done.stderr.contains("canary"));
    }
}

#[test]
fn what_was_not_compiled_in_is_refused() {
    for (name, is_in) in [
        ("decode", cfg!(feature = "decode")),
        ("cookies", cfg!(feature = "cookies")),
    ] {
        let option = format!("--{name}");
        let done = Program::new(&["--input", "-", &option]).feed("");
        assert_eq!(done.status, if is_in { 0 } else { 2 });
        let says = done.stderr.contains(&format!("--features surf,{name}"));
        assert_eq!(says, !is_in, "{}", done.stderr);
    }
}
