//! Deadlines, and how far an exchange has got.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::server::{STUCK, Server, response};
use super::subject::{Subject, get, poll_once, wait_for_phase};
use crate::http::{Body, Deadline, ErrorKind, ExchangePhase, Phases, Request, TimeoutPhase};
use crate::queue::Queue;

/// When deadlines pass, until one is late enough for a busy machine.
const LIMITS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

pub(super) async fn deadline_without_an_answer(subject: Subject) {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    let server = Server::new(move |peer| {
        let Some(request) = peer.request() else {
            return;
        };
        assert_eq!(request.path(), "/");
        asked.store(true, Ordering::SeqCst);
        peer.wait_for_close();
    });
    subject
        .run(server, |subject, url| async move {
            let mut sent = false;
            for limit in LIMITS {
                let mut request = get(&url);
                let deadline = subject.rt.now() + limit;
                request.extensions_mut().insert(Deadline(deadline));
                let error = subject.client.send(request).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
                assert!(subject.rt.now() >= deadline);
                sent = error.maybe_sent() && seen.load(Ordering::SeqCst);
                if sent {
                    break;
                }
            }
            assert!(sent, "not sent, or not said to be");

            // One that has passed: nothing is begun.
            let mut request = get(&format!("{url}too-late"));
            request.extensions_mut().insert(Deadline(subject.rt.now()));
            let error = subject.client.send(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
            assert!(!error.maybe_sent());
        })
        .await;
}

pub(super) async fn deadline_within_the_body(subject: Subject) {
    let server = Server::new(|peer| {
        if peer.request().is_some() {
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            peer.wait_for_close();
        }
    });
    subject
        .run(server, |subject, url| async move {
            for limit in LIMITS {
                let mut request = get(&url);
                let deadline = subject.rt.now() + limit;
                request.extensions_mut().insert(Deadline(deadline));
                let (begun, error) = match subject.client.send(request).await {
                    Ok(response) => (true, response.into_body().bytes(10).await.unwrap_err()),
                    Err(error) => (false, error),
                };
                assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
                assert!(subject.rt.now() >= deadline);
                if begun {
                    return;
                }
            }
            panic!("the deadline passed before the head was there");
        })
        .await;
}

pub(super) async fn phases(subject: Subject) {
    if subject.deviates {
        return no_phases(subject).await;
    }
    let (go_on, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            wait.lock().unwrap().recv_timeout(STUCK).unwrap();
            peer.write(&response(200, b"ok"));
        }
    });
    subject
        .run(server, |subject, url| async move {
            for _ in 0..2 {
                let phases = Phases::new();
                let mut request = get(&url);
                request.extensions_mut().insert(phases.clone());
                let mut exchange = subject.client.send(request);
                assert_eq!(phases.current(), ExchangePhase::Begun);
                wait_for_phase(&mut exchange, &phases, ExchangePhase::Sent).await;
                assert_eq!(phases.current(), ExchangePhase::Sent);
                go_on.send(()).unwrap();
                let response = exchange.await.unwrap();
                assert_eq!(phases.current(), ExchangePhase::Head);
                response.into_body().bytes(10).await.unwrap();
            }

            // A body that has not ended is not sent, whatever was written of it.
            let pieces = Queue::unbounded();
            let body = Body::stream(pieces.stream());
            pieces.try_push(Ok("first".into())).unwrap();
            let phases = Phases::new();
            let mut request = Request::post(&url).body(body).unwrap();
            request.extensions_mut().insert(phases.clone());
            let mut exchange = subject.client.send(request);
            wait_for_phase(&mut exchange, &phases, ExchangePhase::Sending).await;
            assert!(poll_once(&mut exchange).is_pending());
            assert_eq!(phases.current(), ExchangePhase::Sending);
            pieces.close();
            wait_for_phase(&mut exchange, &phases, ExchangePhase::Sent).await;
            go_on.send(()).unwrap();
            exchange.await.unwrap();
        })
        .await;
}

/// Who says that it can not report need not, and does everything else.
async fn no_phases(subject: Subject) {
    assert!(!subject.client.capabilities().phases());
    let server = Server::answering(|_| response(200, b"ok"));
    subject
        .run(server, |subject, url| async move {
            let mut request = get(&url);
            request.extensions_mut().insert(Phases::new());
            let response = subject.client.send(request).await.unwrap();
            assert_eq!(response.into_body().bytes(10).await.unwrap(), "ok");
        })
        .await;
}
