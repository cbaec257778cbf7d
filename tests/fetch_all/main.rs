//! The example as a program: what it reads, writes and returns.

mod program;
mod resume;
mod server;

mod bodies;
mod faults;
mod input;
mod options;
#[cfg(unix)]
mod signals;
mod usage;

use std::collections::HashSet;
use std::sync::{Arc, Barrier};

use self::program::{Program, rows, runtimes};
use self::server::Server;

#[test]
fn without_input_it_fetches_500_urls_of_its_own() {
    let done = Program::new(&[]).run();
    assert_eq!(done.status, 0);
    let rows = rows(&done.stdout);
    assert_eq!(rows.len(), 500);
    let urls: HashSet<_> = rows.iter().map(|row| row["url"].as_str()).collect();
    assert_eq!(urls.len(), 500);
    for row in &rows {
        assert_eq!(row["key"], row["url"]);
        assert_eq!(
            (row["status"].as_u64(), row["bytes"].as_u64()),
            (Some(200), Some(1024))
        );
        assert!(row["ms"].as_f64().unwrap() > 0.0);
        assert_eq!(row["attempts"], 1);
        assert!(row.get("error").is_none());
    }
    assert!(
        done.stderr.contains("Progress: 500/500\n"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("500 done, 0 failed, 512000 bytes"),
        "{}",
        done.stderr
    );
}

#[test]
fn every_runtime_and_client_gives_the_same() {
    let server = Server::echo();
    let urls: String = (0..50).map(|n| format!("{}/{n}\n", server.base)).collect();
    for runtime in runtimes().0 {
        for client in ["surf", "engine"] {
            let args = ["--input", "-", "--runtime", runtime, "--client", client];
            let done = Program::new(&args).feed(&urls);
            assert_eq!(done.status, 0, "{runtime}, {client}: {}", done.stderr);
            let rows = rows(&done.stdout);
            let mut lines: Vec<_> = rows
                .iter()
                .map(|row| row["line"].as_u64().unwrap())
                .collect();
            lines.sort_unstable();
            assert_eq!(lines, (1..=50).collect::<Vec<_>>());
            assert!(rows.iter().all(|row| row["status"] == 200));
        }
    }
}

/// Two hosts, whose requests are answered in groups of `together`: with fewer at once it would
/// never end.
fn grouped(together: usize) -> (Server, String) {
    let barrier = Arc::new(Barrier::new(together));
    let server = Server::start_on(&["127.0.0.1", "127.0.0.2"], move |request| {
        barrier.wait();
        request.answer("ok")
    });
    let hosts = ["127.0.0.1", "127.0.0.2"].iter().cycle().take(40);
    let urls = hosts.map(|host| format!("http://{host}:{}/\n", server.port));
    let urls = urls.collect();
    (server, urls)
}

#[test]
fn concurrency_is_reached_and_not_passed() {
    let (server, urls) = grouped(5);
    let done = Program::new(&["--input", "-", "--concurrency", "5"]).feed(&urls);
    assert_eq!((done.status, rows(&done.stdout).len()), (0, 40));
    assert_eq!(server.peak(), 5);
}

#[test]
fn the_limit_per_host_is_reached_and_not_passed() {
    let (server, urls) = grouped(4);
    let done = Program::new(&["--input", "-", "--per-host", "2"]).feed(&urls);
    assert_eq!((done.status, rows(&done.stdout).len()), (0, 40));
    assert_eq!(server.peak(), 4);
}

#[test]
fn headers_are_sent_and_not_shown() {
    let server = Server::start(|request| {
        let wanted = "authorization: bearer canary";
        assert!(
            request.head.to_lowercase().contains(wanted),
            "{}",
            request.head
        );
        request.close()
    });
    let header = "Authorization: Bearer canary";
    let done = Program::new(&["--input", "-", "--header", header]).feed(&server.base);
    assert_eq!(done.status, 1);
    assert!(!done.stdout.contains("canary") && !done.stderr.contains("canary"));
    assert!(rows(&done.stdout)[0]["error"]["kind"].is_string());
}
