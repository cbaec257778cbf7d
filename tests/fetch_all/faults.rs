use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::program::{Program, rows};
use crate::server::Server;

fn one(args: &[&str], url: &str) -> (i32, Value) {
    let args = [&["--input", "-"], args].concat();
    let done = Program::new(&args).feed(url);
    let mut rows = rows(&done.stdout);
    assert_eq!(rows.len(), 1, "{}", done.stderr);
    (done.status, rows.remove(0))
}

fn faulty() -> Server {
    Server::start(|request| match &*request.path {
        "/never" => request.wait_for_close(),
        "/half" => {
            let socket_closed = request.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            socket_closed.and(Err(std::io::ErrorKind::ConnectionAborted.into()))
        }
        "/garbage" => request.raw("this is no HTTP\r\n\r\n"),
        "/big" => request.answer(&"x".repeat(2000)),
        "/loop" => request.answer_with("302 Found", "Location: /loop\r\n", ""),
        "/there" => request.answer("there"),
        "/redirect" => request.answer_with("301 Moved", "Location: /there\r\n", "elsewhere"),
        path => {
            let status = path[1..].to_owned();
            request.answer_with(&status, "X-Latin: \u{e4}\r\n", "any")
        }
    })
}

#[test]
fn each_fault_has_its_kind() {
    let server = faulty();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    for client in ["surf", "engine"] {
        for (url, kind) in [
            (format!("{}/half", server.base), "truncated"),
            (format!("{}/garbage", server.base), "protocol"),
            (format!("{}/big", server.base), "body_too_large"),
            (format!("{}/loop", server.base), "redirect"),
            (refused.clone(), "connect"),
        ] {
            let (status, row) = one(&["--client", client, "--max-body", "1000"], &url);
            assert_eq!(
                (status, row["error"]["kind"].as_str()),
                (1, Some(kind)),
                "{row}"
            );
            assert!(!row["error"]["message"].as_str().unwrap().is_empty());
            assert!(row["error"].get("phase").is_none());
            assert_eq!(row["attempts"], 1);
        }
    }
}

#[test]
fn a_timeout_names_its_phase() {
    let server = faulty();
    let url = format!("{}/never", server.base);
    for client in ["surf", "engine"] {
        let (status, row) = one(&["--client", client, "--timeout", "0.05"], &url);
        assert_eq!(status, 1);
        assert_eq!(row["error"]["kind"], "timeout");
        assert_eq!(row["error"]["phase"], "total");
        let message = row["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("50ms passed while waiting for the answer"),
            "{message}"
        );
        assert!(row["ms"].as_f64().unwrap() >= 50.0);
    }
}

#[test]
fn any_status_is_an_answer() {
    let server = faulty();
    for client in ["surf", "engine"] {
        for code in [204, 404, 430, 500, 520, 999] {
            let url = format!("{}/{code}", server.base);
            let (status, row) = one(&["--client", client], &url);
            assert_eq!((status, row["status"].as_u64()), (0, Some(code)), "{row}");
        }
        let (status, row) = one(&["--client", client], &format!("{}/redirect", server.base));
        assert_eq!((status, row["bytes"].as_u64()), (0, Some(5)), "{row}");
    }
}

#[test]
fn a_closed_standard_output_ends_it() {
    let server = Server::echo();
    let mut running = Program::new(&["--input", "-"]).start();
    running.write(&format!("{}/1\n", server.base));
    running.row();
    drop(running.stdout.take());
    // For a moment another process that is being started may still hold the pipe, so one more
    // row need not be enough. Standard input is never closed: the end does not depend on it.
    let mut stdin = running.stdin.take().unwrap();
    let line = format!("{}/2\n", server.base);
    let feeder = thread::spawn(move || while stdin.write_all(line.as_bytes()).is_ok() {});
    let done = running.end_by_itself();
    feeder.join().unwrap();
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("output: "), "{}", done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}

#[test]
fn retries_go_on_until_there_is_an_answer() {
    for (retries, status, attempts) in [("0", 503, 1), ("1", 503, 2), ("2", 200, 3), ("9", 200, 3)]
    {
        let asked = AtomicUsize::new(0);
        let server = Server::start(move |request| match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => request.answer_with("503 Busy", "Retry-After: 0\r\n", "busy"),
            _ => request.answer("there"),
        });
        let (exit, row) = one(&["--retries", retries], &server.base);
        assert_eq!(exit, 0, "{row}");
        assert_eq!(
            (&row["status"], &row["attempts"]),
            (&status.into(), &attempts.into())
        );
    }
}
