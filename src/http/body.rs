use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{ErrorKind, HttpError};

/// The body of a request or a response: bytes in memory, or a stream of them.
///
/// There is no unlimited read: [`bytes`](Self::bytes) takes the most it may hold, and
/// [`chunks`](Self::chunks) gives the pieces as they come.
///
/// Dropping a body that was not read to its end closes its connection, unless the end had
/// arrived already.
///
/// # Examples
///
/// ```
/// use untethered::http::{Body, ErrorKind};
///
/// # futures_lite::future::block_on(async {
/// assert_eq!(Body::from("hello").bytes(5).await.unwrap(), "hello");
/// let error = Body::from("hello").bytes(4).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
/// # });
/// ```
pub struct Body(Repr);

enum Repr {
    /// `None` once given.
    Full(Option<Bytes>),
    Stream(BoxBody),
}

type BoxBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = HttpError> + Send>>;

impl Body {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self(Repr::Full(None))
    }

    /// A body that comes in pieces. It can be sent once: redirects and retries refuse it.
    pub fn new(body: impl HttpBody<Data = Bytes, Error = HttpError> + Send + 'static) -> Self {
        Self(Repr::Stream(Box::pin(body)))
    }

    /// A body of the pieces that `stream` gives. It can be sent once, as one from [`new`](Self::new).
    pub fn stream(stream: impl Stream<Item = Result<Bytes, HttpError>> + Send + 'static) -> Self {
        Self::new(Pieces { stream })
    }

    /// The same body again, where it is in memory. `None` for one that comes in pieces.
    pub fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Repr::Full(bytes) => Some(Self(Repr::Full(bytes.clone()))),
            Repr::Stream(_) => None,
        }
    }

    /// Reads all of it, at most `max` bytes.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future drops the body and what was read of it, and closes its
    /// connection.
    ///
    /// # Errors
    ///
    /// [`BodyTooLarge`](ErrorKind::BodyTooLarge) as soon as it is known that there is more than
    /// `max`; the rest is not read. [`Truncated`](ErrorKind::Truncated) if the connection ended
    /// before the body did, and whatever else the client meets.
    pub async fn bytes(self, max: usize) -> Result<Bytes, HttpError> {
        let mut collected = Collected::new(max);
        collected.expect(&self)?;
        let mut chunks = self.chunks();
        while let Some(chunk) = chunks.next().await {
            collected.push(chunk?)?;
        }
        Ok(collected.into_bytes())
    }

    /// The pieces of the body, as they come.
    pub fn chunks(self) -> Chunks {
        Chunks { body: self }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Full(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match &mut self.0 {
            Repr::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Repr::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Repr::Full(bytes) => bytes.is_none(),
            Repr::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Repr::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Repr::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Full(bytes) => write!(f, "Body({} bytes)", bytes.as_ref().map_or(0, Bytes::len)),
            Repr::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

/// The pieces of a [`Body`], from [`Body::chunks`]. Trailers are passed over.
///
/// # Cancel safety
///
/// A piece that was not given yet stays for the next poll. Dropping it before the end closes the
/// connection, unless the rest is here already.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Chunks {
    body: Body,
}

impl Chunks {
    /// The next piece; `None` at the end of the body.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait loses no byte.
    ///
    /// # Errors
    ///
    /// As [`Body::bytes`], without the limit.
    pub async fn next(&mut self) -> Option<Result<Bytes, HttpError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

pin_project! {
    struct Pieces<S> {
        #[pin]
        stream: S,
    }
}

impl<S: Stream<Item = Result<Bytes, HttpError>>> HttpBody for Pieces<S> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let stream = self.project().stream;
        stream.poll_next(cx).map_ok(Frame::data)
    }
}

/// The bytes of a body that were read so far, up to a limit.
pub(super) struct Collected {
    max: usize,
    /// A body that came in one piece is not copied.
    first: Bytes,
    /// Everything, once there is more than the first piece.
    all: Vec<u8>,
}

impl Collected {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            first: Bytes::new(),
            all: Vec::new(),
        }
    }

    /// Fails if it is already known that `body` is too long.
    pub(super) fn expect(&self, body: &Body) -> Result<(), HttpError> {
        if body.size_hint().lower() > self.max as u64 {
            return Err(self.too_large());
        }
        Ok(())
    }

    /// Adds a piece, or as much of it as there is room for.
    pub(super) fn push(&mut self, mut chunk: Bytes) -> Result<(), HttpError> {
        let room = self.max - self.first.len().max(self.all.len());
        let fits = chunk.len() <= room;
        chunk.truncate(room);
        if self.first.is_empty() {
            self.first = chunk;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&self.first);
            }
            self.all.extend_from_slice(&chunk);
        }
        if fits { Ok(()) } else { Err(self.too_large()) }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.all.is_empty() {
            self.first
        } else {
            self.all.into()
        }
    }

    fn too_large(&self) -> HttpError {
        HttpError::new(ErrorKind::BodyTooLarge)
            .with_message(format!("more than {} bytes", self.max))
            .with_maybe_sent()
    }
}
