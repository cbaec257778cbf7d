use std::error::Error;
use std::future::IntoFuture;
use std::time::Duration;

use untethered::http::{
    Body, Capabilities, Client, Deadline, ErrorKind, Exchange, ExchangePhase, FanOut, FetchError,
    FetchRequest, Request, Response, TimeoutPhase, Timeouts,
};
use untethered::sim::{Sim, explore_orders};
use untethered::sync::RateLimit;

use super::server::Server;
use super::{MS, SECOND};

/// Connects for a second, sends for one, answers after another, and sends three pieces.
fn staged(sim: &Sim) -> Server {
    Server::new(sim, |call| async move {
        call.report(ExchangePhase::Connecting);
        call.sleep(SECOND).await;
        call.report(ExchangePhase::Sending);
        call.sleep(SECOND).await;
        call.report(ExchangePhase::Sent);
        call.sleep(SECOND).await;
        call.report(ExchangePhase::Head);
        call.drip(200, &[], [(SECOND, "a"), (SECOND, "b"), (SECOND, "c")])
    })
}

fn fails(error: &FetchError, phase: TimeoutPhase) -> bool {
    error.kind() == ErrorKind::Timeout(phase)
}

// H16
#[test]
fn each_limit_fires_at_its_moment_and_not_before() {
    // The limit, and when it fires. A nanosecond more is enough everywhere.
    let just = SECOND - Duration::from_nanos(1);
    let none = Timeouts::none();
    let cases = [
        (
            TimeoutPhase::Connect,
            none.connect(just),
            just,
            none.connect(SECOND),
        ),
        (
            TimeoutPhase::FirstByte,
            none.first_byte(just),
            SECOND * 2 + just,
            none.first_byte(SECOND),
        ),
        (
            TimeoutPhase::Idle,
            none.idle(just),
            SECOND * 2 + just,
            none.idle(SECOND),
        ),
        (
            TimeoutPhase::Total,
            Timeouts::total(SECOND * 6 - MS).no_connect(),
            SECOND * 6 - MS,
            Timeouts::total(SECOND * 6).no_connect(),
        ),
    ];
    for (phase, too_short, at, enough) in cases {
        let sim = Sim::new();
        let server = staged(&sim);
        let fan_out = FanOut::new(&sim.runtime(), server.clone());
        let error = sim
            .block_on(fan_out.clone().timeout(too_short).fetch("http://h/"))
            .unwrap_err();
        assert!(fails(&error, phase), "{error}");
        assert_eq!((sim.elapsed(), error.elapsed()), (at, at));
        assert_eq!(server.seen().running, 0);
        let fetched = sim.block_on(fan_out.timeout(enough).fetch("http://h/"));
        assert_eq!(fetched.unwrap().elapsed(), SECOND * 6);
    }
}

#[test]
fn idle_counts_from_piece_to_piece() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let gaps = [MS * 50, MS * 50, MS * 50, MS * 200];
        call.drip(200, &[], gaps.map(|gap| (gap, "piece")))
    });
    let fan_out = FanOut::new(&sim.runtime(), server).timeout(Timeouts::none().idle(MS * 100));
    let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Idle), "{error}");
    assert_eq!(sim.elapsed(), MS * 250);
}

#[test]
fn total_holds_while_the_body_is_read() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.drip(200, &[], std::iter::repeat((MS * 100, "x")))
    });
    let fan_out = FanOut::new(&sim.runtime(), server).timeout(Timeouts::total(MS * 250));
    let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Total));
    assert_eq!(sim.elapsed(), MS * 250);
}

#[test]
fn an_error_says_limit_phase_url_and_time() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), staged(&sim));
    let message = |timeouts| {
        let fan_out = fan_out.clone().timeout(timeouts);
        let url = "http://me:secret@h/path?token=secret#secret";
        let error = sim.block_on(fan_out.fetch(url)).unwrap_err();
        assert!(error.source().is_none());
        error.to_string()
    };
    assert_eq!(
        message(Timeouts::none().connect(MS * 500)),
        "connect timeout: 500ms passed while connecting (http://h/path?.., after 500.0ms)"
    );
    assert_eq!(
        message(Timeouts::total(MS * 1500)),
        "total timeout: 1.5s passed while sending the request (http://h/path?.., after 1.5s)"
    );
    assert_eq!(
        message(Timeouts::total(MS * 4500)),
        "total timeout: 4.5s passed while reading the body (http://h/path?.., after 4.5s)"
    );
}

#[test]
fn whether_it_was_sent_is_known() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), staged(&sim));
    let maybe_sent = |total| {
        let fan_out = fan_out.clone().timeout(Timeouts::total(total));
        sim.block_on(fan_out.fetch("http://h/"))
            .unwrap_err()
            .maybe_sent()
    };
    assert!(!maybe_sent(MS * 500));
    assert!(maybe_sent(MS * 1500));
    assert!(maybe_sent(MS * 2500));
    let blind = FanOut::new(&sim.runtime(), staged(&sim).without_phases());
    let error = sim.block_on(blind.timeout(Timeouts::total(MS)).fetch("http://h/"));
    assert!(error.unwrap_err().maybe_sent());
}

// H16
#[test]
fn defaults_are_30_s_in_total_and_10_s_to_connect() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        if call.path == "/connected" {
            call.report(ExchangePhase::Sending);
        }
        std::future::pending().await
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Connect));
    assert_eq!(error.elapsed(), SECOND * 10);
    let error = sim
        .block_on(fan_out.fetch("http://h/connected"))
        .unwrap_err();
    assert!(fails(&error, TimeoutPhase::Total));
    assert_eq!(error.elapsed(), SECOND * 30);
}

#[test]
fn a_client_without_phases_keeps_total_and_says_what_it_can_not() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND * 20).without_phases();
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    // The default for connecting does not count.
    assert!(sim.block_on(fan_out.fetch("http://h/")).is_ok());
    let new = Timeouts::new;
    for timeouts in [
        new().connect(SECOND),
        new().first_byte(SECOND),
        new().idle(SECOND),
    ] {
        let request = FetchRequest::get("http://h/").timeout(timeouts);
        let error = sim.block_on(fan_out.fetch(request)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.attempts(), 0);
        let session = fan_out.clone().timeout(timeouts);
        assert!(sim.block_on(session.fetch("http://h/")).is_err());
        let off = FetchRequest::get("http://h/").timeout(Timeouts::none());
        assert!(sim.block_on(session.fetch(off)).is_ok());
    }
    assert_eq!(server.urls().len(), 4);
}

#[test]
fn a_request_is_laid_over_the_session_and_that_over_the_defaults() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), staged(&sim))
        .timeout(Timeouts::total(SECOND * 5))
        .timeout(Timeouts::new().connect(MS * 500));
    let get = |timeouts| {
        let request = FetchRequest::get("http://h/").timeout(timeouts);
        sim.block_on(fan_out.fetch(request))
    };
    // Naming one field leaves the other ones alone.
    let error = get(Timeouts::total(SECOND * 20)).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Connect));
    let error = get(Timeouts::new().no_connect()).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Total));
    assert_eq!(error.elapsed(), SECOND * 5);
    assert!(get(Timeouts::none()).is_ok());
    let error = get(Timeouts::none().first_byte(MS)).unwrap_err();
    assert!(fails(&error, TimeoutPhase::FirstByte));
    let twice = FetchRequest::get("http://h/")
        .timeout(Timeouts::none())
        .timeout(Timeouts::new().idle(MS));
    let error = sim.block_on(fan_out.fetch(twice)).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Idle));
}

#[test]
fn waiting_for_a_slot_or_the_rate_limit_is_not_counted() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server)
        .concurrency(1)
        .rate_limit(RateLimit::new(1, SECOND * 3))
        .timeout(Timeouts::total(MS * 1100));
    let results = sim.block_on(fan_out.fetch_all(["http://h/"; 5]).into_future());
    for (_, result) in &results {
        assert_eq!(result.as_ref().unwrap().elapsed(), SECOND);
    }
    assert_eq!(sim.elapsed(), SECOND * 13);
}

#[test]
fn the_queue_has_a_limit_of_its_own() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(2)
        .per_host(1)
        .timeout(Timeouts::new().queue(MS * 1500));
    // A host lets one in: the second waits for one second, the third would for two.
    let results = sim.block_on(fan_out.fetch_all(["http://h/"; 3]).into_future());
    assert!(results[0].1.is_ok() && results[1].1.is_ok());
    let error = results[2].1.as_ref().unwrap_err();
    assert!(fails(error, TimeoutPhase::Queue));
    assert_eq!((error.elapsed(), error.attempts()), (Duration::ZERO, 0));
    assert!(!error.maybe_sent());
    assert!(
        error
            .to_string()
            .contains("1.5s passed while waiting for a slot"),
        "{error}"
    );
    assert_eq!(server.urls().len(), 2);
}

#[test]
fn all_waits_of_a_request_count_to_its_queue_limit() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let next = format!("{}x", call.path);
        call.redirect(302, &next)
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .rate_limit(RateLimit::new(1, SECOND))
        .timeout(Timeouts::new().queue(MS * 2500));
    let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Queue));
    assert!(error.maybe_sent());
    assert_eq!(sim.elapsed(), MS * 2500);
    assert_eq!(server.urls().len(), 3);
}

#[test]
fn total_goes_on_over_redirects() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.sleep(SECOND).await;
        let next = format!("{}x", call.path);
        call.redirect(302, &next)
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .timeout(Timeouts::total(MS * 3500))
        .rate_limit(RateLimit::new(1, SECOND * 2));
    let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
    assert!(fails(&error, TimeoutPhase::Total));
    assert_eq!(error.elapsed(), MS * 3500);
    // Three waits for the rate limit, each for what is left of its two seconds.
    assert_eq!(sim.elapsed(), MS * 6500);
}

#[test]
fn one_timer_serves_all_requests() {
    explore_orders(10, |sim| {
        sim.spurious_wakes(true);
        let server = Server::new(sim, |call| async move {
            call.report(ExchangePhase::Sent);
            std::future::pending().await
        });
        let fan_out = FanOut::new(&sim.runtime(), server).concurrency(50);
        let requests = (1..=50u32).rev().map(|n| {
            let timeouts = Timeouts::total(SECOND * n).idle(SECOND * 7);
            (n, FetchRequest::get("http://h/").timeout(timeouts))
        });
        let mut stream = fan_out.fetch_all(requests).stream();
        sim.block_on(async {
            for n in 1..=6 {
                let (key, result) = stream.next().await.unwrap();
                assert_eq!((key, sim.elapsed()), (n, SECOND * n));
                assert!(fails(&result.unwrap_err(), TimeoutPhase::Total));
                assert!(sim.live_timers() <= 1, "{} timers", sim.live_timers());
            }
            while let Some((_, result)) = stream.next().await {
                assert!(fails(&result.unwrap_err(), TimeoutPhase::Idle));
            }
            assert_eq!(sim.elapsed(), SECOND * 7);
        });
    });
}

#[test]
fn a_limit_that_comes_later_may_pass_earlier() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        if call.path == "/short" {
            call.sleep(SECOND).await;
            return call.answer("ok");
        }
        std::future::pending().await
    });
    let fan_out = FanOut::new(&sim.runtime(), server).concurrency(2);
    let get = |path: &str, total| {
        let timeouts = Timeouts::total(total).no_connect();
        FetchRequest::get(format!("http://h/{path}")).timeout(timeouts)
    };
    let requests = [
        ("long", get("long", SECOND * 60)),
        ("short", get("short", SECOND * 50)),
        ("late", get("late", SECOND * 4)),
    ];
    let mut stream = fan_out.fetch_all(requests).stream();
    sim.block_on(async {
        for (wanted, at) in [("short", 1), ("late", 5), ("long", 60)] {
            let (key, _) = stream.next().await.unwrap();
            assert_eq!((key, sim.elapsed()), (wanted, SECOND * at));
        }
    });
}

#[test]
fn huge_limits_are_no_limits() {
    let sim = Sim::new();
    let max = Duration::MAX;
    let timeouts = Timeouts::total(max)
        .connect(max)
        .first_byte(max)
        .idle(max)
        .queue(max);
    let fan_out = FanOut::new(&sim.runtime(), staged(&sim)).timeout(timeouts);
    assert!(sim.block_on(fan_out.fetch("http://h/")).is_ok());
}

#[test]
fn what_is_ready_beats_a_limit() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server).timeout(Timeouts::total(SECOND));
    assert!(sim.block_on(fan_out.fetch("http://h/")).is_ok());
}

#[test]
fn a_client_that_keeps_deadlines_and_reports_nothing_is_told_when_it_ends() {
    struct Keeping(std::sync::Mutex<Vec<Option<Deadline>>>, Capabilities);
    impl Client for Keeping {
        fn send(&self, request: Request<Body>) -> Exchange<'_> {
            let deadline = request.extensions().get().copied();
            self.0.lock().unwrap().push(deadline);
            Box::pin(async { Ok(Response::new(Body::empty())) })
        }

        fn capabilities(&self) -> Capabilities {
            self.1
        }
    }
    let sim = Sim::new();
    let keeps = Capabilities::default().with_deadline();
    let end = Deadline(sim.now() + SECOND * 5);
    for (capabilities, timeouts, told) in [
        (keeps, Timeouts::total(SECOND * 5), Some(end)),
        (keeps, Timeouts::none(), None),
        (keeps.with_phases(), Timeouts::total(SECOND * 5), None),
        (Capabilities::default(), Timeouts::total(SECOND * 5), None),
    ] {
        let client = std::sync::Arc::new(Keeping(Default::default(), capabilities));
        let fan_out = FanOut::new(&sim.runtime(), client.clone()).timeout(timeouts);
        sim.block_on(fan_out.fetch("http://h/")).unwrap();
        assert_eq!(*client.0.lock().unwrap(), [told]);
    }
}

#[test]
fn each_limit_of_the_session_can_be_taken_away_from_a_request() {
    let sim = Sim::new();
    let all = Timeouts::total(SECOND)
        .connect(SECOND)
        .first_byte(SECOND)
        .idle(SECOND)
        .queue(SECOND);
    assert_eq!(
        format!("{all:?}"),
        "Timeouts { total: 1s, connect: 1s, first_byte: 1s, idle: 1s, queue: 1s }"
    );
    let off = Timeouts::default();
    assert_eq!(format!("{off:?}"), "Timeouts");
    let none = off
        .no_total()
        .no_connect()
        .no_first_byte()
        .no_idle()
        .no_queue();
    assert_eq!(none, Timeouts::none());
    assert_eq!(
        format!("{none:?}"),
        "Timeouts { total: none, connect: none, first_byte: none, idle: none, queue: none }"
    );
    // What follows is slower than any of them, and waits for its turn.
    let slow = SECOND * 3;
    let server = Server::new(&sim, move |call| async move {
        call.report(ExchangePhase::Connecting);
        call.sleep(slow).await;
        call.report(ExchangePhase::Sent);
        call.sleep(slow).await;
        call.report(ExchangePhase::Head);
        call.drip(200, &[], [(slow, "a")])
    });
    let fan_out = FanOut::new(&sim.runtime(), server)
        .timeout(all)
        .concurrency(1);
    let request = || FetchRequest::get("http://h/").timeout(none);
    let results = sim.block_on(fan_out.fetch_all([request(), request()]).into_future());
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(sim.elapsed(), slow * 6);
    // All but one.
    for (timeouts, phase) in [
        (
            off.no_connect().no_first_byte().no_idle().no_queue(),
            TimeoutPhase::Total,
        ),
        (
            off.no_total().no_first_byte().no_idle().no_queue(),
            TimeoutPhase::Connect,
        ),
        (
            off.no_total().no_connect().no_idle().no_queue(),
            TimeoutPhase::FirstByte,
        ),
        (
            off.no_total().no_connect().no_first_byte().no_queue(),
            TimeoutPhase::Idle,
        ),
    ] {
        let request = FetchRequest::get("http://h/").timeout(timeouts);
        let error = sim.block_on(fan_out.fetch(request)).unwrap_err();
        assert!(fails(&error, phase), "{error}, not {phase:?}");
    }
}
