//! The rows, written where they may block and as soon as they are known.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use serde_json::{Value, json};
use untethered::Runtime;
use untethered::http::{ErrorKind, FetchError, Fetched};
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
            let row = self.row(&entry, &result);
            self.tally.failed += usize::from(row.iter().any(|(name, _)| *name == "error"));
            write_object(&mut text, &row)?;
        }
        self.rows.write_all(&text)?;
        self.rows.flush()
    }

    fn row(&mut self, entry: &Entry, result: &Result<Fetched, FetchError>) -> Fields {
        let mut row: Fields = vec![("key", json!(entry.key)), ("url", json!(entry.url))];
        row.extend(entry.line.map(|line| ("line", json!(line))));
        let (elapsed, attempts) = match result {
            Ok(fetched) => {
                let bytes = fetched.body_len();
                self.tally.bytes += bytes;
                row.push(("status", json!(fetched.status().as_u16())));
                row.push(("bytes", json!(bytes)));
                row.extend(entry.file.as_ref().map(|name| ("file", json!(name))));
                (fetched.elapsed(), fetched.attempts())
            }
            Err(error) => {
                row.push(("error", describe(entry, error)));
                (error.elapsed(), error.attempts())
            }
        };
        let ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        row.push(("ms", json!(ms)));
        row.push(("attempts", json!(attempts)));
        row
    }
}

/// Fields in the order in which they are written.
type Fields = Vec<(&'static str, Value)>;

fn write_object(text: &mut Vec<u8>, fields: &Fields) -> io::Result<()> {
    for (at, (name, value)) in fields.iter().enumerate() {
        let before = if at == 0 { '{' } else { ',' };
        write!(text, "{before}\"{name}\":{value}")?;
    }
    text.extend_from_slice(b"}\n");
    Ok(())
}

fn describe(entry: &Entry, error: &FetchError) -> Value {
    let message = match (entry.fault, entry.line) {
        (Some(fault), Some(line)) => format!("line {line}: {fault}"),
        _ => full_message(error),
    };
    match error.kind() {
        ErrorKind::Timeout(phase) => json!({
            "kind": "timeout", "phase": phase.as_str(), "message": message,
        }),
        kind => json!({ "kind": kind.as_str(), "message": message }),
    }
}

/// The error and its causes.
fn full_message(error: &FetchError) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
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
