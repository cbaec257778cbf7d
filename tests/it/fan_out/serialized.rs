//! Results as JSON.

use serde_json::{Value, json};
use serde_test::{Token, assert_ser_tokens};
use untethered::http::{ErrorKind, FanOut, HttpError, Retry, StatusCheck, Timeouts};
use untethered::sim::Sim;
use untethered::time::Backoff;

use super::server::Server;
use super::{MS, SECOND};

fn fan_out(sim: &Sim) -> FanOut {
    let server =
        Server::new(sim, |call| async move {
            call.sleep(MS * 3 / 2).await;
            match &*call.path {
                "/busy" => call.answer_with(503, &[], "busy"),
                "/broken" => Err(HttpError::new(ErrorKind::Truncated)
                    .with_source(std::io::Error::other("cable"))),
                "/late" => std::future::pending().await,
                _ => call.answer("hello"),
            }
        });
    FanOut::new(&sim.runtime(), server).timeout(Timeouts::total(SECOND))
}

fn row(sim: &Sim, fan_out: &FanOut, url: &str) -> Value {
    match sim.block_on(fan_out.fetch(url)) {
        Ok(fetched) => serde_json::to_value(&fetched),
        Err(error) => serde_json::to_value(&error),
    }
    .unwrap()
}

#[test]
fn answers_and_errors_have_the_same_rows_whoever_writes_them() {
    let sim = Sim::new();
    let fan_out = fan_out(&sim);
    assert_eq!(
        row(&sim, &fan_out, "http://a/?query"),
        json!({"status": 200, "bytes": 5, "ms": 1.5, "attempts": 1})
    );
    assert_eq!(
        row(&sim, &fan_out, "http://a/broken?query"),
        json!({
            "error": {
                "kind": "truncated",
                "message": "response ended early (http://a/broken?.., after 1.5ms): cable",
            },
            "ms": 1.5,
            "attempts": 1,
        })
    );
    assert_eq!(
        row(&sim, &fan_out, "http://a/late"),
        json!({
            "error": {
                "kind": "timeout",
                "phase": "total",
                "message": "total timeout: 1s passed while connecting \
                            (http://a/late, after 1.0s)",
            },
            "ms": 1000.0,
            "attempts": 1,
        })
    );
    assert_eq!(
        row(&sim, &fan_out, "ftp://a/"),
        json!({
            "error": {
                "kind": "invalid_request",
                "message": "invalid request: only http and https URLs can be fetched (ftp://a/)",
            },
            "ms": 0.0,
            "attempts": 0,
        })
    );
    assert_eq!(
        serde_json::to_value(fan_out.stats()).unwrap(),
        json!({"running": 0, "done": 1, "failed": 3, "retries": 0, "hedges": 0, "shared": 0, "bytes": 5})
    );
}

#[test]
fn earlier_attempts_and_a_refused_status_are_in_the_row() {
    let sim = Sim::new();
    let backoff = Backoff::new(SECOND / 4).without_jitter();
    let fan_out = fan_out(&sim)
        .retry(Retry::attempts(2).backoff(backoff))
        .status_check(StatusCheck::errors());
    assert_eq!(
        row(&sim, &fan_out, "http://a/busy"),
        json!({
            "error": {
                "kind": "status",
                "message": "status not accepted: 503 Service Unavailable \
                            (http://a/busy, after 3.0ms in 2 attempts)",
            },
            "status": 503,
            "ms": 3.0,
            "attempts": 2,
            "earlier_attempts": [{"status": 503, "ms": 1.5, "delay_ms": 250.0}],
        })
    );
    let broken = row(&sim, &fan_out, "http://a/broken");
    assert_eq!(
        broken["earlier_attempts"],
        json!([{"error": {"kind": "truncated"}, "ms": 1.5, "delay_ms": 250.0}])
    );
    let late = row(&sim, &fan_out, "http://a/late");
    assert_eq!(
        late["earlier_attempts"],
        json!([{
            "error": {"kind": "timeout", "phase": "total"},
            "ms": 1000.0,
            "delay_ms": 250.0,
        }])
    );
}

#[test]
fn formats_that_count_fields_are_told_how_many_come() {
    let sim = Sim::new();
    let plain = fan_out(&sim);
    let fetched = sim.block_on(plain.fetch("http://a/")).unwrap();
    assert_ser_tokens(
        &fetched,
        &[
            fields("Fetched", 4),
            Token::Str("status"),
            Token::U16(200),
            Token::Str("bytes"),
            Token::U64(5),
            Token::Str("ms"),
            Token::F64(1.5),
            Token::Str("attempts"),
            Token::U64(1),
            Token::StructEnd,
        ],
    );
    let failed = sim.block_on(plain.fetch("http://a/broken")).unwrap_err();
    assert_ser_tokens(
        &failed,
        &[
            fields("FetchError", 3),
            Token::Str("error"),
            fields("Failure", 2),
            Token::Str("kind"),
            Token::Str("truncated"),
            Token::Str("message"),
            Token::Str("response ended early (http://a/broken, after 1.5ms): cable"),
            Token::StructEnd,
            Token::Str("ms"),
            Token::F64(1.5),
            Token::Str("attempts"),
            Token::U64(1),
            Token::StructEnd,
        ],
    );
    let backoff = Backoff::new(SECOND / 4).without_jitter();
    let retrying = plain.retry(Retry::attempts(2).backoff(backoff));
    let late = sim.block_on(retrying.fetch("http://a/late")).unwrap_err();
    assert_ser_tokens(
        &late.earlier_attempts()[0],
        &[
            fields("Attempt", 3),
            Token::Str("error"),
            fields("Failure", 2),
            Token::Str("kind"),
            Token::Str("timeout"),
            Token::Str("phase"),
            Token::Str("total"),
            Token::StructEnd,
            Token::Str("ms"),
            Token::F64(1000.0),
            Token::Str("delay_ms"),
            Token::F64(250.0),
            Token::StructEnd,
        ],
    );
    let refused = retrying
        .status_check(StatusCheck::errors())
        .timeout(Timeouts::new());
    let refused = sim.block_on(refused.fetch("http://a/busy")).unwrap_err();
    assert_ser_tokens(
        &refused,
        &[
            fields("FetchError", 5),
            Token::Str("error"),
            fields("Failure", 2),
            Token::Str("kind"),
            Token::Str("status"),
            Token::Str("message"),
            Token::Str(
                "status not accepted: 503 Service Unavailable \
                 (http://a/busy, after 3.0ms in 2 attempts)",
            ),
            Token::StructEnd,
            Token::Str("status"),
            Token::U16(503),
            Token::Str("ms"),
            Token::F64(3.0),
            Token::Str("attempts"),
            Token::U64(2),
            Token::Str("earlier_attempts"),
            Token::Seq { len: Some(1) },
            fields("Attempt", 3),
            Token::Str("status"),
            Token::U16(503),
            Token::Str("ms"),
            Token::F64(1.5),
            Token::Str("delay_ms"),
            Token::F64(250.0),
            Token::StructEnd,
            Token::SeqEnd,
            Token::StructEnd,
        ],
    );
}

fn fields(name: &'static str, len: usize) -> Token {
    Token::Struct { name, len }
}
