//! TCP sockets, each watched by a reactor.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::async_io::Async;
use socket2::SockRef;

/// A TCP connection that a reactor watches. No call blocks; where there is nothing to be done, it
/// fails with [`WouldBlock`](io::ErrorKind::WouldBlock).
#[doc(hidden)]
pub trait Tcp: fmt::Debug + Send + Sync {
    /// Ready once there may be something to read. Of those who wait the last one is woken.
    ///
    /// # Errors
    ///
    /// If the reactor has ended, and no wake-up would come.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// As [`poll_readable`](Self::poll_readable), for writing.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads what has arrived. What leaves room in `buffer` was all there is: until more comes,
    /// the socket is not readable.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes what there is room for.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// The socket itself, for what needs no reactor.
    fn socket(&self) -> SockRef<'_>;
}

/// Has async-io's reactor watch `socket`.
pub(super) fn watch(socket: TcpStream) -> io::Result<Arc<dyn Tcp>> {
    Ok(Arc::new(Async::new_nonblocking(socket)?))
}

impl Tcp for Async<TcpStream> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_readable(cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writable(cx)
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.get_ref().read(buffer)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [bytes] => self.get_ref().write(bytes),
            _ => self.get_ref().write_vectored(slices),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        self.get_ref().into()
    }
}
