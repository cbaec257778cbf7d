//! A canary in everything a client is given, and a look at everything that is shown of it.

use std::error::Error;
use std::fmt::Debug;

use untethered::Runtime;
use untethered::http::conformance::{Server, response};
use untethered::http::{
    Body, Client, Engine, FanOut, FetchRequest, HeaderValue, Method, Progress, Retry, StatusCheck,
    Timeouts,
};
use untethered::runtime::threads;

// H6
#[test]
fn the_engine_shows_no_secret() {
    nothing_is_shown(crate::engine);
}

// H6
#[cfg(feature = "surf")]
#[test]
fn surf_shows_no_secret() {
    nothing_is_shown(crate::surf);
}

// H6
#[cfg(feature = "surf")]
#[test]
fn a_surf_of_ones_own_shows_no_secret() {
    nothing_is_shown(crate::own_surf);
}

// H6
#[cfg(feature = "reqwest")]
#[test]
fn reqwest_shows_no_secret() {
    nothing_is_shown(crate::reqwest);
}

// H6
#[cfg(feature = "reqwest")]
#[test]
fn reqwest_behind_a_proxy_shows_no_secret() {
    nothing_is_shown(reqwest_behind_proxy);
}

// H6
#[cfg(feature = "hyper-tokio")]
#[test]
fn hyper_shows_no_secret() {
    nothing_is_shown(crate::hyper);
}

// H6
#[cfg(feature = "isahc")]
#[test]
fn isahc_shows_no_secret() {
    nothing_is_shown(crate::isahc);
}

// H6
#[cfg(feature = "tower")]
#[test]
fn a_tower_service_shows_no_secret() {
    nothing_is_shown(crate::tower);
}

// H6
#[test]
fn what_is_set_up_shows_no_secret() {
    let rt = threads(1);
    let base = "http://canary.invalid/canary?canary".parse().unwrap();
    let builder = Engine::builder(&rt)
        .base_url(base)
        .user_agent(HeaderValue::from_static("canary"));
    shown(&builder);
    let engine = builder.build();
    shown(&engine);
    shown(&Body::from("canary"));
    shown(&Body::from("canary").chunks());
    #[cfg(feature = "surf")]
    shown(&untethered::http::SurfClient::from(
        surf::Client::with_http_client(engine.clone()).with(crate::AddHeader),
    ));
    #[cfg(feature = "hyper-tokio")]
    shown(&untethered::http::HyperClient::new(&rt));
    #[cfg(feature = "isahc")]
    shown(&untethered::http::IsahcClient::new(&rt).unwrap());
    #[cfg(feature = "tower")]
    {
        let service = untethered::http::ClientService::new(engine.clone());
        shown(&service);
        shown(&untethered::http::TowerClient::new(service));
    }
    let fan_out = FanOut::new(&rt, engine).basic_auth("canary", "canary");
    let url = "http://canary:canary@127.0.0.1/?canary";
    shown(&fan_out.fetch_all([url]));
    shown(&fan_out.fetch_all([url]).stream());
    shown(&fan_out.fetch_all([url]).fail_fast());
}

/// Everything that can go wrong, with a canary in all that is sent.
fn nothing_is_shown(client: fn(&Runtime) -> Box<dyn Client>) {
    let rt = threads(2);
    let server = Server::new(|peer| {
        while let Some(request) = peer.request() {
            let path = request.path().split('?').next().unwrap().to_owned();
            match &*path {
                "/answer" => peer.write(
                    b"HTTP/1.1 200 OK\r\nSet-Cookie: canary=canary\r\nContent-Length: 6\r\n\r\ncanary",
                ),
                "/refused" => peer.write(&response(500, b"canary")),
                "/loop" => peer.write(
                    b"HTTP/1.1 302 Found\r\nLocation: /loop?canary#canary\r\n\
                      Content-Length: 0\r\n\r\n",
                ),
                "/nowhere" => peer.write(
                    b"HTTP/1.1 302 Found\r\nLocation: canary://canary:canary@h/canary\r\n\
                      Content-Length: 0\r\n\r\n",
                ),
                "/garbage" => peer.write(b"canary\r\n\r\n"),
                "/half" => peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncanary"),
                "/big" => peer.write(&response(200, &[b'x'; 2000])),
                "/late" => peer.wait_for_close(),
                _ => return,
            }
            let goes_on = ["/answer", "/refused", "/loop", "/nowhere", "/big"];
            if !goes_on.contains(&&*path) {
                return;
            }
        }
    });
    let no_tls = Server::new(|peer| peer.write(b"HTTP/1.1 400 canary\r\n\r\n"));
    let port = server.address().port();
    let at =
        |path: &str| format!("http://canary:canary@127.0.0.1:{port}/{path}?canary=canary#canary");
    let paths = [
        "answer", "refused", "loop", "nowhere", "garbage", "half", "big", "late", "closed",
    ];
    let mut urls: Vec<_> = paths.into_iter().map(at).collect();
    let tls = no_tls.address().port().to_string();
    urls.push(
        at("tls")
            .replace("http:", "https:")
            .replace(&port.to_string(), &tls),
    );
    urls.push(at("refused").replace(&port.to_string(), "1"));
    let nowhere = format!("{}.invalid", "a".repeat(64));
    urls.push(at("resolve").replace("127.0.0.1", &nowhere));
    let requests = urls.iter().map(|url| {
        FetchRequest::new(Method::PUT, url)
            .header("cookie", "canary")
            .header("x-key", "canary")
            .body("canary")
    });
    let fan_out = FanOut::new(&rt, client(&rt))
        .bearer_auth("canary")
        .max_body(1000)
        .timeout(Timeouts::total(std::time::Duration::from_millis(500)))
        .retry(Retry::attempts(2))
        .status_check(StatusCheck::errors())
        .progress(Progress::new(|tally| {
            assert_clean(&format!("{tally} {tally:?}"));
        }));
    #[cfg(feature = "cookies")]
    let jar = untethered::http::CookieJar::new(&rt);
    #[cfg(feature = "cookies")]
    let fan_out = fan_out.cookies(&jar);
    #[cfg(feature = "decode")]
    let fan_out = fan_out.decode();
    let results = watched(|| rt.block_on(fan_out.fetch_all(requests)));
    shown(&fan_out);
    shown(&results);
    #[cfg(feature = "cookies")]
    shown(&jar);
    for (url, result) in &results {
        match result {
            Ok(fetched) => {
                assert!(url.contains("/answer"), "{url}");
                shown(fetched);
                assert_clean(&serde_json::to_string(fetched).unwrap());
            }
            Err(error) => {
                assert_clean(&serde_json::to_string(error).unwrap());
                let mut next: Option<&dyn Error> = Some(error);
                while let Some(error) = next {
                    assert_clean(&error.to_string());
                    shown(error);
                    next = error.source();
                }
            }
        }
    }
    assert_eq!(results.len(), paths.len() + 3);
    drop(fan_out);
    server.finish();
    no_tls.finish();
}

/// A proxy that can not be reached.
#[cfg(feature = "reqwest")]
fn reqwest_behind_proxy(_: &Runtime) -> Box<dyn Client> {
    let proxy = ::reqwest::Proxy::all("http://canary:canary@127.0.0.1:1/").unwrap();
    let client = ::reqwest::Client::builder().proxy(proxy).build().unwrap();
    let client = untethered::http::ReqwestClient::from(client);
    shown(&client);
    Box::new(client)
}

fn shown(value: &(impl Debug + ?Sized)) {
    assert_clean(&format!("{value:?} {value:#?}"));
}

#[track_caller]
fn assert_clean(text: &str) {
    // The other is `canary:canary` in base64.
    assert!(
        !text.contains("canary") && !text.contains("Y2FuYXJ5"),
        "a secret is shown:\n{text}"
    );
}

/// Runs `f`, and looks at what subscribers of `tracing` are told meanwhile.
fn watched<T>(f: impl FnOnce() -> T) -> T {
    #[cfg(not(feature = "tracing"))]
    return f();
    #[cfg(feature = "tracing")]
    {
        let mut output = None;
        let lines = crate::recorder::told("untethered::http", tracing::Level::TRACE, || {
            output = Some(f())
        });
        assert!(!lines.is_empty());
        assert_clean(&lines.join("\n"));
        output.unwrap()
    }
}
