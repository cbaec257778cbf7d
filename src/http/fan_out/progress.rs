use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Says how far a fan-out has got: to a callback, on standard error, or with a bar of `indicatif`
/// (feature `indicatif`).
///
/// # Examples
///
/// ```
/// use untethered::http::Progress;
///
/// let quiet = Progress::stderr();
/// let log = Progress::new(|tally| println!("{} of {:?}", tally.done(), tally.total()));
/// # let _ = (quiet, log);
/// ```
#[derive(Clone)]
pub struct Progress(Output);

#[derive(Clone)]
enum Output {
    Callback(Arc<dyn Fn(&Tally) + Send + Sync>),
    Line {
        always: bool,
    },
    #[cfg(feature = "indicatif")]
    Bar(indicatif::ProgressBar),
}

impl Progress {
    /// Calls `report` after each result, before it is handed out. It runs where the results are
    /// polled, and must not block.
    pub fn new(report: impl Fn(&Tally) + Send + Sync + 'static) -> Self {
        Self(Output::Callback(Arc::new(report)))
    }

    /// Keeps one line on standard error up to date: `Progress: 3/500`, or `Progress: 3` while the
    /// total is unknown. A line break follows at the end.
    ///
    /// Silent where standard error is not a terminal: in a file, a pipe or the log of a service
    /// there is nothing of it. For lines there take [`Progress::new`].
    pub fn stderr() -> Self {
        Self(Output::Line { always: false })
    }

    /// Moves `bar` on with each result, sets its length once the total is known, and its message
    /// to `3 failed` when something fails. How it looks is its own affair.
    ///
    /// At the end of the input it is finished; where the results are dropped before, abandoned as
    /// it stands. Each `fetch_all` counts from nought: give those that run beside each other bars
    /// of their own.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")]
    /// # futures_lite::future::block_on(async {
    /// # use untethered::http::{Body, HttpError, Request, Response, client_fn};
    /// use indicatif::ProgressBar;
    /// use untethered::http::{FanOut, Progress};
    ///
    /// # let rt = untethered::runtime::threads(1);
    /// # let client = client_fn(|_: Request<Body>| async {
    /// #     Ok::<_, HttpError>(Response::new(Body::empty()))
    /// # });
    /// let bar = ProgressBar::no_length();
    /// let fan_out = FanOut::new(&rt, client).progress(Progress::bar(bar.clone()));
    /// fan_out.fetch_all((0..9).map(|n| format!("http://a.example/{n}"))).await;
    /// assert_eq!((bar.position(), bar.length()), (9, Some(9)));
    /// # });
    /// ```
    #[cfg(feature = "indicatif")]
    #[cfg_attr(docsrs, doc(cfg(feature = "indicatif")))]
    pub fn bar(bar: indicatif::ProgressBar) -> Self {
        Self(Output::Bar(bar))
    }

    /// Also writes where standard error is not a terminal.
    #[must_use = "it gives the changed value back"]
    pub fn always(self) -> Self {
        match self.0 {
            Output::Line { .. } => Self(Output::Line { always: true }),
            other => Self(other),
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Output::Callback(_) => "Progress::new(..)",
            Output::Line { .. } => "Progress::stderr()",
            #[cfg(feature = "indicatif")]
            Output::Bar(_) => "Progress::bar(..)",
        })
    }
}

/// How far a fan-out has got.
#[derive(Debug, Clone)]
pub struct Tally {
    done: usize,
    failed: usize,
    bytes: u64,
    total: Option<usize>,
    elapsed: Duration,
}

impl Tally {
    /// How many results there are, failures included.
    pub fn done(&self) -> usize {
        self.done
    }

    /// How many of them are failures.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// How many bytes all bodies have together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many results there will be. `None` as long as the input does not say so.
    pub fn total(&self) -> Option<usize> {
        self.total
    }

    /// The time since the first request was taken from the input.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Results a second, on average since the start.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.done as f64 / seconds
        } else {
            0.0
        }
    }
}

impl fmt::Display for Tally {
    /// As on standard error, without the line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Progress: {}", self.done)?;
        match self.total {
            Some(total) => write!(f, "/{total}"),
            None => Ok(()),
        }
    }
}

/// The line is not written more often than this, except for the last result.
const REDRAW: Duration = Duration::from_millis(50);

/// The progress of one run.
pub(super) struct Meter {
    output: Output,
    tally: Tally,
    started: Instant,
    drawn: Option<Drawn>,
}

/// What stands on the terminal.
struct Drawn {
    at: Instant,
    line: String,
}

impl Meter {
    /// `None` where nothing would ever be said.
    pub(super) fn new(progress: &Progress, now: Instant) -> Option<Self> {
        if let Output::Line { always: false } = progress.0 {
            if !std::io::stderr().is_terminal() {
                return None;
            }
        }
        Some(Self {
            output: progress.0.clone(),
            tally: Tally {
                done: 0,
                failed: 0,
                bytes: 0,
                total: None,
                elapsed: Duration::ZERO,
            },
            started: now,
            drawn: None,
        })
    }

    /// Counts a result. `bytes` is the length of its body, `None` for a failure.
    pub(super) fn count(&mut self, bytes: Option<u64>, total: Option<usize>, now: Instant) {
        let tally = &mut self.tally;
        tally.done += 1;
        match bytes {
            Some(bytes) => tally.bytes += bytes,
            None => tally.failed += 1,
        }
        tally.total = total;
        tally.elapsed = now.saturating_duration_since(self.started);
        match &self.output {
            Output::Callback(report) => report(tally),
            Output::Line { .. } => {
                let is_last = tally.total == Some(tally.done);
                let is_due = |drawn: &Drawn| now.saturating_duration_since(drawn.at) >= REDRAW;
                if is_last || self.drawn.as_ref().is_none_or(is_due) {
                    self.draw(now);
                }
            }
            #[cfg(feature = "indicatif")]
            Output::Bar(bar) => super::bar::count(bar, tally, bytes.is_none()),
        }
    }

    /// The input has ended: what is done is all there was.
    pub(super) fn finish(&mut self) {
        self.tally.total = Some(self.tally.done);
    }

    fn draw(&mut self, now: Instant) {
        let line = self.tally.to_string();
        write(&format!("\r{line}"));
        self.drawn = Some(Drawn { at: now, line });
    }
}

impl Drop for Meter {
    /// Ends the line, wherever it stopped.
    fn drop(&mut self) {
        #[cfg(feature = "indicatif")]
        if let Output::Bar(bar) = &self.output {
            super::bar::end(bar, &self.tally);
        }
        let Some(drawn) = &self.drawn else { return };
        let line = self.tally.to_string();
        if line == drawn.line {
            write("\n");
        } else {
            write(&format!("\r{line}\n"));
        }
    }
}

/// A progress line that can not be written is no reason to fail.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(text.as_bytes()).ok();
    stderr.flush().ok();
}
