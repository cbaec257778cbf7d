//! Clients of the service, that see whether it keeps its word.

use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use untethered::block_on;
use untethered::group::BoxError;
use untethered::signal::Signal;
use untethered::workers::{Child, Exit};

const CLIENTS: usize = 8;
const RELOADS: usize = 5;

/// What the service says.
struct Output(Lines<BufReader<ChildStdout>>);

impl Output {
    /// Reads on until a line has `what` in it, and gives what is behind that.
    fn until(&mut self, what: &str) -> Result<String, BoxError> {
        for line in self.0.by_ref() {
            if let Some((_, rest)) = line?.split_once(what) {
                return Ok(rest.trim().to_owned());
            }
        }
        Err(format!("the service ended before it said {what:?}").into())
    }
}

pub(crate) fn demonstrate() -> Result<(), BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["serve", "127.0.0.1:0"])
        .stdout(Stdio::piped());
    let mut service = Child::spawn(&mut command)?;
    let output = service.take_stdout().ok_or("standard output is piped")?;
    let mut output = Output(BufReader::new(output).lines());
    let address = output.until("serving")?;
    for _ in 0..4 {
        output.until("is ready")?;
    }

    // The worker that has this connection dies with it, and answers nothing.
    receive(connect(&address, "/crash")?).ok();
    output.until("is started again")?;
    output.until("is ready")?;

    let open = Arc::new(RwLock::new(true));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (address, open) = (address.clone(), open.clone());
            thread::spawn(move || requests(&address, &open))
        })
        .collect();
    for _ in 0..RELOADS {
        service.signal(Signal::Hangup)?;
        output.until("reloaded")?;
    }
    // No more requests from here on; those under way are in the service or in its queue.
    *open.write().unwrap_or_else(PoisonError::into_inner) = false;
    service.signal(Signal::Terminate)?;
    let (mut answered, mut failed) = (0, 0);
    for client in clients {
        let (good, bad) = client.join().map_err(|_| "a client panicked")?;
        answered += good;
        failed += bad.len();
        bad.iter().for_each(|error| println!("{error}"));
    }
    while output.until("").is_ok() {}
    let exit = block_on(service.wait());
    println!("1 crash, {RELOADS} reloads, {answered} requests answered, {failed} failed: {exit}");
    assert_eq!((failed, exit), (0, Exit::Code(0)));
    Ok(())
}

/// One after the other while it is open: how many were answered, and what went wrong.
fn requests(address: &str, open: &RwLock<bool>) -> (usize, Vec<io::Error>) {
    let (mut answered, mut failed) = (0, Vec::new());
    while let Some(sent) = send(address, open) {
        match sent.and_then(receive) {
            Ok(response) if response.starts_with("HTTP/1.1 200") => answered += 1,
            Ok(response) => failed.push(io::Error::other(format!("answered {response:?}"))),
            Err(error) => failed.push(error),
        }
    }
    (answered, failed)
}

/// Nobody closes while this is half done.
fn send(address: &str, open: &RwLock<bool>) -> Option<io::Result<TcpStream>> {
    let open = open.read().unwrap_or_else(PoisonError::into_inner);
    open.then(|| connect(address, "/"))
}

fn connect(address: &str, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    Ok(stream)
}

fn receive(mut stream: TcpStream) -> io::Result<String> {
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
