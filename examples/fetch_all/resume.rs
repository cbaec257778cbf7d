//! What an earlier run has done already.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::input::Entry;

/// Key and URL of the good rows of an output, and how many there are of each.
#[derive(Debug, Default)]
pub(crate) struct Done {
    rows: HashMap<(String, String), usize>,
    pub(crate) count: usize,
}

impl Done {
    /// Whether `entry` has a good row, which is then used up: an entry that comes twice needs two.
    pub(crate) fn take(&mut self, entry: &Entry) -> bool {
        if self.rows.is_empty() || entry.fault.is_some() {
            return false;
        }
        let row = (entry.key.clone(), entry.url.clone());
        match self.rows.get_mut(&row) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Reads the rows of the output at `path`, and opens it to write behind them.
///
/// A last line without an end was being written when the earlier run ended: it is cut off.
pub(crate) fn open(path: &Path) -> io::Result<(Done, File)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let mut done = Done::default();
    let mut whole = 0;
    let mut reader = BufReader::new(&file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        done.add(&line).map_err(|reason| {
            io::Error::new(ErrorKind::InvalidData, format!("line {number}: {reason}"))
        })?;
        whole += length as u64;
    }
    file.set_len(whole)?;
    (&file).seek(SeekFrom::End(0))?;
    Ok((done, file))
}

impl Done {
    fn add(&mut self, line: &[u8]) -> Result<(), String> {
        let row: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let text = |name: &str| match &row[name] {
            Value::String(text) => Ok(text.clone()),
            _ => Err(format!("no row of ours, it has no {name}")),
        };
        let key = (text("key")?, text("url")?);
        if row.get("error").is_none() {
            *self.rows.entry(key).or_default() += 1;
            self.count += 1;
        }
        Ok(())
    }
}
