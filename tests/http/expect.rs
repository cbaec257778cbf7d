//! `Expect: 100-continue`. Time is virtual, so that only what the server says lets a body go.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use futures_lite::future::block_on;
use http::Version;
use untethered::http::conformance::{Server, response};
use untethered::http::{Body, Bytes, Client, Engine, ErrorKind, Request};
use untethered::sim::Sim;

use crate::support::{STUCK, poll_once};

const WAIT: Duration = Duration::from_secs(1);

fn put(url: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::put(url).header("Expect", "100-Continue");
    request.body(body.into()).unwrap()
}

fn engine(sim: &Sim) -> Engine {
    Engine::builder(&sim.runtime()).expect_wait(WAIT).build()
}

// H20
#[test]
fn the_body_goes_when_it_is_asked_for() {
    let server = Server::new(|peer| {
        while let Some(mut request) = peer.head() {
            assert_eq!(request.header("expect").unwrap(), "100-Continue");
            assert!(!peer.has_more(), "nobody asked for the body yet");
            peer.write(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
            assert!(peer.body_of(&mut request));
            peer.write(&response(200, &request.body));
        }
    });
    let sim = Sim::new();
    let engine = engine(&sim);
    block_on(async {
        let pieces = || {
            let pieces = ["in ", "pieces"].map(|piece| Ok(Bytes::from(piece)));
            Body::stream(futures_lite::stream::iter(pieces))
        };
        for (body, sent) in [(Body::from("whole"), "whole"), (pieces(), "in pieces")] {
            let answer = engine.send(put(&server.url("/"), body)).await.unwrap();
            assert_eq!(answer.into_body().bytes(100).await.unwrap(), sent);
        }
    });
    assert_eq!(server.accepted(), 1, "the connection is used again");
    drop(engine);
    server.finish();
}

// H20
#[test]
fn an_answer_without_the_body_is_the_answer_and_the_last() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = Server::new(move |peer| {
        peer.head().unwrap();
        peer.write(
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 417 No\r\nContent-Length: 4\r\n\r\nha",
        );
        wait.lock().unwrap().recv_timeout(STUCK).unwrap();
        peer.write(b"lf");
        peer.wait_for_close();
        assert!(!peer.has_more(), "a body that nobody waits for");
    });
    let sim = Sim::new();
    let engine = engine(&sim);
    block_on(async {
        for _ in 0..2 {
            let answer = engine.send(put(&server.url("/"), "body")).await.unwrap();
            assert_eq!(answer.status(), 417);
            let mut rest = Box::pin(answer.into_body().bytes(10));
            assert!(poll_once(&mut rest).is_pending());
            sim.advance(WAIT * 2);
            assert!(poll_once(&mut rest).is_pending());
            go_on.send(()).unwrap();
            assert_eq!(rest.await.unwrap(), "half");
        }
    });
    assert_eq!(server.accepted(), 2, "no connection is used again");
    server.finish();
}

#[test]
fn a_server_that_does_not_ask_gets_the_body_later() {
    let (note, noted) = mpsc::channel::<()>();
    let note = Mutex::new(note);
    let server = Server::new(move |peer| {
        while let Some(mut request) = peer.head() {
            assert!(!peer.has_more(), "nobody asked for the body yet");
            note.lock().unwrap().send(()).unwrap();
            assert!(peer.body_of(&mut request));
            peer.write(&response(200, &request.body));
        }
    });
    let sim = Sim::new();
    let engine = engine(&sim);
    block_on(async {
        let mut exchange = engine.send(put(&server.url("/"), "late"));
        let answer = std::future::poll_fn(|cx| {
            let polled = exchange.as_mut().poll(cx);
            if noted.try_recv().is_ok() {
                sim.advance(WAIT);
            } else {
                cx.waker().wake_by_ref();
            }
            polled
        });
        let answer = answer.await.unwrap();
        assert_eq!(answer.into_body().bytes(10).await.unwrap(), "late");
    });
    drop(engine);
    server.finish();
}

#[test]
fn one_that_can_not_be_asked_gets_it_at_once() {
    let server = Server::answering(|request| response(200, &request.body));
    let sim = Sim::new();
    let impatient = Engine::builder(&sim.runtime())
        .expect_wait(Duration::ZERO)
        .build();
    block_on(async {
        let mut request = put(&server.url("/"), "now");
        let answer = impatient.send(request).await.unwrap();
        assert_eq!(answer.into_body().bytes(10).await.unwrap(), "now");

        request = put(&server.url("/"), "now");
        *request.version_mut() = Version::HTTP_10;
        let answer = engine(&sim).send(request).await.unwrap();
        assert_eq!(answer.into_body().bytes(10).await.unwrap(), "now");

        request = put(&server.url("/"), Body::empty());
        let error = engine(&sim).send(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(!error.maybe_sent());
        assert_eq!(server.accepted(), 2, "nothing was sent");
    });
    drop(impatient);
    server.finish();
}

#[test]
fn a_connection_that_was_closed_meanwhile_loses_no_body() {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        let mut request = peer.head().unwrap();
        peer.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        assert!(peer.body_of(&mut request));
        peer.write(&response(200, &request.body));
        peer.close();
        closed.lock().unwrap().send(()).unwrap();
    });
    let sim = Sim::new();
    let engine = engine(&sim);
    block_on(async {
        for body in ["one", "two"] {
            let answer = engine.send(put(&server.url("/"), body)).await.unwrap();
            assert_eq!(answer.into_body().bytes(10).await.unwrap(), body);
            seen.recv_timeout(STUCK).unwrap();
        }
    });
    server.finish();
}
