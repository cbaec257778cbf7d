//! Fetches many URLs at once and writes a JSON row for each, on any runtime.
//!
//! ```text
//! cargo run --release --example fetch_all --features surf
//! cargo run --release --example fetch_all --features surf -- --input urls.txt --per-host 8
//! ```

mod args;
mod input;
mod output;
mod resume;
mod runtimes;
mod server;

use std::fmt::Display;
use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use futures_lite::future::or;
use untethered::Runtime;
use untethered::http::{
    Adaptive, Client, Engine, FanOut, FetchAll, FetchStream, Progress, Retry, SurfClient, Timeouts,
};
use untethered::signal::ShutdownSignals;

use crate::args::{Args, ClientKind};
use crate::input::{Entry, Lines};
use crate::output::{Output, Tally, Writer};
use crate::resume::Done;

const SOME_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

/// How many URLs are fetched from the server of its own.
const OWN_URLS: usize = 500;

/// How long a second signal waits for rows that are being written.
const LAST_ROWS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            io::stdout().write_all(args::USAGE.as_bytes()).ok();
            return ExitCode::SUCCESS;
        }
        Err(error) => return refuse(&format!("{error}\nfetch_all: --help lists the options")),
    };
    let job = match Job::open(&args) {
        Ok(job) => job,
        Err(error) => return refuse(&error),
    };
    let kind = args.runtime;
    match kind.run(|rt| job.run(rt, args)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &str) -> ExitCode {
    say(format_args!("fetch_all: {error}"));
    ExitCode::from(BAD_USAGE)
}

/// Writes a line to standard error. That nobody reads it is no reason to end.
fn say(line: impl Display) {
    writeln!(io::stderr(), "{line}").ok();
}

/// Everything that is opened before anything is sent.
struct Job {
    source: Source,
    output: Output,
    /// What an earlier run has done.
    done: Done,
    signals: ShutdownSignals,
}

enum Source {
    Lines(io::BufReader<Box<dyn io::Read + Send>>),
    Own(Vec<String>),
}

impl Job {
    fn open(args: &Args) -> Result<Self, String> {
        if let (Some(input), Some(output)) = (&args.input, &args.output) {
            if is_same_file(input, output) {
                let name = output.display();
                return Err(format!("{name}: the output would replace the input"));
            }
        }
        let source = match &args.input {
            Some(name) => {
                let reader = input::open(name);
                Source::Lines(reader.map_err(|error| format!("{}: {error}", name.display()))?)
            }
            None => {
                Source::Own(server::start(OWN_URLS).map_err(|error| format!("server: {error}"))?)
            }
        };
        if let Some(folder) = &args.bodies {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let (done, rows) = rows(args)?;
        Ok(Self {
            source,
            output: Output::new(rows),
            done,
            signals: ShutdownSignals::new().map_err(|error| format!("signals: {error}"))?,
        })
    }

    /// Fetches everything. Gives the exit status.
    async fn run(self, rt: Runtime, args: Args) -> u8 {
        let started = rt.now();
        let bodies = args.bodies.clone();
        let fan_out = fan_out(&rt, args, &self.signals);
        let failure = input::Failure::default();
        let requests: FetchAll<'_, Entry> = match self.source {
            Source::Lines(reader) => {
                if self.done.count > 0 {
                    say(format_args!(
                        "fetch_all: {} rows are done already",
                        self.done.count
                    ));
                }
                let failure = failure.clone();
                fan_out.fetch_stream(Lines::new(&rt, reader, self.done, bodies, failure))
            }
            Source::Own(urls) => {
                let urls = urls.into_iter().enumerate();
                fan_out.fetch_all(urls.map(|(at, url)| input::entry(at, url, bodies.as_deref())))
            }
        };
        let mut writer = Writer::new(&rt, self.output);
        let stopped = async {
            self.signals.token().cancelled().await;
            say("\nfetch_all: finishing what is under way; once more to stop now");
            self.signals.second_token().cancelled().await;
            rt.sleep(LAST_ROWS).await;
            Ok(None)
        };
        let written = async { write_all(requests.stream(), &mut writer).await.map(Some) };
        let tally = match or(written, stopped).await {
            Ok(Some(tally)) => tally,
            Ok(None) => return INTERRUPTED,
            Err(error) => {
                say(format_args!("fetch_all: output: {error}"));
                return SOME_FAILED;
            }
        };
        summarise(&tally, rt.now() - started);
        if let Some(signal) = self.signals.token().reason() {
            say(format_args!("fetch_all: stopped by {signal}"));
            return INTERRUPTED;
        }
        if let Some(error) = failure.lock().unwrap().take() {
            say(format_args!("fetch_all: input: {error}"));
            return SOME_FAILED;
        }
        if tally.failed > 0 { SOME_FAILED } else { 0 }
    }
}

/// What an earlier run has done, and where rows go: standard output if no file is named.
fn rows(args: &Args) -> Result<(Done, Box<dyn Write + Send>), String> {
    let Some(path) = &args.output else {
        return Ok((Done::default(), Box::new(io::stdout())));
    };
    let opened = if args.resume {
        resume::open(path)
    } else {
        File::create(path).map(|file| (Done::default(), file))
    };
    let (done, file) = opened.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((done, Box::new(file)))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one.is_file() && matches!((one.canonicalize(), other.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn fan_out(rt: &Runtime, args: Args, signals: &ShutdownSignals) -> FanOut {
    let client: Box<dyn Client> = match args.client {
        ClientKind::Surf => Box::new(SurfClient::new(rt)),
        ClientKind::Engine => Box::new(Engine::new(rt)),
    };
    let mut timeouts = args.timeout.map_or_else(Timeouts::new, Timeouts::total);
    if let Some(limit) = args.connect_timeout {
        timeouts = timeouts.connect(limit);
    }
    let mut fan_out = FanOut::new(rt, client)
        .concurrency(args.concurrency.get())
        .timeout(timeouts)
        .headers(args.headers)
        // The first signal lets what is under way finish, the second does not.
        .close_on(signals.token().clone())
        .cancel_on(signals.second_token().clone())
        .progress(Progress::stderr().always());
    if let Some(limit) = args.per_host {
        fan_out = fan_out.per_host(limit.get());
    }
    if let Some(most) = args.adaptive {
        fan_out = fan_out.adaptive(Adaptive::up_to(most.get()));
    }
    if let Some(rate) = args.rate {
        fan_out = fan_out.rate_limit(rate);
    }
    if args.retries > 0 {
        fan_out = fan_out.retry(Retry::attempts(args.retries.saturating_add(1)));
    }
    if let Some(hedge) = args.hedge {
        fan_out = fan_out.hedge(hedge);
    }
    if args.dedupe {
        fan_out = fan_out.dedupe();
    }
    #[cfg(feature = "decode")]
    if args.decode {
        fan_out = fan_out.decode();
    }
    #[cfg(feature = "cookies")]
    if args.cookies {
        fan_out = fan_out.cookies(&untethered::http::CookieJar::new(rt));
    }
    if let Some(bytes) = args.max_body {
        fan_out = fan_out.max_body(bytes);
    }
    fan_out
}

/// Writes each result as soon as it is there. Requests go on while rows are being written.
async fn write_all(mut results: FetchStream<'_, Entry>, writer: &mut Writer) -> io::Result<Tally> {
    let mut is_over = false;
    poll_fn(|cx| {
        loop {
            let written = writer.poll(cx)?;
            if is_over {
                return written.map(Ok);
            }
            if writer.is_full() {
                return Poll::Pending;
            }
            match Pin::new(&mut results).poll_next(cx) {
                Poll::Ready(Some(row)) => writer.push(row),
                Poll::Ready(None) => is_over = true,
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

fn summarise(tally: &Tally, elapsed: Duration) {
    let Tally {
        done,
        failed,
        bytes,
    } = tally;
    let seconds = elapsed.as_secs_f64();
    let rate = *done as f64 / seconds.max(1e-9);
    say(format_args!(
        "{done} done, {failed} failed, {bytes} bytes in {seconds:.2} s ({rate:.0}/s)"
    ));
}
