use std::future::{Future, IntoFuture};

use futures_lite::{Stream, StreamExt};
use untethered::http::{Body, Bytes, Client, FanOut, HttpError, Request};
use untethered::sim::{Network, Reply, Sim};

use super::{Parts, SECOND, row, row_then};

fn network(sim: &Sim) -> Network {
    Network::new(sim)
        .latency(SECOND..=SECOND)
        .serve("a.example", |_| Reply::from("12345").pace(2, SECOND))
}

const URLS: [&str; 3] = [
    "http://a.example/1",
    "http://a.example/2",
    "http://a.example/3",
];

/// A row about a fan-out over [`network`], which has nothing under way when it is over.
#[track_caller]
fn fan_out_row<F: Future<Output = ()> + 'static>(paths: &str, make: impl Fn(FanOut) -> F) {
    row_then(paths, |sim, p| {
        let network = network(sim);
        let fan_out = FanOut::new(&p.rt, network.clone()).concurrency(2);
        (make(fan_out.clone()), move |sim: &Sim| {
            assert_eq!(network.under_way(), 0);
            // All slots are free.
            let results = sim.block_on(fan_out.fetch_all(URLS).into_future());
            assert!(results.iter().all(|(_, result)| result.is_ok()));
        })
    });
}

// C10
#[test]
fn every_future_of_a_fan_out() {
    fan_out_row("http::FanOut::fetch", |fan_out| async move {
        assert_eq!(fan_out.fetch(URLS[0]).await.unwrap().body(), "12345");
    });
    fan_out_row("http::FetchAllFuture", |fan_out| async move {
        assert_eq!(fan_out.fetch_all(URLS).await.len(), 3);
    });
    fan_out_row("http::FailFast", |fan_out| async move {
        assert_eq!(fan_out.fetch_all(URLS).fail_fast().await.unwrap().len(), 3);
    });
    fan_out_row("http::FetchStream", |fan_out| async move {
        assert_eq!(fan_out.fetch_all(URLS).stream().count().await, 3);
    });
    fan_out_row("http::FetchStream::next", |fan_out| async move {
        let mut stream = fan_out.fetch_all(URLS).stream();
        assert!(stream.next().await.unwrap().1.is_ok());
    });
}

fn pieces(p: &Parts) -> impl Stream<Item = Result<Bytes, HttpError>> + use<> {
    p.numbers().map(|_| Ok(Bytes::from_static(b"piece")))
}

// C10
#[test]
fn every_future_of_a_client_and_of_a_body() {
    row_then("http::Client::send", |sim, _| {
        let network = network(sim);
        let client = network.clone();
        let exchange = async move {
            let request = Request::get(URLS[0]).body(Body::empty()).unwrap();
            client.send(request).await.unwrap();
        };
        (exchange, move |_: &Sim| assert_eq!(network.under_way(), 0))
    });
    row("http::Body::bytes", |p| async move {
        let body = Body::stream(pieces(&p));
        assert_eq!(body.bytes(100).await.unwrap().len(), 15);
    });
    row("http::Chunks", |p| async move {
        assert_eq!(Body::stream(pieces(&p)).chunks().count().await, 3);
    });
    row("http::Chunks::next", |p| async move {
        let mut chunks = Body::stream(pieces(&p)).chunks();
        assert_eq!(chunks.next().await.unwrap().unwrap(), "piece");
    });
}
