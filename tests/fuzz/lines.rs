//! The lines of an input file.

use std::io::{BufReader, Cursor, Read};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_lite::{StreamExt, future};
use untethered::runtime;

use crate::input::{Failure, Lines};
use crate::resume::Done;

/// Every line is one item or passed over, whatever is in it, and no item shows a password.
#[test]
fn input_lines() {
    let rt = AssertUnwindSafe(runtime::threads(1));
    bolero::check!().for_each(|input: &[u8]| {
        let reader: Box<dyn Read + Send> = Box::new(Cursor::new(input.to_vec()));
        let failure = Failure::default();
        let lines = Lines::new(
            &rt,
            BufReader::new(reader),
            Done::default(),
            None,
            Arc::clone(&failure),
        );
        let items: Vec<_> = future::block_on(lines.collect());
        let most = input.split(|byte| *byte == b'\n').count();
        assert!(items.len() <= most, "{} items of {most} lines", items.len());
        let mut last = 0;
        for (entry, _) in &items {
            let line = entry.line.expect("it came from a line");
            assert!(last < line && line <= most, "line {line} after {last}");
            last = line;
            assert!(!entry.url.contains("secret@"), "{}", entry.url);
        }
        assert!(failure.lock().unwrap().is_none());
    });
}
