use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};

use super::socket::Socket;
use crate::http::{ErrorKind, HttpError};

/// What HTTP is spoken over.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(Socket),
    #[cfg(feature = "tls")]
    Tls(Box<futures_rustls::client::TlsStream<Socket>>),
}

/// What can be spoken over a transport. Another protocol is chosen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
}

impl Protocol {
    /// The names by which they are offered in a TLS handshake (ALPN), the best first.
    #[cfg(feature = "tls")]
    pub(super) const OFFERED: [&[u8]; 1] = [b"http/1.1"];

    /// What the server has chosen of what was offered.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) for what was not.
    fn agreed(name: Option<&[u8]>) -> Result<Self, HttpError> {
        match name {
            // A server that chooses nothing knows nothing newer.
            None | Some(b"http/1.1") => Ok(Self::Http1),
            Some(name) => {
                let name = name.escape_ascii();
                Err(HttpError::new(ErrorKind::Unsupported)
                    .with_message(format!("the server chose the protocol \"{name}\"")))
            }
        }
    }
}

impl Transport {
    /// What is spoken over it.
    pub(super) fn protocol(&self) -> Result<Protocol, HttpError> {
        Protocol::agreed(match self {
            Self::Plain(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        })
    }
}

/// The most that one read takes.
const READ: usize = 64 * 1024;

thread_local! {
    /// Reads go through here: the protocol's own buffer may be uninitialised, which only `unsafe`
    /// code can read into. One for a thread and not for a connection, which costs less memory.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

impl Read for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = buffer.remaining().min(READ);
            let scratch = &mut scratch[..room];
            let n = ready!(match &mut *self {
                Self::Plain(socket) => Pin::new(socket).poll_read(cx, scratch),
                #[cfg(feature = "tls")]
                Self::Tls(stream) => Pin::new(stream).poll_read(cx, scratch),
            })?;
            buffer.put_slice(&scratch[..n]);
            Poll::Ready(Ok(()))
        })
    }
}

impl Write for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            #[cfg(feature = "tls")]
            Self::Tls(_) => false,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_close(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_spoken_is_agreed() {
        assert_eq!(Protocol::agreed(None).unwrap(), Protocol::Http1);
        assert_eq!(
            Protocol::agreed(Some(b"http/1.1")).unwrap(),
            Protocol::Http1
        );
        let error = Protocol::agreed(Some(b"h2\xff")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("\"h2\\xff\""), "{error}");
    }
}
