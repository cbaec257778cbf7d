//! When a connection may be used again, and when it may not.

use std::sync::{Arc, Mutex, mpsc};

use super::server::{STUCK, Server, response};
use super::subject::{Subject, get};
use crate::http::{Body, ErrorKind, Request};

pub(super) async fn reused_after_the_end(subject: Subject) {
    let again = subject.deviates;
    let server = Server::new(move |peer| {
        assert!(peer.number == 0 || again, "a second connection");
        while let Some(request) = peer.request() {
            match request.path() {
                "/chunked" => peer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                ),
                "/big" => peer.write(&response(200, &[b'b'; 300_000])),
                _ => peer.write(&response(200, b"ok")),
            }
        }
    });
    subject
        .run(server, |subject, url| async move {
            for path in ["", "chunked", "big", "", "chunked", "big", "big"] {
                subject.get(&format!("{url}{path}")).await.unwrap();
            }
        })
        .await;
}

pub(super) async fn unread_body_that_is_here(subject: Subject) {
    let again = subject.deviates;
    let server = Server::new(move |peer| {
        assert!(peer.number == 0 || again, "a second connection");
        while let Some(request) = peer.request() {
            match request.path() {
                "/chunked" => peer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2\r\nok\r\n0\r\n\r\n",
                ),
                _ => peer.write(&response(200, b"nobody reads this")),
            }
        }
    });
    subject
        .run(server, |subject, url| async move {
            for path in ["", "chunked", "", "chunked"] {
                let response = subject
                    .client
                    .send(get(&format!("{url}{path}")))
                    .await
                    .unwrap();
                assert_eq!(response.status(), 200);
            }
        })
        .await;
}

// H7
pub(super) async fn unread_body_that_is_not_here(subject: Subject) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            if request.path() == "/half" {
                peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                peer.wait_for_close();
                closed.lock().unwrap().send(()).unwrap();
                return;
            }
            peer.write(&response(200, b"another connection"));
        }
    });
    subject
        .run(server, |subject, url| async move {
            for _ in 0..2 {
                let mut request = get(&format!("{url}half"));
                if subject.deviates {
                    subject.must_end_soon(&mut request);
                }
                drop(subject.client.send(request).await.unwrap());
                // Blocks the thread: nothing has to be polled for the close.
                seen.recv_timeout(STUCK).unwrap();
                assert_eq!(subject.get(&url).await.unwrap().body, b"another connection");
            }
        })
        .await;
}

// H7
pub(super) async fn surplus_after_the_answer(subject: Subject) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path() == "/first" {
            let mut bytes = response(200, b"first");
            bytes.extend(response(200, b"nobody asked"));
            peer.write(&bytes);
            peer.wait_for_close();
            return;
        }
        peer.write(&response(200, b"second"));
        peer.wait_for_close();
    });
    subject
        .run(server, |subject, url| async move {
            let first = subject.get(&format!("{url}first")).await.unwrap();
            assert_eq!(first.body, b"first");
            assert_eq!(subject.get(&url).await.unwrap().body, b"second");
        })
        .await;
}

pub(super) async fn closed_when_asked(subject: Subject) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        peer.wait_for_close();
    });
    subject
        .run(server, |subject, url| async move {
            for _ in 0..3 {
                assert_eq!(subject.get(&url).await.unwrap().body, b"ok");
            }
        })
        .await;
}

pub(super) async fn stale_connection(subject: Subject) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        let request = peer.request().unwrap();
        peer.write(&response(200, &request.body));
        peer.close();
        closed.lock().unwrap().send(()).unwrap();
    });
    subject
        .run(server, |subject, url| async move {
            for body in ["one", "two", "three"] {
                let request = Request::post(&url).body(Body::from(body)).unwrap();
                match subject.client.send(request).await {
                    Ok(response) => {
                        assert_eq!(response.into_body().bytes(10).await.unwrap(), body);
                    }
                    // It found out too late, and says that it may have been sent.
                    Err(error) if subject.deviates && body != "one" => {
                        assert_eq!(error.kind(), ErrorKind::Truncated);
                        assert!(error.maybe_sent());
                        continue;
                    }
                    Err(error) => panic!("sent on a connection that was closed: {error:?}"),
                }
                seen.recv_timeout(STUCK).unwrap();
            }
        })
        .await;
}

pub(super) async fn closed_after_the_request(subject: Subject) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            log.lock().unwrap().push(request.path().to_owned());
            if request.path() == "/never" {
                peer.close();
                return;
            }
            peer.write(&response(200, b""));
        }
    });
    subject
        .run(server, |subject, url| async move {
            subject.get(&url).await.unwrap();
            let error = subject.get(&format!("{url}never")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated);
            assert!(error.maybe_sent());
        })
        .await;
    assert_eq!(*seen.lock().unwrap(), ["/", "/never"], "sent once");
}

pub(super) async fn many_at_once(subject: Subject) {
    let server = Server::answering(|request| response(200, request.path().as_bytes()));
    subject
        .run(server, |subject, url| async move {
            let tasks: Vec<_> = (0..40)
                .map(|task| {
                    let (subject, url) = (subject.clone(), url.clone());
                    subject.rt.clone().spawn(async move {
                        for i in 0..25 {
                            let path = format!("{task}/{i}");
                            let response = subject.get(&format!("{url}{path}")).await.unwrap();
                            assert_eq!(response.body, format!("/{path}").as_bytes());
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await;
}
