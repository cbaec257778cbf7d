use std::future::IntoFuture;
use std::time::Duration;

use untethered::http::{FanOut, Timeouts};
use untethered::sim::{Sim, explore_orders};
use untethered::sync::RateLimit;

use super::server::Server;
use super::{MS, SECOND};

fn urls(n: usize, hosts: usize) -> impl Iterator<Item = String> + Send {
    (0..n).map(move |at| format!("http://h{}/{at}", at % hosts))
}

/// All of one host, then all of the next.
fn sorted(n: usize, hosts: usize) -> impl Iterator<Item = String> + Send {
    (0..n).map(move |at| format!("http://h{}/{at}", at * hosts / n))
}

// H2
#[test]
fn no_limit_is_ever_passed_and_each_is_reached() {
    explore_orders(20, |sim| {
        sim.spurious_wakes(true);
        let server = Server::new(sim, |call| async move {
            call.sleep(MS * (call.url.len() as u32 % 3 + 1)).await;
            call.drip(200, &[], [(MS, "a"), (MS, "b")])
        });
        let fan_out = FanOut::new(&sim.runtime(), server.clone())
            .concurrency(5)
            .per_host(2);
        let results = sim.block_on(fan_out.fetch_all(urls(200, 4)).into_future());
        assert!(results.iter().all(|(_, result)| result.is_ok()));
        let seen = server.seen();
        assert_eq!((seen.peak, seen.host_peak(), seen.running), (5, 2, 0));
    });
}

#[test]
fn concurrency_is_100_by_default() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    sim.block_on(fan_out.fetch_all(urls(250, 3)).into_future());
    assert_eq!(server.seen().peak, 100);
    assert_eq!(sim.elapsed(), SECOND * 3);
}

#[test]
fn input_sorted_by_host_keeps_more_than_one_host_busy() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(8)
        .per_host(2);
    // The window holds 32: 16 hosts, and slots for 4 of them.
    sim.block_on(fan_out.fetch_all(sorted(64, 32)).into_future());
    assert_eq!(server.seen().peak, 8);
    assert_eq!(sim.elapsed(), SECOND * 8);
}

#[test]
fn hosts_are_told_apart_by_name_and_not_by_port() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).per_host(1);
    let urls = ["http://A:1/", "http://a:2/", "https://a/", "http://b/"];
    sim.block_on(fan_out.fetch_all(urls).into_future());
    assert_eq!(sim.elapsed(), SECOND * 3);
    let starts: Vec<_> = server.starts().iter().map(Duration::as_secs).collect();
    assert_eq!(starts, [0, 0, 1, 2]);
}

#[test]
fn a_slot_is_held_until_the_body_is_read() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.drip(200, &[], [(SECOND, "a"), (SECOND, "b")])
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).concurrency(1);
    sim.block_on(fan_out.fetch_all(urls(3, 1)).into_future());
    assert_eq!(server.starts(), [Duration::ZERO, SECOND * 2, SECOND * 4]);
}

// H2
#[test]
fn the_rate_is_never_passed() {
    explore_orders(10, |sim| {
        let server = Server::slow(sim, MS * 30);
        let fan_out = FanOut::new(&sim.runtime(), server.clone())
            .concurrency(7)
            .per_host(3)
            .rate_limit(RateLimit::new(10, SECOND));
        sim.block_on(fan_out.fetch_all(urls(65, 4)).into_future());
        let starts = server.starts();
        for pair in starts.windows(11) {
            assert!(pair[10] - pair[0] >= SECOND, "11 starts within {pair:?}");
        }
        // No permit is lost either.
        assert_eq!(starts.last().unwrap().as_secs(), 6);
    });
}

#[test]
fn a_rate_permit_is_taken_last_so_that_none_pile_up() {
    let sim = Sim::new();
    // The one slot is taken for two seconds. Permits taken before it was free would let
    // everything behind it start at once.
    let server = Server::new(&sim, |call| async move {
        if call.path == "/0" {
            call.sleep(SECOND * 2).await;
        }
        call.answer("ok")
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(1)
        .rate_limit(RateLimit::new(1, SECOND));
    sim.block_on(fan_out.fetch_all(urls(4, 1)).into_future());
    let starts: Vec<_> = server.starts().iter().map(Duration::as_secs).collect();
    assert_eq!(starts, [0, 2, 3, 4]);
}

#[test]
fn a_host_slot_is_taken_before_a_slot() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(2)
        .per_host(1);
    // With slots taken first the second one for `a` would keep `b` from starting.
    let urls = ["http://a/1", "http://a/2", "http://b/"];
    sim.block_on(fan_out.fetch_all(urls).into_future());
    assert_eq!(server.urls(), ["http://a/1", "http://b/", "http://a/2"]);
    assert_eq!(sim.elapsed(), SECOND * 2);
}

#[test]
fn redirects_between_two_hosts_do_not_wait_for_each_other() {
    explore_orders(20, |sim| {
        let server = Server::new(sim, |call| async move {
            call.sleep(MS).await;
            match &*call.url {
                "http://a/start" => call.redirect(302, "http://b/end"),
                "http://b/start" => call.redirect(302, "http://a/end"),
                _ => call.answer("ok"),
            }
        });
        for concurrency in [1, 2, 10] {
            let fan_out = FanOut::new(&sim.runtime(), server.clone())
                .concurrency(concurrency)
                .per_host(1)
                .timeout(Timeouts::none());
            let urls = ["http://a/start", "http://b/start"].repeat(20);
            let results = sim.block_on(fan_out.fetch_all(urls).into_future());
            assert!(results.iter().all(|(_, result)| result.is_ok()));
            assert_eq!(server.seen().host_peak(), 1);
            assert!(server.seen().peak <= 2);
        }
    });
}

#[test]
fn every_hop_takes_a_rate_permit() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        match &*call.path {
            "/3" => call.answer("ok"),
            path => {
                let n: u32 = path[1..].parse().unwrap();
                let next = format!("/{}", n + 1);
                call.redirect(302, &next)
            }
        }
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .rate_limit(RateLimit::new(1, SECOND))
        .timeout(Timeouts::total(MS));
    let fetched = sim.block_on(fan_out.fetch("http://h/0")).unwrap();
    // Three waits of a second, none of which is the request's own time.
    assert_eq!(fetched.elapsed(), Duration::ZERO);
    assert_eq!(fetched.attempts(), 1);
    let starts: Vec<_> = server.starts().iter().map(Duration::as_secs).collect();
    assert_eq!(starts, [0, 1, 2, 3]);
}
