//! A small site on this machine, so that the crawler has something to crawl.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use async_io::Async;
use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use untethered::group::GroupRef;
use url::Url;

/// Pages by path, each with its links. `/busy` answers the second time only, `/big` is too long,
/// `/gone` is not there, `/old` leads to `/new`.
fn pages() -> HashMap<String, String> {
    let mut pages = HashMap::new();
    let mut page = |path: &str, links: &[&str]| {
        let links = links
            .iter()
            .map(|link| format!("<p><a href=\"{link}\">{link}</a>\n"));
        pages.insert(path.to_owned(), links.collect());
    };
    page(
        "/",
        &[
            "books/",
            "/books/#top",
            "/old",
            "/busy",
            "/big",
            "http://elsewhere.invalid/",
        ],
    );
    let chapters: Vec<_> = (1..=20).map(|n| format!("chapter-{n}")).collect();
    let chapters: Vec<_> = chapters.iter().map(String::as_str).collect();
    page("/books/", &chapters);
    for chapter in &chapters {
        page(
            &format!("/books/{chapter}"),
            &["/", "./", "notes?a=1&amp;b=2"],
        );
    }
    page("/books/notes?a=1&b=2", &["/gone"]);
    page("/new", &["/"]);
    page("/busy", &["/"]);
    pages
}

/// Serves it in tasks of `group`. Gives the URL of its first page.
pub(crate) fn serve(group: &GroupRef) -> io::Result<Url> {
    let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
    let start = format!("http://{}/", listener.get_ref().local_addr()?);
    let connections = group.clone();
    group.task("site").spawn(async move {
        let pages = std::sync::Arc::new((pages(), AtomicUsize::new(0)));
        while let Ok((socket, _)) = listener.accept().await {
            let pages = pages.clone();
            // A client that has gone is none of our business.
            connections.spawn(async move { answer(socket, &pages.0, &pages.1).await.ok() });
        }
    });
    Url::parse(&start).map_err(io::Error::other)
}

/// Answers one request after the other, until the client closes.
async fn answer(
    socket: Async<TcpStream>,
    pages: &HashMap<String, String>,
    asked_busy: &AtomicUsize,
) -> io::Result<()> {
    let mut reader = BufReader::new(&socket);
    let mut path = String::new();
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        if path.is_empty() {
            line.split(' ').nth(1).unwrap_or("/").clone_into(&mut path);
        } else if line.trim_end().is_empty() {
            let is_busy = path == "/busy" && asked_busy.fetch_add(1, Ordering::Relaxed) == 0;
            let (status, body) = match (&*path, pages.get(&path)) {
                _ if is_busy => ("503 Service Unavailable\r\nRetry-After: 0", String::new()),
                ("/old", _) => ("302 Found\r\nLocation: /new", String::new()),
                ("/big", _) => ("200 OK", "x".repeat(2_000_000)),
                (_, Some(page)) => ("200 OK", page.clone()),
                (_, None) => ("404 Not Found", String::new()),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length:");
            let answer = format!("{head} {length}\r\n\r\n{body}");
            (&socket).write_all(answer.as_bytes()).await?;
            path.clear();
        }
        line.clear();
    }
    Ok(())
}
