//! What a server sends to the engine.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use untethered::http::{Engine, ErrorKind, FanOut, Timeouts};
use untethered::{block_on, runtime};

const HONEST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest";

/// A server whose answer to `/fuzz` is `bytes`, then the end; to all else it is honest.
fn server(bytes: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let bytes = Arc::clone(&bytes);
            thread::spawn(move || serve(&socket, &bytes));
        }
    });
    address
}

fn serve(mut socket: &TcpStream, bytes: &Mutex<Vec<u8>>) {
    let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        if first.contains("/fuzz ") {
            let _ = socket.write_all(&bytes.lock().unwrap());
            return;
        }
        if socket.write_all(HONEST).is_err() {
            return;
        }
    }
}

/// Any bytes are an answer or an error, soon, and never part of the next answer.
#[test]
fn framing() {
    let bytes = Arc::default();
    let address = server(Arc::clone(&bytes));
    let rt = runtime::threads(1);
    // The server closes: the limit is for a client that does not notice.
    let fan_out = FanOut::new(&rt, Engine::new(&rt))
        .timeout(Timeouts::total(Duration::from_secs(60)))
        .no_redirects();
    let fan_out = AssertUnwindSafe(fan_out);
    bolero::check!().for_each(|input: &[u8]| {
        *bytes.lock().unwrap() = input.to_vec();
        let answer = block_on(fan_out.fetch(format!("http://{address}/fuzz")));
        if let Err(error) = &answer {
            let late = matches!(error.kind(), ErrorKind::Timeout(_));
            assert!(!late, "{error}");
        }
        let next = block_on(fan_out.fetch(format!("http://{address}/next"))).unwrap();
        assert_eq!(next.body(), "honest", "after {answer:?}");
    });
}
