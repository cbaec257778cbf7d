use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use futures_io::{AsyncBufRead, AsyncRead};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::convert::Carried;
use crate::http::{Body, Chunks, ErrorKind, HttpError};

/// A body for surf.
pub(super) fn to_surf(body: Body) -> surf::Body {
    let exact = body.size_hint().exact();
    if exact == Some(0) {
        return surf::Body::empty();
    }
    let reader = Reader {
        chunks: Carried::new(body.chunks()),
        current: Bytes::new(),
    };
    surf::Body::from_reader(reader, exact.and_then(|length| length.try_into().ok()))
}

/// A body from surf. `framed` says whether its length has to be kept.
pub(super) fn from_surf(body: surf::Body, framed: bool) -> Body {
    let length = body.len();
    if length == Some(0) {
        return Body::empty();
    }
    Body::new(Unread {
        left: length.filter(|_| framed).map(|length| length as u64),
        reader: Some(body.into_reader()),
    })
}

/// Reads the pieces of a body.
struct Reader {
    /// surf wants its readers `Sync`.
    chunks: Carried<Chunks>,
    current: Bytes,
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

/// The pieces of what a reader brings.
struct Unread {
    /// `None` after its end.
    reader: Option<Box<dyn AsyncBufRead + Unpin + Send + Sync>>,
    /// How much has to follow, where that is known.
    left: Option<u64>,
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let Some(reader) = &mut this.reader else {
            return Poll::Ready(None);
        };
        if this.left == Some(0) {
            this.reader = None;
            return Poll::Ready(None);
        }
        let bytes = match ready!(Pin::new(&mut *reader).poll_fill_buf(cx)) {
            Ok(bytes) => bytes,
            Err(error) => {
                this.reader = None;
                return Poll::Ready(Some(Err(from_io(error))));
            }
        };
        if bytes.is_empty() {
            this.reader = None;
            // surf's own bodies end early without a word.
            let truncated = || HttpError::new(ErrorKind::Truncated).with_maybe_sent();
            return Poll::Ready(this.left.map(|_| Err(truncated())));
        }
        let most = this
            .left
            .map_or(usize::MAX, |left| left.try_into().unwrap_or(usize::MAX));
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(most)]);
        Pin::new(reader).consume(piece.len());
        if let Some(left) = &mut this.left {
            *left -= piece.len() as u64;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.reader.is_none() || self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

/// The error as it was, if it was ours.
fn from_io(error: io::Error) -> HttpError {
    match error.downcast::<HttpError>() {
        Ok(error) => error,
        Err(error) => {
            let kind = match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => ErrorKind::Truncated,
                _ => ErrorKind::Other,
            };
            HttpError::new(kind).with_maybe_sent().with_source(error)
        }
    }
}
