//! surf on an engine of somebody else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_lite::AsyncRead;
use futures_lite::future::block_on;
use futures_lite::io::BufReader;
use untethered::http::{Client, ErrorKind, SurfClient};

use crate::support::get;

/// Answers with a body that fails.
#[derive(Debug, Clone, Copy)]
struct Fails(io::ErrorKind);

impl AsyncRead for Fails {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.0.into()))
    }
}

#[async_trait]
impl surf::HttpClient for Fails {
    async fn send(&self, _: surf::http::Request) -> Result<surf::http::Response, surf::Error> {
        let mut response = surf::http::Response::new(200);
        response.set_body(surf::Body::from_reader(BufReader::new(*self), None));
        Ok(response)
    }
}

#[test]
fn what_a_body_fails_with_says_its_kind() {
    for (with, kind) in [
        (io::ErrorKind::ConnectionReset, ErrorKind::Truncated),
        (io::ErrorKind::UnexpectedEof, ErrorKind::Truncated),
        (io::ErrorKind::InvalidData, ErrorKind::Protocol),
        (io::ErrorKind::PermissionDenied, ErrorKind::Other),
    ] {
        let client = SurfClient::from(surf::Client::with_http_client(Fails(with)));
        let response = block_on(client.send(get("http://h/"))).unwrap();
        let error = block_on(response.into_body().bytes(10)).unwrap_err();
        assert_eq!(error.kind(), kind, "{with}");
        assert!(error.maybe_sent());
    }
}
