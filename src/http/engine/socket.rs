use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::turn::Turn;
use crate::primitives::atomic::{AtomicBool, Ordering::Relaxed};
use crate::runtime::Tcp;

/// A TCP connection that does not ask the kernel twice.
///
/// A read that brought less than there was room for has emptied the kernel's buffer. From then on
/// reads say "pending" without a call, until the reactor rings. Nor do they wait by themselves:
/// [`drive`](Self::drive) does, once it is known that there is nothing else to do.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    tcp: Arc<dyn Tcp>,
    marks: Arc<Marks>,
    /// Wakes whoever drives the connection.
    waker: Waker,
    /// The same for the reactor, which thereby says that there is something to read.
    bell: Waker,
}

/// What is known about a socket. Only one task drives at a time, and a lock is between two of
/// them, as between the reactor and whom it wakes: hence no ordering.
#[derive(Debug)]
struct Marks {
    drained: AtomicBool,
    /// A read said "pending".
    wants_read: AtomicBool,
    wrote: AtomicBool,
    /// Nothing that was written waits on our side.
    flushed: AtomicBool,
    /// The reactor does not serve this socket: no wake-up would come.
    deaf: AtomicBool,
    turn: Arc<Turn>,
}

/// How often the driver goes round before it lets others run.
const ROUNDS: usize = 4;

impl Socket {
    pub(super) fn new(tcp: Arc<dyn Tcp>) -> Self {
        let turn = Turn::new();
        let marks = Arc::new(Marks {
            drained: AtomicBool::new(false),
            wants_read: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
            flushed: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            turn: turn.clone(),
        });
        Self {
            tcp,
            waker: turn.into(),
            bell: marks.clone().into(),
            marks,
        }
    }

    /// Takes steps until one is ready. Waits only once a step found nothing to read and was not
    /// woken meanwhile.
    pub(super) fn drive<T>(
        &self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let turn = &self.marks.turn;
        for _ in 0..ROUNDS {
            turn.begin(cx.waker());
            let taken = step(&mut Context::from_waker(&self.waker));
            if taken.is_ready() {
                turn.end();
                return taken;
            }
            if self.listen().is_pending() && turn.end() {
                return Poll::Pending;
            }
        }
        turn.end();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Nobody drives any more.
    pub(super) fn rest(&self) {
        self.marks.turn.release();
    }

    /// The next read asks the kernel, whatever was known before.
    pub(super) fn look_again(&self) {
        self.marks.drained.store(false, Relaxed);
    }

    /// Has the reactor ring if a read was pending. Ready if the read should be repeated at once.
    fn listen(&self) -> Poll<()> {
        if !self.marks.wants_read.load(Relaxed) {
            return Poll::Pending;
        }
        let served = ready!(self.tcp.poll_readable(&mut Context::from_waker(&self.bell)));
        self.marks.deaf.store(served.is_err(), Relaxed);
        self.look_again();
        Poll::Ready(())
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

    /// What it takes to end it from outside.
    pub(super) fn hook(&self) -> Hook {
        Hook(self.tcp.clone())
    }

    fn write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.tcp.write(slices) {
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

/// Ends a socket that somebody else drives.
#[derive(Debug, Clone)]
pub(super) struct Hook(Arc<dyn Tcp>);

impl Hook {
    /// Ends the connection in both directions; whoever drives it reads the end of the stream.
    pub(super) fn hang_up(&self) {
        // Fails only if the peer was faster.
        self.0.socket().shutdown(Shutdown::Both).ok();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let marks = &self.marks;
        if marks.deaf.load(Relaxed) {
            return Poll::Ready(Err(io::Error::other("the reactor refuses the socket")));
        }
        if marks.drained.load(Relaxed) {
            marks.wants_read.store(true, Relaxed);
            return Poll::Pending;
        }
        loop {
            // First, so that a bell during the call is not missed.
            marks.drained.store(true, Relaxed);
            match self.tcp.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    marks.wants_read.store(true, Relaxed);
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let all = matches!(read, Ok(n) if n > 0 && n < buffer.len());
                    if !all {
                        self.look_again();
                    }
                    marks.wants_read.store(false, Relaxed);
                    return Poll::Ready(read);
                }
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
        self.write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.marks.flushed.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.tcp.socket().shutdown(Shutdown::Write))
    }
}

impl Wake for Marks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.drained.store(false, Relaxed);
        self.turn.wake_by_ref();
    }
}
