//! The suite itself: what it says of clients that do not do what they should.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use untethered::Runtime;
use untethered::http::conformance::{Conformance, Verdict};
use untethered::http::{
    Body, Client, ErrorKind, Exchange, HttpError, Request, Response, client_fn,
};
use untethered::sim::Sim;

/// Answers whatever it is asked, without asking anybody.
fn liar() -> impl Client {
    client_fn(|_: Request<Body>| async { Ok::<_, HttpError>(Response::new(Body::from("ok"))) })
}

fn failure(verdict: Verdict) -> String {
    match verdict {
        Verdict::Failed(message) => message,
        other => panic!("{other:?}"),
    }
}

fn run_case<C: Client + 'static>(client: fn() -> C, case: &str) -> Verdict {
    let sim = Sim::new();
    sim.block_on(Conformance::new(&sim.runtime(), client).run_case(case))
}

#[test]
fn a_client_that_asks_nobody_passes_nothing() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let conformance = Conformance::new(&rt, liar);
    for case in Conformance::cases() {
        // These wait for a server that will never be asked, longer than is worth it here.
        let waits = [
            "answer_before_the_body_is_sent",
            "dropped_answer_reaches_nobody",
            "dropped_body",
            "dropped_exchange",
            "stale_connection",
            "unread_body_that_is_not_here",
        ];
        if !waits.contains(&case) {
            let verdict = sim.block_on(conformance.run_case(case));
            assert_ne!(verdict, Verdict::Passed, "{case}");
        }
    }
}

#[test]
fn a_panic_is_a_failure() {
    struct Panics;

    impl Client for Panics {
        fn send(&self, _: Request<Body>) -> Exchange<'_> {
            panic!("out of order")
        }
    }

    assert_eq!(failure(run_case(|| Panics, "big_head")), "out of order");
    let makes = || -> Panics { panic!("none today") };
    assert_eq!(failure(run_case(makes, "big_head")), "none today");
}

#[test]
fn a_run_dropped_at_any_poll_ends_its_case() {
    // Fails every case, in more than one poll and without waiting for a server.
    let slow = |rt: Runtime| {
        client_fn(move |_: Request<Body>| {
            let rt = rt.clone();
            async move {
                rt.sleep(Duration::from_secs(1)).await;
                Err::<Response<Body>, _>(HttpError::new(ErrorKind::Other))
            }
        })
    };
    for all in [false, true] {
        let mut polls = 0;
        loop {
            let sim = Sim::new();
            let rt = sim.runtime();
            let conformance = Conformance::new(&rt, || slow(rt.clone()));
            let ended = sim.block_on(async {
                let run = async {
                    match all {
                        true => drop(conformance.run().await),
                        false => drop(conformance.run_case("big_head").await),
                    }
                };
                let mut run = pin!(run);
                let mut left = polls;
                poll_fn(|cx| match run.as_mut().poll(cx) {
                    Poll::Pending if left > 0 => {
                        left -= 1;
                        Poll::Pending
                    }
                    polled => Poll::Ready(polled.is_ready()),
                })
                .await
            });
            sim.run_until_idle();
            sim.assert_empty();
            // Of all the cases the first few tell enough.
            if ended || polls == 8 {
                assert!(polls >= 1);
                break;
            }
            polls += 1;
        }
    }
}

#[test]
fn a_client_that_never_answers_fails_in_time() {
    let never = || client_fn(|_| pending::<Result<Response<Body>, HttpError>>());
    let message = failure(run_case(never, "big_head"));
    assert_eq!(message, "did not end within 60s");
}

/// Only the server sees it, on a thread of its own.
#[cfg(feature = "threads")]
#[test]
fn what_the_server_finds_wrong_is_a_failure() {
    let rt = untethered::runtime::threads(1);
    let forgets = || {
        untethered::http::Engine::builder(&rt)
            .no_keep_alive()
            .build()
    };
    let conformance = Conformance::new(&rt, forgets);
    let verdict = rt.block_on(conformance.run_case("reused_after_the_end"));
    let message = failure(verdict);
    assert!(message.contains("a second connection"), "{message}");
}

#[test]
fn what_a_client_is_known_for_is_no_failure() {
    let sim = Sim::new();
    let rt: Runtime = sim.runtime();
    let conformance = Conformance::new(&rt, liar).deviates("big_head", "has none");
    let verdict = sim.block_on(conformance.run_case("big_head"));
    assert_eq!(verdict, Verdict::Deviates("has none".to_owned()));
    verdict.assert();
    // What it says it can not do is not asked of it.
    let verdict = sim.block_on(conformance.run_case("deadline_within_the_body"));
    assert_eq!(verdict, Verdict::Deviates("keeps no deadlines".to_owned()));
}

#[test]
#[should_panic(expected = "there is no case \"big_tail\"")]
fn a_deviation_from_nothing_is_refused() {
    let _ = Conformance::new(&Sim::new().runtime(), liar).deviates("big_tail", "");
}

#[test]
fn a_report_is_a_table_with_a_line_for_each_case() {
    let sim = Sim::new();
    let broken = || {
        client_fn(|_: Request<Body>| async {
            let error = HttpError::new(ErrorKind::Other).with_message("none\ntoday");
            Err::<Response<Body>, _>(error)
        })
    };
    let conformance = Conformance::new(&sim.runtime(), broken).deviates("big_head", "has none");
    assert_eq!(
        format!("{conformance:?}"),
        r#"Conformance { deviations: [("big_head", "has none")], .. }"#
    );
    let report = sim.block_on(conformance.run());
    let cases = report.rows().iter().map(|(case, _)| *case);
    assert!(cases.eq(Conformance::cases()));
    assert!(!report.is_ok());
    let text = report.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["| Case | |", "|---|---|"]);
    assert_eq!(lines.len(), 2 + report.rows().len());
    assert!(lines.contains(&"| big head | has none |"), "{text}");
    let failed = lines.iter().filter(|line| line.contains(" | FAILED: "));
    let is_failed = |row: &&(_, Verdict)| row.1.is_failed();
    assert_eq!(
        failed.count(),
        report.rows().iter().filter(is_failed).count()
    );
    let panic = std::panic::catch_unwind(|| report.assert()).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert_eq!(*message, format!("the client fails:\n{text}"));
}

#[test]
fn a_verdict_asserts_and_says_what_it_is() {
    assert_eq!(Verdict::Passed.to_string(), "yes");
    Verdict::Passed.assert();
    let failed = Verdict::Failed("no answer".into());
    assert_eq!(failed.to_string(), "FAILED: no answer");
    let panic = std::panic::catch_unwind(|| failed.assert()).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "no answer");
}

#[test]
#[should_panic(expected = "there is no case \"big_tail\"")]
fn a_case_that_there_is_not_is_refused() {
    let _ = run_case(liar, "big_tail");
}
