//! How long children of a group are kept waiting, beside tasks of tokio.
//!
//! ```text
//! cargo run --release --bin group_delay -- [--rounds N] [WORDS..]
//! ```
//!
//! `blocked`: one task blocks its thread for 10 ms again and again, a thousand others sleep and note
//! how late they are. `drained`: one task takes message after message from a channel that is never
//! empty, twenty tasks outside of the group yield and note how long they waited.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime as Tokio};
use tokio::sync::{mpsc, watch};
use untethered::Runtime;
use untethered::group::Group;
use untethered_benches::{Asked, interval, median};

const TICKING: usize = 1_000;
const ROUND: Duration = Duration::from_secs(1);
const BLOCKED: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(5);
const YIELDING: usize = 20;
const MESSAGES: usize = 100_000;

/// Who runs the tasks.
#[derive(Clone, Copy, PartialEq)]
enum Host {
    Group,
    /// With the task that blocks as one of the runtime.
    Isolated,
    Tokio,
}

impl Host {
    fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Isolated => "group, isolated",
            Self::Tokio => "tokio::spawn",
        }
    }
}

type Work = fn(&Tokio, Host) -> Vec<Duration>;

fn main() {
    let mut asked = Asked::new(11);
    let all = [Host::Group, Host::Isolated, Host::Tokio];
    let rows: [(&str, usize, Work, &[Host]); 4] = [
        ("blocked 2", 2, blocked, &all),
        ("drained 1", 1, drained, &[Host::Group, Host::Tokio]),
        ("drained 2", 2, drained, &[Host::Group, Host::Tokio]),
        ("quiet 2", 2, quiet, &[Host::Group, Host::Tokio]),
    ];
    for (name, workers, work, hosts) in rows {
        if asked.wants(name) {
            measure(name, workers, work, hosts, asked.rounds);
        }
    }
    asked.end();
}

/// One round to warm up, then as many that count, each with all hosts in turning order.
fn measure(name: &str, workers: usize, work: Work, hosts: &[Host], rounds: usize) {
    let tokio = match workers {
        1 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build(),
    };
    let tokio = tokio.unwrap();
    let mut seen = vec![Vec::new(); hosts.len()];
    for round in 0..=rounds {
        for turn in 0..hosts.len() {
            let index = (round + turn) % hosts.len();
            let mut delays = work(&tokio, hosts[index]);
            delays.sort();
            let micros = |part: f64| {
                let at = ((delays.len() - 1) as f64 * part) as usize;
                delays[at].as_nanos() as f64 / 1e3
            };
            if round > 0 {
                seen[index].push([micros(0.5), micros(0.99), micros(1.0)]);
            }
        }
    }
    println!("\n{name}, {rounds} rounds, microseconds\n");
    println!("| tasks of | p50 | p99 | longest | p99 / that of tokio::spawn | 95 % |");
    println!("|---|---|---|---|---|---|");
    let column = |index: usize, which: usize| -> Vec<f64> {
        seen[index].iter().map(|row| row[which]).collect()
    };
    let peer = column(hosts.len() - 1, 1);
    for (index, host) in hosts.iter().enumerate() {
        let ratios: Vec<f64> = column(index, 1)
            .iter()
            .zip(&peer)
            .map(|(ours, it)| ours / it)
            .collect();
        let (low, high) = interval(&ratios);
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.2} | {low:.2} to {high:.2} |",
            host.name(),
            median(&column(index, 0)),
            median(&column(index, 1)),
            median(&column(index, 2)),
            median(&ratios),
        );
    }
}

fn blocked(tokio: &Tokio, host: Host) -> Vec<Duration> {
    tick(tokio, host, true)
}

fn quiet(tokio: &Tokio, host: Host) -> Vec<Duration> {
    tick(tokio, host, false)
}

fn tick(tokio: &Tokio, host: Host, block: bool) -> Vec<Duration> {
    let rt = Runtime::try_from(tokio.handle().clone()).unwrap();
    let delays = Arc::new(Mutex::new(Vec::new()));
    let (stop, stopped) = watch::channel(false);
    let blocks = {
        let stopped = stopped.clone();
        async move {
            while block && !*stopped.borrow() {
                std::thread::sleep(BLOCKED);
                tokio::task::yield_now().await;
            }
        }
    };
    let ticks = (0..TICKING).map(|index| {
        let (delays, stopped) = (delays.clone(), stopped.clone());
        async move {
            let mut own = Vec::new();
            // So that they do not all wake at once.
            tokio::time::sleep(TICK * index as u32 / TICKING as u32).await;
            while !*stopped.borrow() {
                let due = Instant::now() + TICK;
                tokio::time::sleep_until(due.into()).await;
                own.push(due.elapsed());
            }
            delays.lock().unwrap().append(&mut own);
        }
    });
    let ticks: Vec<_> = ticks.collect();
    tokio.block_on(async {
        match host {
            Host::Tokio => {
                let mut tasks: Vec<_> = ticks.into_iter().map(tokio::spawn).collect();
                tasks.push(tokio::spawn(blocks));
                tokio::time::sleep(ROUND).await;
                stop.send(true).unwrap();
                for task in tasks {
                    task.await.unwrap();
                }
            }
            Host::Group | Host::Isolated => {
                let group = Group::builder(&rt).build();
                for tick in ticks {
                    group.spawn(tick);
                }
                let task = group.task("blocks");
                match host {
                    Host::Isolated => task.isolated().spawn(blocks),
                    _ => task.spawn(blocks),
                };
                tokio::time::sleep(ROUND).await;
                stop.send(true).unwrap();
                group.join().await.unwrap();
            }
        }
    });
    Arc::into_inner(delays).unwrap().into_inner().unwrap()
}

fn drained(tokio: &Tokio, host: Host) -> Vec<Duration> {
    let rt = Runtime::try_from(tokio.handle().clone()).unwrap();
    let (to, mut from) = mpsc::unbounded_channel();
    for message in 0..MESSAGES {
        to.send(message).unwrap();
    }
    drop(to);
    let (stop, stopped) = watch::channel(false);
    let drains = async move {
        while from.recv().await.is_some() {}
        stop.send(true).unwrap();
    };
    tokio.block_on(async {
        let outside: Vec<_> = (0..YIELDING)
            .map(|_| {
                let stopped = stopped.clone();
                tokio::spawn(async move {
                    let mut own = Vec::new();
                    while !*stopped.borrow() {
                        let start = Instant::now();
                        tokio::task::yield_now().await;
                        own.push(start.elapsed());
                    }
                    own
                })
            })
            .collect();
        match host {
            Host::Tokio => tokio::spawn(drains).await.unwrap(),
            Host::Group | Host::Isolated => {
                let group = Group::builder(&rt).build();
                group.spawn(drains);
                group.join().await.unwrap();
            }
        }
        let mut delays = Vec::new();
        for task in outside {
            delays.append(&mut task.await.unwrap());
        }
        delays
    })
}
