//! A session as a browser has it: a login that is kept, answers that are compressed, servers that
//! are busy now and then.
//!
//! ```text
//! cargo run --example session --features cookies,decode
//! ```
//!
//! The server is a double, and time is virtual: two seconds of patience take none.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use untethered::http::{
    Body, CookieJar, ErrorKind, FanOut, Request, Response, Retry, StatusCheck, Timeouts, client_fn,
};
use untethered::sim::Sim;
use untethered::time::Backoff;

static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Lets in who has been at `/login`, is busy at first, and speaks gzip.
fn answer(request: &Request<Body>) -> Response<Body> {
    let header = |name| request.headers().get(name).map(|value| value.as_bytes());
    let response = Response::builder();
    let answer = match request.uri().path() {
        "/login" => response.header("set-cookie", "id=7; Path=/").body("hello"),
        _ if header("cookie") != Some(b"id=7") => response.status(403).body(""),
        _ if ASKED.fetch_add(1, Ordering::Relaxed) == 0 => {
            response.status(503).header("retry-after", "2").body("")
        }
        _ => response.header("content-encoding", "gzip").body("news"),
    };
    let answer = answer.expect("its headers are some");
    let is_gzip = answer.headers().contains_key("content-encoding");
    answer.map(|text| match text {
        text if is_gzip => gzip(text),
        text => text.into(),
    })
}

fn gzip(text: &str) -> Body {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all").into()
}

fn main() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let jar = CookieJar::new(&rt);
    let server = client_fn(async |request: Request<Body>| Ok(answer(&request)));
    let session = FanOut::new(&rt, server)
        .cookies(&jar)
        .decode()
        .status_check(StatusCheck::errors())
        .timeout(Timeouts::total(Duration::from_secs(10)))
        .retry(Retry::attempts(3).backoff(Backoff::new(Duration::from_millis(100))));

    sim.block_on(async {
        // A status is an error where the session says so, and has the answer with it.
        let refused = session.fetch("http://a.test/news").await.unwrap_err();
        println!("{refused}");
        assert_eq!(refused.kind(), ErrorKind::Status);
        assert_eq!(refused.response().unwrap().status(), 403);

        session.fetch("http://a.test/login").await.unwrap();
        assert_eq!(jar.header("http://a.test/").unwrap(), "id=7");
        assert!(jar.header("http://b.test/").is_none());

        let news = session.fetch("http://a.test/news").await.unwrap();
        let earlier = news.earlier_attempts();
        println!("after {earlier:?}: {:?}", news.body());
        assert_eq!((news.body().as_ref(), news.attempts()), (&b"news"[..], 2));
    });
    // It was left alone for as long as it had asked for.
    assert!(sim.elapsed() >= Duration::from_secs(2));
}
