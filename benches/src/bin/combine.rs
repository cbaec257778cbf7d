//! Timers beside their peers.
//!
//! ```text
//! cargo run --release --bin combine -- [--rounds N] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words, each an alternative where it has a bar:
//! `combine timer sleeps 'tokio|smol'`. They count CPU time, not the time that passes.

use std::process::exit;
use std::time::Duration;

use futures::StreamExt;
use rustix::time::{ClockId, clock_gettime};
use untethered::combine::gather;
use untethered::{Runtime, runtime};
use untethered_benches::{Counting, interval, median};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut rounds = 31;
    let mut words = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--rounds" => match args.next().and_then(|text| text.parse().ok()) {
                Some(number) if number > 0 => rounds = number,
                _ => {
                    eprintln!("--rounds takes a number from 1 on");
                    exit(2)
                }
            },
            _ if arg.starts_with('-') => {
                eprintln!("usage: combine [--rounds N] [WORDS..]");
                exit(2)
            }
            _ => words.push(arg),
        }
    }
    let wanted = |name: &str| {
        let parts: Vec<_> = name.split(' ').collect();
        let has = |word: &String| word.split('|').any(|word| parts.contains(&word));
        words.iter().all(has)
    };
    let mut measured = 0;
    for host in ["tokio", "smol", "threads"] {
        for workload in ["sleeps", "ticks"] {
            let name = format!("timer {workload} {host}");
            if wanted(&name) {
                measured += 1;
                timer_row(&name, workload, host, rounds);
            }
        }
    }
    if measured == 0 {
        eprintln!("no such row: take words of timer; sleeps, ticks; tokio, smol, threads");
        exit(2);
    }
}

const SLEEPS: usize = 100_000;

/// CPU time of this process, all threads together.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Sleeps that end all over a tenth of a second, in one list.
fn lengths() -> impl Iterator<Item = Duration> {
    (0..SLEEPS).map(|index| Duration::from_micros(50_000 + (index as u64 * 7919) % 100_000))
}

fn timer_row(name: &str, workload: &'static str, host: &'static str, rounds: usize) {
    type Run = Box<dyn FnMut() -> usize>;
    let tokio = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap()
    };
    let sleeps = workload == "sleeps";
    let ours = move |rt: Runtime| async move {
        if sleeps {
            gather(lengths().map(|length| rt.sleep(length))).await.len()
        } else {
            let mut ticks = untethered::time::interval(&rt, Duration::from_millis(1));
            for _ in 0..TICKS {
                ticks.tick().await;
            }
            TICKS
        }
    };
    let its_own_tokio = move || {
        tokio().block_on(async move {
            if sleeps {
                gather(lengths().map(tokio::time::sleep)).await.len()
            } else {
                let mut ticks = tokio::time::interval(Duration::from_millis(1));
                for _ in 0..TICKS {
                    ticks.tick().await;
                }
                TICKS
            }
        })
    };
    let mut variants: Vec<(&str, Run)> = Vec::new();
    match host {
        "tokio" => {
            variants.push((
                "untethered on tokio",
                Box::new(move || tokio().block_on(async { ours(runtime::tokio().unwrap()).await })),
            ));
            variants.push(("tokio", Box::new(its_own_tokio)));
        }
        "smol" => {
            variants.push((
                "untethered on smol",
                Box::new(move || smol::block_on(ours(runtime::smol()))),
            ));
            variants.push((
                "smol",
                Box::new(move || {
                    smol::block_on(async move {
                        if sleeps {
                            gather(lengths().map(smol::Timer::after)).await.len()
                        } else {
                            let mut ticks = smol::Timer::interval(Duration::from_millis(1));
                            for _ in 0..TICKS {
                                ticks.next().await;
                            }
                            TICKS
                        }
                    })
                }),
            ));
        }
        _ => {
            let threads = runtime::threads(1);
            variants.push((
                "untethered on threads",
                Box::new(move || smol::block_on(ours(threads.clone()))),
            ));
            variants.push(("tokio", Box::new(its_own_tokio)));
        }
    }
    let rounds = rounds.min(11);
    let mut times = vec![Vec::new(); variants.len()];
    for round in 0..=rounds {
        for turn in 0..variants.len() {
            let index = (round + turn) % variants.len();
            let start = cpu();
            let items = (variants[index].1)();
            if round > 0 {
                times[index].push((cpu() - start) / items as f64);
            }
        }
    }
    println!("\n{name}, {rounds} rounds\n");
    println!("| variant | ns of CPU per item | ours / it | 95 % |");
    println!("|---|---|---|---|");
    for (index, (name, _)) in variants.iter().enumerate() {
        let ratios: Vec<_> = times[0]
            .iter()
            .zip(&times[index])
            .map(|(a, b)| a / b)
            .collect();
        let (low, high) = interval(&ratios);
        let compared = match index {
            0 => "| |".to_owned(),
            _ => format!("{:.2} | {low:.2} to {high:.2} |", median(&ratios)),
        };
        println!("| {name} | {:.0} | {compared}", median(&times[index]));
    }
}

const TICKS: usize = 300;
