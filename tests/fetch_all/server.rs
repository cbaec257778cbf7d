//! A server of one script, on threads.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request, to be answered on its connection.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) head: String,
    socket: TcpStream,
    under_way: UnderWay,
}

pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) port: u16,
    /// Every request, as it comes in.
    pub(crate) requests: Mutex<Receiver<String>>,
    load: Arc<Mutex<Load>>,
}

#[derive(Default)]
struct Load {
    running: usize,
    peak: usize,
}

impl Server {
    /// Answers each request by `script`, which also runs for those on other addresses of `hosts`.
    pub(crate) fn start_on(
        hosts: &[&str],
        script: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(script);
        let load: Arc<Mutex<Load>> = Arc::default();
        let (sender, requests) = channel();
        let mut port = 0;
        for host in hosts {
            let listener = TcpListener::bind((*host, port)).unwrap();
            port = listener.local_addr().unwrap().port();
            let (script, load) = (script.clone(), Arc::clone(&load));
            let sender = sender.clone();
            thread::spawn(move || {
                for socket in listener.incoming() {
                    let (script, load) = (script.clone(), load.clone());
                    let sender = sender.clone();
                    let socket = socket.unwrap();
                    thread::spawn(move || serve(socket, &*script, &load, &sender));
                }
            });
        }
        Self {
            base: format!("http://127.0.0.1:{port}"),
            port,
            requests: Mutex::new(requests),
            load,
        }
    }

    pub(crate) fn start(
        script: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(&["127.0.0.1"], script)
    }

    /// Answers everything with its path.
    pub(crate) fn echo() -> Self {
        Self::start(|request| {
            let body = request.path.clone();
            request.answer(&body)
        })
    }

    /// Waits for the next request and gives its path.
    pub(crate) fn next(&self) -> String {
        self.requests.lock().unwrap().recv().unwrap()
    }

    pub(crate) fn was_asked(&self) -> bool {
        self.requests.lock().unwrap().try_recv().is_ok()
    }

    pub(crate) fn peak(&self) -> usize {
        self.load.lock().unwrap().peak
    }
}

fn serve(
    socket: TcpStream,
    script: &(impl Fn(Request) -> io::Result<()> + ?Sized),
    load: &Arc<Mutex<Load>>,
    sender: &Sender<String>,
) {
    socket.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            // Also when the client has reset the connection.
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let under_way = UnderWay::new(load);
        sender.send(path.clone()).ok();
        let request = Request {
            path,
            head,
            socket: socket.try_clone().unwrap(),
            under_way,
        };
        if script(request).is_err() {
            return;
        }
    }
}

impl Request {
    pub(crate) fn answer(self, body: &str) -> io::Result<()> {
        self.answer_with("200 OK", "", body)
    }

    pub(crate) fn answer_with(self, status: &str, headers: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        self.raw(&format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    pub(crate) fn raw(mut self, answer: &(impl AsRef<[u8]> + ?Sized)) -> io::Result<()> {
        // The next request may come before the write returns.
        drop(self.under_way);
        self.socket.write_all(answer.as_ref())
    }

    /// Closes the connection.
    pub(crate) fn close(self) -> io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Both)?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Waits until the client closes.
    pub(crate) fn wait_for_close(mut self) -> io::Result<()> {
        let mut rest = [0; 64];
        while self.socket.read(&mut rest).is_ok_and(|read| read > 0) {}
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

struct UnderWay(Arc<Mutex<Load>>);

impl UnderWay {
    fn new(load: &Arc<Mutex<Load>>) -> Self {
        let mut now = load.lock().unwrap();
        now.running += 1;
        now.peak = now.peak.max(now.running);
        drop(now);
        Self(load.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().running -= 1;
    }
}
