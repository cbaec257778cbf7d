//! The results: those that are good on standard output, the others on standard error.

use std::fmt;
use std::io::{self, Write};

use untethered::Runtime;
use untethered::queue::Receiver;

use crate::jobs::Outcome;

/// How many are written at once.
const BATCH: usize = 64;

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) failed: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} done, {} failed", self.done, self.failed)
    }
}

/// Ends when the last worker has, and everything is written.
pub(crate) async fn print(rt: Runtime, results: Receiver<Outcome>) -> io::Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let batch = results.pop_batch(BATCH).await;
        if batch.is_empty() {
            return Ok(tally);
        }
        for outcome in &batch {
            match outcome.result {
                Ok(_) => tally.done += 1,
                Err(_) => tally.failed += 1,
            }
        }
        let written = rt.spawn_blocking(move || write(&batch));
        written.await.map_err(io::Error::other)??;
    }
}

fn write(batch: &[Outcome]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for Outcome { path, result } in batch {
        let path = path.display();
        match result {
            Ok(counts) => {
                let (lines, words, bytes) = (counts.lines, counts.words, counts.bytes);
                writeln!(output, "{lines:>7} {words:>7} {bytes:>9} {path}")?;
            }
            Err(error) => eprintln!("worker_pool: {path}: {error}"),
        }
    }
    output.flush()
}
