//! The rows, written where they may block and as soon as they are known.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use untethered::Runtime;
use untethered::http::{FetchError, Fetched};
use untethered::task::BlockingTask;

use crate::input::Entry;

pub(crate) type Row = (Entry, Result<Fetched, FetchError>);

/// So many rows may wait to be written before no more results are taken.
const WAITING: usize = 64;

/// Where rows go.
pub(crate) struct Output {
    rows: Box<dyn Write + Send>,
    pub(crate) tally: Tally,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) failed: usize,
    pub(crate) bytes: u64,
}

impl Output {
    /// Writes to `rows`.
    pub(crate) fn new(rows: Box<dyn Write + Send>) -> Self {
        Self {
            rows,
            tally: Tally::default(),
        }
    }

    fn write(&mut self, rows: VecDeque<Row>) -> io::Result<()> {
        let mut text = Vec::new();
        for (entry, result) in rows {
            self.tally.done += 1;
            match &result {
                Ok(fetched) => self.tally.bytes += fetched.body_len(),
                Err(_) => self.tally.failed += 1,
            }
            serde_json::to_writer(&mut text, &Line::new(&entry, &result))?;
            text.push(b'\n');
        }
        self.rows.write_all(&text)?;
        self.rows.flush()
    }
}

/// One row of the output.
#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(flatten)]
    result: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Fetched(&'a Fetched),
    Failed(&'a FetchError),
    /// A line that is no request.
    Bad {
        error: Fault,
        ms: f64,
        attempts: usize,
    },
}

#[derive(Serialize)]
struct Fault {
    kind: &'static str,
    message: String,
}

impl<'a> Line<'a> {
    fn new(entry: &'a Entry, result: &'a Result<Fetched, FetchError>) -> Self {
        let outcome = match (result, entry.fault, entry.line) {
            (Ok(fetched), ..) => Outcome::Fetched(fetched),
            (Err(error), Some(fault), Some(line)) => Outcome::Bad {
                error: Fault {
                    kind: error.kind().as_str(),
                    message: format!("line {line}: {fault}"),
                },
                ms: 0.0,
                attempts: 0,
            },
            (Err(error), ..) => Outcome::Failed(error),
        };
        Self {
            key: &entry.key,
            url: &entry.url,
            line: entry.line,
            file: entry.file.as_deref().filter(|_| result.is_ok()),
            result: outcome,
        }
    }
}

/// Writes rows while others are being fetched.
pub(crate) struct Writer {
    rt: Runtime,
    state: State,
    waiting: VecDeque<Row>,
}

enum State {
    Idle(Output),
    Writing(BlockingTask<(Output, io::Result<()>)>),
    Failed,
}

impl Writer {
    pub(crate) fn new(rt: &Runtime, output: Output) -> Self {
        Self {
            rt: rt.clone(),
            state: State::Idle(output),
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.waiting.push_back(row);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// Ready once everything is written, with how much that was in all.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Tally>> {
        loop {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Failed => return Poll::Pending,
                State::Idle(output) if self.waiting.is_empty() => {
                    let tally = output.tally;
                    self.state = State::Idle(output);
                    return Poll::Ready(Ok(tally));
                }
                State::Idle(mut output) => {
                    let rows = std::mem::take(&mut self.waiting);
                    let write = move || {
                        let result = output.write(rows);
                        (output, result)
                    };
                    self.state = State::Writing(self.rt.spawn_blocking(write));
                }
                State::Writing(mut task) => {
                    let Poll::Ready(written) = Pin::new(&mut task).poll(cx) else {
                        self.state = State::Writing(task);
                        return Poll::Pending;
                    };
                    let (output, result) = written.map_err(io::Error::other)?;
                    result?;
                    self.state = State::Idle(output);
                }
            }
        }
    }
}
