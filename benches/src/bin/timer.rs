//! Timers beside those of the runtime they run on, by the CPU time of all threads.
//!
//! ```text
//! cargo run --release --bin timer -- [--rounds N] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words, each an alternative where it has a bar:
//! `timer sleeps 'tokio|threads'`.
//!
//! `sleeps`: 100,000 that end all over a tenth of a second, in one task. `drops`: one of half
//! a minute is made, polled and dropped, while 100,000 others wait. `ticks`: an interval of
//! a millisecond. `calls`: the same, with a task started for each tick.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures::StreamExt;
use rustix::time::{ClockId, clock_gettime};
use untethered::combine::gather;
use untethered::time::{Timer, interval};
use untethered::{Queue, Runtime, runtime};
use untethered_benches::{Asked, Counting, allocations, interval as between, median};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SLEEPS: usize = 100_000;
const DROPS: usize = 200_000;
const TICKS: usize = 300;
const PERIOD: Duration = Duration::from_millis(1);

fn main() {
    let mut asked = Asked::new(11);
    for workload in ["sleeps", "drops", "ticks", "calls"] {
        for host in ["tokio", "smol", "async-std", "threads"] {
            if asked.wants(&format!("{workload} {host}")) {
                measure(workload, host, asked.rounds);
            }
        }
    }
    asked.end();
}

/// What one run took: CPU time in nanoseconds, or allocations.
#[derive(Clone, Copy)]
struct Meter {
    allocations: bool,
}

impl Meter {
    /// What comes from here to the end of `future`, for each of so many items.
    async fn each(self, items: usize, future: impl Future) -> f64 {
        let start = self.read();
        future.await;
        (self.read() - start) / items as f64
    }

    fn read(self) -> f64 {
        if self.allocations {
            return allocations() as f64;
        }
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    }
}

type Run = Box<dyn FnMut(Meter) -> f64>;

fn measure(workload: &'static str, host: &'static str, rounds: usize) {
    let (ours, its_own) = variants(workload, host);
    // Without a runtime there is no own one: tokio's is the best known.
    let peer = if host == "threads" { "tokio" } else { host };
    let mut variants = [
        (format!("untethered on {host}"), ours),
        (peer.into(), its_own),
    ];
    let mut times = [const { Vec::new() }; 2];
    for round in 0..=rounds {
        for turn in 0..2 {
            let index = (round + turn) % 2;
            let time = (variants[index].1)(Meter { allocations: false });
            if round > 0 {
                times[index].push(time);
            }
        }
    }
    println!("\n{workload} {host}, {rounds} rounds\n");
    println!("| variant | ns of CPU per item | ours / it | 95 % | allocations per item |");
    println!("|---|---|---|---|---|");
    for (index, (name, run)) in variants.iter_mut().enumerate() {
        let ratios = times[0].iter().zip(&times[index]).map(|(a, b)| a / b);
        let ratios: Vec<_> = ratios.collect();
        let (low, high) = between(&ratios);
        let compared = match index {
            0 => "| |".to_owned(),
            _ => format!("{:.2} | {low:.2} to {high:.2} |", median(&ratios)),
        };
        let allocations = run(Meter { allocations: true });
        let nanos = median(&times[index]);
        println!("| {name} | {nanos:.0} | {compared} {allocations:.2} |");
    }
}

/// Ours and the runtime's own.
fn variants(workload: &'static str, host: &'static str) -> (Run, Run) {
    let tokio = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap()
    };
    let on_tokio: Run = Box::new(move |meter| {
        tokio().block_on(async {
            let sleep = tokio::time::sleep;
            let mut ticks = tokio::time::interval(PERIOD);
            match workload {
                "sleeps" => meter.each(SLEEPS, sleeps(sleep)).await,
                "drops" => drops(meter, sleep),
                "ticks" => {
                    let run = async {
                        for _ in 0..TICKS {
                            ticks.tick().await;
                        }
                    };
                    meter.each(TICKS, run).await
                }
                _ => {
                    let run = async {
                        for _ in 0..TICKS {
                            ticks.tick().await;
                            tokio::spawn(async {}).await.unwrap();
                        }
                    };
                    meter.each(TICKS, run).await
                }
            }
        })
    });
    match host {
        "tokio" => (
            Box::new(move |meter| {
                tokio().block_on(async {
                    let rt = runtime::tokio().unwrap();
                    ours(workload, meter, &rt).await
                })
            }),
            on_tokio,
        ),
        "smol" => (
            Box::new(move |meter| smol::block_on(ours(workload, meter, &runtime::smol()))),
            Box::new(move |meter| {
                smol::block_on(async {
                    let sleep = smol::Timer::after;
                    let mut ticks = smol::Timer::interval(PERIOD);
                    match workload {
                        "sleeps" => meter.each(SLEEPS, sleeps(sleep)).await,
                        "drops" => drops(meter, sleep),
                        "ticks" => meter.each(TICKS, ticks.by_ref().take(TICKS).count()).await,
                        _ => {
                            let run = async {
                                for _ in 0..TICKS {
                                    ticks.next().await;
                                    smol::spawn(async {}).await;
                                }
                            };
                            meter.each(TICKS, run).await
                        }
                    }
                })
            }),
        ),
        "async-std" => (
            Box::new(move |meter| {
                async_std::task::block_on(ours(workload, meter, &runtime::async_std()))
            }),
            Box::new(move |meter| {
                async_std::task::block_on(async {
                    let sleep = async_std::task::sleep;
                    // Its interval is not stable: by hand, without drift.
                    let mut due = Instant::now();
                    let mut tick = || {
                        due += PERIOD;
                        sleep(due.saturating_duration_since(Instant::now()))
                    };
                    match workload {
                        "sleeps" => meter.each(SLEEPS, sleeps(sleep)).await,
                        "drops" => drops(meter, sleep),
                        "ticks" => {
                            let run = async {
                                for _ in 0..TICKS {
                                    tick().await;
                                }
                            };
                            meter.each(TICKS, run).await
                        }
                        _ => {
                            let run = async {
                                for _ in 0..TICKS {
                                    tick().await;
                                    async_std::task::spawn(async {}).await;
                                }
                            };
                            meter.each(TICKS, run).await
                        }
                    }
                })
            }),
        ),
        _ => {
            let rt = runtime::threads(1);
            (
                Box::new(move |meter| {
                    let task_rt = rt.clone();
                    // The task runs on the runtime, as on tokio.
                    let task = rt.spawn(async move { ours(workload, meter, &task_rt).await });
                    futures_lite::future::block_on(task).unwrap()
                }),
                on_tokio,
            )
        }
    }
}

async fn ours(workload: &str, meter: Meter, rt: &Runtime) -> f64 {
    let sleep = |length| rt.sleep(length);
    match workload {
        "sleeps" => meter.each(SLEEPS, sleeps(sleep)).await,
        "drops" => drops(meter, sleep),
        "ticks" => {
            let mut ticks = interval(rt, PERIOD);
            let run = async {
                for _ in 0..TICKS {
                    ticks.tick().await;
                }
            };
            meter.each(TICKS, run).await
        }
        _ => {
            let queue = Queue::bounded(TICKS);
            let ticked = queue.clone();
            let run = async {
                let timer = Timer::builder(rt, PERIOD).start(move |_| {
                    let ticked = ticked.clone();
                    async move { ticked.try_push(()).unwrap_or(()) }
                });
                for _ in 0..TICKS {
                    queue.pop().await;
                }
                timer.stop().await.unwrap();
            };
            meter.each(TICKS, run).await
        }
    }
}

/// Sleeps that end all over a tenth of a second.
async fn sleeps<S: Future>(sleep: impl Fn(Duration) -> S) {
    let lengths =
        (0..SLEEPS as u64).map(|index| Duration::from_micros(50_000 + index * 7919 % 100_000));
    assert_eq!(gather(lengths.map(sleep)).await.len(), SLEEPS);
}

/// Time limits that are never reached, beside others.
fn drops<S: Future>(meter: Meter, sleep: impl Fn(Duration) -> S) -> f64 {
    let pending = |sleep: Pin<&mut S>| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sleep.poll(&mut cx).is_pending());
    };
    let others: Vec<_> = (0..SLEEPS as u64)
        .map(|index| {
            let mut other = Box::pin(sleep(Duration::from_millis(60_000 + index)));
            pending(other.as_mut());
            other
        })
        .collect();
    let start = meter.read();
    for index in 0..DROPS as u64 {
        pending(pin!(sleep(Duration::from_millis(30_000 + index % 1000))));
    }
    let each = (meter.read() - start) / DROPS as f64;
    drop(others);
    each
}
