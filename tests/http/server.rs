//! A server on loopback that does what a test tells it, well or badly.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long anything may take before the test is called stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(30);

/// Serves each connection on a thread of its own.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    accepted: AtomicUsize,
    stopped: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A connection as the server sees it.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// Which connection it is, from nought.
    pub(crate) number: usize,
    buffer: Vec<u8>,
}

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// All of the head, without the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Server {
    pub(crate) fn new(serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", serve)
    }

    pub(crate) fn on(address: &str, serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            accepted: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            threads: Mutex::new(Vec::new()),
        });
        let serve = Arc::new(serve);
        let theirs = shared.clone();
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if theirs.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let number = theirs.accepted.fetch_add(1, Ordering::SeqCst);
                stream.set_read_timeout(Some(STUCK)).unwrap();
                stream.set_nodelay(true).unwrap();
                let serve = serve.clone();
                let thread = std::thread::spawn(move || {
                    serve(&mut Peer {
                        stream,
                        number,
                        buffer: Vec::new(),
                    });
                });
                theirs.threads.lock().unwrap().push(thread);
            }
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Answers each request on each connection.
    pub(crate) fn answering(answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::new(move |peer| {
            while let Some(request) = peer.request() {
                peer.write(&answer(&request));
            }
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Waits until every connection has been served to its end, and fails if serving one did.
    pub(crate) fn finish(mut self) {
        self.stop();
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap());
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.acceptor.is_some() {
            self.stop();
        }
    }
}

impl Peer {
    /// The next request, `None` once the client has closed.
    pub(crate) fn request(&mut self) -> Option<Received> {
        let mut received = self.head()?;
        if let Some(length) = received.header("content-length") {
            let length = length.parse().unwrap();
            received.body = self.take(length)?;
        } else if received.header("transfer-encoding").as_deref() == Some("chunked") {
            loop {
                let end = loop {
                    match find(&self.buffer, b"\r\n") {
                        Some(end) => break end,
                        None if !self.fill() => return None,
                        None => {}
                    }
                };
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap(), 16).unwrap();
                let chunk = self.take(size + 2)?;
                received.body.extend(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        Some(received)
    }

    /// The head of the next request; what follows is left alone.
    pub(crate) fn head(&mut self) -> Option<Received> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.fill() {
                assert!(self.buffer.is_empty(), "closed within a request's head");
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).take(end).collect();
        let head = String::from_utf8(head).expect("tests send text");
        Some(Received {
            head,
            body: Vec::new(),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // The client may have gone: that is for the test to judge.
        self.stream.write_all(bytes).ok();
    }

    /// Waits until the client has closed the connection, whatever it sends until then.
    pub(crate) fn wait_for_close(&mut self) {
        while self.fill() {}
    }

    pub(crate) fn close(&mut self) {
        self.stream.shutdown(Shutdown::Both).ok();
    }

    fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < n {
            if !self.fill() {
                return None;
            }
        }
        Some(self.buffer.drain(..n).collect())
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(n) => {
                self.buffer.extend(&bytes[..n]);
                n > 0
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => panic!("the client never closed"),
                _ => false,
            },
        }
    }
}

impl Received {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (its_name, value) = line.split_once(':')?;
            its_name
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }
}

/// A whole response of `status` with this body.
pub(crate) fn response(status: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
