//! The command line.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::prelude::*;
use untethered::http::{HeaderMap, HeaderName, HeaderValue, Hedge};
use untethered::sync::RateLimit;

use crate::runtimes::Kind;

pub(crate) const USAGE: &str = "\
Fetches many URLs at once and writes one JSON object a line for each.

usage: fetch_all [options]

  --input FILE            one URL a line, or key<TAB>url; - is standard input.
                          Without it 500 URLs of a server of its own are fetched.
  --concurrency N         requests under way at most (100)
  --per-host N            of these at one host, as the URL has it (no limit)
  --adaptive N            as many as the host can take, N at most
  --timeout SECONDS       for a request and its body (30)
  --connect-timeout SECONDS  (10)
  --rate N/PERIOD         starts in any such period at most: 100/1s, 5/250ms, 60/1m
  --header 'NAME: VALUE'  sent with every request; may be repeated
  --retries N             tries a request again after a failure that may pass (0)
  --hedge SECONDS|pN      sends one that is slower than that, or than N % of the last ones at
                          its host, a second time: 5 % of the requests at most
  --dedupe                sends equal requests once; with --bodies there are none
  --decode                asks for coded answers and decodes them
  --cookies               sends the cookies back that servers set
  --max-body BYTES        longer bodies are errors (33554432)
  --output FILE           instead of standard output
  --resume                keeps the rows that --output has: fetches what has no good one
  --bodies DIR            stores the bodies there
  --runtime NAME          threads, tokio, smol or async-std (threads)
  --client NAME           surf or engine (surf)
  --help

exit status: 0 all good (any HTTP status is an answer), 1 some failed, 2 bad usage, 130 interrupted
";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) input: Option<PathBuf>,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) per_host: Option<NonZeroUsize>,
    pub(crate) adaptive: Option<NonZeroUsize>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) rate: Option<RateLimit>,
    pub(crate) headers: HeaderMap,
    pub(crate) retries: usize,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) dedupe: bool,
    pub(crate) decode: bool,
    pub(crate) cookies: bool,
    pub(crate) max_body: Option<usize>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) resume: bool,
    pub(crate) bodies: Option<PathBuf>,
    pub(crate) runtime: Kind,
    pub(crate) client: ClientKind,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ClientKind {
    Surf,
    Engine,
}

/// `None` if help was asked for.
pub(crate) fn parse() -> Result<Option<Args>, String> {
    parse_from(lexopt::Parser::from_env())
}

fn parse_from(mut parser: lexopt::Parser) -> Result<Option<Args>, String> {
    let mut args = Args {
        input: None,
        concurrency: const { NonZeroUsize::new(100).unwrap() },
        per_host: None,
        adaptive: None,
        timeout: None,
        connect_timeout: None,
        rate: None,
        headers: HeaderMap::new(),
        retries: 0,
        hedge: None,
        dedupe: false,
        decode: false,
        cookies: false,
        max_body: None,
        output: None,
        resume: false,
        bodies: None,
        runtime: Kind::Threads,
        client: ClientKind::Surf,
    };
    let mut runtime = None;
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        let name = match arg {
            Long("help") | Short('h') => return Ok(None),
            Long(name) => name.to_owned(),
            _ => return Err(arg.unexpected().to_string()),
        };
        match name.as_str() {
            "resume" => args.resume = true,
            "dedupe" => args.dedupe = true,
            "decode" => args.decode = compiled_in(&name, cfg!(feature = "decode"))?,
            "cookies" => args.cookies = compiled_in(&name, cfg!(feature = "cookies"))?,
            _ => take(&mut args, &mut runtime, &name, &mut parser)?,
        }
    }
    if args.resume && (args.output.is_none() || args.input.is_none()) {
        return Err("--resume: needs --input, and --output with a file".into());
    }
    args.runtime = Kind::named(runtime.as_deref().unwrap_or("threads"))
        .map_err(|reason| format!("--runtime: {reason}"))?;
    Ok(Some(args))
}

/// An option with a value.
fn take(
    args: &mut Args,
    runtime: &mut Option<String>,
    name: &str,
    parser: &mut lexopt::Parser,
) -> Result<(), String> {
    let mut value = || parser.value().map_err(|error| error.to_string());
    let wrong = |reason: String| format!("--{name}: {reason}");
    match name {
        "input" => args.input = Some(path(value()?).map_err(wrong)?),
        "output" => {
            let path = path(value()?).map_err(wrong)?;
            args.output = Some(path).filter(|it| it != Path::new("-"));
        }
        "bodies" => args.bodies = Some(path(value()?).map_err(wrong)?),
        "concurrency" => args.concurrency = count(&text(value()?)?).map_err(wrong)?,
        "per-host" => args.per_host = Some(count(&text(value()?)?).map_err(wrong)?),
        "adaptive" => args.adaptive = Some(count(&text(value()?)?).map_err(wrong)?),
        "timeout" => args.timeout = Some(seconds(&text(value()?)?).map_err(wrong)?),
        "connect-timeout" => {
            args.connect_timeout = Some(seconds(&text(value()?)?).map_err(wrong)?);
        }
        "rate" => args.rate = Some(rate(&text(value()?)?).map_err(wrong)?),
        "header" => {
            let (name, value) = header(&text(value()?)?).map_err(wrong)?;
            args.headers.append(name, value);
        }
        "max-body" => args.max_body = Some(number(&text(value()?)?).map_err(wrong)?),
        "hedge" => args.hedge = Some(hedge(&text(value()?)?).map_err(wrong)?),
        "retries" => args.retries = number(&text(value()?)?).map_err(wrong)?,
        "runtime" => *runtime = Some(text(value()?)?),
        "client" => {
            args.client = match text(value()?)?.as_str() {
                "surf" => ClientKind::Surf,
                "engine" => ClientKind::Engine,
                other => return Err(wrong(format!("{other:?} is neither surf nor engine"))),
            }
        }
        _ => return Err(format!("there is no option --{name}")),
    }
    Ok(())
}

/// `Ok` if the feature of that name was.
fn compiled_in(name: &str, is_in: bool) -> Result<bool, String> {
    if is_in {
        return Ok(true);
    }
    Err(format!(
        "--{name} was not compiled in: run it with --features surf,{name}"
    ))
}

/// An empty one, such as that of a variable that is not set, would stand for the folder we are in.
fn path(value: OsString) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("must not be empty".into());
    }
    Ok(value.into())
}

fn text(value: OsString) -> Result<String, String> {
    let text = value.into_string();
    text.map_err(|value| format!("{value:?} is not valid text"))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|error| format!("{text:?} is not a number here: {error}"))
}

fn count(text: &str) -> Result<NonZeroUsize, String> {
    NonZeroUsize::new(number(text)?).ok_or_else(|| "must be one or more".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("{text:?} is not a number of seconds"))?;
    positive(Duration::try_from_secs_f64(number).ok(), text)
}

/// `0.5` seconds, or `p95`.
fn hedge(text: &str) -> Result<Hedge, String> {
    let Some(percentile) = text.strip_prefix('p') else {
        return seconds(text).map(Hedge::after);
    };
    match number(percentile)? {
        percentile @ 1..=99 => Ok(Hedge::percentile(percentile)),
        _ => Err(format!("{text:?} is none of p1 to p99")),
    }
}

/// `100/1s`: a number, and a period with its unit.
fn rate(text: &str) -> Result<RateLimit, String> {
    let wrong = || format!("{text:?} is not a rate such as 100/1s, 5/250ms or 60/1m");
    let (limit, period) = text.split_once('/').ok_or_else(wrong)?;
    let unit_at = period.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = period.split_at(unit_at.ok_or_else(wrong)?);
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = if number.is_empty() {
        1.0
    } else {
        number.parse().map_err(|_| wrong())?
    };
    let period = positive(Duration::try_from_secs_f64(number * unit).ok(), text)?;
    RateLimit::try_new(limit.parse().map_err(|_| wrong())?, period).map_err(|it| it.to_string())
}

fn positive(duration: Option<Duration>, text: &str) -> Result<Duration, String> {
    match duration {
        None => Err(format!("{text:?} is not a time, or too long")),
        Some(Duration::ZERO) => Err("must be more than nought".into()),
        Some(duration) => Ok(duration),
    }
}

/// Says nothing of the value: it may be a secret.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("must be NAME: VALUE, with a colon")?;
    let name = name.trim();
    let value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("the value of {name:?} can not be sent"))?;
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("{name:?} is not the name of a header"))?;
    Ok((name, value))
}
