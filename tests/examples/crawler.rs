//! The crawler.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::program::{Done, LIMIT, Program};
use crate::refused;

/// The rows by path; no URL comes twice.
fn rows(done: &Done) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    for line in done.stdout.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let url = row["url"].as_str().unwrap().to_owned();
        let path = format!("/{}", url.splitn(4, '/').nth(3).unwrap());
        assert!(rows.insert(path, row).is_none(), "{url} comes twice");
    }
    rows
}

/// A server that answers with what `answer` makes of a path.
fn serve(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (asked, paths) = channel();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (answer, asked) = (answer.clone(), asked.clone());
            thread::spawn(move || {
                let mut path = String::new();
                for line in BufReader::new(&socket).lines().map_while(Result::ok) {
                    if let Some(rest) = line.strip_prefix("GET ") {
                        rest.split(' ').next().unwrap().clone_into(&mut path);
                        asked.send(path.clone()).ok();
                    } else if line.is_empty() {
                        let html = answer(&path);
                        let sent = send(&socket, &html);
                        if sent.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (base, paths)
}

fn send(mut socket: &TcpStream, html: &str) -> std::io::Result<()> {
    let length = html.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length:";
    socket.write_all(format!("{head} {length}\r\n\r\n{html}").as_bytes())
}

#[test]
fn it_finds_all_of_its_own_site() {
    let done = Program::new("crawler", &["--depth", "4"]).end();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let rows = rows(&done);
    let paths: Vec<_> = rows.keys().map(String::as_str).collect();
    let chapters: Vec<_> = (1..=20).map(|n| format!("/books/chapter-{n}")).collect();
    let mut expected = vec![
        "/",
        "/big",
        "/books/",
        "/books/notes?a=1&b=2",
        "/busy",
        "/gone",
        "/old",
    ];
    expected.extend(chapters.iter().map(String::as_str));
    expected.sort_unstable();
    assert_eq!(paths, expected);
    assert_eq!(
        (&rows["/"]["depth"], &rows["/"]["links"]),
        (&0.into(), &4.into())
    );
    assert_eq!(rows["/big"]["error"]["kind"], "body_too_large");
    assert_eq!(
        (&rows["/busy"]["status"], &rows["/busy"]["attempts"]),
        (&200.into(), &2.into())
    );
    assert_eq!(
        (&rows["/gone"]["status"], &rows["/gone"]["depth"]),
        (&404.into(), &4.into())
    );
    assert_eq!(rows["/old"]["status"], 200);
    assert!(
        done.stderr.contains("26 fetched, 1 failed, 0 left\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn depth_and_pages_are_limits() {
    let done = Program::new("crawler", &["--depth", "0"]).end();
    assert_eq!(
        (done.code, rows(&done).len()),
        (Some(0), 1),
        "{}",
        done.stderr
    );

    let done = Program::new("crawler", &["--pages", "3"]).end();
    assert_eq!(
        (done.code, rows(&done).len()),
        (Some(0), 3),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("3 fetched, 0 failed, 0 left, "),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains(" links beyond --pages"),
        "{}",
        done.stderr
    );
}

#[test]
fn links_are_found_as_browsers_find_them() {
    let html = r##"
        <a href="/double">1</a> <A class=x HREF='/single' id="y">2</A> <a download href=/bare>3</a>
        <a href = " /spaces ">4</a> <a
        href="/line?a=1&amp;b=2#part">5</a> <a name="/no">6</a> <area href="/no">
        <abbr href="/no"> <a href="mailto:a@b"> <a href="http://other.invalid/no"> <a href="
        <a data-href="/no" href="#top">7</a> <a href="relative">8</a> <a href="//[no">9</a>"##;
    let (base, asked) = serve(move |path| match path {
        "/in/" => html.to_owned(),
        _ => String::new(),
    });
    let start = format!("{base}/in/");
    let done = Program::new("crawler", &[&start, &format!("{start}#part")]).end();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let mut asked: Vec<_> = asked.try_iter().collect();
    asked.sort_unstable();
    let expected = [
        "/bare",
        "/double",
        "/in/",
        "/in/relative",
        "/line?a=1&b=2",
        "/single",
        "/spaces",
    ];
    assert_eq!(asked, expected);
}

#[test]
fn bad_options_are_refused() {
    for (args, says) in [
        (&["--depth", "many"][..], "--depth many: invalid digit"),
        (&["--depth"], "missing argument"),
        (
            &["--concurrency", "0"],
            "--concurrency 0: number would be zero",
        ),
        (&["--per-host", "0"], "--per-host 0: number would be zero"),
        (&["--pages", "-1"], "--pages -1: invalid digit"),
        (&["--timeout", "0"], "--timeout 0: number would be zero"),
        (&["--rate", "5"], "not of the form 5/1s"),
        (&["--rate", "0/1s"], "--rate 0/1s: "),
        (&["--rate", "1/0s"], "--rate 1/0s: "),
        (&["--what"], "invalid option '--what'"),
        (&["ftp://a.example/"], "ftp is neither http nor https"),
        (&["example.org"], "example.org: relative URL without a base"),
    ] {
        refused("crawler", args, says);
    }
}

#[test]
fn a_start_page_that_nobody_serves_is_a_failure() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let done = Program::new("crawler", &["--retries", "0", &url]).end();
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert_eq!(rows(&done)["/"]["error"]["kind"], "connect");
}

/// A start page with ten links, none of which is answered before the sender is dropped.
#[cfg(unix)]
fn held() -> (String, Receiver<String>, Sender<()>) {
    let (open, opened) = channel();
    let opened = Mutex::new(opened);
    let (base, asked) = serve(move |path| match path {
        "/" => (0..10).map(|n| format!("<a href=\"/{n}\">")).collect(),
        _ => {
            opened.lock().unwrap().recv().ok();
            String::new()
        }
    });
    (base + "/", asked, open)
}

#[cfg(unix)]
fn until_held(asked: &Receiver<String>) {
    for _ in 0..3 {
        asked.recv_timeout(LIMIT).unwrap(); // the first page, and two of the others
    }
}

#[cfg(unix)]
#[test]
fn a_signal_lets_what_is_under_way_finish_and_counts_the_rest() {
    for signal in ["INT", "TERM"] {
        let (url, asked, open) = held();
        let mut crawler = Program::new("crawler", &["--per-host", "2", "--timeout", "1000", &url]);
        until_held(&asked);
        crawler.signal(signal);
        crawler.wait_for("once more to stop now");
        drop(open);
        let done = crawler.end();
        assert_eq!(done.code, Some(130), "{}", done.stderr);
        assert_eq!(rows(&done).len(), 3);
        assert!(
            done.stderr.contains("3 fetched, 0 failed, 8 left\n"),
            "{}",
            done.stderr
        );
        assert!(asked.try_recv().is_err());
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_ends_it() {
    let done = Program::unheard("crawler", &[]).end();
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("Broken pipe"), "{}", done.stderr);
}

#[cfg(unix)]
#[test]
fn the_rate_is_kept_and_a_signal_ends_the_wait_for_it() {
    let (url, asked, _open) = held();
    let mut crawler = Program::new("crawler", &["--rate", "1/1000s", &url]);
    crawler.wait_for("\"depth\":0");
    crawler.signal("INT");
    let done = crawler.end();
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    assert!(
        done.stderr.contains("1 fetched, 0 failed, 10 left\n"),
        "{}",
        done.stderr
    );
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), ["/"]);
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let (url, asked, _open) = held();
    let mut crawler = Program::new("crawler", &["--per-host", "2", "--timeout", "1000", &url]);
    until_held(&asked);
    crawler.signal("INT");
    crawler.wait_for("once more to stop now");
    crawler.signal("INT");
    let done = crawler.end();
    assert_eq!(done.signal, Some(2), "{}", done.stderr); // as if nobody had listened
}
