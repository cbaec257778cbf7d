use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{CORRUPT, Coding, Decoder, HOLLOW};
use crate::http::{Body, ErrorKind, HttpError};

/// The most that is decoded in one piece.
const PIECE: usize = 16 * 1024;

/// So many pieces are given without a pause. A small chunk can hold thousands, which would let
/// nobody else run, and no limit of time pass.
const IN_A_ROW: usize = 64;

/// What is coded may be longer than what it says by so many times and so many bytes. A flush behind
/// each byte makes it eight times as long; nobody has a reason for more.
const LONGEST: (u64, u64) = (16, 1024 * 1024);

/// A body whose coding is undone as it is read. Trailers are passed over.
pub(super) struct Decoded {
    /// `None` once it is over.
    body: Option<Body>,
    decoder: Box<dyn Decoder>,
    input: Bytes,
    /// Whether any byte came: a body of none is empty, whatever the header says.
    has_begun: bool,
    /// Whether the last chunk owes a piece.
    owes: bool,
    /// Where pieces are decoded to. Nothing is kept in it.
    room: Vec<u8>,
    in_a_row: usize,
    /// In bytes, so far.
    read: u64,
    written: u64,
}

impl Decoded {
    pub(super) fn new(body: Body, coding: Coding) -> Self {
        Self {
            body: Some(body),
            decoder: coding.decoder(),
            input: Bytes::new(),
            has_begun: false,
            owes: false,
            room: Vec::new(),
            in_a_row: 0,
            read: 0,
            written: 0,
        }
    }

    /// The next piece of what has come; `None` if it takes more.
    fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        if !self.has_begun {
            return Ok(None);
        }
        self.room.resize(PIECE, 0);
        loop {
            let step = self
                .decoder
                .step(&self.input, &mut self.room)
                .map_err(failed)?;
            self.input.advance(step.read);
            self.read += step.read as u64;
            self.written += step.written as u64;
            let (times, more) = LONGEST;
            if self.read / times > self.written.saturating_add(more / times) {
                return Err(failed(HOLLOW));
            }
            if step.written > 0 {
                return Ok(Some(Bytes::copy_from_slice(&self.room[..step.written])));
            }
            if self.input.is_empty() {
                return Ok(None);
            }
            if step.read == 0 {
                return Err(failed(CORRUPT));
            }
        }
    }

    fn end(&self) -> Option<HttpError> {
        let is_whole = !self.has_begun || self.decoder.is_complete();
        (!is_whole).then(|| {
            HttpError::new(ErrorKind::Truncated)
                .with_message("the coded body is not complete")
                .with_maybe_sent()
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpError>>> {
        if self.body.is_none() {
            return Poll::Ready(None);
        }
        if self.in_a_row == IN_A_ROW {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(piece) = self.piece().transpose() {
                self.in_a_row += 1;
                self.owes = false;
                return Poll::Ready(Some(piece));
            }
            // Whoever watches how long nothing comes is to see that something did.
            if std::mem::take(&mut self.owes) {
                return Poll::Ready(Some(Ok(Bytes::new())));
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => {
                    self.in_a_row = 0;
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.input = frame.into_data().unwrap_or_default();
                    self.owes = !self.input.is_empty();
                    self.has_begun |= self.owes;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(self.end().map(Err)),
            }
        }
    }
}

impl HttpBody for Decoded {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let polled = self.poll(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}

fn failed(reason: &'static str) -> HttpError {
    HttpError::new(ErrorKind::Decode)
        .with_message(reason)
        .with_maybe_sent()
}
