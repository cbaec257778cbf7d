//! The server and the clients of the benches of HTTP.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use untethered::http::{Body, Bytes, Client, Request};
use untethered::{Runtime, runtime};

/// Bytes in an answer.
pub const BODY: usize = 1024;

/// How much is asked for, of which server.
#[derive(Debug, Clone)]
pub struct Load {
    pub requests: usize,
    pub concurrency: usize,
    /// Whether a few requests come first that do not count.
    pub warm_up: bool,
    pub url: String,
}

/// Serves [`BODY`] bytes at any path, on a port that it prints as a URL.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\nContent-Type: text/plain\r\nServer: bench\r\n\r\n").into_bytes();
    answer.extend([b'x'; BODY]);
    let answer: Arc<[u8]> = answer.into();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}/", listener.local_addr().unwrap());
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut bytes = Vec::with_capacity(4096);
                while socket.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {
                    if bytes.ends_with(b"\r\n\r\n") {
                        bytes.clear();
                        if socket.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
}

/// The URL that a child printed that [serves](serve).
pub fn server_url(server: &mut Child) -> String {
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    url.trim().to_owned()
}

/// What this process has used so far.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

impl Load {
    /// Runs as many workers as may be under way, and says how much CPU time the process used meanwhile.
    async fn run<C, S, Fut>(
        self,
        client: C,
        get: fn(C, String) -> Fut,
        spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> S,
    ) -> f64
    where
        C: Clone + Send + 'static,
        S: Future<Output = ()>,
        Fut: Future<Output = usize> + Send + 'static,
    {
        let mut used = 0.0;
        let warm_up = self.warm_up.then_some(self.concurrency * 4);
        for requests in warm_up.into_iter().chain([self.requests]) {
            let before = cpu_seconds();
            let next = Arc::new(AtomicUsize::new(0));
            let workers: Vec<S> = (0..self.concurrency)
                .map(|_| {
                    let (client, url, next) = (client.clone(), self.url.clone(), next.clone());
                    spawn(Box::pin(async move {
                        while next.fetch_add(1, Relaxed) < requests {
                            assert_eq!(get(client.clone(), url.clone()).await, BODY);
                        }
                    }))
                })
                .collect();
            for worker in workers {
                worker.await;
            }
            used = cpu_seconds() - before;
        }
        used
    }

    pub fn on_smol<C, Fut>(
        self,
        client: impl FnOnce(&Runtime) -> C,
        get: fn(C, String) -> Fut,
    ) -> f64
    where
        C: Clone + Send + 'static,
        Fut: Future<Output = usize> + Send + 'static,
    {
        let executor = Arc::new(smol::Executor::new());
        let client = client(&runtime::executor(&executor));
        let run = self.run(client, get, |worker| executor.spawn(worker));
        smol::block_on(executor.run(run))
    }

    pub fn on_threads<C, Fut>(
        self,
        threads: usize,
        client: impl FnOnce(&Runtime) -> C,
        get: fn(C, String) -> Fut,
    ) -> f64
    where
        C: Clone + Send + 'static,
        Fut: Future<Output = usize> + Send + 'static,
    {
        let rt = runtime::threads(threads);
        let run = self.run(client(&rt), get, |worker| {
            let task = rt.spawn(worker);
            async { task.await.unwrap() }
        });
        futures_lite::future::block_on(run)
    }

    pub fn on_tokio<C, Fut>(self, threads: usize, client: C, get: fn(C, String) -> Fut) -> f64
    where
        C: Clone + Send + 'static,
        Fut: Future<Output = usize> + Send + 'static,
    {
        tokio_runtime(threads).block_on(self.run(client, get, |worker| {
            let task = tokio::spawn(worker);
            async { task.await.unwrap() }
        }))
    }

    pub fn on_our_tokio<C, Fut>(
        self,
        threads: usize,
        client: impl FnOnce(&Runtime) -> C,
        get: fn(C, String) -> Fut,
    ) -> f64
    where
        C: Clone + Send + 'static,
        Fut: Future<Output = usize> + Send + 'static,
    {
        let tokio = tokio_runtime(threads);
        let client = tokio.block_on(async { client(&runtime::tokio().unwrap()) });
        tokio.block_on(self.run(client, get, |worker| {
            let task = tokio::spawn(worker);
            async { task.await.unwrap() }
        }))
    }
}

pub fn tokio_runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().unwrap()
}

pub async fn our_get<C: Client>(client: C, url: String) -> usize {
    let request = Request::get(url).body(Body::empty()).unwrap();
    let response = client.send(request).await.unwrap();
    response.into_body().bytes(BODY).await.unwrap().len()
}

pub type HyperUtil = hyper_util::client::legacy::Client<
    hyper_util::client::legacy::connect::HttpConnector,
    Empty<Bytes>,
>;

pub fn hyper_util_client() -> HyperUtil {
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build(connector)
}

pub async fn hyper_util_get(client: HyperUtil, url: String) -> usize {
    let response = client.get(url.parse().unwrap()).await.unwrap();
    response
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .len()
}

pub async fn reqwest_get(client: reqwest::Client, url: String) -> usize {
    let response = client.get(url).send().await.unwrap();
    response.bytes().await.unwrap().len()
}
