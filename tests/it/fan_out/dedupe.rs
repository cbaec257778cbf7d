use std::future::IntoFuture;

use untethered::http::{
    Body, ErrorKind, FanOut, FetchRequest, HttpError, Method, Request, StatusCheck, Timeouts,
};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders};

use super::server::{Answer, Call, Server};
use super::{MS, SECOND};

fn fan_out(sim: &Sim, server: &Server) -> FanOut {
    FanOut::new(&sim.runtime(), server.clone()).dedupe()
}

// H11
#[test]
fn equal_requests_are_sent_once_and_each_key_gets_the_answer() {
    explore_orders(20, |sim| {
        let server = Server::new(sim, |call| async move {
            call.sleep(SECOND).await;
            match &*call.path {
                "/bad" => Err(HttpError::new(ErrorKind::Connect)),
                "/1" => call.answer("first"),
                _ => call.answer("other"),
            }
        });
        let fan_out = fan_out(sim, &server).concurrency(2);
        let urls = ["/1", "/2", "/bad"].iter().cycle().take(300);
        let requests = urls
            .enumerate()
            .map(|(key, path)| (key, format!("http://h{path}")));
        let results = sim.block_on(fan_out.fetch_all(requests).into_future());
        assert_eq!(results.len(), 300);
        for (key, result) in &results {
            match (key % 3, result) {
                (0, Ok(fetched)) => assert_eq!(fetched.body(), "first"),
                (1, Ok(fetched)) => assert_eq!(fetched.body(), "other"),
                (2, Err(error)) => {
                    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 1));
                }
                _ => panic!("{key}: {result:?}"),
            }
        }
        let mut urls = server.urls();
        urls.sort();
        assert_eq!(urls, ["http://h/1", "http://h/2", "http://h/bad"]);
        let stats = fan_out.stats();
        assert_eq!((stats.done, stats.failed, stats.shared), (200, 100, 297));
        assert_eq!((stats.bytes, stats.running), (10, 0));
    });
}

#[test]
fn a_later_one_gets_what_the_first_was_answered() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = fan_out(&sim, &server).concurrency(1);
    let urls = (0..500).chain(0..500).map(|n| format!("http://h/{n}"));
    assert_eq!(
        sim.block_on(fan_out.fetch_all(urls).into_future()).len(),
        1000
    );
    assert_eq!(server.urls().len(), 500);
    // Another fan-out asks anew, and so does one request.
    sim.block_on(fan_out.fetch_all(["http://h/0"]).into_future());
    sim.block_on(fan_out.fetch("http://h/0")).unwrap();
    assert_eq!(server.urls().len(), 502);
}

// H11
#[test]
fn what_is_forgotten_is_sent_again() {
    const MIB: &str = match std::str::from_utf8(&[b'x'; 1 << 20]) {
        Ok(text) => text,
        Err(_) => panic!(),
    };
    let in_body = |call: Call| async move { call.answer(MIB) };
    assert_eq!(asked_again(in_body, StatusCheck::off(), 40), (42, 41));
    // Headers count as well as bodies do, and the body of an answer that was refused too.
    let in_headers = |call: Call| async move { call.answer_with(200, &[("x", MIB)], "") };
    assert_eq!(asked_again(in_headers, StatusCheck::off(), 40), (42, 41));
    let refused = |call: Call| async move { call.answer_with(500, &[], MIB) };
    assert_eq!(asked_again(refused, StatusCheck::errors(), 600), (602, 601));
    // So does the URL that a redirect leads to, be it to an answer or not.
    let leads_to = |is_answer: bool| {
        move |call: Call| async move {
            if call.path.len() < 9 {
                let to = format!("{}/{}", call.path, &MIB[..60_000]);
                return call.redirect(302, &to);
            }
            match is_answer {
                true => call.answer(""),
                false => Err(HttpError::new(ErrorKind::Connect)),
            }
        }
    };
    let off = StatusCheck::off;
    assert_eq!(asked_again(leads_to(true), off(), 600), (602, 1202));
    assert_eq!(asked_again(leads_to(false), off(), 600), (602, 1202));
}

// H11
#[test]
fn what_was_asked_is_a_part_of_what_is_remembered() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = fan_out(&sim, &server).concurrency(1);
    let long = "x".repeat(1 << 20);
    let requests = (0..40).chain([39, 0]).map(move |n| {
        let request = FetchRequest::get(format!("http://h/{n}"));
        request.header("x", long.as_str())
    });
    let results = sim.block_on(fan_out.fetch_all(requests).into_future());
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(server.urls().len(), 41);
}

/// How many rows there are of so many requests, and the first and the last one again; and how many
/// are sent.
fn asked_again<F>(
    answer: impl Fn(Call) -> F + Send + Sync + 'static,
    check: StatusCheck,
    times: usize,
) -> (usize, usize)
where
    F: Future<Output = Answer> + Send + 'static,
{
    let sim = Sim::new();
    let server = Server::new(&sim, answer);
    let fan_out = fan_out(&sim, &server).concurrency(1).status_check(check);
    let urls = (0..times).chain([0, times - 1]);
    let urls = urls.map(|n| format!("http://h/{n}"));
    let mut results = fan_out.fetch_all(urls).stream();
    let rows = sim.block_on(async {
        let mut rows = 0;
        while results.next().await.is_some() {
            rows += 1;
        }
        rows
    });
    (rows, server.urls().len())
}

/// How many requests are sent for these.
fn sent(requests: impl IntoIterator<Item = FetchRequest, IntoIter: Send + 'static>) -> usize {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let results = fan_out(&sim, &server).fetch_all(requests);
    let results = sim.block_on(results.into_future());
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    server.urls().len()
}

#[test]
fn what_counts_as_equal() {
    let get = || FetchRequest::get("http://h/");
    let head = || FetchRequest::new(Method::HEAD, "http://h/");
    assert_eq!(sent([get(), FetchRequest::get("HTTP://H:80")]), 1);
    assert_eq!(sent([head(), head(), get()]), 2);
    let two = || get().header("a", "1").header("b", "2");
    assert_eq!(sent([two(), get().header("B", "2").header("A", "1")]), 1);
    let own = || get().timeout(Timeouts::total(SECOND));
    assert_eq!(sent([own(), own()]), 1);
    for other in [
        FetchRequest::get("http://h/?q"),
        FetchRequest::get("http://h/#fragment"),
        FetchRequest::get("http://h:81/"),
        FetchRequest::get("http://u:p@h/"),
        get().header("a", "1"),
        get().bearer_auth("t"),
        own(),
    ] {
        assert_eq!(sent([get(), other]), 2);
    }
    let values = |one, other| get().header("a", one).header("a", other);
    assert_eq!(sent([values("1", "2"), values("2", "1")]), 2);
}

#[test]
fn what_has_no_equal_is_sent_each_time() {
    let post = || FetchRequest::new(Method::POST, "http://h/");
    assert_eq!(sent([post(), post()]), 2);
    let delete = || FetchRequest::new(Method::DELETE, "http://h/");
    assert_eq!(sent([delete(), delete()]), 2);
    let body = || FetchRequest::get("http://h/").body("query");
    assert_eq!(sent([body(), body()]), 2);
    let check = || FetchRequest::get("http://h/").status_check(StatusCheck::off());
    assert_eq!(sent([check(), check()]), 2);
    let extended = || {
        let mut request = Request::get("http://h/").body(Body::empty()).unwrap();
        request.extensions_mut().insert(7_u8);
        FetchRequest::from(request)
    };
    assert_eq!(sent([extended(), extended()]), 2);
    let folder = std::env::temp_dir();
    let path = |n| folder.join(format!("dedupe-{}-{n}", std::process::id()));
    assert_eq!(
        sent([1, 2].map(|n| FetchRequest::get("http://h/").save_to(path(n)))),
        2
    );
    for n in [1, 2] {
        std::fs::remove_file(path(n)).unwrap();
    }
}

#[test]
fn unless_asked_each_is_sent() {
    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let fan_out = FanOut::new(&sim.runtime(), server.clone());
    sim.block_on(fan_out.fetch_all(["http://h/"; 3]).into_future());
    assert_eq!(server.urls().len(), 3);
}

#[test]
fn those_that_wait_are_cancelled_with_the_one_that_is_sent() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND * 9);
    let token = untethered::CancellationToken::new();
    let fan_out = fan_out(&sim, &server).cancel_on(token.clone());
    let rt = sim.runtime();
    let stop = async {
        rt.sleep(SECOND).await;
        token.cancel("enough");
    };
    let all = fan_out.fetch_all(["http://h/"; 3]).into_future();
    let ((), results) = sim.block_on(futures_lite::future::zip(stop, all));
    for (_, result) in &results {
        assert_eq!(result.as_ref().unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!((results.len(), server.seen().running), (3, 0));
}

#[test]
fn equal_ones_dropped_at_any_poll_leave_nothing() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let server = Server::slow(sim, MS);
        let fan_out = fan_out(sim, &server).concurrency(1);
        let all = fan_out.fetch_all(["http://h/", "http://h/", "http://h/2", "http://h/"]);
        (all.into_future(), move |sim: &Sim| {
            assert_eq!((server.seen().running, fan_out.stats().running), (0, 0));
            assert_eq!(sim.live_timers(), 0);
        })
    });
    assert!(polls > 2, "{polls}");
}
