//! CPU of HTTP clients: many GETs of 1 KiB from a server on loopback.
//!
//! `http [--requests N] [--concurrency N,N] [--rounds N] [row ...]`
//!
//! The server and each client are processes of their own; a client reports what it used itself,
//! after a warm-up. The rows take turns; what is shown are medians, and for each row the ratio to
//! hyper-util on tokio's current-thread runtime in the same round.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use untethered::http::{Body, Bytes, Client, Engine, Request, SurfClient};
use untethered::{Runtime, runtime};

const BODY: usize = 1024;
const BASE: &str = "hyper-util/tokio-1";

const ROWS: &[(&str, fn(Load) -> f64)] = &[
    (BASE, |load| {
        load.on_tokio(1, hyper_util_client(), hyper_util_get)
    }),
    ("hyper-util/tokio-2", |load| {
        load.on_tokio(2, hyper_util_client(), hyper_util_get)
    }),
    ("engine/smol-1", |load| {
        load.on_smol(|rt| Engine::new(rt), our_get)
    }),
    ("engine/tokio-1", |load| {
        load.on_our_tokio(1, |rt| Engine::new(rt), our_get)
    }),
    ("engine/tokio-2", |load| {
        load.on_our_tokio(2, |rt| Engine::new(rt), our_get)
    }),
    ("engine/threads-1", |load| {
        load.on_threads(1, |rt| Engine::new(rt), our_get)
    }),
    ("engine/threads-2", |load| {
        load.on_threads(2, |rt| Engine::new(rt), our_get)
    }),
    ("surf-engine/smol-1", |load| {
        load.on_smol(|rt| SurfClient::new(rt), our_get)
    }),
    ("reqwest/tokio-1", |load| {
        load.on_tokio(1, reqwest::Client::new(), reqwest_get)
    }),
    ("reqwest/tokio-2", |load| {
        load.on_tokio(2, reqwest::Client::new(), reqwest_get)
    }),
    ("surf-h1/smol-1", |load| {
        load.on_smol(|_| surf::client(), surf_get)
    }),
    ("curl --parallel", Load::curl),
];

#[derive(Debug, Clone)]
struct Load {
    requests: usize,
    concurrency: usize,
    url: String,
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("serve") => return serve(),
        Some("client") => {
            let load = Load {
                requests: args[2].parse().unwrap(),
                concurrency: args[3].parse().unwrap(),
                url: args[4].clone(),
            };
            let (_, row) = ROWS.iter().find(|(name, _)| *name == args[1]).unwrap();
            println!("{}", row(load));
            return;
        }
        _ => {}
    }
    let mut option = |name: &str, default: &str| -> String {
        match args.iter().position(|arg| arg == name) {
            Some(at) => args.drain(at..at + 2).nth(1).unwrap(),
            None => default.to_owned(),
        }
    };
    let requests = option("--requests", "20000");
    let rounds: usize = option("--rounds", "7").parse().unwrap();
    let concurrencies = option("--concurrency", "50,500");
    let rows: Vec<&str> = ROWS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| {
            args.is_empty() || args.iter().any(|arg| name.contains(&**arg)) || *name == BASE
        })
        .collect();

    let program = std::env::current_exe().unwrap();
    let mut server = Command::new(&program)
        .arg("serve")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    for concurrency in concurrencies.split(',') {
        // CPU seconds for 1,000 requests, by row and round.
        let mut costs = vec![Vec::new(); rows.len()];
        for round in 0..rounds {
            for i in 0..rows.len() {
                let row = (i + round) % rows.len();
                let output = Command::new(&program)
                    .args(["client", rows[row], &requests, concurrency, url.trim()])
                    .stderr(Stdio::inherit())
                    .output()
                    .unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                let seconds: f64 = text.trim().parse().expect("the client failed");
                costs[row].push(seconds * 1000.0 / requests.parse::<f64>().unwrap());
            }
        }
        println!("concurrency {concurrency}: CPU s per 1,000 requests, ratio to {BASE}");
        for (name, row) in rows.iter().zip(&costs) {
            let mut ratios: Vec<f64> = row.iter().zip(&costs[0]).map(|(a, b)| a / b).collect();
            let ratio = median(&mut ratios);
            println!(
                "{name:20} {:.4}  x {ratio:.2} ({:.2} to {:.2})",
                median(&mut row.clone()),
                ratios[0],
                ratios[ratios.len() - 1],
            );
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn serve() {
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

/// What this process has used so far.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

impl Load {
    /// Runs the workers, first to warm up and then to measure.
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
        for requests in [self.concurrency * 4, self.requests] {
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

    fn on_smol<C, Fut>(self, client: impl FnOnce(&Runtime) -> C, get: fn(C, String) -> Fut) -> f64
    where
        C: Clone + Send + 'static,
        Fut: Future<Output = usize> + Send + 'static,
    {
        let executor = Arc::new(smol::Executor::new());
        let client = client(&runtime::executor(&executor));
        let run = self.run(client, get, |worker| executor.spawn(worker));
        smol::block_on(executor.run(run))
    }

    fn on_threads<C, Fut>(
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

    fn on_tokio<C, Fut>(self, threads: usize, client: C, get: fn(C, String) -> Fut) -> f64
    where
        C: Clone + Send + 'static,
        Fut: Future<Output = usize> + Send + 'static,
    {
        tokio_runtime(threads).block_on(self.run(client, get, |worker| {
            let task = tokio::spawn(worker);
            async { task.await.unwrap() }
        }))
    }

    fn on_our_tokio<C, Fut>(
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

    /// curl reports nothing about itself: the shell that runs it does.
    fn curl(self) -> f64 {
        let script = format!(
            "curl -s --parallel --parallel-immediate --parallel-max {} -o /dev/null '{}?[1-{}]'; times",
            self.concurrency.min(300),
            self.url,
            self.requests
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        let times = String::from_utf8(output.stdout).unwrap();
        let children = times.lines().last().unwrap();
        let seconds = |text: &str| {
            let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
            minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
        };
        children.split(' ').map(seconds).sum()
    }
}

fn tokio_runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().unwrap()
}

async fn our_get<C: Client>(client: C, url: String) -> usize {
    let request = Request::get(url).body(Body::empty()).unwrap();
    let response = client.send(request).await.unwrap();
    response.into_body().bytes(BODY).await.unwrap().len()
}

type HyperUtil = hyper_util::client::legacy::Client<
    hyper_util::client::legacy::connect::HttpConnector,
    Empty<Bytes>,
>;

fn hyper_util_client() -> HyperUtil {
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build(connector)
}

async fn hyper_util_get(client: HyperUtil, url: String) -> usize {
    let response = client.get(url.parse().unwrap()).await.unwrap();
    response
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .len()
}

async fn reqwest_get(client: reqwest::Client, url: String) -> usize {
    let response = client.get(url).send().await.unwrap();
    response.bytes().await.unwrap().len()
}

async fn surf_get(client: surf::Client, url: String) -> usize {
    let request = surf::Request::new(surf::http::Method::Get, url.parse().unwrap());
    client.recv_bytes(request).await.unwrap().len()
}
