use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_io::AsyncBufRead;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::http::reader::Reader;
use crate::http::{Body, ErrorKind, HttpError, cause};

/// A body for surf.
pub(super) fn to_surf(body: Body) -> surf::Body {
    let exact = body.size_hint().exact();
    if exact == Some(0) {
        return surf::Body::empty();
    }
    surf::Body::from_reader(
        Reader::new(body),
        exact.and_then(|length| length.try_into().ok()),
    )
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
        Err(error) => HttpError::new(cause::kind_of(&error))
            .with_maybe_sent()
            .with_source(error),
    }
}
