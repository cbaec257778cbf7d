use std::future::IntoFuture;

use untethered::http::{
    Body, ErrorKind, FanOut, FetchRequest, Fetched, HeaderMap, HeaderValue, Method, header,
};
use untethered::sim::Sim;

use super::server::Server;

/// Answers `/go` of any host with that redirect, everything else with `ok`.
fn redirecting(sim: &Sim, status: u16, to: &'static str) -> Server {
    Server::new(sim, move |call| async move {
        if call.path == "/go" {
            call.redirect(status, to)
        } else {
            call.answer("ok")
        }
    })
}

fn fan_out(sim: &Sim, server: &Server) -> FanOut {
    FanOut::new(&sim.runtime(), server.clone())
}

fn fetch(sim: &Sim, fan_out: &FanOut, url: &str) -> Result<Fetched, (ErrorKind, String)> {
    let result = sim.block_on(fan_out.fetch(url));
    result.map_err(|error| (error.kind(), error.to_string()))
}

#[test]
fn a_location_is_resolved_against_the_url() {
    for (location, wanted) in [
        ("/abs?q", "http://h:81/abs?q"),
        ("rel", "http://h:81/rel"),
        ("../up", "http://h:81/up"),
        ("?query", "http://h:81/go?query"),
        ("//other/x", "http://other/x"),
        ("https://h/x", "https://h/x"),
        ("HTTP://OTHER/X", "http://other/X"),
        ("/a b", "http://h:81/a%20b"),
        ("/\u{fc}", "http://h:81/%C3%BC"),
    ] {
        let sim = Sim::new();
        // The query's target is the path itself: answer it the second time.
        let server = Server::new(&sim, move |call| async move {
            if call.url == "http://h:81/go" {
                call.redirect(302, location)
            } else {
                call.answer("ok")
            }
        });
        let fetched = fetch(&sim, &fan_out(&sim, &server), "http://h:81/go").unwrap();
        assert_eq!(fetched.url(), wanted, "{location}");
        assert_eq!(server.urls()[1], wanted);
        let [hop] = fetched.history() else { panic!() };
        assert_eq!((hop.status().as_u16(), hop.url()), (302, "http://h:81/go"));
    }
}

#[test]
fn a_fragment_is_kept_unless_the_location_has_one() {
    let sim = Sim::new();
    let server = redirecting(&sim, 302, "/there");
    let fetched = fetch(&sim, &fan_out(&sim, &server), "http://h/go#part").unwrap();
    assert_eq!(fetched.url(), "http://h/there#part");
    let server = redirecting(&sim, 302, "/there#own");
    let fetched = fetch(&sim, &fan_out(&sim, &server), "http://h/go#part").unwrap();
    assert_eq!(fetched.url(), "http://h/there#own");
    assert_eq!(server.urls()[1], "http://h/there");
}

#[test]
fn what_is_no_redirect_is_an_answer() {
    for (status, headers) in [
        (300, vec![("location", "/there")]),
        (304, vec![("location", "/there")]),
        (305, vec![("location", "/there")]),
        (200, vec![("location", "/there")]),
        (201, vec![("location", "/there")]),
        (302, vec![]),
    ] {
        let sim = Sim::new();
        let server = Server::new(&sim, move |call| {
            let headers = headers.clone();
            async move { call.answer_with(status, &headers, "body") }
        });
        let fetched = fetch(&sim, &fan_out(&sim, &server), "http://h/go").unwrap();
        assert_eq!(fetched.status(), status);
        assert!(fetched.history().is_empty());
    }
}

#[test]
fn a_redirect_is_an_answer_if_none_is_wanted() {
    let sim = Sim::new();
    let server = redirecting(&sim, 301, "/there");
    let fan_out = fan_out(&sim, &server).no_redirects();
    let fetched = fetch(&sim, &fan_out, "http://h/go").unwrap();
    assert_eq!(fetched.status(), 301);
    assert_eq!(fetched.body(), "elsewhere");
}

#[test]
fn the_limit_is_the_number_of_hops_allowed() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        match call.path[1..].parse::<u32>().unwrap() {
            0 => call.answer("ok"),
            n => call.redirect(302, &format!("/{}", n - 1)),
        }
    });
    let new = || fan_out(&sim, &server);
    assert_eq!(
        fetch(&sim, &new(), "http://h/10").unwrap().history().len(),
        10
    );
    let (kind, text) = fetch(&sim, &new(), "http://h/11").unwrap_err();
    assert_eq!(kind, ErrorKind::Redirect);
    assert!(text.contains("more than 10 redirects"), "{text}");
    let one = new().redirects(1);
    assert!(fetch(&sim, &one, "http://h/1").is_ok());
    assert!(fetch(&sim, &one, "http://h/2").is_err());
}

#[test]
fn a_loop_ends_as_soon_as_it_closes() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let next = if call.path == "/a" { "/b#x" } else { "/a#y" };
        call.redirect(302, next)
    });
    let (kind, text) = fetch(&sim, &fan_out(&sim, &server), "http://h/a").unwrap_err();
    assert_eq!(kind, ErrorKind::Redirect);
    assert!(text.contains("loop"), "{text}");
    assert_eq!(server.urls().len(), 2);
}

#[test]
fn from_post_to_get_of_the_same_url_is_no_loop() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        if call.method == Method::POST {
            call.redirect(303, "/")
        } else {
            call.answer("ok")
        }
    });
    let request = FetchRequest::new(Method::POST, "http://h/").body("form");
    let fetched = sim.block_on(fan_out(&sim, &server).fetch(request)).unwrap();
    assert_eq!(fetched.history().len(), 1);
}

#[test]
fn the_status_decides_on_method_and_body() {
    let cases = [
        (301, Method::POST, Method::GET, ""),
        (302, Method::POST, Method::GET, ""),
        (303, Method::POST, Method::GET, ""),
        (307, Method::POST, Method::POST, "body"),
        (308, Method::POST, Method::POST, "body"),
        (301, Method::PUT, Method::PUT, "body"),
        (302, Method::DELETE, Method::DELETE, "body"),
        (303, Method::PUT, Method::GET, ""),
        (303, Method::HEAD, Method::HEAD, "body"),
        (302, Method::HEAD, Method::HEAD, "body"),
        (307, Method::GET, Method::GET, "body"),
    ];
    for (status, method, then, body) in cases {
        let sim = Sim::new();
        let server = redirecting(&sim, status, "/there");
        let request = FetchRequest::new(method.clone(), "http://h/go")
            .header("content-type", "text/plain")
            .header("content-length", "4")
            .header("x-kept", "yes")
            .body("body");
        sim.block_on(fan_out(&sim, &server).fetch(request)).unwrap();
        let mut seen = server.seen();
        let second = &mut seen.requests[1];
        assert_eq!(second.method, then, "{status} {method}");
        assert_eq!(
            sim.block_on(second.body.take().unwrap().bytes(9)).unwrap(),
            body
        );
        assert_eq!(
            second.headers.contains_key("content-type"),
            !body.is_empty()
        );
        assert_eq!(
            second.headers.contains_key("content-length"),
            !body.is_empty()
        );
        assert!(second.headers.contains_key("x-kept"));
    }
}

#[test]
fn a_body_that_comes_in_pieces_is_not_sent_again() {
    let sim = Sim::new();
    for (status, is_ok) in [(303, true), (302, true), (307, false), (308, false)] {
        let server = redirecting(&sim, status, "/there");
        let request = FetchRequest::new(Method::POST, "http://h/go").body(Body::new(Pieces));
        let result = sim.block_on(fan_out(&sim, &server).fetch(request));
        assert_eq!(result.is_ok(), is_ok, "{status}");
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Redirect);
            assert!(error.maybe_sent());
            assert_eq!(error.url(), "http://h/go");
            assert_eq!(server.urls().len(), 1);
        }
    }
}

struct Pieces;

impl http_body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = untethered::http::HttpError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}

#[test]
fn some_places_are_not_gone_to() {
    for (from, to, says) in [
        ("https://h/go", "http://h/x", "from https to http"),
        ("http://h/go", "ftp://h/x", "something else"),
        ("http://h/go", "file:///etc/passwd", "something else"),
        ("http://h/go", "javascript:alert(1)", "something else"),
        ("http://h/go", "http://", "not a URL"),
        ("http://h/go", "http://h:99999/", "not a URL"),
        ("http://h/go", "http://[/", "not a URL"),
    ] {
        let sim = Sim::new();
        let server = redirecting(&sim, 302, to);
        let (kind, text) = fetch(&sim, &fan_out(&sim, &server), from).unwrap_err();
        assert_eq!(kind, ErrorKind::Redirect);
        assert!(text.contains(says), "{text}");
        assert_eq!(server.urls().len(), 1);
    }
}

#[test]
fn a_location_of_any_bytes_is_no_panic() {
    let sim = Sim::new();
    for bytes in [
        &b"\xff\xfe"[..],
        b"/\xe4",
        b"",
        b" ",
        b"\t",
        b"%",
        b"//",
        b"http:\\\\x",
    ] {
        let bytes = bytes.to_vec();
        let client = untethered::http::client_fn(move |request| {
            let bytes = bytes.clone();
            let is_first = untethered::http::Request::uri(&request).path() == "/go";
            async move {
                let mut response = untethered::http::Response::new(Body::empty());
                if is_first {
                    *response.status_mut() = untethered::http::StatusCode::FOUND;
                    let value = HeaderValue::from_bytes(&bytes).unwrap();
                    response.headers_mut().insert(header::LOCATION, value);
                }
                Ok(response)
            }
        });
        let fan_out = FanOut::new(&sim.runtime(), client);
        if let Err(error) = sim.block_on(fan_out.fetch("http://h/go")) {
            assert_eq!(error.kind(), ErrorKind::Redirect);
        }
    }
}

/// What a request with all kinds of credentials sends to the last of `places`, each of which
/// redirects to the next.
fn sent_after(status: u16, places: &[&'static str]) -> (HeaderMap, String) {
    let sim = Sim::new();
    let script: Vec<_> = places.to_vec();
    let server = Server::new(&sim, move |call| {
        let at = script.iter().position(|place| *place == call.url);
        let next = at.and_then(|at| script.get(at + 1)).copied();
        async move {
            match next {
                Some(next) => call.redirect(status, next),
                None => call.answer("ok"),
            }
        }
    });
    let mut marked = HeaderValue::from_static("canary");
    marked.set_sensitive(true);
    let request = FetchRequest::get(places[0])
        .header("cookie", "canary")
        .header("proxy-authorization", "canary")
        .header("host", "canary.example")
        .header("x-marked", marked.clone())
        .header("x-plain", "plain");
    let mut session = HeaderMap::new();
    session.insert("x-session", marked);
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .headers(session)
        .header("x-agent", "plain")
        .bearer_auth("canary");
    let fetched = sim.block_on(fan_out.fetch(request)).unwrap();
    assert_eq!(fetched.history().len(), places.len() - 1);
    let mut seen = server.seen();
    let last = seen.requests.pop().unwrap();
    (last.headers, last.url)
}

// H6
#[test]
fn credentials_stay_with_their_origin() {
    let start = "http://a.example/";
    for status in [301, 302, 303, 307, 308] {
        for other in [
            "http://b.example/",
            "http://a.example:81/",
            "https://a.example/",
            "http://sub.a.example/",
            "http://a.example.evil/",
        ] {
            // Also when it leads on, and when it leads back.
            for places in [
                &[start, other][..],
                &[start, other, "https://c.example/"],
                &[start, "http://b.example/x", "http://a.example/back"],
                &[
                    start,
                    "http://b.example/x",
                    "http://a.example/1",
                    "http://a.example/2",
                ],
            ] {
                let (headers, url) = sent_after(status, places);
                let text = format!("{headers:?}");
                assert!(
                    !text.contains("canary") && !text.contains("Sensitive"),
                    "{url}: {text}"
                );
                assert_eq!(headers["x-plain"], "plain");
                assert_eq!(headers["x-agent"], "plain");
            }
        }
        let (headers, _) = sent_after(status, &[start, "http://a.example:80/other"]);
        for name in [
            "authorization",
            "cookie",
            "proxy-authorization",
            "x-marked",
            "x-session",
        ] {
            assert!(headers.contains_key(name), "{name} must stay");
        }
    }
}

// H6
#[test]
fn user_info_of_a_url_stays_with_its_origin() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        match &*call.url {
            "http://a/" => call.redirect(302, "/same"),
            "http://a/same" => call.redirect(302, "http://b/"),
            "http://b/" => call.redirect(302, "http://a/back"),
            _ => call.answer("ok"),
        }
    });
    fetch(&sim, &fan_out(&sim, &server), "http://me:pass@a/").unwrap();
    let seen = server.seen();
    let authorized: Vec<_> = seen
        .requests
        .iter()
        .map(|asked| asked.headers.contains_key("authorization"))
        .collect();
    assert_eq!(authorized, [true, true, false, false]);
}

// H6
#[test]
fn user_info_of_a_location_goes_nowhere() {
    let sim = Sim::new();
    let server = redirecting(&sim, 302, "http://user:secret@b/there");
    let results = fan_out(&sim, &server).fetch_all(["http://a/go"]);
    let results = sim.block_on(results.into_future());
    let fetched = results[0].1.as_ref().unwrap();
    assert_eq!(fetched.url(), "http://b/there");
    let seen = server.seen();
    assert_eq!(seen.requests[1].url, "http://b/there");
    assert!(seen.requests[1].headers.is_empty());
}
