use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};

use crate::primitives::atomic::{AtomicBool, Ordering::Relaxed};

/// A TCP connection that does not ask the kernel twice.
///
/// A read that brought less than there was room for has emptied the kernel's buffer. From then on
/// reads say "pending" without a call, and without waiting: whoever drives the connection calls
/// [`poll_readable`](Self::poll_readable) once it knows that it must wait.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    tcp: Arc<Async<TcpStream>>,
    marks: Arc<Marks>,
}

/// What the driver wants to know about its socket. Only one task drives at a time, and the pool's
/// lock is between two of them: hence no ordering.
#[derive(Debug, Default)]
struct Marks {
    drained: AtomicBool,
    /// A read said "pending".
    wants_read: AtomicBool,
    wrote: AtomicBool,
    /// Nothing that was written waits on our side.
    flushed: AtomicBool,
}

impl Socket {
    pub(super) fn new(tcp: Async<TcpStream>) -> Self {
        Self {
            tcp: Arc::new(tcp),
            marks: Arc::default(),
        }
    }

    /// The next read asks the kernel, whatever was known before.
    pub(super) fn look_again(&self) {
        self.marks.drained.store(false, Relaxed);
        self.marks.wants_read.store(false, Relaxed);
    }

    /// Ready if a read that was pending may bring something now; the waker is registered if not.
    /// Pending without a registration if nothing was read.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.marks.wants_read.load(Relaxed) {
            return Poll::Pending;
        }
        ready!(self.tcp.poll_readable(cx))?;
        self.look_again();
        Poll::Ready(Ok(()))
    }

    /// Whether a byte was written since [`forget_writes`](Self::forget_writes).
    pub(super) fn wrote(&self) -> bool {
        self.marks.wrote.load(Relaxed)
    }

    /// Whether what was written since then is all with the kernel.
    pub(super) fn flushed(&self) -> bool {
        self.marks.flushed.load(Relaxed)
    }

    pub(super) fn forget_writes(&self) {
        self.marks.wrote.store(false, Relaxed);
        self.marks.flushed.store(false, Relaxed);
    }

    /// Ends the connection in both directions; whoever drives it reads the end of the stream.
    pub(super) fn hang_up(&self) {
        // Fails only if the peer was faster.
        self.tcp.get_ref().shutdown(Shutdown::Both).ok();
    }

    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut &TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&mut self.tcp.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.tcp.poll_writable(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(n) => {
                    self.marks.wrote.store(true, Relaxed);
                    self.marks.flushed.store(false, Relaxed);
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let marks = &self.marks;
        if marks.drained.load(Relaxed) {
            marks.wants_read.store(true, Relaxed);
            return Poll::Pending;
        }
        loop {
            match self.tcp.get_ref().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    marks.drained.store(true, Relaxed);
                    marks.wants_read.store(true, Relaxed);
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) if n > 0 && n < buffer.len() => {
                    marks.drained.store(true, Relaxed);
                    return Poll::Ready(Ok(n));
                }
                read => return Poll::Ready(read),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |tcp| tcp.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |tcp| tcp.write_vectored(slices))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.marks.flushed.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.tcp.get_ref().shutdown(Shutdown::Write))
    }
}
