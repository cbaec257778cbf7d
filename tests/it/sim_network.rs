//! A network in memory, on virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use untethered::http::{
    Body, Client, ErrorKind, ExchangePhase, FanOut, HttpError, Phases, Request, Response, Retry,
    StatusCode, Timeouts,
};
use untethered::sim::{Network, Order, Reply, Sim, drop_at_every_poll, explore};
use untethered::time::{Backoff, timeout};

use crate::support::panic_text;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

async fn read(network: &Network, url: &str) -> Result<Bytes, HttpError> {
    network
        .send(get(url))
        .await?
        .into_body()
        .bytes(1 << 20)
        .await
}

// D6
#[test]
fn an_exchange_takes_its_time_and_says_how_far_it_is() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let inside = sim.reference();
    let network = Network::new(&sim)
        .latency(SECOND..=SECOND)
        .serve("A.example", move |request| {
            assert_eq!(inside.elapsed(), 2 * SECOND);
            assert_eq!(request.body(), "question");
            assert_eq!(request.uri().path(), "/path");
            Reply::from(Response::builder().status(201).body("answer").unwrap())
                .header("x-a", "b")
                .after(7 * SECOND)
        });
    let phases = Phases::new();
    let mut request = Request::post("http://a.Example:8080/path")
        .body(Body::from("question"))
        .unwrap();
    request.extensions_mut().insert(phases.clone());
    let sending = rt.spawn({
        let network = network.clone();
        async move { network.send(request).await }
    });
    let mut seen = Vec::new();
    for _ in 0..10 {
        sim.run_until_idle();
        seen.push(phases.current());
        sim.advance(SECOND);
    }
    let (connecting, sent) = (ExchangePhase::Connecting, ExchangePhase::Sent);
    assert_eq!(seen, [&[connecting; 1][..], &[sent; 9]].concat());
    assert_eq!(phases.current(), ExchangePhase::Head);
    sim.block_on(async {
        let response = sending.await.unwrap().unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers()["x-a"].as_bytes()
            ),
            (201, &b"b"[..])
        );
        assert_eq!(network.under_way(), 1);
        assert_eq!(response.into_body().bytes(6).await.unwrap(), "answer");
    });
    assert_eq!(sim.elapsed(), 10 * SECOND);
    assert_eq!(
        (network.exchanges(), network.under_way(), network.peak()),
        (1, 0, 1)
    );
}

#[test]
fn latencies_lie_within_their_range_and_differ() {
    let sim = Sim::new();
    let network = Network::new(&sim)
        .latency(10 * MILLI..=20 * MILLI)
        .serve("a.example", |_| "");
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let before = sim.elapsed();
        sim.block_on(read(&network, "http://a.example/")).unwrap();
        let took = sim.elapsed() - before;
        assert!((30 * MILLI..=60 * MILLI).contains(&took), "{took:?}");
        seen.insert(took);
    }
    assert!(seen.len() > 40);
    assert!(panic_text(|| Network::new(&sim).latency(SECOND..=MILLI)).contains("not empty"));
}

#[test]
fn every_kind_of_reply() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let network = Network::new(&sim).serve("a.example", |request| match request.uri().path() {
        "/text" => Reply::from("text"),
        "/string" => String::from("string").into(),
        "/bytes" => Bytes::from("bytes").into(),
        "/status" => StatusCode::IM_A_TEAPOT.into(),
        "/silence" => Reply::silence(),
        "/reset" => Reply::reset(),
        "/refuse" => Reply::refuse(),
        "/drip" => Reply::from("12345").pace(2, SECOND),
        "/cut" => Reply::from("12345").pace(2, SECOND).cut(3),
        "/cut-late" => Reply::from("12345").cut(5),
        "/cut-at-once" => Reply::from("12345").cut(0),
        path => panic!("{path}"),
    });
    let url = |path: &str| format!("http://a.example/{path}");
    sim.block_on(async {
        for text in ["text", "string", "bytes"] {
            assert_eq!(read(&network, &url(text)).await.unwrap(), text);
        }
        let response = network.send(get(&url("status"))).await.unwrap();
        assert_eq!(response.status(), 418);
        assert_eq!(sim.elapsed(), Duration::ZERO);

        let silent = timeout(&rt, 9 * SECOND, network.send(get(&url("silence"))));
        assert!(silent.await.is_err());
        let reset = network.send(get(&url("reset"))).await.unwrap_err();
        assert_eq!(
            (reset.kind(), reset.maybe_sent()),
            (ErrorKind::Truncated, true)
        );
        let refused = network.send(get(&url("refuse"))).await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.maybe_sent()),
            (ErrorKind::Connect, false)
        );
        let unknown = network.send(get("http://b.example/")).await.unwrap_err();
        assert_eq!(
            (unknown.kind(), unknown.maybe_sent()),
            (ErrorKind::Resolve, false)
        );
        let nowhere = network.send(get("/path")).await.unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::InvalidRequest);

        let mut drip = network
            .send(get(&url("drip")))
            .await
            .unwrap()
            .into_body()
            .chunks();
        for (piece, at) in [("12", 10), ("34", 11), ("5", 12)] {
            assert_eq!(drip.next().await.unwrap().unwrap(), piece);
            assert_eq!(sim.elapsed(), at * SECOND);
        }
        assert!(drip.next().await.is_none());
        let mut cut = network
            .send(get(&url("cut")))
            .await
            .unwrap()
            .into_body()
            .chunks();
        assert_eq!(cut.next().await.unwrap().unwrap(), "12");
        assert_eq!(cut.next().await.unwrap().unwrap(), "3");
        let error = cut.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert!(cut.next().await.is_none());
        assert_eq!(read(&network, &url("cut-late")).await.unwrap(), "12345");
        let error = read(&network, &url("cut-at-once")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated);
    });
    assert_eq!(network.under_way(), 0);
    sim.assert_empty();
    assert!(panic_text(|| Reply::from("").pace(0, SECOND)).contains("never ends"));
    assert_eq!(
        panic_text(|| Reply::from("").header("a b", "c")),
        "no name of a header"
    );
    assert_eq!(
        panic_text(|| Reply::from("").header("a", "\n")),
        "no value of the header a"
    );
}

/// How a thousand exchanges end: fine, lost, reset; and how many a server has seen.
fn ends(loss: f64, resets: f64, seed: u64) -> [usize; 4] {
    let sim = Sim::new();
    let rt = sim.runtime();
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    let network = Network::new(&sim)
        .loss(loss)
        .resets(resets)
        .seed(seed)
        .serve("a.example", move |_| {
            counter.fetch_add(1, SeqCst);
            "fine"
        });
    let [mut fine, mut lost, mut reset] = [0; 3];
    sim.block_on(async {
        for _ in 0..1000 {
            match timeout(&rt, SECOND, network.send(get("https://a.example/"))).await {
                Ok(Ok(_)) => fine += 1,
                Ok(Err(error)) => {
                    assert_eq!(
                        (error.kind(), error.maybe_sent()),
                        (ErrorKind::Truncated, true)
                    );
                    reset += 1;
                }
                Err(_) => lost += 1,
            }
        }
    });
    assert_eq!((network.exchanges(), network.under_way()), (1000, 0));
    [fine, lost, reset, seen.load(SeqCst)]
}

// D6
#[test]
fn as_much_is_lost_and_reset_as_was_said() {
    assert_eq!(ends(0.0, 0.0, 1), [1000, 0, 0, 1000]);
    let [fine, lost, reset, seen] = ends(0.2, 0.1, 1);
    assert!((630..770).contains(&fine), "{fine}");
    assert!((150..250).contains(&lost), "{lost}");
    assert!((60..140).contains(&reset), "{reset}");
    // Of those that failed, about half were seen.
    assert!((800..900).contains(&seen), "{seen}");
    assert_eq!(ends(0.2, 0.1, 1), [fine, lost, reset, seen]);
    assert_ne!(ends(0.2, 0.1, 2), [fine, lost, reset, seen]);
    let [fine, lost, reset, seen] = ends(0.0, 1.0, 3);
    assert_eq!((fine, lost, reset), (0, 0, 1000));
    assert!((400..600).contains(&seen), "{seen}");
    let sim = Sim::new();
    for share in [-0.1, 1.1, f64::NAN] {
        assert!(panic_text(|| Network::new(&sim).loss(share)).starts_with("a share is from"));
        assert!(panic_text(|| Network::new(&sim).resets(share)).starts_with("a share is from"));
    }
    let both = panic_text(|| Network::new(&sim).loss(0.7).resets(0.6));
    assert!(both.contains("can not be lost or reset"), "{both}");
}

// D6
#[test]
fn an_exchange_dropped_at_any_poll_is_over() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let network = Network::new(sim)
            .latency(SECOND..=SECOND)
            .serve("a.example", |_| {
                Reply::from("12345").pace(2, SECOND).after(SECOND)
            });
        let asked = network.clone();
        let future = async move { read(&asked, "http://a.example/").await.unwrap() };
        (future, move |sim: &Sim| {
            assert_eq!(network.under_way(), 0);
            sim.assert_empty();
        })
    });
    assert!(polls > 6, "{polls}");
}

#[test]
fn a_fetch_that_may_be_dropped_leaves_nothing() {
    let dropped = AtomicUsize::new(0);
    explore(|sim| {
        let rt = sim.runtime();
        let network = Network::new(sim)
            .latency(MILLI..=MILLI)
            .serve("a.example", |_| Reply::from("ab").pace(1, MILLI));
        let fan_out = FanOut::new(&rt, network.clone());
        let fetched = sim.block_on(sim.may_drop(fan_out.fetch("http://a.example/")));
        match fetched {
            Some(fetched) => assert_eq!(fetched.unwrap().body(), "ab"),
            None => {
                dropped.fetch_add(1, SeqCst);
            }
        }
        assert_eq!(network.under_way(), 0);
    })
    .exhaustive(1)
    .run();
    assert!(dropped.load(SeqCst) > 5);
}

// D6
#[test]
fn a_day_of_a_fan_out_under_faults_ends_well() {
    let day = || {
        let sim = Sim::with_order(Order::Seeded(5));
        let rt = sim.runtime();
        let inside = sim.reference();
        let network = Network::new(&sim)
            .latency(MILLI..=90 * MILLI)
            .loss(0.01)
            .resets(0.02)
            .seed(11)
            .serve("a.example", |_| Reply::from("a").pace(1, 50 * MILLI))
            // Down for the first minute of each hour.
            .serve("b.example", move |_| {
                match inside.elapsed().as_secs() % 3600 {
                    0..60 => Reply::refuse(),
                    _ => Reply::from("b"),
                }
            });
        let backoff = Backoff::new(2 * SECOND).seed(3);
        let fan_out = FanOut::new(&rt, network.clone())
            .concurrency(8)
            .timeout(Timeouts::total(300 * SECOND).first_byte(2 * SECOND))
            .retry(Retry::attempts(12).backoff(backoff).unlimited_budget());
        let mut failed = 0;
        sim.block_on(async {
            for _ in 0..24 * 12 {
                let urls = (0..10).map(|n| format!("http://{}.example/{n}", ["a", "b"][n % 2]));
                let results = fan_out.fetch_all(urls).await;
                failed += results.iter().filter(|(_, result)| result.is_err()).count();
                rt.sleep(300 * SECOND).await;
            }
        });
        assert!(sim.elapsed() > 24 * 3600 * SECOND);
        assert_eq!((failed, network.under_way(), network.peak()), (0, 0, 8));
        sim.run_until_idle();
        sim.assert_empty();
        (network.exchanges(), sim.elapsed())
    };
    let (exchanges, elapsed) = day();
    assert!(exchanges > 24 * 12 * 10, "{exchanges}");
    assert_eq!(day(), (exchanges, elapsed));
}
