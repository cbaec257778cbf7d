use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::stream;
use untethered::CancellationToken;
use untethered::http::{
    Body, ErrorKind, ExchangePhase, FanOut, FetchRequest, HttpError, Method, Response, Retry,
    StatusCheck, StatusCode, TimeoutPhase, Timeouts,
};
use untethered::sim::{Order, Sim, drop_at_every_poll};
use untethered::sync::RateLimit;
use untethered::time::Backoff;

use super::server::{Answer, Call, Server};
use super::{MS, SECOND};
use crate::random::Random;
use crate::support::seeds;

/// Three attempts, a second and then two apart.
fn retry() -> Retry {
    Retry::default().backoff(Backoff::new(SECOND).without_jitter())
}

fn fan_out(sim: &Sim, server: &Server) -> FanOut {
    FanOut::new(&sim.runtime(), server.clone()).retry(retry())
}

/// Answers the first requests for each URL with these, then with `ok`.
fn failing(sim: &Sim, failures: &[fn(Call) -> Answer]) -> Server {
    let failures = failures.to_vec();
    let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    Server::new(sim, move |call| {
        let mut asked = asked.lock().unwrap();
        let count = asked.entry(call.url.clone()).or_default();
        let failure = failures.get(*count).copied();
        *count += 1;
        async move {
            match failure {
                Some(failure) => failure(call),
                None => call.answer("ok"),
            }
        }
    })
}

/// Takes requests and never answers.
fn silent(sim: &Sim) -> Server {
    Server::new(sim, |call| async move {
        call.report(ExchangePhase::Sent);
        std::future::pending().await
    })
}

fn busy(call: Call) -> Answer {
    call.answer_with(503, &[], "busy")
}

/// Nothing was sent.
fn refused(_: Call) -> Answer {
    Err(ErrorKind::Connect.into())
}

/// Everything was.
fn cut_off(call: Call) -> Answer {
    call.report(ExchangePhase::Sent);
    Err(HttpError::new(ErrorKind::Truncated).with_maybe_sent())
}

/// The head came, and a part of the body.
fn cut_off_in_the_body(_: Call) -> Answer {
    let pieces = [
        Ok(Bytes::from_static(b"the begin")),
        Err(ErrorKind::Truncated.into()),
    ];
    Ok(Response::new(Body::stream(stream::iter(pieces))))
}

fn post() -> FetchRequest {
    FetchRequest::new(Method::POST, "http://h/").body("once")
}

#[test]
fn what_fails_is_tried_again_and_each_attempt_is_written_down() {
    let sim = Sim::new();
    let server = failing(&sim, &[refused, busy]);
    let fetched = sim
        .block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap();
    assert_eq!(fetched.body(), "ok");
    assert_eq!(fetched.attempts(), 3);
    let earlier: Vec<_> = fetched
        .earlier_attempts()
        .iter()
        .map(|it| (it.status(), it.error(), it.delay()))
        .collect();
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(
        earlier,
        [
            (None, Some(ErrorKind::Connect), SECOND),
            (Some(unavailable), None, SECOND * 2),
        ]
    );
    assert_eq!(server.starts(), [Duration::ZERO, SECOND, SECOND * 3]);
    // Waiting is not counted.
    assert_eq!(fetched.elapsed(), Duration::ZERO);
}

#[test]
fn nothing_is_tried_again_unless_asked() {
    let sim = Sim::new();
    let server = failing(&sim, &[busy]);
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    let fetched = sim.block_on(fan_out.fetch("http://h/")).unwrap();
    assert_eq!((fetched.status().as_u16(), fetched.attempts()), (503, 1));
    assert!(fetched.earlier_attempts().is_empty());
}

#[test]
fn the_last_failure_is_what_is_given() {
    let sim = Sim::new();
    let server = failing(&sim, &[refused, cut_off, busy]);
    let fetched = sim
        .block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap();
    assert_eq!((fetched.status().as_u16(), fetched.attempts()), (503, 3));
    assert_eq!(fetched.body(), "busy");

    let server = failing(&sim, &[busy, cut_off, refused]);
    let error = sim
        .block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!((error.attempts(), error.earlier_attempts().len()), (3, 2));
    // The attempts before were seen.
    assert!(error.maybe_sent());
    assert!(error.to_string().contains("in 3 attempts"), "{error}");

    let server = failing(&sim, &[refused, refused, refused]);
    let error = sim
        .block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap_err();
    assert!(!error.maybe_sent());

    let server = failing(&sim, &[busy, busy, busy]);
    let strict = fan_out(&sim, &server).status_check(StatusCheck::errors());
    let error = sim.block_on(strict.fetch("http://h/")).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 3));
    assert_eq!(error.response().unwrap().earlier_attempts().len(), 2);
}

#[test]
fn a_body_that_is_cut_off_is_fetched_again() {
    let sim = Sim::new();
    let server = failing(&sim, &[cut_off_in_the_body, cut_off_in_the_body]);
    let fetched = sim
        .block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap();
    assert_eq!(
        (fetched.body().as_ref(), fetched.attempts()),
        (&b"ok"[..], 3)
    );
}

#[test]
fn only_what_may_go_better_is_tried_again() {
    let attempts_of = |answer: fn(Call) -> Answer| {
        let sim = Sim::new();
        let server = failing(&sim, &[answer]);
        sim.block_on(fan_out(&sim, &server).fetch("http://h/")).ok();
        server.starts().len()
    };
    for again in [408, 429, 500, 502, 503, 504] {
        let sim = Sim::new();
        let server = Server::new(
            &sim,
            move |call| async move { call.answer_with(again, &[], "") },
        );
        sim.block_on(fan_out(&sim, &server).fetch("http://h/"))
            .unwrap();
        assert_eq!(server.starts().len(), 3, "{again}");
    }
    for final_status in [200, 204, 304, 400, 401, 404, 410, 425, 501, 505, 520, 999] {
        let sim = Sim::new();
        let server = Server::new(&sim, move |call| async move {
            call.answer_with(final_status, &[], "")
        });
        sim.block_on(fan_out(&sim, &server).fetch("http://h/"))
            .unwrap();
        assert_eq!(server.starts().len(), 1, "{final_status}");
    }
    assert_eq!(attempts_of(|_| Err(ErrorKind::Resolve.into())), 2);
    assert_eq!(attempts_of(|_| Err(ErrorKind::Tls.into())), 1);
    assert_eq!(attempts_of(|_| Err(ErrorKind::Protocol.into())), 1);
    assert_eq!(attempts_of(|_| Err(ErrorKind::InvalidRequest.into())), 1);
    assert_eq!(attempts_of(|_| Err(ErrorKind::Unsupported.into())), 1);
    assert_eq!(attempts_of(|_| Err(ErrorKind::Cancelled.into())), 1);
    assert_eq!(attempts_of(|call| call.redirect(302, "http://h/")), 1);
    let too_large = |call: Call| call.answer("more than two");
    let sim = Sim::new();
    let server = failing(&sim, &[too_large]);
    let error = sim.block_on(fan_out(&sim, &server).max_body(2).fetch("http://h/"));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::BodyTooLarge);
    assert_eq!(server.starts().len(), 1);
}

#[test]
fn the_statuses_can_be_chosen() {
    let sim = Sim::new();
    let server = failing(&sim, &[(|call| call.answer_with(404, &[], "")), busy]);
    let fan_out = fan_out(&sim, &server).retry(retry().statuses([StatusCode::NOT_FOUND]));
    let fetched = sim.block_on(fan_out.fetch("http://h/")).unwrap();
    assert_eq!((fetched.status().as_u16(), fetched.attempts()), (503, 2));
}

// H3
#[test]
fn what_may_not_be_done_twice_is_not() {
    let sim = Sim::new();
    for (failure, attempts) in [
        (refused as fn(Call) -> Answer, 2),
        (cut_off, 1),
        (busy, 1),
        (cut_off_in_the_body, 1),
    ] {
        let server = failing(&sim, &[failure]);
        sim.block_on(fan_out(&sim, &server).fetch(post())).ok();
        assert_eq!(server.starts().len(), attempts);
        // A GET of the same is.
        let server = failing(&sim, &[failure]);
        sim.block_on(fan_out(&sim, &server).fetch("http://h/"))
            .unwrap();
        assert_eq!(server.starts().len(), 2);
    }
    // Once it may have been sent, it stays so.
    let server = failing(&sim, &[refused, cut_off, refused]);
    let error = sim
        .block_on(fan_out(&sim, &server).fetch(post()))
        .unwrap_err();
    assert_eq!((error.attempts(), error.maybe_sent()), (2, true));

    let server = failing(&sim, &[cut_off, busy]);
    let any = fan_out(&sim, &server).retry(retry().any_method());
    assert_eq!(sim.block_on(any.fetch(post())).unwrap().attempts(), 3);
    for asked in &mut server.seen().requests {
        let body = sim.block_on(asked.body.take().unwrap().bytes(9)).unwrap();
        assert_eq!(body, "once");
    }
    // What comes in pieces is gone once it was sent.
    let server = failing(&sim, &[refused]);
    let pieces = Body::stream(stream::iter([Ok(Bytes::from_static(b"once"))]));
    let request = FetchRequest::new(Method::PUT, "http://h/").body(pieces);
    let error = sim
        .block_on(fan_out(&sim, &server).fetch(request))
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 1));
}

// H3
#[test]
fn after_a_redirect_only_the_last_hop_is_tried_again() {
    let sim = Sim::new();
    let failed = Mutex::new(false);
    let server = Server::new(&sim, move |call| {
        let is_first = call.path == "/end" && !std::mem::replace(&mut failed.lock().unwrap(), true);
        async move {
            match call.path.as_str() {
                "/end" if is_first => busy(call),
                "/end" => call.answer("ok"),
                _ => call.redirect(303, "/end"),
            }
        }
    });
    // The POST is done once; the GET it led to may be done again.
    let fetched = sim.block_on(fan_out(&sim, &server).fetch(post())).unwrap();
    assert_eq!((fetched.attempts(), fetched.history().len()), (2, 1));
    let urls = ["http://h/", "http://h/end", "http://h/end"];
    assert_eq!(server.urls(), urls);
}

// H4
#[test]
fn a_host_that_asks_to_be_left_alone_is_by_all_requests() {
    let sim = Sim::new();
    let server = failing(
        &sim,
        &[|call: Call| {
            if call.url.starts_with("http://a/0") {
                call.answer_with(429, &[("retry-after", "10")], "")
            } else {
                call.answer("ok")
            }
        }],
    );
    let fan_out = fan_out(&sim, &server).concurrency(1);
    let urls = [
        "http://a/0",
        "http://a/1",
        "http://b/0",
        "http://a/2",
        "http://b/1",
    ];
    let results = sim.block_on(fan_out.fetch_all(urls).into_future());
    assert!(
        results
            .iter()
            .all(|(_, it)| it.as_ref().unwrap().body() == "ok")
    );
    let seen = server.urls();
    let at: Vec<_> = server.starts().iter().map(Duration::as_secs).collect();
    assert_eq!(at, [0, 0, 0, 10, 10, 10]);
    assert_eq!(seen[1..3], ["http://b/0", "http://b/1"]);
    let first = results.get("http://a/0").unwrap().as_ref().unwrap();
    assert_eq!(first.earlier_attempts()[0].delay(), SECOND * 10);
}

#[test]
fn a_date_to_come_back_at_is_understood() {
    let sim = Sim::new();
    let server = failing(
        &sim,
        &[|call: Call| {
            let headers = [
                ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT"),
            ];
            call.answer_with(503, &headers, "")
        }],
    );
    sim.block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap();
    assert_eq!(server.starts(), [Duration::ZERO, SECOND * 20]);
}

#[test]
fn a_host_is_left_alone_no_longer_than_allowed() {
    let sim = Sim::new();
    let server = failing(
        &sim,
        &[|call: Call| call.answer_with(503, &[("retry-after", "99999999999999999999")], "")],
    );
    let fan_out = fan_out(&sim, &server).retry(retry().longest_pause(SECOND * 30));
    sim.block_on(fan_out.fetch("http://h/")).unwrap();
    assert_eq!(server.starts(), [Duration::ZERO, SECOND * 30]);
}

#[test]
fn a_request_that_waits_for_its_host_counts_that_to_its_queue() {
    let sim = Sim::new();
    let server = failing(
        &sim,
        &[|call: Call| {
            if call.path == "/0" {
                call.answer_with(429, &[("retry-after", "10")], "")
            } else {
                call.answer("ok")
            }
        }],
    );
    let fan_out = fan_out(&sim, &server)
        .concurrency(1)
        .timeout(Timeouts::new().queue(SECOND * 4));
    let results = sim.block_on(
        fan_out
            .fetch_all(["http://h/0", "http://h/1"])
            .into_future(),
    );
    let error = results.get("http://h/1").unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Queue));
    // Its own wait is none for a slot.
    let retried = results.get("http://h/0").unwrap().as_ref().unwrap();
    assert_eq!(retried.attempts(), 2);
}

#[test]
fn each_attempt_has_the_limits_of_time_to_itself() {
    let sim = Sim::new();
    let server = silent(&sim);
    let fan_out = fan_out(&sim, &server).timeout(Timeouts::total(SECOND * 10));
    let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
    assert_eq!((error.attempts(), error.elapsed()), (3, SECOND * 30));
    assert_eq!(sim.elapsed(), SECOND * 33);
    let earlier = error.earlier_attempts();
    assert!(earlier.iter().all(|it| it.elapsed() == SECOND * 10));
}

#[test]
fn all_attempts_together_end_in_time() {
    let sim = Sim::new();
    let server = silent(&sim);
    let fan_out = |limit| {
        fan_out(&sim, &server)
            .timeout(Timeouts::total(SECOND * 10))
            .retry(retry().within(limit))
    };
    // The second attempt is cut short.
    let begun = sim.elapsed();
    let error = sim
        .block_on(fan_out(SECOND * 15).fetch("http://h/"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
    assert_eq!((sim.elapsed() - begun, error.attempts()), (SECOND * 15, 2));
    assert!(error.to_string().contains("15s passed"), "{error}");
    // The third could not even begin.
    let begun = sim.elapsed();
    let error = sim
        .block_on(fan_out(SECOND * 23).fetch("http://h/"))
        .unwrap_err();
    assert_eq!((sim.elapsed() - begun, error.attempts()), (SECOND * 21, 2));
}

// H4
#[test]
fn a_host_that_never_answers_is_not_hammered() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        if call.url.starts_with("http://dead") {
            refused(call)
        } else {
            call.answer("ok")
        }
    });
    let fan_out = fan_out(&sim, &server).retry(
        Retry::attempts(5)
            .backoff(Backoff::new(MS).without_jitter())
            .budget(7),
    );
    let urls = (0..50).flat_map(|n| [format!("http://dead/{n}"), format!("http://well/{n}")]);
    let results = sim.block_on(fan_out.fetch_all(urls).into_future());
    assert_eq!(results.iter().filter(|(_, it)| it.is_ok()).count(), 50);
    assert_eq!(server.starts().len(), 100 + 7);
    // A second later there is one more to spend.
    sim.block_on(sim.runtime().sleep(SECOND));
    sim.block_on(fan_out.fetch("http://dead/")).unwrap_err();
    assert_eq!(server.starts().len(), 107 + 2);

    let all = fan_out.retry(Retry::attempts(5).unlimited_budget());
    let error = sim.block_on(all.fetch("http://dead/")).unwrap_err();
    assert_eq!(error.attempts(), 5);
    let none = all.retry(Retry::attempts(5).budget(0));
    let error = sim.block_on(none.fetch("http://dead/")).unwrap_err();
    assert_eq!(error.attempts(), 1);
}

#[test]
fn a_host_that_answers_now_and_then_may_be_asked_on() {
    let sim = Sim::new();
    // Each URL is answered the second time.
    let server = failing(&sim, &[refused]);
    let fan_out = fan_out(&sim, &server).concurrency(1).retry(
        Retry::default()
            .backoff(Backoff::new(MS).without_jitter())
            .budget(3),
    );
    for n in 0..100 {
        let fetched = sim.block_on(fan_out.fetch(format!("http://h/{n}")));
        assert_eq!(fetched.unwrap().attempts(), 2);
    }
}

#[test]
fn each_attempt_takes_a_turn_of_the_rate_limit() {
    let sim = Sim::new();
    let server = failing(&sim, &[busy, busy]);
    let fan_out = fan_out(&sim, &server).rate_limit(RateLimit::new(1, SECOND * 5));
    sim.block_on(fan_out.fetch("http://h/")).unwrap();
    assert_eq!(server.starts(), [Duration::ZERO, SECOND * 5, SECOND * 10]);
}

#[test]
fn who_waits_for_a_retry_keeps_nothing_from_the_others() {
    let sim = Sim::new();
    let server = failing(
        &sim,
        &[|call: Call| match call.path.as_str() {
            "/bad" => busy(call),
            _ => call.answer("ok"),
        }],
    );
    let fan_out = fan_out(&sim, &server).concurrency(1).per_host(1);
    let urls = ["http://h/bad", "http://h/1", "http://h/2"];
    sim.block_on(fan_out.fetch_all(urls).into_future());
    let at: Vec<_> = server.starts().iter().map(Duration::as_secs).collect();
    assert_eq!(at, [0, 0, 0, 1]);
}

#[test]
fn to_be_asked_to_stop_ends_the_wait() {
    for is_close in [true, false] {
        let sim = Sim::new();
        let server = failing(&sim, &[busy]);
        let token = CancellationToken::new();
        let fan_out = fan_out(&sim, &server);
        let fan_out = if is_close {
            fan_out.close_on(token.clone())
        } else {
            fan_out.cancel_on(token.clone())
        };
        let rt = sim.runtime();
        let sleep = rt.sleep(MS * 500);
        rt.spawn(async move {
            sleep.await;
            token.cancel("enough");
        })
        .detach();
        let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Cancelled, 1));
        assert!(error.maybe_sent());
        assert_eq!(sim.elapsed(), MS * 500);
    }
}

#[test]
fn once_stopped_the_answer_there_is_is_given() {
    let sim = Sim::new();
    let token = CancellationToken::new();
    let server = Server::new(&sim, {
        let token = token.clone();
        move |call| {
            token.cancel("enough");
            async move { busy(call) }
        }
    });
    let fan_out = fan_out(&sim, &server).close_on(token);
    let fetched = sim.block_on(fan_out.fetch("http://h/")).unwrap();
    assert_eq!(fetched.body(), "busy");
}

// H5
#[test]
fn dropped_at_any_poll_nothing_is_left() {
    drop_at_every_poll(Order::Fifo, |sim| {
        let server = failing(
            sim,
            &[
                |call: Call| call.answer_with(503, &[("retry-after", "3")], ""),
                refused,
            ],
        );
        let fan_out = fan_out(sim, &server).concurrency(2);
        let urls = ["http://h/1", "http://h/2", "http://h/3"];
        let seen = server.clone();
        let all = fan_out.fetch_all(urls).into_future();
        let future = async move {
            let results = all.await;
            assert!(results.iter().all(|(_, result)| result.is_ok()));
        };
        (future, move |_| assert_eq!(seen.seen().running, 0))
    });
}

// H1
#[test]
fn whatever_fails_each_key_gets_one_result() {
    for seed in seeds(60) {
        let sim = Sim::with_order(Order::Seeded(seed));
        let random = Mutex::new(Random::new(seed));
        let server = Server::new(&sim, move |call| {
            let choice = random.lock().unwrap().below(8);
            async move {
                call.sleep(MS * (choice as u32)).await;
                match choice {
                    0 => busy(call),
                    1 => refused(call),
                    2 => cut_off(call),
                    3 => cut_off_in_the_body(call),
                    4 => call.answer_with(429, &[("retry-after", "1")], ""),
                    5 => call.redirect(302, "/elsewhere"),
                    _ => call.answer("ok"),
                }
            }
        });
        let fan_out = fan_out(&sim, &server).concurrency(7).per_host(3);
        let urls = (0..60).map(|n| (n, format!("http://h{}/{n}", n % 4)));
        let results = sim.block_on(fan_out.fetch_all(urls).into_future());
        let keys: Vec<_> = results.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, (0..60).collect::<Vec<_>>());
        for (_, result) in &results {
            let (attempts, earlier) = match result {
                Ok(fetched) => (fetched.attempts(), fetched.earlier_attempts()),
                Err(error) => (error.attempts(), error.earlier_attempts()),
            };
            assert_eq!(earlier.len() + 1, attempts);
            assert!(attempts <= 3);
        }
        let seen = server.seen();
        assert!(seen.peak <= 7 && seen.host_peak() <= 3);
        assert_eq!(seen.running, 0);
    }
}

#[test]
#[should_panic(expected = "nought attempts fetch nothing")]
fn nought_attempts_are_refused() {
    let _ = Retry::attempts(0);
}

#[test]
#[should_panic(expected = "would fail every request")]
fn a_limit_of_nought_for_all_attempts_is_refused() {
    let _ = Retry::default().within(Duration::ZERO);
}
