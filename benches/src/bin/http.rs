//! CPU of HTTP clients: many GETs of 1 KiB from a server on loopback.
//!
//! `http [--requests N] [--concurrency N,N] [--rounds N] [row ...]`
//!
//! The server and each client are processes of their own; a client reports what it used itself,
//! after a warm-up. The rows take turns. What is shown: the median, the least, and the median of the
//! ratios to hyper-util on tokio's current-thread runtime in the same round. On a machine that has
//! other work the least says most: nothing makes a client use less than it needs.

use std::process::{Command, Stdio};

use untethered::http::{Engine, SurfClient};
use untethered_benches::http::{
    Load, hyper_util_client, hyper_util_get, our_get, reqwest_get, serve, server_url,
};
use untethered_benches::median;

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
    ("curl --parallel", curl),
];

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("serve") => return serve(),
        Some("client") => {
            let load = Load {
                requests: args[2].parse().unwrap(),
                concurrency: args[3].parse().unwrap(),
                warm_up: true,
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
    let url = server_url(&mut server);
    for concurrency in concurrencies.split(',') {
        // CPU seconds for 1,000 requests, by row and round.
        let mut costs = vec![Vec::new(); rows.len()];
        for round in 0..rounds {
            for i in 0..rows.len() {
                let row = (i + round) % rows.len();
                let output = Command::new(&program)
                    .args(["client", rows[row], &requests, concurrency, &url])
                    .stderr(Stdio::inherit())
                    .output()
                    .unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                let seconds: f64 = text.trim().parse().expect("the client failed");
                costs[row].push(seconds * 1000.0 / requests.parse::<f64>().unwrap());
            }
        }
        println!("concurrency {concurrency}: CPU s per 1,000 requests, ratios to {BASE}");
        println!(
            "{:20} median   least   ratio (range)        of the least",
            ""
        );
        let least = |row: &[f64]| row.iter().copied().fold(f64::INFINITY, f64::min);
        for (name, row) in rows.iter().zip(&costs) {
            let mut ratios: Vec<f64> = row.iter().zip(&costs[0]).map(|(a, b)| a / b).collect();
            ratios.sort_by(f64::total_cmp);
            println!(
                "{name:20} {:.4}   {:.4}  {:.2} ({:.2} to {:.2})  {:.2}",
                median(row),
                least(row),
                median(&ratios),
                ratios[0],
                ratios[ratios.len() - 1],
                least(row) / least(&costs[0]),
            );
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

/// curl reports nothing about itself: the shell that runs it does.
fn curl(load: Load) -> f64 {
    let script = format!(
        "curl -s --parallel --parallel-immediate --parallel-max {} -o /dev/null '{}?[1-{}]'; times",
        load.concurrency.min(300),
        load.url,
        load.requests
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

async fn surf_get(client: surf::Client, url: String) -> usize {
    let request = surf::Request::new(surf::http::Method::Get, url.parse().unwrap());
    client.recv_bytes(request).await.unwrap().len()
}
