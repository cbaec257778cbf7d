use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use untethered::CancellationToken;
use untethered::http::{
    Body, ErrorKind, ExchangePhase, FanOut, FetchRequest, Hedge, HttpError, Method, Retry,
    TimeoutPhase, Timeouts,
};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders};
use untethered::sync::RateLimit;
use untethered::time::Backoff;

use super::server::{Answer, Call, Server};
use super::{MS, SECOND};
use crate::random::Random;
use crate::support::panic_text;

/// How one exchange goes: it ends after so long, with the status or the error.
type Turn = (u64, Result<u16, ErrorKind>);

async fn play(call: Call, (ms, end): Turn) -> Answer {
    call.report(ExchangePhase::Sent);
    call.sleep(MS * ms as u32).await;
    match end {
        Ok(status) => call.answer_with(status, &[], if ms > 1000 { "late" } else { "soon" }),
        Err(kind) => Err(HttpError::new(kind).with_maybe_sent()),
    }
}

/// Plays `turns`, one for each exchange with the same URL.
fn turns(sim: &Sim, turns: &[Turn]) -> Server {
    let turns = turns.to_vec();
    let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    Server::new(sim, move |call| {
        let mut asked = asked.lock().unwrap();
        let count = asked.entry(call.url.clone()).or_default();
        let turn = turns[*count];
        *count += 1;
        play(call, turn)
    })
}

/// After a second, and as many as there are.
fn fan_out(sim: &Sim, server: &Server) -> FanOut {
    FanOut::new(&sim.runtime(), server.clone()).hedge(Hedge::after(SECOND).percent(100))
}

// H12
#[test]
fn the_first_answer_wins_and_the_other_exchange_is_dropped() {
    use ErrorKind::{Connect, Truncated};
    for (of, ends_at, body, records) in [
        // The first comes before a second is sent.
        (&[(900, Ok(200))][..], 900, Ok("soon"), &[][..]),
        (&[(900, Err(Connect))], 900, Err(Connect), &[]),
        // The second is quicker.
        (
            &[(9000, Ok(200)), (500, Ok(200))],
            1500,
            Ok("soon"),
            &[(None, 1500)],
        ),
        (
            &[(9000, Ok(200)), (500, Ok(503))],
            1500,
            Ok("soon"),
            &[(None, 1500)],
        ),
        // The first is.
        (
            &[(1500, Ok(200)), (900, Ok(200))],
            1500,
            Ok("late"),
            &[(None, 500)],
        ),
        // One fails, the other goes on.
        (
            &[(1500, Err(Truncated)), (900, Ok(200))],
            1900,
            Ok("soon"),
            &[(Some(Truncated), 1500)],
        ),
        (
            &[(3000, Ok(200)), (900, Err(Truncated))],
            3000,
            Ok("late"),
            &[(Some(Truncated), 900)],
        ),
        // Both do: the last failure counts.
        (
            &[(1500, Err(Connect)), (900, Err(Truncated))],
            1900,
            Err(Truncated),
            &[(Some(Connect), 1500)],
        ),
        (
            &[(3000, Err(Connect)), (900, Err(Truncated))],
            3000,
            Err(Connect),
            &[(Some(Truncated), 900)],
        ),
    ] {
        let sim = Sim::new();
        let server = turns(&sim, of);
        let fan_out = fan_out(&sim, &server);
        let result = sim.block_on(fan_out.fetch("http://h/"));
        assert_eq!(sim.elapsed(), MS * ends_at, "{of:?}");
        let (attempts, earlier, elapsed) = match &result {
            Ok(it) => (it.attempts(), it.earlier_attempts(), it.elapsed()),
            Err(it) => (it.attempts(), it.earlier_attempts(), it.elapsed()),
        };
        let found = match &result {
            Ok(fetched) => Ok(std::str::from_utf8(fetched.body()).unwrap()),
            Err(error) => Err(error.kind()),
        };
        assert_eq!(found, body);
        assert_eq!((attempts, elapsed), (of.len(), MS * ends_at));
        assert_eq!(fan_out.stats().hedges, of.len() - 1);
        let seen: Vec<_> = earlier
            .iter()
            .map(|it| (it.error(), it.elapsed()))
            .collect();
        let wanted: Vec<_> = records.iter().map(|(it, ms)| (*it, MS * *ms)).collect();
        assert_eq!(seen, wanted, "{of:?}");
        for attempt in earlier {
            assert_eq!(attempt.is_lost(), attempt.error().is_none());
            assert_eq!((attempt.status(), attempt.delay()), (None, Duration::ZERO));
        }
        assert_eq!(server.seen().running, 0, "an exchange is still open");
        assert_eq!((fan_out.stats().running, sim.live_timers()), (0, 0));
    }
}

#[test]
fn a_failure_that_may_have_been_seen_is_told() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.sleep(SECOND * 2).await;
        Err(HttpError::new(ErrorKind::Connect))
    });
    let error = sim
        .block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap_err();
    assert!(!error.maybe_sent());
    let calls = AtomicUsize::new(0);
    let server = Server::new(&sim, move |call| {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            call.sleep(SECOND * 2).await;
            match is_first {
                true => Err(HttpError::new(ErrorKind::Truncated).with_maybe_sent()),
                false => Err(HttpError::new(ErrorKind::Connect)),
            }
        }
    });
    let error = sim
        .block_on(fan_out(&sim, &server).fetch("http://h/"))
        .unwrap_err();
    assert!(error.maybe_sent());
}

// H12
#[test]
fn what_may_not_be_done_twice_is_never_hedged() {
    for request in [
        FetchRequest::new(Method::POST, "http://h/"),
        FetchRequest::new(Method::PATCH, "http://h/").body("full"),
        FetchRequest::new(Method::PUT, "http://h/")
            .body(Body::stream(futures_lite::stream::empty())),
    ] {
        let sim = Sim::new();
        let server = turns(&sim, &[(9000, Ok(200))]);
        let fetched = sim.block_on(fan_out(&sim, &server).fetch(request)).unwrap();
        assert_eq!((fetched.attempts(), sim.elapsed()), (1, SECOND * 9));
    }
    let sim = Sim::new();
    let server = turns(&sim, &[(9000, Ok(200)), (1, Ok(200))]);
    let put = FetchRequest::new(Method::PUT, "http://h/")
        .header("x-own", "1")
        .body("full");
    sim.block_on(fan_out(&sim, &server).fetch(put)).unwrap();
    let mut seen = server.seen();
    assert_eq!(seen.requests.len(), 2);
    for asked in &mut seen.requests {
        assert_eq!((&asked.method, asked.headers.len()), (&Method::PUT, 1));
        let body = asked.body.take().unwrap();
        assert_eq!(
            futures_lite::future::block_on(body.bytes(9)).unwrap(),
            "full"
        );
    }
}

// H12
#[test]
fn the_extra_load_has_a_bound() {
    for (percent, requests, most) in [(5, 1, 1), (5, 20, 1), (5, 21, 2), (5, 400, 20), (50, 9, 5)] {
        explore_orders(3, |sim| {
            let server = Server::slow(sim, SECOND * 5);
            let fan_out = FanOut::new(&sim.runtime(), server.clone())
                .concurrency(500)
                .hedge(Hedge::after(SECOND).percent(percent));
            let urls = (0..requests).map(|n| format!("http://h/{n}"));
            let results = sim.block_on(fan_out.fetch_all(urls).into_future());
            assert!(results.iter().all(|(_, result)| result.is_ok()));
            assert_eq!(server.urls().len(), requests + most);
            assert_eq!(fan_out.stats().hedges, most);
        });
    }
    // The default is five.
    assert_eq!(Hedge::after(SECOND), Hedge::after(SECOND).percent(5));
}

// H2 H12
#[test]
fn hedges_wait_for_slots_and_for_the_rate_as_all_do() {
    explore_orders(10, |sim| {
        let server = Server::slow(sim, SECOND * 5);
        let fan_out = fan_out(sim, &server).concurrency(4).per_host(2);
        let urls = (0..18).map(|n| format!("http://h{}/{n}", n % 3));
        sim.block_on(fan_out.fetch_all(urls).into_future());
        let seen = server.seen();
        assert!(seen.peak <= 4 && seen.host_peak() <= 2);
        assert!(seen.requests.len() > 18);
    });
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND * 5);
    let one = fan_out(&sim, &server).concurrency(1);
    let fetched = sim.block_on(one.fetch("http://h/")).unwrap();
    assert_eq!((fetched.attempts(), sim.elapsed()), (1, SECOND * 5));
    let rate = RateLimit::new(1, SECOND * 3);
    let server = turns(&sim, &[(9000, Ok(200)), (1, Ok(200))]);
    let slow = fan_out(&sim, &server).rate_limit(rate);
    let began = sim.elapsed();
    let fetched = sim.block_on(slow.fetch("http://h/")).unwrap();
    assert_eq!(sim.elapsed() - began, SECOND * 3 + MS);
    // The wait for the rate is a part of the time the answer took.
    assert_eq!(
        (fetched.attempts(), fetched.elapsed()),
        (2, SECOND * 3 + MS)
    );
}

#[test]
fn one_slot_is_left_while_the_body_of_a_hedge_comes() {
    let sim = Sim::new();
    let calls = AtomicUsize::new(0);
    let server = Server::new(&sim, move |call| {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if is_first {
                call.sleep(SECOND * 99).await;
            }
            call.drip(200, &[], [(SECOND * 10, "late")])
        }
    });
    let fan_out = fan_out(&sim, &server).concurrency(2);
    let watch = fan_out.clone();
    let rt = sim.runtime();
    let look = async {
        let mut running = Vec::new();
        for _ in 0..3 {
            rt.sleep(MS * 999).await;
            running.push(watch.stats().running);
            rt.sleep(MS).await;
        }
        running
    };
    let (running, fetched) =
        sim.block_on(futures_lite::future::zip(look, fan_out.fetch("http://h/")));
    assert_eq!((running, fetched.unwrap().attempts()), (vec![1, 1, 1], 2));
    let server = Server::slow(&sim, SECOND * 5);
    let fan_out = self::fan_out(&sim, &server).concurrency(2);
    let watch = fan_out.clone();
    let look = async {
        rt.sleep(SECOND * 3).await;
        watch.stats().running
    };
    let (running, _) = sim.block_on(futures_lite::future::zip(look, fan_out.fetch("http://h/")));
    assert_eq!(running, 2);
}

#[test]
fn a_percentile_is_waited_for_once_enough_is_known() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let ms = call.path[1..].parse().unwrap();
        play(call, (ms, Ok(200))).await
    });
    let hedge = Hedge::percentile(90).percent(100);
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).hedge(hedge);
    for n in 1..=19 {
        sim.block_on(fan_out.fetch(format!("http://h/{}", n * 10)))
            .unwrap();
    }
    let attempts = |host: &str, ms: u64| {
        let url = format!("http://{host}/{ms}");
        sim.block_on(fan_out.fetch(url)).unwrap().attempts()
    };
    // Nineteen are too few.
    assert_eq!(attempts("h", 200), 1);
    // Of 10 to 200 ms nine tenths are 180 at most.
    assert_eq!(attempts("h", 180), 1);
    assert_eq!(attempts("h", 500), 2);
    // Nothing is known of others.
    assert_eq!(attempts("other", 500), 1);
}

#[test]
fn limits_of_time_hold_for_both_together_and_to_connect_for_each() {
    let sim = Sim::new();
    let server = turns(&sim, &[(9000, Ok(200)), (9000, Ok(200))]);
    let total = fan_out(&sim, &server).timeout(Timeouts::total(SECOND * 3));
    let error = sim.block_on(total.fetch("http://h/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
    assert_eq!((error.attempts(), error.elapsed()), (2, SECOND * 3));
    assert_eq!(sim.elapsed(), SECOND * 3);
    // The body of the second counts from the begin of the first.
    let calls = Arc::new(Mutex::new(0));
    let server = Server::new(&sim, move |call| {
        *calls.lock().unwrap() += 1;
        let is_first = *calls.lock().unwrap() == 1;
        async move {
            if is_first {
                // Never connects.
                call.report(ExchangePhase::Connecting);
                call.sleep(SECOND * 99).await;
            }
            call.report(ExchangePhase::Sent);
            call.sleep(SECOND).await;
            call.drip(200, &[], [(SECOND * 5, "late")])
        }
    });
    let fan_out = fan_out(&sim, &server);
    let both = fan_out.timeout(Timeouts::total(SECOND * 6).connect(MS * 1500));
    let began = sim.elapsed();
    let error = sim.block_on(both.fetch("http://h/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
    assert_eq!(sim.elapsed() - began, SECOND * 6);
    let connect = ErrorKind::Timeout(TimeoutPhase::Connect);
    assert_eq!(error.earlier_attempts()[0].error(), Some(connect));
}

#[test]
fn each_attempt_may_be_hedged() {
    let sim = Sim::new();
    let server = turns(
        &sim,
        &[
            (1500, Err(ErrorKind::Connect)),
            (1000, Err(ErrorKind::Connect)),
            (9000, Ok(200)),
            (500, Ok(200)),
        ],
    );
    let retry = Retry::attempts(2).backoff(Backoff::new(SECOND).without_jitter());
    let fan_out = fan_out(&sim, &server).retry(retry);
    let fetched = sim.block_on(fan_out.fetch("http://h/")).unwrap();
    assert_eq!(server.starts(), [0, 1000, 3000, 4000].map(|ms| MS * ms));
    assert_eq!(fetched.attempts(), 4);
    let earlier = fetched.earlier_attempts();
    let delays: Vec<_> = earlier
        .iter()
        .map(|it| (it.delay(), it.is_lost()))
        .collect();
    let none = Duration::ZERO;
    assert_eq!(delays, [(none, false), (SECOND, false), (none, true)]);
    assert_eq!(fan_out.stats().retries, 1);
}

#[test]
fn redirects_may_be_hedged_too() {
    let sim = Sim::new();
    let asked = Arc::new(Mutex::new(0));
    let server = Server::new(&sim, move |call| {
        *asked.lock().unwrap() += 1;
        let count = *asked.lock().unwrap();
        async move {
            match (&*call.path, count) {
                ("/from", 1) | ("/to", 3) => {
                    call.sleep(SECOND * 9).await;
                    call.answer("late")
                }
                ("/from", _) => call.redirect(302, "http://other/to"),
                _ => call.answer("soon"),
            }
        }
    });
    let fan_out = fan_out(&sim, &server).per_host(1);
    // With one slot for each host nothing is sent twice.
    let fetched = sim.block_on(fan_out.fetch("http://h/from")).unwrap();
    assert_eq!(
        (fetched.body().as_ref(), fetched.attempts()),
        (&b"late"[..], 1)
    );
    let server = turns(&sim, &[(9000, Ok(200)), (1, Ok(200))]);
    let fan_out = self::fan_out(&sim, &server).per_host(2);
    assert_eq!(
        sim.block_on(fan_out.fetch("http://h/")).unwrap().attempts(),
        2
    );
    assert_eq!((server.seen().running, fan_out.stats().running), (0, 0));
}

// H12
#[test]
fn hedges_that_waited_for_a_slot_together_stay_within_the_share() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let ms: u32 = call.path[1..].parse().unwrap();
        call.sleep(MS * ms).await;
        call.answer("late")
    });
    // All are slow after a second, and two slots are free after the next.
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(4)
        .hedge(Hedge::after(SECOND).percent(5));
    let urls = ["2000", "2001", "9000", "9001"].map(|ms| format!("http://h/{ms}"));
    let results = sim.block_on(fan_out.fetch_all(urls).into_future());
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!((fan_out.stats().hedges, server.urls().len()), (1, 5));
}

// H3
#[test]
fn a_hedge_that_is_cancelled_may_have_been_sent() {
    for (stop_at, wanted) in [(500, (1, false)), (1500, (2, true))] {
        let sim = Sim::new();
        let calls = AtomicUsize::new(0);
        let server = Server::new(&sim, move |call| {
            let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                // The first never connects.
                call.report(match is_first {
                    true => ExchangePhase::Connecting,
                    false => ExchangePhase::Sent,
                });
                call.sleep(SECOND * 9).await;
                call.answer("late")
            }
        });
        let token = CancellationToken::new();
        let fan_out = fan_out(&sim, &server).cancel_on(token.clone());
        let rt = sim.runtime();
        let stop = async {
            rt.sleep(MS * stop_at).await;
            token.cancel("enough");
        };
        let both = futures_lite::future::zip(stop, fan_out.fetch("http://h/"));
        let error = sim.block_on(both).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!((error.attempts(), error.maybe_sent()), wanted, "{stop_at}");
        assert_eq!(server.seen().running, 0);
    }
}

#[test]
fn nothing_is_hedged_once_it_is_closed() {
    let sim = Sim::new();
    let server = turns(&sim, &[(3000, Ok(200)), (1, Ok(200))]);
    let rt = sim.runtime();
    let token = CancellationToken::new();
    let fan_out = fan_out(&sim, &server).close_on(token.clone());
    let stop = async {
        rt.sleep(MS * 500).await;
        token.cancel("enough");
    };
    let ((), result) = sim.block_on(futures_lite::future::zip(stop, fan_out.fetch("http://h/")));
    assert_eq!((result.unwrap().attempts(), sim.elapsed()), (1, SECOND * 3));
}

// H1
#[test]
fn whatever_happens_to_hedges_each_key_gets_one_result() {
    explore_orders(20, |sim| {
        let random = Mutex::new(Random::new(3));
        let server = Server::new(sim, move |call| {
            let mut random = random.lock().unwrap();
            let ms = random.below(3000) as u64;
            let end = match random.below(4) {
                0 => Err(ErrorKind::Truncated),
                1 => Ok(503),
                _ => Ok(200),
            };
            play(call, (ms, end))
        });
        let retry = Retry::attempts(3).unlimited_budget();
        let fan_out = fan_out(sim, &server)
            .concurrency(7)
            .per_host(3)
            .retry(retry)
            .timeout(Timeouts::total(SECOND * 2));
        let urls = (0..60).map(|n| (n, format!("http://h{}/{n}", n % 4)));
        let results = sim.block_on(fan_out.fetch_all(urls).into_future());
        let keys: Vec<_> = results.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, (0..60).collect::<Vec<_>>());
        let seen = server.seen();
        assert!(seen.peak <= 7 && seen.host_peak() <= 3 && seen.running == 0);
        let attempts = results.iter().map(|(_, result)| match result {
            Ok(it) => (it.attempts(), it.earlier_attempts().len()),
            Err(it) => (it.attempts(), it.earlier_attempts().len()),
        });
        let mut sum = 0;
        for (attempts, earlier) in attempts {
            assert_eq!(attempts, earlier + 1);
            sum += attempts;
        }
        assert_eq!(sum, seen.requests.len());
        assert_eq!((fan_out.stats().running, sim.live_timers()), (0, 0));
    });
}

// H5
#[test]
fn hedges_dropped_at_any_poll_leave_nothing() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let server = turns(sim, &[(4000, Ok(200)), (1500, Ok(200))]);
        let fan_out = fan_out(sim, &server)
            .concurrency(3)
            .rate_limit(RateLimit::new(1, MS * 300));
        let urls = (0..4).map(|n| format!("http://h{}/{n}", n % 2));
        let all = fan_out.fetch_all(urls).into_future();
        (all, move |sim: &Sim| {
            assert_eq!((server.seen().running, fan_out.stats().running), (0, 0));
            assert_eq!(sim.live_timers(), 0);
        })
    });
    assert!(polls > 8, "{polls}");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let text = panic_text(|| Hedge::after(Duration::ZERO));
    assert!(text.contains("every request twice"), "{text}");
    for percentile in [0, 100, usize::MAX] {
        let text = panic_text(|| Hedge::percentile(percentile));
        assert!(text.contains("1 to 99"), "{text}");
    }
    for percent in [0, 101, usize::MAX] {
        let text = panic_text(|| Hedge::after(SECOND).percent(percent));
        assert!(text.contains("1 to 100"), "{text}");
    }
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let never = FanOut::new(&sim.runtime(), server).hedge(Hedge::after(Duration::MAX));
    assert_eq!(
        sim.block_on(never.fetch("http://h/")).unwrap().attempts(),
        1
    );
}
