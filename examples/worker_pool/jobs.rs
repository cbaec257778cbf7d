//! The jobs: where they come from, and what is done for each.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use untethered::pool::BlockingPool;
use untethered::queue::{Receiver, Sender};
use untethered::time::timeout;
use untethered::{CancellationToken, Runtime};

/// A file, and what came of it.
pub(crate) struct Outcome {
    pub(crate) path: PathBuf,
    pub(crate) result: Result<Counts, String>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) lines: u64,
    pub(crate) words: u64,
    pub(crate) bytes: u64,
}

/// Pushes the files, and those in folders, as fast as there is room for them.
pub(crate) async fn feed(rt: Runtime, paths: Vec<PathBuf>, jobs: Sender<PathBuf>) {
    let mut paths = paths;
    paths.reverse();
    while let Some(path) = paths.pop() {
        let folder = path.clone();
        let inside = rt.spawn_blocking(move || inside(&folder)).await;
        match inside {
            Ok(Ok(Some(inside))) => paths.extend(inside.into_iter().rev()),
            // What can not be looked at can not be read either: its worker says why.
            _ => {
                if jobs.push(path).await.is_err() {
                    return; // Stopped.
                }
            }
        }
    }
}

/// What is in a folder, by name; `None` of a file.
fn inside(path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    if !path.is_dir() {
        return Ok(None);
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut entries: Vec<_> = entries.collect::<io::Result<_>>()?;
    entries.sort();
    Ok(Some(entries))
}

/// What a worker works with.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) rt: Runtime,
    pub(crate) pool: Arc<BlockingPool>,
    pub(crate) timeout: Duration,
}

/// One worker: takes a job when it has done the one before.
pub(crate) async fn work(reader: Reader, jobs: Receiver<PathBuf>, results: Sender<Outcome>) {
    while let Some(path) = jobs.pop().await {
        let result = reader.read(&path).await;
        if results.push(Outcome { path, result }).await.is_err() {
            jobs.close_now(); // The printer has gone and says why: nobody needs the rest.
            return;
        }
    }
}

impl Reader {
    async fn read(&self, path: &Path) -> Result<Counts, String> {
        // However this future ends, by the time limit or dropped with its worker: the thread is
        // told, and free again after the next piece of the file.
        let stop = self.pool.token().child_token();
        let _guard = stop.clone().drop_guard();
        let path = path.to_owned();
        let counted = self.pool.run(move || count(&path, &stop));
        match timeout(&self.rt, self.timeout, counted).await {
            Ok(Ok(Ok(counts))) => Ok(counts),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(panicked)) => Err(panicked.to_string()),
            Err(elapsed) => Err(elapsed.to_string()),
        }
    }
}

/// Runs on a thread of the pool, where it may block.
fn count(path: &Path, stop: &CancellationToken) -> io::Result<Counts> {
    let mut file = File::open(path)?;
    let mut piece = [0; 64 * 1024];
    let mut counts = Counts::default();
    let mut in_word = false;
    loop {
        if stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = match file.read(&mut piece) {
            Ok(0) => return Ok(counts),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        counts.bytes += length as u64;
        for byte in &piece[..length] {
            counts.lines += u64::from(*byte == b'\n');
            let is_space = byte.is_ascii_whitespace();
            counts.words += u64::from(!is_space && !in_word);
            in_word = !is_space;
        }
    }
}
