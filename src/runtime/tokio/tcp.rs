use std::io::{self, IoSlice, Read};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use ::tokio::io::Interest;
use ::tokio::net::TcpStream;
use ::tokio::runtime::Handle;
use socket2::{Domain, SockRef, Socket, Type};

use super::inside;
use crate::runtime::{Tcp, tcp};
use crate::task::{catch, forget_panic};

/// The sockets of a tokio runtime, or async-io's if it was built without.
#[derive(Default)]
pub(super) struct Sockets {
    /// Not known before the first socket: tokio answers this question by a panic only.
    enabled: OnceLock<bool>,
}

impl Sockets {
    pub(super) fn watch(
        &self,
        handle: &Handle,
        socket: std::net::TcpStream,
    ) -> io::Result<Arc<dyn Tcp>> {
        let enabled = match self.enabled.get() {
            Some(enabled) => *enabled,
            None => {
                let enabled = probe(handle)?;
                *self.enabled.get_or_init(|| enabled)
            }
        };
        if !enabled {
            return tcp::watch(socket);
        }
        Ok(Arc::new(register(handle, socket)?))
    }
}

/// Whether the runtime has sockets.
fn probe(handle: &Handle) -> io::Result<bool> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match catch(|| register(handle, socket.into())) {
        Ok(registered) => registered.map(|_| true),
        Err(payload) => {
            forget_panic(payload);
            Ok(false)
        }
    }
}

fn register(handle: &Handle, socket: std::net::TcpStream) -> io::Result<TcpStream> {
    inside(handle, || TcpStream::from_std(socket))
        .unwrap_or_else(|| Err(io::Error::other("the thread is at its end")))
}

impl Tcp for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = None;
        // For tokio only "would block" ends readiness. It must be told so from inside, where it
        // has noted which event it was that is used up.
        let told = self.try_io(Interest::READABLE, || {
            let result = receive(self, buffer);
            let used_up = match &result {
                Ok(n) => *n > 0 && *n < buffer.len(),
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            read = Some(result);
            if used_up {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        drop(told);
        // Where tokio knows of nothing the kernel may, whose event is still to come.
        read.unwrap_or_else(|| receive(self, buffer))
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [bytes] => self.try_write(bytes),
            _ => self.try_write_vectored(slices),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}

fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(stream)).read(buffer)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// Both ends of a connection, ours as it is once `sent` has arrived and tokio has heard of it.
    fn receiving(sent: &[u8], test: impl FnOnce(&dyn Tcp)) {
        let runtime = ::tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        runtime.block_on(async {
            let tcp = Sockets::default().watch(runtime.handle(), ours).unwrap();
            theirs.write_all(sent).unwrap();
            poll_fn(|cx| tcp.poll_readable(cx)).await.unwrap();
            test(&*tcp);
        });
    }

    fn is_readable(tcp: &dyn Tcp) -> bool {
        tcp.poll_readable(&mut Context::from_waker(std::task::Waker::noop()))
            .is_ready()
    }

    #[test]
    fn a_read_that_leaves_room_was_the_last() {
        receiving(b"four", |tcp| {
            assert_eq!(tcp.read(&mut [0; 3]).unwrap(), 3);
            assert!(is_readable(tcp), "the buffer was full");
            assert_eq!(tcp.read(&mut [0; 3]).unwrap(), 1);
            assert!(!is_readable(tcp));
        });
    }

    #[test]
    fn a_read_of_nothing_ends_readiness() {
        receiving(b"four", |tcp| {
            // As it is if the kernel had more than tokio knew of.
            assert_eq!((&*tcp.socket()).read(&mut [0; 8]).unwrap(), 4);
            assert!(is_readable(tcp));
            let error = tcp.read(&mut [0; 3]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(!is_readable(tcp));
        });
    }
}
