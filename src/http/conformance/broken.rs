//! What is no answer, or not all of one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use super::server::Server;
use super::subject::{Subject, get};
use crate::http::ErrorKind;

pub(super) async fn garbage(subject: Subject) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        peer.write(match request.path() {
            "/binary" => b"\x00\x01\x02\x03\xff\xfe garbage \r\n\r\n",
            "/status" => b"HTTP/1.1 abc Nope\r\n\r\n",
            "/header" => b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "/length" => b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "/lengths" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "/chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
            path => panic!("{path}"),
        });
        peer.wait_for_close();
    });
    subject
        .run(server, |subject, url| async move {
            for path in ["binary", "status", "header", "length", "lengths", "chunk"] {
                let error = subject.get(&format!("{url}{path}")).await.unwrap_err();
                let kind = if path == "chunk" && subject.deviates {
                    ErrorKind::Truncated
                } else {
                    ErrorKind::Protocol
                };
                assert_eq!(error.kind(), kind, "{path}: {error:?}");
                assert!(error.maybe_sent());
            }
        })
        .await;
}

// H8
pub(super) async fn cut_off_length(subject: Subject) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        peer.close();
    });
    subject
        .run(server, |subject, url| async move {
            let response = subject.client.send(get(&url)).await.unwrap();
            let error = response.into_body().bytes(100).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
        })
        .await;
}

// H8
pub(super) async fn cut_off_chunks(subject: Subject) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.write(match request.path() {
            "/within" => b"a\r\nhalf",
            "/between" => b"4\r\nhalf\r\n",
            "/last" => b"4\r\nhalf\r\n0\r\n",
            path => panic!("{path}"),
        });
        peer.close();
    });
    subject
        .run(server, |subject, url| async move {
            for path in ["within", "between", "last"] {
                let response = subject
                    .client
                    .send(get(&format!("{url}{path}")))
                    .await
                    .unwrap();
                let error = response.into_body().bytes(100).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Truncated, "{path}: {error:?}");
            }
        })
        .await;
}

pub(super) async fn closed_before_the_answer(subject: Subject) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path() == "/half" {
            peer.write(b"HTTP/1.1 200 OK\r\nConte");
        }
        peer.close();
    });
    subject
        .run(server, |subject, url| async move {
            for path in ["", "half"] {
                let error = subject.get(&format!("{url}{path}")).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
                assert!(error.maybe_sent());
            }
        })
        .await;
}

pub(super) async fn reset_before_the_answer(subject: Subject) {
    let server = Server::new(|peer| {
        let mut one = [0];
        peer.stream.read_exact(&mut one).unwrap();
    });
    subject
        .run(server, |subject, url| async move {
            let error = subject.get(&url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
            assert!(error.maybe_sent());
        })
        .await;
}

// H16
pub(super) async fn body_above_the_limit(subject: Subject) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path() == "/length" {
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
        } else {
            peer.write(b"HTTP/1.1 200 OK\r\n\r\n");
        }
        // Until the client hangs up.
        while peer.stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    subject
        .run(server, |subject, url| async move {
            for path in ["length", "close"] {
                let response = subject
                    .client
                    .send(get(&format!("{url}{path}")))
                    .await
                    .unwrap();
                let error = response.into_body().bytes(8 << 20).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
            }
        })
        .await;
}

pub(super) async fn refused(subject: Subject) {
    // Held, so that nobody else can listen there either.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    held.bind(&any_port.into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    subject
        .run_alone(|subject| async move {
            let error = subject
                .get(&format!("http://{address}/"))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect);
            assert!(!error.maybe_sent());
            assert!(std::error::Error::source(&error).is_some());
        })
        .await;
}
