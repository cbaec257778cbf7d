//! The command line.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const USAGE: &str = "\
usage: worker_pool [OPTION].. [PATH]..

Counts lines, words and bytes of files, and of those in folders. Without a path, of this example.

  --workers N   files at hand at once (4)
  --threads N   threads that read (2)
  --queue N     files, and results, that wait at most (16)
  --timeout S   seconds for one file (60)
  --grace S     seconds for the files at hand once it is to stop (5)
  --help        this text
";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) workers: NonZeroUsize,
    pub(crate) threads: NonZeroUsize,
    pub(crate) queue: NonZeroUsize,
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
}

/// `None` is a call for help.
pub(crate) fn parse() -> Result<Option<Args>, lexopt::Error> {
    let mut args = Args {
        paths: Vec::new(),
        workers: const { NonZeroUsize::new(4).unwrap() },
        threads: const { NonZeroUsize::new(2).unwrap() },
        queue: const { NonZeroUsize::new(16).unwrap() },
        timeout: Duration::from_secs(60),
        grace: Duration::from_secs(5),
    };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("workers") => args.workers = value(&mut parser, "--workers")?,
            Arg::Long("threads") => args.threads = value(&mut parser, "--threads")?,
            Arg::Long("queue") => args.queue = value(&mut parser, "--queue")?,
            Arg::Long("timeout") => {
                let seconds: NonZeroUsize = value(&mut parser, "--timeout")?;
                args.timeout = Duration::from_secs(seconds.get() as u64);
            }
            Arg::Long("grace") => {
                args.grace = Duration::from_secs(value(&mut parser, "--grace")?);
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Value(path) => args.paths.push(path.into()),
            _ => return Err(arg.unexpected()),
        }
    }
    if args.paths.is_empty() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        args.paths.push(examples.join("worker_pool"));
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
