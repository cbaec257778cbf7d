use std::borrow::Cow;
use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use untethered::http::{
    Body, Client, ErrorKind, FanOut, FetchRequest, HttpError, Method, Progress, Request, Response,
    Retry, StatusCheck, Timeouts, client_fn, redact_url,
};
use untethered::sim::{Sim, explore_orders};
use untethered::time::Backoff;

use super::server::Server;
use super::{MS, SECOND};

#[test]
fn results_come_in_the_order_of_the_input_with_their_keys() {
    explore_orders(20, |sim| {
        let server = Server::new(sim, |call| async move {
            // The first in the input is the last to answer.
            let n: u32 = call.path[1..].parse().unwrap();
            call.sleep(MS * (100 - n)).await;
            call.answer("ok")
        });
        let fan_out = FanOut::new(&sim.runtime(), server).concurrency(7);
        let urls = (0..50).map(|n| (n, format!("http://h/{n}")));
        let results = sim.block_on(fan_out.fetch_all(urls).into_future());
        let keys: Vec<_> = results.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, (0..50).collect::<Vec<_>>());
        for (key, result) in &results {
            assert_eq!(result.as_ref().unwrap().url(), format!("http://h/{key}"));
        }
    });
}

#[test]
fn an_error_says_how_long_it_took_if_anything_was_tried() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.sleep(SECOND).await;
        Err(HttpError::new(ErrorKind::Connect))
    });
    let fan_out = FanOut::new(&sim.runtime(), server);
    let error = |url| sim.block_on(fan_out.fetch(url).into_future()).unwrap_err();
    assert_eq!(
        error("http://h/").to_string(),
        "no connection (http://h/, after 1.0s)"
    );
    assert_eq!(
        error("ftp://h/").to_string(),
        "invalid request: only http and https URLs can be fetched (ftp://h/)"
    );
}

#[test]
fn the_stream_gives_results_as_they_complete() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let n: u32 = call.path[1..].parse().unwrap();
        call.sleep(MS * n).await;
        call.answer("ok")
    });
    let fan_out = FanOut::new(&sim.runtime(), server);
    let mut stream = fan_out
        .fetch_all([
            ("c", "http://h/30"),
            ("a", "http://h/10"),
            ("b", "http://h/20"),
        ])
        .stream();
    let keys = sim.block_on(async {
        let mut keys = Vec::new();
        while let Some((key, result)) = stream.next().await {
            result.unwrap();
            keys.push((key, sim.elapsed()));
        }
        assert!(stream.next().await.is_none(), "the end is not the end");
        keys
    });
    assert_eq!(keys, [("a", MS * 10), ("b", MS * 20), ("c", MS * 30)]);
}

#[test]
fn a_repeated_key_keeps_every_row() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server);
    let results = sim.block_on(async {
        fan_out
            .fetch_all([
                ("twice", "http://h/1"),
                ("once", "http://h/2"),
                ("twice", "ftp://h/3"),
            ])
            .await
    });
    assert_eq!(results.len(), 3);
    assert_eq!(
        results.get("twice").unwrap().as_ref().unwrap().url(),
        "http://h/1"
    );
    let all: Vec<_> = results.get_all("twice").map(Result::is_ok).collect();
    assert_eq!(all, [true, false]);
    assert_eq!(results.get_all("once").count(), 1);
    assert!(results.get("never").is_none());
    assert_eq!(results.into_vec().len(), 3);
}

#[test]
fn get_finds_each_of_many_keys() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), Server::prompt(&sim));
    let urls = (0..2000).map(|n| (n % 1000, format!("http://h/{n}")));
    let results = sim.block_on(fan_out.fetch_all(urls).into_future());
    for key in 0..1000 {
        let urls: Vec<_> = results
            .get_all(&key)
            .map(|result| result.as_ref().unwrap().url().to_owned())
            .collect();
        let wanted = [key, key + 1000].map(|n| format!("http://h/{n}"));
        assert_eq!(urls, wanted);
    }
    assert!(results.get(&1000).is_none());
}

#[test]
fn without_a_key_the_url_as_given_is_the_key() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), Server::prompt(&sim));
    let texts = ["HTTP://Host/a b", "http://me:pass@h/"];
    let results = sim.block_on(fan_out.fetch_all(texts).into_future());
    for text in texts {
        assert!(results.get(text).unwrap().is_ok());
    }
    let owned = texts.map(String::from);
    let results = sim.block_on(fan_out.fetch_all(&owned).into_future());
    assert!(results.get(texts[0]).unwrap().is_ok());
    let request = Request::post("http://h/path").body(Body::empty()).unwrap();
    let results = sim.block_on(fan_out.fetch_all([request]).into_future());
    assert!(results.get("http://h/path").unwrap().is_ok());
    let request = FetchRequest::get("http://h/other");
    let results = sim.block_on(fan_out.fetch_all([request]).into_future());
    assert!(results.get("http://h/other").unwrap().is_ok());
}

#[test]
fn nothing_in_gives_nothing_out() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), Server::prompt(&sim))
        .progress(Progress::new(|_| panic!("nothing was done")));
    let none: [&str; 0] = [];
    assert!(
        sim.block_on(fan_out.fetch_all(none).into_future())
            .is_empty()
    );
    assert!(
        sim.block_on(fan_out.fetch_all(none).fail_fast())
            .unwrap()
            .is_empty()
    );
    assert!(
        sim.block_on(fan_out.fetch_all(none).stream().next())
            .is_none()
    );
}

#[test]
fn a_bad_url_is_the_result_of_its_key_and_no_other() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    let bad = [
        "",
        "   ",
        "no url",
        "/relative",
        "//host/path",
        "http://",
        "http://:80/",
        "http://h:99999/",
        "http://h:port/",
        "http://[::1/",
        "http://a b/",
        "http://h/\r\nHost: other",
        "http://h/\0",
        "ftp://h/",
        "file:///etc/passwd",
        "data:,x",
        "javascript:alert(1)",
        "http://h/\u{7f}",
        "\u{feff}",
    ];
    let urls = bad.iter().copied().chain(["http://good/"]);
    let results = sim.block_on(fan_out.fetch_all(urls).into_future());
    for (key, result) in &results[..bad.len()] {
        let error = result.as_ref().expect_err(key);
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{key:?}");
        assert_eq!(error.attempts(), 0);
        assert!(!error.maybe_sent());
        assert!(
            error.to_string().starts_with("invalid request: "),
            "{error}"
        );
    }
    assert!(results[bad.len()].1.is_ok());
    assert_eq!(server.urls(), ["http://good/"]);
}

#[test]
fn urls_are_written_as_a_server_wants_them() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    let urls = [
        "HTTP://HOST:80/a/../b c?d e#fragment",
        "http://b\u{fc}cher.example/\u{fc}?\u{fc}",
        "http://h",
        "http://h?q",
        "  http://h/trimmed  ",
        "http://[::1]:8080/",
    ];
    let results = sim.block_on(fan_out.fetch_all(urls).into_future());
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(
        server.urls(),
        [
            "http://host/b%20c?d%20e",
            "http://xn--bcher-kva.example/%C3%BC?%C3%BC",
            "http://h/",
            "http://h/?q",
            "http://h/trimmed",
            "http://[::1]:8080/",
        ]
    );
}

#[test]
fn a_bad_header_is_the_result_of_its_request() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    let get = || FetchRequest::get("http://h/");
    let bad = [
        get().header("space in name", "value"),
        get().header("name", "line\r\nbreak"),
        get().bearer_auth("line\nbreak"),
        get().basic_auth("co:lon", "password"),
    ];
    let results = sim.block_on(fan_out.fetch_all(bad).into_future());
    for (_, result) in &results {
        let error = result.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    assert!(server.urls().is_empty());
}

#[test]
fn a_request_goes_before_the_session() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .header("x-both", "session")
        .header("X-Session", "1")
        .header("x-session", "2")
        .basic_auth("me", "pass");
    sim.block_on(async {
        let request = FetchRequest::new(Method::PUT, "http://h/")
            .header("X-BOTH", "request 1")
            .header("x-both", "request 2")
            .bearer_auth("token")
            .body("body");
        fan_out.fetch(request).await.unwrap();
        fan_out.fetch("http://u%40x:p%C3%BC@h/").await.unwrap();
        fan_out.fetch("http://h/").await.unwrap();
    });
    let mut seen = server.seen();
    let values = |at: usize, name: &str| -> Vec<String> {
        let headers = &seen.requests[at].headers;
        let values = headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values(0, "x-both"), ["request 1", "request 2"]);
    assert_eq!(values(0, "x-session"), ["1", "2"]);
    assert_eq!(values(0, "authorization"), ["Bearer token"]);
    assert_eq!(values(1, "x-both"), ["session"]);
    // u@x:pü
    assert_eq!(values(1, "authorization"), ["Basic dUB4OnDDvA=="]);
    assert_eq!(values(2, "authorization"), ["Basic bWU6cGFzcw=="]);
    let first = &mut seen.requests[0];
    assert_eq!(first.method, Method::PUT);
    let body = first.body.take().unwrap();
    assert_eq!(sim.block_on(body.bytes(10)).unwrap(), "body");
    assert_eq!(seen.requests[1].url, "http://h/");
}

#[test]
fn any_status_is_an_answer_unless_a_check_says_otherwise() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let status = call.path[1..].parse().unwrap();
        call.answer_with(status, &[("x-why", "because")], "sorry")
    });
    let fan_out = FanOut::new(&sim.runtime(), server);
    let strict = fan_out.clone().status_check(StatusCheck::errors());
    let not_500 = StatusCheck::new(|status| status != 500);
    sim.block_on(async {
        for status in [204, 302, 400, 404, 430, 500, 520, 999] {
            let url = format!("http://h/{status}");
            let fetched = fan_out.fetch(&url).await.unwrap();
            assert_eq!(fetched.status(), status);
            assert_eq!(strict.fetch(&url).await.is_ok(), status < 400);
            let request = FetchRequest::get(&url).status_check(StatusCheck::off());
            assert!(strict.fetch(request).await.is_ok());
            let request = FetchRequest::get(&url).status_check(not_500.clone());
            assert_eq!(fan_out.fetch(request).await.is_ok(), status != 500);
        }
        let error = strict.fetch("http://h/404").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Status);
        assert!(error.to_string().contains("404 Not Found"), "{error}");
        let response = error.response().unwrap();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["x-why"], "because");
        assert_eq!(response.body(), "sorry");
    });
}

#[test]
fn the_body_of_a_refused_status_is_cut() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.drip(500, &[], std::iter::repeat((MS, "0123456789")))
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .status_check(StatusCheck::errors())
        .timeout(Timeouts::none());
    sim.block_on(async {
        let error = fan_out.fetch("http://h/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Status);
        assert_eq!(error.response().unwrap().body().len(), 64 * 1024);
        let error = fan_out.clone().max_body(15).fetch("http://h/").await;
        assert_eq!(
            error.unwrap_err().response().unwrap().body(),
            "012345678901234"
        );
    });
    assert_eq!(server.seen().running, 0);
}

#[test]
fn a_body_can_be_read_as_text() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        Ok(Response::new(Body::from(match &*call.path {
            "/text" => "gr\u{fc}n".as_bytes().to_vec(),
            _ => b"gr\xfcn".to_vec(),
        })))
    });
    let fan_out = FanOut::new(&sim.runtime(), server);
    sim.block_on(async {
        let text = fan_out.fetch("http://h/text").await.unwrap();
        assert!(matches!(text.text(), Cow::Borrowed("gr\u{fc}n")));
        let other = fan_out.fetch("http://h/latin").await.unwrap();
        assert_eq!(other.text(), "gr\u{fffd}n");
    });
}

// H16
#[test]
fn a_body_above_the_limit_is_an_error_and_is_not_read_on() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        match &*call.path {
            "/endless" => call.drip(200, &[], std::iter::repeat((MS, "0123456789"))),
            "/known" => Ok(Response::new(Body::from("0123456789x"))),
            _ => call.drip(200, &[], [(MS, "01234"), (MS, "56789")]),
        }
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).max_body(10);
    sim.block_on(async {
        assert_eq!(
            fan_out.fetch("http://h/fits").await.unwrap().body(),
            "0123456789"
        );
        for path in ["endless", "known"] {
            let error = fan_out.fetch(format!("http://h/{path}")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
            assert!(error.to_string().contains("10 bytes"), "{error}");
        }
        let none = fan_out.clone().max_body(0);
        let error = none.fetch("http://h/fits").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
        let all = fan_out.clone().unlimited_body();
        assert_eq!(all.fetch("http://h/known").await.unwrap().body().len(), 11);
    });
    assert_eq!(server.seen().running, 0);
}

// H16
#[test]
fn the_body_limit_is_on_by_default() {
    let sim = Sim::new();
    let chunk: &'static str = "x".repeat(1 << 20).leak();
    let server = Server::new(&sim, move |call| async move {
        let n = call.path[1..].parse().unwrap();
        call.drip(200, &[], vec![(MS, chunk); n])
    });
    let fan_out = FanOut::new(&sim.runtime(), server);
    sim.block_on(async {
        assert!(fan_out.fetch("http://h/32").await.is_ok());
        let error = fan_out.fetch("http://h/33").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    });
}

#[test]
fn an_error_of_the_client_keeps_its_kind_and_cause() {
    let sim = Sim::new();
    let client = client_fn(|request: Request<Body>| async move {
        match request.uri().path() {
            "/refused" => Err(HttpError::new(ErrorKind::Connect)
                .with_source(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))),
            "/body" => {
                let error = HttpError::new(ErrorKind::Truncated).with_maybe_sent();
                Ok(Response::new(Body::new(Broken(Some(error)))))
            }
            _ => Ok(Response::new(Body::empty())),
        }
    });
    let fan_out = FanOut::new(&sim.runtime(), client);
    let urls = ["http://h/refused", "http://h/body", "http://h/fine"];
    let results = sim.block_on(fan_out.fetch_all(urls).into_future());
    let refused = results[0].1.as_ref().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Connect);
    assert!(refused.source().unwrap().to_string().contains("refused"));
    assert_eq!(refused.url(), "http://h/refused");
    assert_eq!(refused.attempts(), 1);
    let body = results[1].1.as_ref().unwrap_err();
    assert_eq!(body.kind(), ErrorKind::Truncated);
    assert!(body.maybe_sent());
    assert!(results[2].1.is_ok());
}

struct Broken(Option<HttpError>);

impl http_body::Body for Broken {
    type Data = bytes::Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, HttpError>>> {
        std::task::Poll::Ready(self.0.take().map(Err))
    }
}

#[test]
fn fail_fast_drops_the_others_before_the_error_is_seen() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        if call.path == "/bad" {
            call.sleep(SECOND).await;
            return Err(ErrorKind::Connect.into());
        }
        call.sleep(SECOND * 5).await;
        call.answer("ok")
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).concurrency(3);
    let urls = ["good", "bad", "good", "good", "good"].map(|it| (it, format!("http://h/{it}")));
    sim.block_on(async {
        let failed = fan_out.fetch_all(urls).fail_fast().await.unwrap_err();
        assert_eq!(server.seen().running, 0);
        assert_eq!(*failed.key(), "bad");
        assert_eq!(failed.error().kind(), ErrorKind::Connect);
        let (key, error) = failed.into_parts();
        assert_eq!((key, error.url()), ("bad", "http://h/bad"));
    });
    assert_eq!(sim.elapsed(), SECOND);
    assert_eq!(server.urls().len(), 3);
}

#[test]
fn fail_fast_gives_all_answers_in_order() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.sleep(MS * call.path.len() as u32).await;
        call.answer("ok")
    });
    let fan_out = FanOut::new(&sim.runtime(), server);
    let all = fan_out
        .fetch_all(["http://h/long", "http://h/s"])
        .fail_fast();
    let all = sim.block_on(all).unwrap();
    let urls: Vec<_> = all.iter().map(|(_, fetched)| fetched.url()).collect();
    assert_eq!(urls, ["http://h/long", "http://h/s"]);
}

#[test]
fn a_hundred_thousand_urls_stay_within_the_window() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(10)
        .per_host(3);
    let taken = std::cell::Cell::new(0);
    // Not `Send`: counted outside.
    let (sender, receiver) = std::sync::mpsc::channel();
    let urls = (0..100_000).map(move |n| {
        sender.send(()).unwrap();
        (n, format!("http://h{}/", n % 5))
    });
    let mut stream = fan_out.fetch_all(urls).stream();
    sim.block_on(async {
        let mut done = 0;
        while let Some((_, result)) = stream.next().await {
            result.unwrap();
            done += 1;
            taken.set(taken.get() + receiver.try_iter().count());
            assert!(
                taken.get() - done <= 4 * 10,
                "{} taken, {done} done",
                taken.get()
            );
            server.seen().requests.clear();
        }
        assert_eq!(done, 100_000);
    });
}

#[test]
fn nothing_is_taken_before_the_first_poll() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), Server::prompt(&sim));
    let urls = std::iter::from_fn(|| -> Option<&str> { panic!("taken") });
    drop(fan_out.fetch_all(urls));
}

#[test]
fn the_client_is_shared_and_the_session_is_used_again() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).concurrency(2);
    sim.block_on(async {
        fan_out.fetch_all(["http://h/"; 4]).await;
        assert_eq!(sim.elapsed(), SECOND * 2);
        // Both at the same time: the limit is the session's.
        let other = fan_out.clone();
        futures_lite::future::zip(
            fan_out.fetch_all(["http://h/"; 2]).into_future(),
            other.fetch_all(["http://h/"; 2]).into_future(),
        )
        .await;
        assert_eq!(sim.elapsed(), SECOND * 4);
    });
    assert_eq!(server.seen().peak, 2);
}

#[test]
fn nought_is_refused_where_it_is_said() {
    use std::panic::catch_unwind;
    let sim = Sim::new();
    let new = || FanOut::new(&sim.runtime(), Server::prompt(&sim));
    type Wrong<'a> = Box<dyn Fn() + 'a>;
    let refused: [(&str, Wrong<'_>); 9] = [
        ("one or more", Box::new(|| drop(new().concurrency(0)))),
        ("one or more", Box::new(|| drop(new().per_host(0)))),
        ("no_redirects()", Box::new(|| drop(new().redirects(0)))),
        ("no header", Box::new(|| drop(new().bearer_auth("\n")))),
        ("colon", Box::new(|| drop(new().basic_auth("a:b", "c")))),
        (
            "no header can have that name",
            Box::new(|| drop(new().header("a b", "c"))),
        ),
        (
            "the header a can not hold that value",
            Box::new(|| drop(new().header("a", "\n"))),
        ),
        (
            "no_total()",
            Box::new(|| _ = Timeouts::total(Duration::ZERO)),
        ),
        (
            "no_first_byte()",
            Box::new(|| _ = Timeouts::new().first_byte(Duration::ZERO)),
        ),
    ];
    for (says, wrong) in refused {
        let panic = catch_unwind(std::panic::AssertUnwindSafe(wrong)).unwrap_err();
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap();
        assert!(text.contains(says), "{text}");
    }
    let one = NonZeroUsize::MIN.get();
    drop(new().concurrency(one).per_host(one).redirects(one));
}

#[test]
fn urls_are_redacted() {
    assert_eq!(redact_url("HTTP://h/As%20Written"), "HTTP://h/As%20Written");
    assert_eq!(redact_url("http://u:p@h:81/x?y=@#z"), "http://h:81/x?y=@#z");
    assert_eq!(redact_url("http://u:p/q@h:x/"), "http://h:x/");
    assert_eq!(redact_url("u:p@h/"), "h/");
    assert_eq!(redact_url("no url"), "no url");
}

#[test]
fn stats_say_what_was_done_and_what_runs() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.sleep(SECOND).await;
        match call.path.as_str() {
            "/bad" => Err(ErrorKind::Connect.into()),
            _ => call.answer("four"),
        }
    });
    let fan_out = FanOut::new(&sim.runtime(), server)
        .concurrency(2)
        .retry(Retry::attempts(2).backoff(Backoff::new(SECOND).without_jitter()));
    let rt = sim.runtime();
    let watched = fan_out.clone();
    let half = rt.sleep(MS * 500);
    let seen = rt.spawn(async move {
        half.await;
        watched.stats()
    });
    let urls = ["http://h/1", "http://h/bad", "http://h/2", "none"];
    sim.block_on(fan_out.fetch_all(urls).into_future());
    let seen = sim.block_on(seen).unwrap();
    assert_eq!((seen.running, seen.done, seen.failed), (2, 0, 1));
    let stats = fan_out.stats();
    assert_eq!((stats.running, stats.done, stats.failed), (0, 2, 2));
    assert_eq!((stats.retries, stats.bytes), (1, 8));
}

#[test]
fn a_request_shows_its_url_and_authenticates_in_place_of_the_session() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).basic_auth("session", "secret");
    let request = FetchRequest::get("http://h/").basic_auth("me", "pass");
    assert_eq!(request.url(), "http://h/");
    sim.block_on(fan_out.fetch(request)).unwrap();
    let seen = server.seen();
    // `me:pass` in base64.
    assert_eq!(
        seen.requests[0].headers["authorization"],
        "Basic bWU6cGFzcw=="
    );
}

#[test]
fn a_client_may_be_borrowed_boxed_or_shared() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let server = || Server::prompt(&sim);
    let borrowed: &'static Server = Box::leak(Box::new(server()));
    let clients: [Box<dyn Client>; 3] = [
        Box::new(borrowed),
        Box::new(Arc::new(server())),
        Box::new(Box::new(server()) as Box<dyn Client>),
    ];
    for client in clients {
        // What it can do is what the one inside can.
        assert!(client.capabilities().phases());
        let fetched = sim.block_on(FanOut::new(&rt, client).fetch("http://h/"));
        assert_eq!(fetched.unwrap().into_body(), "ok");
    }
}
