use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use untethered::CancellationToken;
use untethered::http::{ErrorKind, FanOut, Timeouts};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders};
use untethered::sync::RateLimit;

use super::server::Server;
use super::{MS, SECOND};

fn urls(n: usize) -> impl Iterator<Item = (usize, String)> + Send {
    (0..n).map(|n| (n, format!("http://h{}/{n}", n % 2)))
}

/// Cancels `token` at that moment.
fn cancel_at(sim: &Sim, token: &CancellationToken, at: Duration) {
    let rt = sim.runtime();
    let token = token.clone();
    let sleep = rt.sleep(at);
    let cancel = async move {
        sleep.await;
        token.cancel("enough");
    };
    rt.spawn(cancel).detach();
}

// H1
#[test]
fn closing_finishes_what_is_under_way_and_cancels_the_rest() {
    explore_orders(10, |sim| {
        let server = Server::slow(sim, SECOND);
        let token = CancellationToken::new();
        let fan_out = FanOut::new(&sim.runtime(), server.clone())
            .concurrency(4)
            .per_host(2)
            .close_on(token.clone());
        cancel_at(sim, &token, MS * 1500);
        let results = sim.block_on(fan_out.fetch_all(urls(40)).into_future());
        assert_eq!(sim.elapsed(), SECOND * 2);
        assert_eq!(server.urls().len(), 8);
        // Each key has its result.
        assert_eq!(results.len(), 40);
        let done = results.iter().filter(|(_, result)| result.is_ok()).count();
        assert_eq!(done, 8);
        for (_, result) in &results {
            if let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                assert_eq!((error.attempts(), error.maybe_sent()), (0, false));
                assert!(
                    error.to_string().starts_with("cancelled: enough"),
                    "{error}"
                );
            }
        }
    });
}

#[test]
fn cancelling_drops_what_is_under_way_too() {
    explore_orders(10, |sim| {
        let server = Server::slow(sim, SECOND);
        let token = CancellationToken::new();
        let fan_out = FanOut::new(&sim.runtime(), server.clone())
            .concurrency(4)
            .cancel_on(token.clone());
        cancel_at(sim, &token, MS * 1500);
        let results = sim.block_on(fan_out.fetch_all(urls(40)).into_future());
        assert_eq!(sim.elapsed(), MS * 1500);
        assert_eq!(server.seen().running, 0);
        let done = results.iter().filter(|(_, result)| result.is_ok()).count();
        assert_eq!((results.len(), done), (40, 4));
        let begun = |error: &untethered::http::FetchError| error.attempts() == 1;
        let begun = results
            .iter()
            .filter_map(|(_, result)| result.as_ref().err())
            .filter(|it| begun(it));
        for error in begun.clone() {
            assert_eq!(error.elapsed(), MS * 500);
        }
        assert_eq!(begun.count(), 4);
    });
}

#[test]
fn a_second_token_makes_an_end_of_what_the_first_lets_finish() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND * 10);
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(2)
        .close_on(first.clone())
        .cancel_on(second.clone());
    cancel_at(&sim, &first, SECOND);
    cancel_at(&sim, &second, SECOND * 3);
    let results = sim.block_on(fan_out.fetch_all(urls(5)).into_future());
    assert_eq!(sim.elapsed(), SECOND * 3);
    assert_eq!(results.len(), 5);
    assert!(results.iter().all(|(_, result)| result.is_err()));
}

#[test]
fn closing_ends_the_wait_for_the_rate_limit() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let token = CancellationToken::new();
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .rate_limit(RateLimit::new(1, SECOND * 100))
        .close_on(token.clone());
    cancel_at(&sim, &token, SECOND);
    let results = sim.block_on(fan_out.fetch_all(urls(3)).into_future());
    assert_eq!(sim.elapsed(), SECOND);
    let done: Vec<_> = results.iter().map(|(_, result)| result.is_ok()).collect();
    assert_eq!(done, [true, false, false]);
}

#[test]
fn a_slot_that_comes_with_the_close_starts_nothing() {
    explore_orders(10, |sim| {
        let token = CancellationToken::new();
        let close = token.clone();
        let server = Server::new(sim, move |call| {
            let close = close.clone();
            async move {
                call.sleep(SECOND).await;
                close.cancel("done");
                call.answer("ok")
            }
        });
        let fan_out = FanOut::new(&sim.runtime(), server.clone())
            .concurrency(1)
            .per_host(1)
            .close_on(token);
        let all = ["http://h/"; 3];
        let results = sim.block_on(fan_out.fetch_all(all).into_future());
        let done: Vec<_> = results.iter().map(|(_, result)| result.is_ok()).collect();
        assert_eq!(done, [true, false, false]);
        assert_eq!(server.urls().len(), 1);
    });
}

#[test]
fn a_redirect_goes_on_after_a_close_if_it_need_not_wait() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        call.sleep(SECOND).await;
        match &*call.path {
            "/end" => call.answer("ok"),
            _ => call.redirect(302, "http://other/end"),
        }
    });
    let token = CancellationToken::new();
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).close_on(token.clone());
    cancel_at(&sim, &token, MS * 500);
    assert!(sim.block_on(fan_out.fetch("http://h/")).is_ok());
    let error = sim.block_on(fan_out.fetch("http://h/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn a_token_cancelled_before_lets_nothing_start() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let token = CancellationToken::new();
    token.cancel("before");
    let rt = sim.runtime();
    let rate = RateLimit::new(1, SECOND);
    let fan_out = FanOut::new(&rt, server.clone()).rate_limit(rate.clone());
    for fan_out in [
        fan_out.clone().close_on(token.clone()),
        fan_out.cancel_on(token),
    ] {
        let results = sim.block_on(fan_out.fetch_all(urls(10)).into_future());
        assert_eq!(results.len(), 10);
        assert!(results.iter().all(|(_, result)| result.is_err()));
    }
    assert!(server.urls().is_empty());
    assert!(rate.try_acquire(&rt), "a permit was taken for nothing");
}

#[test]
fn endless_input_is_left_where_it_is() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let token = CancellationToken::new();
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(3)
        .close_on(token.clone());
    cancel_at(&sim, &token, MS * 2500);
    let endless = (0..).map(|n: u64| (n, format!("http://h/{n}")));
    let results = sim.block_on(fan_out.fetch_all(endless).into_future());
    assert_eq!(results.len(), 9);
    assert!(results.iter().all(|(_, result)| result.is_ok()));
}

/// A stream that gives one URL and then nothing, whatever it says about its end.
struct Stuck {
    given: bool,
    most: Option<usize>,
}

impl Stream for Stuck {
    type Item = &'static str;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<&'static str>> {
        if self.given {
            return Poll::Pending;
        }
        self.given = true;
        Poll::Ready(Some("http://h/"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.most)
    }
}

#[test]
fn closing_ends_the_wait_for_input() {
    for most in [None, Some(7)] {
        let sim = Sim::new();
        let token = CancellationToken::new();
        let fan_out = FanOut::new(&sim.runtime(), Server::prompt(&sim)).close_on(token.clone());
        cancel_at(&sim, &token, SECOND);
        let stuck = Stuck { given: false, most };
        let results = sim.block_on(fan_out.fetch_stream(stuck).into_future());
        assert_eq!((results.len(), sim.elapsed()), (1, SECOND));
    }
}

#[test]
fn work_goes_on_while_the_input_is_pending() {
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), Server::slow(&sim, SECOND));
    let stuck = Stuck {
        given: false,
        most: None,
    };
    let mut stream = fan_out.fetch_stream(stuck).stream();
    assert!(sim.block_on(stream.next()).unwrap().1.is_ok());
}

// H5
#[test]
fn dropping_at_any_poll_leaves_nothing() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(1), Order::Seeded(2)] {
        let polls = drop_at_every_poll(order, |sim| {
            let server = Server::new(sim, |call| async move {
                match &*call.path {
                    "/3" | "/5" => call.redirect(302, "http://h0/end"),
                    "/6" => std::future::pending().await,
                    _ => {
                        call.sleep(SECOND).await;
                        call.drip(200, &[], [(MS, "a"), (MS, "b")])
                    }
                }
            });
            let rate = RateLimit::new(2, MS * 700);
            let fan_out = FanOut::new(&sim.runtime(), server.clone())
                .concurrency(3)
                .per_host(2)
                .rate_limit(rate)
                .timeout(Timeouts::total(SECOND * 2))
                .close_on(CancellationToken::new())
                .cancel_on(CancellationToken::new());
            let all = fan_out.fetch_all(urls(10)).into_future();
            let check = move |sim: &Sim| {
                let seen = server.seen();
                assert_eq!(seen.running, 0, "a connection is still open");
                drop(seen);
                assert_eq!(sim.live_timers(), 0);
                // Nobody holds a slot: everything starts over at once.
                let again = fan_out.clone();
                let before = server.urls().len();
                let all = again.fetch_all((0..3).map(|n| format!("http://h{n}/")));
                sim.block_on(all.into_future());
                assert_eq!(server.urls().len(), before + 3);
            };
            (all, check)
        });
        assert!(polls > 10, "only {polls} polls");
    }
}

#[test]
fn a_dropped_request_gives_its_slots_to_those_that_wait() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(1)
        .per_host(1);
    sim.block_on(async {
        let mut first = Box::pin(fan_out.fetch("http://h/1"));
        let mut second = Box::pin(fan_out.fetch("http://h/2"));
        let mut third = Box::pin(fan_out.fetch("http://h/3"));
        for fetch in [&mut first, &mut second, &mut third] {
            assert!(futures_lite::future::poll_once(fetch).await.is_none());
        }
        // The slot is handed to the second, which is dropped before it runs.
        drop(first);
        drop(second);
        third.await.unwrap();
    });
    assert_eq!(sim.elapsed(), SECOND);
    assert_eq!(server.urls(), ["http://h/1", "http://h/3"]);
}

#[test]
fn a_panic_of_the_client_is_the_callers_and_leaves_no_slot_taken() {
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        assert!(call.path != "/panic", "as asked");
        call.answer("ok")
    });
    let fan_out = FanOut::new(&sim.runtime(), server.clone())
        .concurrency(1)
        .per_host(1);
    let urls = ["http://h/1", "http://h/panic", "http://h/2"];
    let all = fan_out.fetch_all(urls).into_future();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sim.block_on(all)));
    assert!(panic.is_err());
    assert_eq!(server.seen().running, 0);
    assert!(sim.block_on(fan_out.fetch("http://h/3")).is_ok());
}
