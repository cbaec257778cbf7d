//! What becomes of an exchange that nobody waits for any more.

use std::pin::pin;
use std::sync::{Mutex, mpsc};

use super::server::{STUCK, Server, response};
use super::subject::{Subject, get, poll_once};
use crate::http::Phases;

pub(super) async fn dropped_exchange(subject: Subject) {
    let (event, events) = mpsc::channel();
    let event = Mutex::new(event);
    let server = Server::new(move |peer| {
        peer.request().unwrap();
        event.lock().unwrap().send("asked").unwrap();
        peer.wait_for_close();
        event.lock().unwrap().send("closed").unwrap();
    });
    subject
        .run(server, |subject, url| async move {
            let phases = Phases::new();
            let mut request = get(&url);
            request.extensions_mut().insert(phases.clone());
            if subject.deviates {
                subject.must_end_soon(&mut request);
            }
            let mut exchange = subject.client.send(request);
            subject
                .until_asked(&mut exchange, &phases, || events.try_recv() == Ok("asked"))
                .await;
            drop(exchange);
            // Blocks the thread: nothing has to be polled for the close.
            assert_eq!(events.recv_timeout(STUCK).unwrap(), "closed");
        })
        .await;
}

pub(super) async fn dropped_body(subject: Subject) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        peer.wait_for_close();
        closed.lock().unwrap().send(()).unwrap();
    });
    subject
        .run(server, |subject, url| async move {
            let mut request = get(&url);
            if subject.deviates {
                subject.must_end_soon(&mut request);
            }
            let response = subject.client.send(request).await.unwrap();
            let mut chunks = response.into_body().chunks();
            assert_eq!(chunks.next().await.unwrap().unwrap(), "half");
            assert!(poll_once(&mut pin!(chunks.next())).is_pending());
            drop(chunks);
            seen.recv_timeout(STUCK).unwrap();
        })
        .await;
}

// H7
pub(super) async fn dropped_answer_reaches_nobody(subject: Subject) {
    let (asked, seen) = mpsc::channel();
    let asked = Mutex::new(asked);
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            if request.path() == "/dropped" {
                asked.lock().unwrap().send(()).unwrap();
                peer.wait_for_close();
                peer.write(&response(200, b"too late"));
                return;
            }
            peer.write(&response(200, request.path().as_bytes()));
        }
    });
    subject
        .run(server, |subject, url| async move {
            for i in 0..20 {
                let warm = format!("/warm{i}");
                assert_eq!(
                    subject
                        .get(&format!("{url}{}", &warm[1..]))
                        .await
                        .unwrap()
                        .body,
                    warm.as_bytes()
                );
                let phases = Phases::new();
                let mut request = get(&format!("{url}dropped"));
                request.extensions_mut().insert(phases.clone());
                let mut exchange = subject.client.send(request);
                subject
                    .until_asked(&mut exchange, &phases, || seen.try_recv().is_ok())
                    .await;
                drop(exchange);
            }
        })
        .await;
}
