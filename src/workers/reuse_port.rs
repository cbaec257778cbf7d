use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// Listens on an address that others of the same user may listen on too, by SO_REUSEPORT.
///
/// The kernel spreads connections over all such sockets, each with a queue of its own. When one of
/// them closes, **the connections that wait in its queue are lost**: their clients see a reset. So
/// a service that reloads without a failed request shares one socket instead, which is what
/// [`Workers::listen`](super::Workers::listen) does. This is for services that can not start their
/// workers from one parent, or that want a queue for each worker.
///
/// A port of nought is another port each time. The socket is non-blocking.
///
/// # Errors
///
/// If the address is taken by a socket without SO_REUSEPORT, or the system refuses.
///
/// # Examples
///
/// ```
/// use untethered::workers::reuse_port;
///
/// let first = reuse_port("127.0.0.1:0".parse().unwrap()).unwrap();
/// let address = first.local_addr().unwrap();
/// let second = reuse_port(address).unwrap();
/// assert_eq!(second.local_addr().unwrap(), address);
/// ```
pub fn reuse_port(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket: OwnedFd = socket(family, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    // As std does for every listener: a restart need not wait for old connections to time out.
    set_socket_reuseaddr(&socket, true)?;
    set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}
