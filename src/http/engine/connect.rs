use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Type};

use crate::runtime::{Runtime, Tcp};

/// How long one address is tried alone before the next one is tried too (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to whichever of the addresses answers first.
///
/// They are tried one after the other, families in turn, each with a head start; a failure starts
/// the next at once. The losers are dropped.
///
/// # Errors
///
/// That of the last address that failed.
pub(super) async fn connect(
    runtime: &Runtime,
    addresses: &[IpAddr],
    port: u16,
    local: Option<IpAddr>,
) -> io::Result<Arc<dyn Tcp>> {
    let mut waiting: VecDeque<IpAddr> = in_turn(addresses)
        .filter(|address| local.is_none_or(|local| local.is_ipv4() == address.is_ipv4()))
        .collect();
    let mut running: Vec<Attempt<'_>> = Vec::new();
    let mut head_start = pin!(runtime.sleep(Duration::ZERO));
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address to connect to");
    poll_fn(|cx| {
        loop {
            let mut start_next = running.is_empty();
            let mut index = 0;
            while index < running.len() {
                match running[index].as_mut().poll(cx) {
                    Poll::Ready(Ok(tcp)) => return Poll::Ready(Ok(tcp)),
                    Poll::Ready(Err(error)) => {
                        failure = error;
                        start_next = true;
                        drop(running.remove(index));
                    }
                    Poll::Pending => index += 1,
                }
            }
            let Some(&address) = waiting.front() else {
                if running.is_empty() {
                    let nothing = io::ErrorKind::Other.into();
                    return Poll::Ready(Err(std::mem::replace(&mut failure, nothing)));
                }
                return Poll::Pending;
            };
            if !start_next && head_start.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            waiting.pop_front();
            running.push(Box::pin(attempt(
                runtime,
                SocketAddr::new(address, port),
                local,
            )));
            head_start.as_mut().reset(HEAD_START);
        }
    })
    .await
}

type Attempt<'a> = Pin<Box<dyn Future<Output = io::Result<Arc<dyn Tcp>>> + Send + 'a>>;

async fn attempt(
    runtime: &Runtime,
    address: SocketAddr,
    local: Option<IpAddr>,
) -> io::Result<Arc<dyn Tcp>> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if let Some(local) = local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // "Under way" is an error too, whose number differs between systems: the socket knows.
    let begun = socket.connect(&address.into());
    let tcp = runtime.watch(socket.into())?;
    poll_fn(|cx| tcp.poll_writable(cx)).await?;
    if let Some(error) = tcp.socket().take_error()? {
        return Err(error);
    }
    match (tcp.socket().peer_addr(), begun) {
        (Ok(_), _) => {}
        (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
    }
    Ok(tcp)
}

/// The addresses with IPv6 and IPv4 in turn, beginning with the family of the first, without
/// repetitions.
fn in_turn(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut ours, mut others) = (VecDeque::new(), VecDeque::new());
    for &address in addresses {
        let family = if address.is_ipv6() == first_is_v6 {
            &mut ours
        } else {
            &mut others
        };
        if !family.contains(&address) {
            family.push_back(address);
        }
    }
    std::iter::from_fn(move || {
        std::mem::swap(&mut ours, &mut others);
        others.pop_front().or_else(|| ours.pop_front())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_in_turn() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let given = ["::1", "::2", "::2", "::3", "1.1.1.1"].map(address);
        let order: Vec<_> = in_turn(&given).collect();
        assert_eq!(order, ["::1", "1.1.1.1", "::2", "::3"].map(address));
    }
}
