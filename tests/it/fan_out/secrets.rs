//! A canary in everything that may be a secret, and a look at everything that is printed.

use std::error::Error;
use std::future::IntoFuture;

use untethered::http::{
    ErrorKind, FanOut, FetchRequest, HttpError, Progress, Retry, StatusCheck, Timeouts,
};
use untethered::sim::Sim;

use super::SECOND;
use super::server::Server;

/// `Debug`, `Display` and the same of every cause.
fn all_of(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text += &format!("{error}\n{error:?}\n{error:#?}\n");
        next = error.source();
    }
    text
}

fn assert_clean(text: &str) {
    assert!(!text.contains("canary"), "a secret is shown:\n{text}");
    // `canary:canary` in base64.
    assert!(!text.contains("Y2FuYXJ5"), "a secret is shown:\n{text}");
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

fn fan_out(sim: &Sim) -> FanOut {
    let server = Server::new(sim, |call| async move {
        match &*call.path {
            "/answer" => call.answer_with(200, &[("set-cookie", "canary")], "canary"),
            "/refused" => call.answer_with(500, &[("set-cookie", "canary")], "canary"),
            "/redirect" => call.redirect(302, "http://canary:canary@b/answer?canary#canary"),
            "/loop" => call.redirect(302, "http://canary:canary@a/loop?canary#canary"),
            "/wrong" => call.redirect(302, "http://canary:canary@a:99999/"),
            "/scheme" => call.redirect(302, "canary://canary:canary@a/"),
            "/broken" => Err(HttpError::new(ErrorKind::Connect)),
            "/late" => std::future::pending().await,
            other => panic!("{other}"),
        }
    });
    FanOut::new(&sim.runtime(), server)
        .header("x-api-key", "canary")
        .basic_auth("canary", "canary")
        .timeout(Timeouts::total(SECOND))
        .status_check(StatusCheck::errors())
        .retry(Retry::attempts(2))
        .progress(Progress::new(|tally| {
            assert_clean(&format!("{tally} {tally:?}"));
        }))
}

// H6
#[test]
fn no_secret_is_ever_shown() {
    let sim = Sim::new();
    let fan_out = fan_out(&sim);
    assert_clean(&format!("{fan_out:?} {fan_out:#?}"));
    let paths = [
        "answer", "refused", "redirect", "loop", "wrong", "scheme", "broken", "late",
    ];
    let urls = paths.map(|path| format!("http://canary:canary@a/{path}?canary=canary#canary"));
    let bad = [
        "http://canary:canary@a:99999/x?canary",
        "http://canary:can/ary@canary@a:x/x?canary",
        "ftp://canary:canary@a/?canary",
        "canary:canary@a/?canary",
        "http://canary:canary@/?canary",
        "http://canary:canary@a/\n?canary",
    ];
    let requests = urls.iter().map(String::as_str).chain(bad).map(|url| {
        FetchRequest::get(url)
            .header("cookie", "canary")
            .header("x-own", "canary")
            .body("canary")
    });
    let requests: Vec<_> = requests.collect();
    assert_clean(&format!("{requests:?} {requests:#?}"));
    let all = fan_out.fetch_all(requests);
    assert_clean(&format!("{all:?}"));
    let all = all.into_future();
    assert_clean(&format!("{all:?}"));
    let results = watched(|| sim.block_on(all));
    assert_clean(&format!("{results:?} {results:#?}"));
    let mut failed = 0;
    for (_, result) in &results {
        match result {
            Ok(fetched) => {
                assert_clean(&format!("{fetched:?} {:?}", fetched.history()));
                assert_clean(&serde_json::to_string(fetched).unwrap());
                assert!(!fetched.url().contains('@'));
            }
            Err(error) => {
                failed += 1;
                assert_clean(&all_of(error));
                assert_clean(error.url());
                assert_clean(&serde_json::to_string(error).unwrap());
            }
        }
    }
    assert_eq!(
        (results.len(), failed),
        (paths.len() + bad.len(), 6 + bad.len())
    );
    // What a refused answer holds is there for whoever asks.
    let refused = results[1].1.as_ref().unwrap_err().response().unwrap();
    assert_eq!(refused.body(), "canary");
}

#[test]
fn what_a_fail_fast_ends_with_shows_none() {
    let sim = Sim::new();
    let run = fan_out(&sim)
        .fetch_all(["http://canary:canary@a/broken?canary"])
        .fail_fast();
    assert_clean(&format!("{run:?}"));
    assert_clean(&all_of(&sim.block_on(run).unwrap_err()));
}

#[test]
fn what_is_sent_is_marked_so_that_no_client_prints_it() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).bearer_auth("canary");
    sim.block_on(async {
        let request = FetchRequest::get("http://canary:canary@a/")
            .header("cookie", "canary")
            .header("proxy-authorization", "canary");
        fan_out.fetch(request).await.unwrap();
        fan_out.fetch("http://a/").await.unwrap();
        let by_header = FanOut::new(&sim.runtime(), server.clone());
        let by_header = by_header.header("authorization", "Bearer canary");
        by_header.fetch("http://a/").await.unwrap();
    });
    for asked in &server.seen().requests {
        assert!(asked.headers.contains_key("authorization"));
        assert_clean(&format!("{:?}", asked.headers));
        assert_clean(&asked.url);
    }
}
