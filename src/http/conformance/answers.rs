//! What servers may say, and how it is understood.

use std::io::Read;

use super::server::{Server, response};
use super::subject::Subject;
use crate::http::{Body, ErrorKind, Request};

pub(super) async fn any_status_is_an_answer(subject: Subject) {
    let server = Server::answering(|request| {
        let status = request.path()[1..].parse().unwrap();
        response(status, b"as you wish")
    });
    subject
        .run(server, |subject, url| async move {
            for status in [200, 201, 299, 404, 430, 500, 520, 599, 999] {
                let response = subject.get(&format!("{url}{status}")).await.unwrap();
                assert_eq!(response.status, status);
                assert_eq!(response.body, b"as you wish");
            }
        })
        .await;
}

pub(super) async fn bytes_in_headers(subject: Subject) {
    let server = Server::answering(|_| {
        b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nX-Twice: a\r\nX-Twice: \xff\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    subject
        .run(server, |subject, url| async move {
            let response = subject.get(&url).await.unwrap();
            assert_eq!(response.headers["x-name"].as_bytes(), b"caf\xe9");
            let twice: Vec<_> = response.headers.get_all("x-twice").iter().collect();
            assert_eq!(twice.len(), 2);
            assert_eq!(twice[1].as_bytes(), b"\xff");
        })
        .await;
}

pub(super) async fn big_head(subject: Subject) {
    let server = Server::answering(|_| head_of(100));
    subject
        .run(server, |subject, url| async move {
            let response = subject.get(&url).await.unwrap();
            assert_eq!(response.headers.len(), 100);
            assert_eq!(response.headers["x-big"].len(), 20 * 1024);
            assert_eq!(response.headers["x-97"], "97");
        })
        .await;
}

pub(super) async fn many_headers(subject: Subject) {
    let server = Server::answering(|_| head_of(200));
    subject
        .run(server, |subject, url| async move {
            match subject.get(&url).await {
                Ok(response) => assert_eq!(response.headers.len(), 200, "all of them or none"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}"),
            }
        })
        .await;
}

/// A response with so many headers, one of them of 20 KiB.
fn head_of(headers: usize) -> Vec<u8> {
    let mut head = String::from("HTTP/1.1 200 OK\r\n");
    for i in 0..headers - 2 {
        head += &format!("X-{i}: {i}\r\n");
    }
    head += &format!(
        "X-Big: {}\r\nContent-Length: 2\r\n\r\nok",
        "b".repeat(20 * 1024)
    );
    head.into_bytes()
}

pub(super) async fn informational_before_the_answer(subject: Subject) {
    let server = Server::answering(|_| {
        let mut bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(3);
        bytes.extend(response(200, b"the answer"));
        bytes
    });
    subject
        .run(server, |subject, url| async move {
            for _ in 0..2 {
                let response = subject.get(&url).await.unwrap();
                assert_eq!(
                    (response.status, &response.body[..]),
                    (200, &b"the answer"[..])
                );
                assert!(!response.headers.contains_key("link"));
            }
        })
        .await;
}

pub(super) async fn http_1_0_until_close(subject: Subject) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.0 200 OK\r\n\r\nuntil ");
        peer.write(b"close");
        peer.close();
    });
    subject
        .run(server, |subject, url| async move {
            for _ in 0..2 {
                assert_eq!(subject.get(&url).await.unwrap().body, b"until close");
            }
        })
        .await;
}

pub(super) async fn until_close_then_reset(subject: Subject) {
    let server = Server::new(|peer| {
        // What the client sent and nobody read makes the kernel reset the connection.
        let mut one = [0];
        peer.stream.read_exact(&mut one).unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of");
    });
    subject
        .run(server, |subject, url| async move {
            let outcome = subject.get(&url).await;
            // The reset may overtake the bytes before it.
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Truncated);
        })
        .await;
}

pub(super) async fn chunks_and_trailers(subject: Subject) {
    let server = Server::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
          5;note=x\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n"
            .to_vec()
    });
    subject
        .run(server, |subject, url| async move {
            for _ in 0..2 {
                assert_eq!(subject.get(&url).await.unwrap().body, b"hello world");
            }
        })
        .await;
}

pub(super) async fn drip(subject: Subject) {
    let server = Server::new(|peer| {
        while let Some(request) = peer.request() {
            let answer = match request.path() {
                "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                                5\r\ndrop \r\n7\r\nby drop\r\n0\r\n\r\n"
                    .to_vec(),
                _ => response(200, b"drop by drop"),
            };
            for byte in answer {
                peer.write(&[byte]);
                std::thread::yield_now();
            }
        }
    });
    subject
        .run(server, |subject, url| async move {
            for path in ["", "chunked"] {
                let response = subject.get(&format!("{url}{path}")).await.unwrap();
                assert_eq!(response.body, b"drop by drop");
            }
        })
        .await;
}

pub(super) async fn two_lengths(subject: Subject) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n",
        );
        // Whoever believes the other length reads the next answer wrongly: so there is none.
        peer.wait_for_close();
    });
    // Who deviates would wait for it.
    let times = if subject.deviates { 1 } else { 2 };
    subject
        .run(server, |subject, url| async move {
            for _ in 0..times {
                match subject.get(&url).await {
                    Ok(response) => assert_eq!(response.body, b"hello"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol),
                }
            }
        })
        .await;
}

pub(super) async fn no_body_where_none_belongs(subject: Subject) {
    let server = Server::answering(|request| match request.path() {
        "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec(),
    });
    subject
        .run(server, |subject, url| async move {
            for (path, status) in [("204", 204), ("304", 304)] {
                let response = subject.get(&format!("{url}{path}")).await.unwrap();
                assert_eq!((response.status, response.body.len()), (status, 0));
            }
            let head = Request::head(format!("{url}head"))
                .body(Body::empty())
                .unwrap();
            let response = subject.client.send(head).await.unwrap();
            assert_eq!(response.headers()["content-length"], "10");
            assert!(response.into_body().bytes(10).await.unwrap().is_empty());
        })
        .await;
}

pub(super) async fn no_redirects(subject: Subject) {
    let server = Server::answering(|request| {
        assert_eq!(request.path(), "/");
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    subject
        .run(server, |subject, url| async move {
            let response = subject.get(&url).await.unwrap();
            assert_eq!(response.status, 302);
            assert_eq!(response.headers["location"], "/elsewhere");
        })
        .await;
}
