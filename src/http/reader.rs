use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use futures_io::{AsyncBufRead, AsyncRead};

use super::exclusive::Exclusive;
use super::{Body, Chunks};

/// Reads the pieces of a body.
pub(super) struct Reader {
    /// Libraries want their readers `Sync`.
    chunks: Exclusive<Chunks>,
    current: Bytes,
}

impl Reader {
    pub(super) fn new(body: Body) -> Self {
        Self {
            chunks: Exclusive::new(body.chunks()),
            current: Bytes::new(),
        }
    }
}

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.current.is_empty() {
            match ready!(Pin::new(this.chunks.get_mut()).poll_next(cx)) {
                Some(Ok(chunk)) => this.current = chunk,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(&[])),
            }
        }
        Poll::Ready(Ok(&this.current))
    }

    fn consume(mut self: Pin<&mut Self>, n: usize) {
        self.current.advance(n);
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let n = bytes.len().min(buffer.len());
        buffer[..n].copy_from_slice(&bytes[..n]);
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}
