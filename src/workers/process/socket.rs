//! The socket between parent and worker process, which the worker finds as its standard input.

use std::env;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::workers::builder::MOST_LISTENERS;
use crate::workers::wire::{Inbox, ToWorker};

/// Says whose worker a process is, and which socket its standard input must be for that to hold.
pub(super) const MARK: &str = "UNTETHERED_WORKER";

/// The value of [`MARK`] for a worker of `name` whose standard input is `socket`.
pub(super) fn mark(name: &str, socket: impl AsFd) -> io::Result<String> {
    Ok(format!("{}@{name}", identity(socket)?))
}

/// If this process is a worker: of which name, and the way to its parent.
///
/// The environment reaches processes that a worker starts as well. They have another standard
/// input, by which they know that it is not meant for them.
pub(super) fn adopt() -> io::Result<Option<(String, UnixStream)>> {
    let Ok(mark) = env::var(MARK) else {
        return Ok(None);
    };
    let stdin = io::stdin();
    let Some((expected, name)) = mark.split_once('@') else {
        return Ok(None);
    };
    if identity(&stdin).ok().as_deref() != Some(expected) {
        return Ok(None);
    }
    let socket = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
    // Nobody else shall read what the parent says, nor keep the socket open after this process.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(Some((name.to_owned(), socket)))
}

/// One of a kind among the sockets of the system while it is open.
fn identity(socket: impl AsFd) -> io::Result<String> {
    let stat = rustix::fs::fstat(socket)?;
    Ok(format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Sends the listeners ahead of everything else. Does not wait: the socket is new and empty.
pub(super) fn send_listeners(socket: &UnixStream, listeners: &[TcpListener]) -> io::Result<()> {
    let fds: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "more sockets to listen on than workers can inherit",
        ));
    }
    let count = [fds.len() as u8];
    sendmsg(
        socket,
        &[IoSlice::new(&count)],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(())
}

/// Takes the listeners from the front of what the parent says.
pub(super) fn receive_listeners(socket: &UnixStream) -> io::Result<Vec<TcpListener>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut count = [0];
    let received = loop {
        let mut into = [IoSliceMut::new(&mut count)];
        match recvmsg(socket, &mut into, &mut control, RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut listeners = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            for fd in fds {
                // Not every system can set it while it receives.
                fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
                let fd: OwnedFd = fd;
                listeners.push(TcpListener::from(fd));
            }
        }
    }
    if listeners.len() == usize::from(count[0]) {
        Ok(listeners)
    } else {
        Err(io::Error::other(
            "the system did not pass on all sockets to listen on",
        ))
    }
}

/// Waits for the next message of the parent. `None`: it has gone.
pub(super) fn next_message(
    mut socket: &UnixStream,
    inbox: &mut Inbox,
) -> io::Result<Option<ToWorker>> {
    let mut piece = [0; 4096];
    loop {
        if let Some(message) = inbox.next()? {
            return ToWorker::decode(&message).map(Some);
        }
        match socket.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(length) => inbox.push(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
