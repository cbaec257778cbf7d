//! The URLs: from lines of text, read no further than needed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_core::Stream;
use untethered::Runtime;
use untethered::http::{FetchRequest, redact_url};
use untethered::task::BlockingTask;

use crate::resume::Done;

/// What a row of the output says about its request.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Without user name and password.
    pub(crate) url: String,
    pub(crate) line: Option<usize>,
    /// What is wrong with the line.
    pub(crate) fault: Option<&'static str>,
    /// Where the body goes, in the folder for bodies.
    pub(crate) file: Option<String>,
}

pub(crate) type Item = (Entry, FetchRequest);

/// A longer line is none.
const LONGEST_LINE: usize = 64 * 1024;

/// So many lines are taken at a time, where they have been read already.
const BATCH: usize = 64;

type Reader = BufReader<Box<dyn Read + Send>>;

/// Opens the input, `-` being standard input.
pub(crate) fn open(name: &Path) -> io::Result<Reader> {
    let reader: Box<dyn Read + Send> = if name == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(name)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Box::new(file)
    };
    Ok(BufReader::new(reader))
}

/// Request number `number`, of a URL that comes from no line.
pub(crate) fn entry(number: usize, url: String, bodies: Option<&Path>) -> Item {
    let request = FetchRequest::get(&url);
    Entry::new(url.clone(), url, None).saving(request, number, bodies)
}

/// The lines of a reader, which may block, as requests.
pub(crate) struct Lines {
    rt: Runtime,
    state: State,
    ready: VecDeque<Item>,
    failure: Failure,
}

/// Where an error goes that ended the input too early.
pub(crate) type Failure = Arc<Mutex<Option<io::Error>>>;

enum State {
    Idle(Parser),
    Reading(BlockingTask<(Parser, Batch)>),
    Ended,
}

type Batch = io::Result<VecDeque<Item>>;

impl Lines {
    /// Passes over what is `done`; bodies go to the folder `bodies`.
    pub(crate) fn new(
        rt: &Runtime,
        reader: Reader,
        done: Done,
        bodies: Option<PathBuf>,
        failure: Failure,
    ) -> Self {
        let parser = Parser {
            reader,
            line: 0,
            done,
            bodies,
        };
        Self {
            rt: rt.clone(),
            state: State::Idle(parser),
            ready: VecDeque::new(),
            failure,
        }
    }
}

impl Stream for Lines {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = &mut *self;
        loop {
            if let Some(item) = this.ready.pop_front() {
                return Poll::Ready(Some(item));
            }
            match std::mem::replace(&mut this.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Idle(mut parser) => {
                    let read = move || {
                        let batch = parser.batch();
                        (parser, batch)
                    };
                    this.state = State::Reading(this.rt.spawn_blocking(read));
                }
                State::Reading(mut task) => {
                    let Poll::Ready(done) = Pin::new(&mut task).poll(cx) else {
                        this.state = State::Reading(task);
                        return Poll::Pending;
                    };
                    let error = match done {
                        Ok((parser, Ok(batch))) => {
                            if !batch.is_empty() {
                                this.state = State::Idle(parser);
                                this.ready = batch;
                            }
                            continue;
                        }
                        Ok((_, Err(error))) => error,
                        Err(error) => io::Error::other(error),
                    };
                    *this.failure.lock().unwrap() = Some(error);
                }
            }
        }
    }
}

struct Parser {
    reader: Reader,
    line: usize,
    done: Done,
    bodies: Option<PathBuf>,
}

impl Parser {
    /// The next request, and those behind it that have been read already. Empty at the end.
    fn batch(&mut self) -> Batch {
        let mut batch = VecDeque::new();
        while batch.is_empty() || (batch.len() < BATCH && self.reader.buffer().contains(&b'\n')) {
            match self.read_line()? {
                Line::Text(text) => batch.extend(self.parse(text)),
                Line::TooLong => batch.push_back(self.bad("longer than 65536 bytes")),
                Line::End => break,
            }
        }
        Ok(batch)
    }

    /// `None` for a line to be passed over.
    fn parse(&mut self, text: Vec<u8>) -> Option<Item> {
        let Ok(text) = String::from_utf8(text) else {
            return Some(self.bad("not UTF-8"));
        };
        let text = match self.line {
            1 => text.trim_start_matches('\u{feff}'),
            _ => &*text,
        };
        if text.trim().is_empty() || text.starts_with('#') {
            return None;
        }
        let (key, url) = text.split_once('\t').unwrap_or(("", text));
        let url = url.trim();
        let key = if key.trim().is_empty() { url } else { key };
        let mut entry = Entry::new(key.to_owned(), url.to_owned(), Some(self.line));
        if url.is_empty() {
            entry.fault = Some("no URL behind the key");
        }
        if self.done.take(&entry) {
            return None;
        }
        Some(entry.saving(FetchRequest::get(url), self.line, self.bodies.as_deref()))
    }

    fn bad(&self, fault: &'static str) -> Item {
        let entry = Entry {
            key: format!("line {}", self.line),
            url: String::new(),
            line: Some(self.line),
            fault: Some(fault),
            file: None,
        };
        (entry, FetchRequest::get(""))
    }

    /// A line without its end.
    fn read_line(&mut self) -> io::Result<Line> {
        let mut text = Vec::new();
        let mut too_long = false;
        self.line += 1;
        loop {
            let buffer = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() && text.is_empty() && !too_long {
                return Ok(Line::End);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            if text.len() + piece.len() > LONGEST_LINE {
                too_long = true;
                text = Vec::new();
            }
            if !too_long {
                text.extend_from_slice(piece);
            }
            let is_over = end.is_some() || buffer.is_empty();
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            if is_over && too_long {
                return Ok(Line::TooLong);
            }
            if is_over {
                if text.last() == Some(&b'\r') {
                    text.pop();
                }
                return Ok(Line::Text(text));
            }
        }
    }
}

enum Line {
    Text(Vec<u8>),
    TooLong,
    End,
}

impl Entry {
    fn new(key: String, url: String, line: Option<usize>) -> Self {
        // A key may be a URL with a password in it, the URL itself above all.
        let start = key.trim_start().to_ascii_lowercase();
        let is_url = key == url
            || key.contains("://")
            || start.starts_with("http:")
            || start.starts_with("https:");
        Self {
            key: if is_url { redact_url(&key) } else { key },
            url: redact_url(&url),
            line,
            fault: None,
            file: None,
        }
    }

    /// The body goes to a file in the folder `bodies`, if there is one.
    fn saving(mut self, request: FetchRequest, number: usize, bodies: Option<&Path>) -> Item {
        let Some(folder) = bodies else {
            return (self, request);
        };
        let name = file_name(number, &self.key);
        let request = request.save_to(folder.join(&name));
        self.file = Some(name);
        (self, request)
    }
}

/// A name that is no path, whatever the key: the number keeps two of them apart.
fn file_name(number: usize, key: &str) -> String {
    const LONGEST: usize = 80;
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let key = key.chars().take(LONGEST);
    let key: String = key.map(|c| if safe(c) { c } else { '_' }).collect();
    format!("{number:06}-{key}")
}
