use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long anything may take before a test is called stuck.
pub(super) const STUCK: Duration = Duration::from_secs(30);

/// An HTTP server on loopback that does what a test tells it, well or badly.
///
/// Each connection is served on a thread of its own. One that nothing comes from for 30 s, though
/// it was waited for, makes serving it fail. Dropping the server stops it, without a look at what
/// is still being served; [`finish`](Self::finish) has that look.
///
/// # Examples
///
/// ```
/// use untethered::http::conformance::Server;
/// use untethered::http::{Body, Client, Engine, ErrorKind, Request};
/// use untethered::runtime;
///
/// let server = Server::new(|peer| {
///     peer.request();
///     peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
///     peer.close();
/// });
/// # #[cfg(feature = "threads")]
/// futures_lite::future::block_on(async {
///     let engine = Engine::new(&runtime::threads(1));
///     let request = Request::get(server.url("/")).body(Body::empty()).unwrap();
///     let body = engine.send(request).await.unwrap().into_body();
///     assert_eq!(body.bytes(10).await.unwrap_err().kind(), ErrorKind::Truncated);
/// });
/// server.finish();
/// ```
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    accepted: AtomicUsize,
    stopped: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A connection as a [`Server`] sees it. Closed when it is dropped.
pub struct Peer {
    /// The connection itself. What was read from it beyond a request is not in it any more.
    pub stream: TcpStream,
    /// Which connection it is, from nought.
    pub number: usize,
    buffer: Vec<u8>,
}

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Received {
    /// All of the head, without the empty line.
    pub head: String,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Server {
    /// Calls `serve` for each connection.
    ///
    /// # Panics
    ///
    /// If loopback has no port to listen on.
    #[track_caller]
    pub fn new(serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", serve)
    }

    /// The same at another address, such as `[::1]:0`.
    ///
    /// # Panics
    ///
    /// If nothing can listen there.
    #[track_caller]
    pub fn on(address: &str, serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = match TcpListener::bind(address) {
            Ok(listener) => listener,
            Err(error) => panic!("the server can not listen on {address}: {error}"),
        };
        let address = listener.local_addr().expect("what listens has an address");
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
                // Fails where the client has gone already, which serving it will find out.
                stream.set_read_timeout(Some(STUCK)).ok();
                stream.set_write_timeout(Some(STUCK)).ok();
                stream.set_nodelay(true).ok();
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
    pub fn answering(answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::new(move |peer| {
            while let Some(request) = peer.request() {
                peer.write(&answer(&request));
            }
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Waits until every connection has been served to its end.
    ///
    /// # Panics
    ///
    /// With what serving one of them panicked with.
    pub fn finish(mut self) {
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

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("accepted", &self.accepted())
            .finish_non_exhaustive()
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
    /// The next request with its body, `None` once the client has closed.
    ///
    /// # Panics
    ///
    /// If the client closes within a head, frames the body wrongly, or if nothing comes for 30 s.
    pub fn request(&mut self) -> Option<Received> {
        let mut received = self.head()?;
        self.body_of(&mut received).then_some(received)
    }

    /// Reads the body that belongs to a [`head`](Self::head). `false` if the client closes before
    /// its end.
    ///
    /// # Panics
    ///
    /// If the client frames the body wrongly, or if nothing comes for 30 s.
    pub fn body_of(&mut self, received: &mut Received) -> bool {
        self.read_body(received).is_some()
    }

    fn read_body(&mut self, received: &mut Received) -> Option<()> {
        if let Some(length) = received.header("content-length") {
            let length = length.parse().expect("a length is a number");
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
                let line = String::from_utf8_lossy(&line);
                let size = usize::from_str_radix(&line, 16).expect("a chunk has a length");
                let chunk = self.take(size + 2)?;
                received.body.extend(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        Some(())
    }

    /// Whether more came along with what was asked for: part of a body, or another request.
    pub fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The head of the next request, `None` once the client has closed; what follows is left alone.
    ///
    /// # Panics
    ///
    /// If the client closes within it, or if nothing comes for 30 s.
    pub fn head(&mut self) -> Option<Received> {
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
        let head = String::from_utf8_lossy(&head).into_owned();
        Some(Received {
            head,
            body: Vec::new(),
        })
    }

    /// Sends `bytes`. That the client has gone is for the test to judge.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// Waits until the client has closed the connection, whatever it sends until then.
    ///
    /// # Panics
    ///
    /// If nothing comes for 30 s.
    pub fn wait_for_close(&mut self) {
        while self.fill() {}
    }

    /// Closes the connection in both directions.
    pub fn close(&mut self) {
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

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("stream", &self.stream)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Received {
    /// The target of the request line, its query included.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (its_name, value) = line.split_once(':')?;
            its_name
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }
}

/// A whole response of `status` with this body, for [`Server::answering`] and [`Peer::write`].
pub fn response(status: u16, body: &[u8]) -> Vec<u8> {
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
