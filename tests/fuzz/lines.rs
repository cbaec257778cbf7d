//! The lines of an input file.

use std::io::{BufReader, Cursor, Read};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_lite::{StreamExt, future};
use untethered::runtime;
use url::Url;

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
            assert!(!may_show_secret(&entry.url), "{}", entry.url);
        }
        assert!(failure.lock().unwrap().is_none());
    });
}

/// Whether there may be a password in it. In the path of a URL an `@` is one character of many.
fn may_show_secret(url: &str) -> bool {
    match Url::parse(url) {
        Ok(url) if url.has_host() => !url.username().is_empty() || url.password().is_some(),
        _ => url.contains('@'),
    }
}
