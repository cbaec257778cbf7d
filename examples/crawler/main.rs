//! A crawler: follows the links of a site, and writes one JSON line for each page.
//!
//! ```text
//! cargo run --example crawler --features http
//! cargo run --example crawler --features http -- --depth 2 --rate 5/1s http://example.org/
//! ```
//!
//! Without a URL it crawls a small site that it serves itself. `--help` lists the options. Ctrl-C
//! lets the requests under way finish and counts the pages that are left; once more ends it at once.

mod args;
mod crawl;
mod links;
mod site;

use std::io::{self, Write};
use std::process::ExitCode;

use untethered::run::{Context, Run};
use untethered::signal::{SecondSignal, ShutdownSignals};
use untethered::{Queue, Runtime, queue, runtime};

use crate::args::Args;
use crate::crawl::Summary;

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

/// Rows that may wait to be written: a reader that is slow holds the crawl back.
const ROWS: usize = 256;

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
    match rt.block_on(main.main_with(|cx| run(cx, args))) {
        Ok(Ok(summary)) => {
            eprintln!("crawler: {summary}");
            match stop.reason() {
                Some(_) => ExitCode::from(INTERRUPTED),
                None if summary.fetched == 0 => ExitCode::from(FAILED),
                None => ExitCode::SUCCESS,
            }
        }
        Ok(Err(error)) => refuse(&error.to_string(), FAILED),
        Err(error) => refuse(&error.to_string(), FAILED),
    }
}

fn refuse(error: &str, status: u8) -> ExitCode {
    eprintln!("crawler: {error}");
    ExitCode::from(status)
}

async fn run(cx: Context, mut args: Args) -> io::Result<Summary> {
    if args.start.is_empty() {
        // Its tasks are in the group of `cx`: they end with the program.
        args.start.push(site::serve(cx.group())?);
    }
    let asked = cx.token().clone();
    cx.spawn(async move {
        asked.cancelled().await;
        eprintln!("crawler: finishing what is under way; once more to stop now");
    });
    let (rows, to_write) = Queue::bounded(ROWS).into_halves();
    let writer = cx.spawn(write(cx.runtime().clone(), to_write));
    let summary = crawl::crawl(cx.runtime(), cx.token(), args, rows).await;
    writer.await.map_err(io::Error::other)??;
    Ok(summary)
}

/// Ends when the crawl has dropped its half, and every row is written.
async fn write(rt: Runtime, rows: queue::Receiver<String>) -> io::Result<()> {
    loop {
        let batch = rows.pop_batch(ROWS).await;
        if batch.is_empty() {
            return Ok(());
        }
        let written = rt.spawn_blocking(move || {
            let mut output = io::stdout().lock();
            for row in batch {
                writeln!(output, "{row}")?;
            }
            output.flush()
        });
        written.await.map_err(io::Error::other)??;
    }
}
