//! A server on this machine, so that the example has something to fetch.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

/// How much every answer holds.
const BODY: usize = 1024;

/// Loopback has more than one address almost everywhere.
const HOSTS: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
    Ipv4Addr::new(127, 0, 0, 4),
];

/// Listens on loopback, on ports that are free, and gives that many URLs.
pub(crate) fn start(urls: usize) -> io::Result<Vec<String>> {
    let mut bases = Vec::new();
    for host in HOSTS {
        let listener = match TcpListener::bind((host, 0)) {
            Ok(listener) => listener,
            Err(_) if host != HOSTS[0] => continue,
            Err(error) => return Err(error),
        };
        bases.push(format!("http://{}", listener.local_addr()?));
        thread::spawn(move || accept(&listener));
    }
    let numbered = bases.iter().cycle().zip(0..urls);
    Ok(numbered.map(|(base, n)| format!("{base}/{n}")).collect())
}

fn accept(listener: &TcpListener) {
    for socket in listener.incoming().flatten() {
        // A client that has gone is none of our business.
        thread::spawn(move || serve(socket).ok());
    }
}

/// Answers one request after the other, until the client closes.
fn serve(socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut reader = BufReader::new(&socket);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n{}",
        "x".repeat(BODY)
    );
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        // The head ends with an empty line.
        if line.trim_end().is_empty() {
            (&socket).write_all(answer.as_bytes())?;
        }
    }
}
