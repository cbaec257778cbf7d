//! What is sent, and what is refused.

use std::sync::{Mutex, mpsc};

use bytes::Bytes;

use super::server::{STUCK, Server, response};
use super::subject::Subject;
use crate::http::{Body, ErrorKind, Request};
use crate::queue::Queue;

pub(super) async fn body_sent_whole(subject: Subject) {
    let server = Server::answering(|request| {
        assert_eq!(
            request.header("content-length").as_deref(),
            Some(&*request.body.len().to_string())
        );
        response(200, &request.body)
    });
    subject
        .run(server, |subject, url| async move {
            for size in [0, 1, 10_000, 5 << 20] {
                let body = vec![b'x'; size];
                let request = Request::put(&url).body(Body::from(body.clone())).unwrap();
                let response = subject.client.send(request).await.unwrap();
                assert_eq!(response.into_body().bytes(size).await.unwrap(), body);
            }
        })
        .await;
}

pub(super) async fn body_sent_in_pieces(subject: Subject) {
    let server = Server::answering(|request| {
        assert_eq!(
            request.header("transfer-encoding").as_deref(),
            Some("chunked")
        );
        response(200, &request.body)
    });
    subject
        .run(server, |subject, url| async move {
            for method in ["POST", "GET"] {
                let pieces = Queue::bounded(1);
                let body = Body::stream(pieces.stream());
                let request = Request::builder()
                    .method(method)
                    .uri(&url)
                    .body(body)
                    .unwrap();
                let feed = subject.rt.spawn(async move {
                    let mut all = String::new();
                    for i in 0..100 {
                        let piece = format!("piece {i} ");
                        all += &piece;
                        pieces.push(Ok(Bytes::from(piece))).await.unwrap();
                    }
                    pieces.close();
                    all
                });
                let response = subject.client.send(request).await;
                let sent = feed.await.unwrap();
                let body = response.unwrap().into_body().bytes(1 << 20).await.unwrap();
                assert_eq!(body, sent);
            }
        })
        .await;
}

pub(super) async fn body_that_fails(subject: Subject) {
    let server = Server::new(|peer| {
        assert!(peer.request().is_none(), "the body never ends");
    });
    let url = server.url("/");
    subject
        .run_alone(|subject| async move {
            let pieces = Queue::unbounded();
            let body = Body::stream(pieces.stream());
            pieces.try_push(Ok("first".into())).unwrap();
            pieces.try_push(Err(ErrorKind::Cancelled.into())).unwrap();
            let request = Request::post(&url).body(body).unwrap();
            let error = subject.client.send(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
        })
        .await;
    server.finish();
}

pub(super) async fn answer_before_the_body_is_sent(subject: Subject) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        peer.head().unwrap();
        peer.write(&response(413, b"enough"));
        peer.wait_for_close();
        closed.lock().unwrap().send(()).unwrap();
    });
    subject
        .run(server, |subject, url| async move {
            for _ in 0..2 {
                let pieces = Queue::unbounded();
                let body = Body::stream(pieces.stream());
                pieces.try_push(Ok("first".into())).unwrap();
                let request = Request::post(&url).body(body).unwrap();
                let response = subject.client.send(request).await.unwrap();
                assert_eq!(response.status(), 413);
                assert_eq!(response.into_body().bytes(10).await.unwrap(), "enough");
                // The rest of the request can not follow, nor another request.
                seen.recv_timeout(STUCK).unwrap();
                drop(pieces);
            }
        })
        .await;
}

pub(super) async fn bad_requests(subject: Subject) {
    let server = Server::answering(|_| panic!("nothing may be sent"));
    let url = server.url("/");
    subject
        .run_alone(|subject| async move {
            for bad in [
                "ftp://127.0.0.1/",
                "http://127.0.0.1:99999/",
                "http://127.0.0.1:0/",
                "/only/a/path",
                "http://[::zz]/",
            ] {
                // What is no URL at all can not even be asked for.
                let Ok(request) = Request::get(bad).body(Body::empty()) else {
                    continue;
                };
                let error = subject.client.send(request).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{bad}: {error:?}");
                assert!(!error.maybe_sent());
            }
            let connect = Request::connect(&url).body(Body::empty()).unwrap();
            let error = subject.client.send(connect).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let wrong_length = Request::post(&url)
                .header("Content-Length", "3")
                .body(Body::from("four"))
                .unwrap();
            let error = subject.client.send(wrong_length).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            let own_framing = Request::post(&url)
                .header("Transfer-Encoding", "gzip")
                .body(Body::from("four"))
                .unwrap();
            let error = subject.client.send(own_framing).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        })
        .await;
    server.finish();
}
