//! What subscribers of `tracing` are told.

use tracing::Level;
use untethered::http::{
    ErrorKind, FanOut, FetchRequest, Hedge, HttpError, Retry, StatusCheck, Timeouts,
};
use untethered::sim::Sim;
use untethered::time::Backoff;

use super::server::Server;
use super::{MS, SECOND};
use crate::recorder::told;

const HTTP: &str = "untethered::http";

fn fan_out(sim: &Sim) -> FanOut {
    let server = Server::new(sim, |call| async move {
        call.sleep(MS).await;
        match &*call.path {
            "/redirect" => call.redirect(302, "/busy?secret#secret"),
            "/busy" => call.answer_with(503, &[("retry-after", "2")], ""),
            "/broken" => Err(HttpError::new(ErrorKind::Connect).with_message("nobody there")),
            "/late" => std::future::pending().await,
            _ => call.answer("hello"),
        }
    });
    FanOut::new(&sim.runtime(), server).timeout(Timeouts::total(SECOND))
}

#[test]
fn an_answer_is_told_from_its_begin_to_its_end() {
    let sim = Sim::new();
    let lines = told(HTTP, Level::TRACE, || {
        sim.block_on(fan_out(&sim).fetch("http://u:secret@a/?secret#secret"))
            .unwrap();
    });
    assert_eq!(
        lines,
        [
            "DEBUG request method=GET url=\"http://a/?..\"",
            "TRACE sending attempt=1 method=GET url=\"http://a/?..\"",
            "DEBUG answered status=200 bytes=5 attempts=1 elapsed=1ms",
        ]
    );
}

#[test]
fn redirects_and_retries_are_told_and_so_is_the_pause() {
    let sim = Sim::new();
    let retry = Retry::attempts(2).backoff(Backoff::new(SECOND).without_jitter());
    let fan_out = fan_out(&sim)
        .retry(retry)
        .status_check(StatusCheck::errors());
    let lines = told(HTTP, Level::TRACE, || {
        let request = FetchRequest::get("http://a/redirect");
        sim.block_on(fan_out.fetch(request)).unwrap_err();
    });
    assert_eq!(
        lines,
        [
            "DEBUG request method=GET url=\"http://a/redirect\"",
            "TRACE sending attempt=1 method=GET url=\"http://a/redirect\"",
            "DEBUG redirected status=302 to=\"http://a/busy?..\"",
            "TRACE sending attempt=1 method=GET url=\"http://a/busy?..\"",
            "DEBUG retry attempt=1 status=503 pause=2s",
            "TRACE sending attempt=2 method=GET url=\"http://a/busy?..\"",
            "DEBUG failed kind=\"status\" attempts=2 error=status not accepted: \
             503 Service Unavailable (http://a/busy?.., after 3.0ms in 2 attempts)",
        ]
    );
}

#[test]
fn every_end_is_told() {
    let sim = Sim::new();
    let fan_out =
        fan_out(&sim).retry(Retry::attempts(2).backoff(Backoff::new(SECOND).without_jitter()));
    let lines = told(HTTP, Level::DEBUG, || {
        sim.block_on(fan_out.fetch("http://a/broken")).unwrap_err();
        sim.block_on(fan_out.fetch("u:secret@a")).unwrap_err();
        let never = fan_out.fetch("http://a/late");
        let stopped = async { sim.runtime().sleep(MS).await };
        sim.block_on(futures_lite::future::or(
            async { drop(never.await) },
            stopped,
        ));
    });
    assert_eq!(
        lines,
        [
            "DEBUG request method=GET url=\"http://a/broken\"",
            "DEBUG retry attempt=1 kind=\"connect\" pause=1s",
            "DEBUG failed kind=\"connect\" attempts=2 error=no connection: nobody there \
             (http://a/broken, after 2.0ms in 2 attempts)",
            "DEBUG failed kind=\"invalid_request\" attempts=0 error=invalid request: only http \
             and https URLs can be fetched (..)",
            "DEBUG request method=GET url=\"http://a/late\"",
            "DEBUG dropped",
        ]
    );
}

#[test]
fn a_hedge_is_told_and_the_end_of_both_is_one() {
    let sim = Sim::new();
    let fan_out = fan_out(&sim).hedge(Hedge::after(MS / 2));
    let lines = told(HTTP, Level::TRACE, || {
        sim.block_on(fan_out.fetch("http://a/?secret")).unwrap();
    });
    assert_eq!(
        lines,
        [
            "DEBUG request method=GET url=\"http://a/?..\"",
            "TRACE sending attempt=1 method=GET url=\"http://a/?..\"",
            "TRACE sending beside attempt=1 method=GET url=\"http://a/?..\"",
            "DEBUG answered status=200 bytes=5 attempts=2 elapsed=1ms",
        ]
    );
}

#[test]
fn who_wants_less_is_told_nothing() {
    let sim = Sim::new();
    let lines = told(HTTP, Level::INFO, || {
        sim.block_on(fan_out(&sim).fetch("http://a/broken"))
            .unwrap_err();
    });
    assert_eq!(lines, [""; 0]);
}
