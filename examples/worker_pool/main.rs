//! A pool of workers: counts lines, words and bytes of files, as `wc` does, many files at once.
//!
//! ```text
//! cargo run --example worker_pool
//! cargo run --example worker_pool -- --workers 8 --threads 4 FOLDER FILE
//! ```
//!
//! ```text
//! feeder --jobs (bounded)--> workers --results (bounded)--> printer
//!                               |
//!                         threads that block
//! ```
//!
//! Each stage holds back the one before it. Ctrl-C or SIGTERM stops the feeder and lets workers finish
//! the file at hand within a grace; once more ends the program at once.

mod args;
mod jobs;
mod print;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use untethered::group::{Group, OnCancel, OnFailure, Report};
use untethered::pool::BlockingPool;
use untethered::run::{Context, Run};
use untethered::signal::{SecondSignal, ShutdownSignals};
use untethered::{Queue, runtime};

use crate::args::Args;
use crate::jobs::Reader;
use crate::print::Tally;

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            io::stdout().write_all(args::USAGE.as_bytes()).ok();
            return ExitCode::SUCCESS;
        }
        Err(error) => return refuse(&error.to_string(), BAD_USAGE),
    };
    let signals = ShutdownSignals::builder().on_second(SecondSignal::Exit);
    let signals = match signals.listen() {
        Ok(signals) => signals,
        Err(error) => return refuse(&format!("signals: {error}"), FAILED),
    };
    let stop = signals.token().clone();
    let rt = runtime::threads(2);
    let main = Run::on(&rt).signals(signals);
    let (tally, report) = match rt.block_on(main.main_with(|cx| run(cx, args))) {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return refuse(&error.to_string(), FAILED),
        Err(error) => return refuse(&error.to_string(), FAILED),
    };
    eprintln!("worker_pool: {tally}");
    match stop.reason() {
        Some(signal) => {
            eprintln!("worker_pool: stopped by {signal}: {report}");
            ExitCode::from(INTERRUPTED)
        }
        None if tally.failed > 0 => ExitCode::from(FAILED),
        None => ExitCode::SUCCESS,
    }
}

fn refuse(error: &str, status: u8) -> ExitCode {
    eprintln!("worker_pool: {error}");
    ExitCode::from(status)
}

async fn run(cx: Context, args: Args) -> io::Result<(Tally, Report)> {
    let rt = cx.runtime().clone();
    let pool = BlockingPool::builder()
        .name("reader")
        .threads(args.threads.get())
        .queue(args.workers.get())
        .build()?;
    let pool = Arc::new(pool);
    let (jobs, to_do) = Queue::bounded(args.queue.get()).into_halves();
    let (results, to_print) = Queue::bounded(args.queue.get()).into_halves();
    let printer = cx.spawn(print::print(rt.clone(), to_print));

    // What fails or panics here is a bug of ours: a file that can not be read is a result.
    let tell = OnFailure::report(|failure| eprintln!("worker_pool: {failure}"));
    let group = Group::builder(&rt).name("pool").on_failure(tell).build();
    let reader = Reader {
        rt: rt.clone(),
        pool: Arc::clone(&pool),
        timeout: args.timeout,
    };
    for n in 0..args.workers.get() {
        let work = jobs::work(reader.clone(), to_do.clone(), results.clone());
        let worker = group.task(format!("worker-{n}"));
        worker.on_cancel(OnCancel::Grace(args.grace)).spawn(work);
    }
    drop(results); // The workers hold it now: the printer ends when they have.
    let feeder = group.task("feeder");
    feeder.spawn(jobs::feed(rt, args.paths, jobs));
    group.close();

    let ended = cx.token().run_until_cancelled(group.closed()).await;
    if ended.is_none() {
        let left = to_do.close_now().len(); // No worker finds another one.
        eprintln!(
            "worker_pool: finishing the files at hand, not {left} that wait; once more to stop now"
        );
    }
    let report = group.shutdown(args.grace).await;
    // A read that the system does not come back from is not waited for.
    pool.cancel("the program ends");
    let tally = printer.await.map_err(io::Error::other)??;
    Ok((tally, report))
}
