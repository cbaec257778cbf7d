//! On Windows the console's own handler acts again by itself once ours is removed.

use std::io;

use super::Signal;

pub(super) const SHUTDOWN: &[Signal] = &[Signal::Interrupt];

pub(super) struct Held;

pub(super) fn hold(_signal: Signal) -> io::Result<Held> {
    Ok(Held)
}
