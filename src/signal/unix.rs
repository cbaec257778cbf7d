//! What a signal does while nobody listens for it.
//!
//! Once a handler was installed the system's default is gone: a registry without listeners
//! swallows the signal. So each signal we ever listened for gets one more handler, for good, that
//! does what the default would do whenever nobody listens.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Signal;
use crate::primitives::Mutex;

pub(super) const SHUTDOWN: &[Signal] = &[Signal::Interrupt, Signal::Terminate];

/// Signals that were ever listened for, by number.
static KNOWN: std::sync::LazyLock<Mutex<BTreeMap<i32, Known>>> =
    std::sync::LazyLock::new(Mutex::default);

struct Known {
    listeners: usize,
    /// Read by the signal handler.
    default_acts: Arc<AtomicBool>,
}

/// Keeps the default of a signal from acting.
pub(super) struct Held {
    number: i32,
}

/// Keeps the default of `signal` from acting until the answer is dropped.
pub(super) fn hold(signal: Signal) -> io::Result<Held> {
    let number = signal.number();
    let mut known = KNOWN.lock();
    match known.get_mut(&number) {
        Some(entry) => {
            entry.listeners += 1;
            entry.default_acts.store(false, Ordering::SeqCst);
        }
        None => {
            let default_acts = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register_conditional_default(number, default_acts.clone())?;
            known.insert(
                number,
                Known {
                    listeners: 1,
                    default_acts,
                },
            );
        }
    }
    Ok(Held { number })
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(entry) = KNOWN.lock().get_mut(&self.number) {
            entry.listeners -= 1;
            if entry.listeners == 0 {
                entry.default_acts.store(true, Ordering::SeqCst);
            }
        }
    }
}
