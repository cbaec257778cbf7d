//! What `{:?}` shows: the state of a thing, though what is inside can not be shown. No lock is held
//! meanwhile: where it is written to may use the thing.

mod combine;
mod context;
mod group;
mod queue;
mod service;
mod sim;
mod stream;
mod sync;
mod task;
mod time;

use std::fmt::{self, Debug, Write};

/// What has no `Debug`.
struct Opaque;

/// What is written to it, by what it looks at whenever that writes.
struct Curious<'a> {
    value: &'a dyn Debug,
    text: String,
}

impl Write for Curious<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        write!(Deaf, "{:?}", self.value)
    }
}

struct Deaf;

impl Write for Deaf {
    fn write_str(&mut self, _text: &str) -> fmt::Result {
        Ok(())
    }
}

fn shown(value: &dyn Debug) -> String {
    let mut curious = Curious {
        value,
        text: String::new(),
    };
    write!(curious, "{value:?}").unwrap();
    curious.text
}

#[track_caller]
fn shows(value: &dyn Debug, expected: &str) {
    assert_eq!(shown(value), expected);
}
