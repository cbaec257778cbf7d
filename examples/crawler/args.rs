//! The command line.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use untethered::sync::RateLimit;
use url::Url;

pub(crate) const USAGE: &str = "\
usage: crawler [OPTION].. [URL]..

Follows the links of pages, on the sites of the URLs only. Without a URL, those of a site of its own.

  --depth N        links to follow from a start page to the last one (3)
  --pages N        pages to ask for at most (1000)
  --concurrency N  requests under way (16)
  --per-host N     of them at one host (4)
  --rate N/SECONDS requests started in so many seconds at most, as 5/1s (no limit)
  --retries N      further attempts at a page (2)
  --max-body BYTES longest page (1000000)
  --timeout S      seconds for one attempt (10)
  --help           this text
";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) start: Vec<Url>,
    pub(crate) depth: usize,
    pub(crate) pages: NonZeroUsize,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) per_host: NonZeroUsize,
    pub(crate) rate: Option<RateLimit>,
    pub(crate) retries: usize,
    pub(crate) max_body: usize,
    pub(crate) timeout: Duration,
}

/// `None` is a call for help.
pub(crate) fn parse() -> Result<Option<Args>, lexopt::Error> {
    let mut args = Args {
        start: Vec::new(),
        depth: 3,
        pages: const { NonZeroUsize::new(1000).unwrap() },
        concurrency: const { NonZeroUsize::new(16).unwrap() },
        per_host: const { NonZeroUsize::new(4).unwrap() },
        rate: None,
        retries: 2,
        max_body: 1_000_000,
        timeout: Duration::from_secs(10),
    };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("depth") => args.depth = value(&mut parser, "--depth")?,
            Arg::Long("pages") => args.pages = value(&mut parser, "--pages")?,
            Arg::Long("concurrency") => args.concurrency = value(&mut parser, "--concurrency")?,
            Arg::Long("per-host") => args.per_host = value(&mut parser, "--per-host")?,
            Arg::Long("rate") => args.rate = Some(rate(&parser.value()?)?),
            Arg::Long("retries") => args.retries = value(&mut parser, "--retries")?,
            Arg::Long("max-body") => args.max_body = value(&mut parser, "--max-body")?,
            Arg::Long("timeout") => {
                let seconds: NonZeroUsize = value(&mut parser, "--timeout")?;
                args.timeout = Duration::from_secs(seconds.get() as u64);
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Value(url) => args.start.push(start(url)?),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(args))
}

fn value<T: std::str::FromStr>(parser: &mut Parser, option: &str) -> Result<T, lexopt::Error>
where
    T::Err: std::fmt::Display,
{
    let text = parser.value()?.string()?;
    text.parse()
        .map_err(|error| format!("{option} {text}: {error}").into())
}

fn rate(text: &OsString) -> Result<RateLimit, lexopt::Error> {
    let text = text.to_string_lossy();
    let parts = text.strip_suffix('s').and_then(|text| text.split_once('/'));
    let numbers = parts.and_then(|(n, seconds)| Some((n.parse().ok()?, seconds.parse().ok()?)));
    let Some((requests, seconds)) = numbers else {
        return Err(format!("--rate {text}: not of the form 5/1s").into());
    };
    RateLimit::try_new(requests, Duration::from_secs(seconds))
        .map_err(|error| format!("--rate {text}: {error}").into())
}

fn start(url: OsString) -> Result<Url, lexopt::Error> {
    let text = url.string()?;
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(url) => Err(format!("{text}: {} is neither http nor https", url.scheme()).into()),
        Err(error) => Err(format!("{text}: {error}").into()),
    }
}
