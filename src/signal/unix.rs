//! Signals of Unix, and what each does while nobody listens for it.
//!
//! Once a handler was installed the system's default is gone: a registry without listeners
//! swallows the signal. So each signal we ever listened for gets one more handler, for good, that
//! does what the default would do whenever nobody listens.
//!
//! A handler writes four bytes to a socket, stores to an atomic, or ends the program: all that is
//! async-signal-safe.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use async_signal::Signals;
use futures_core::Stream;
use signal_hook::consts::signal as numbers;
use signal_hook::{SigId, flag, low_level};

use super::Signal;
use crate::primitives::Mutex;

pub(super) const SHUTDOWN: &[Signal] = &[Signal::Interrupt, Signal::Terminate];

pub(super) fn number(signal: Signal) -> i32 {
    match signal {
        Signal::Interrupt => numbers::SIGINT,
        Signal::Terminate => numbers::SIGTERM,
        Signal::Hangup => numbers::SIGHUP,
        Signal::Quit => numbers::SIGQUIT,
        Signal::User1 => numbers::SIGUSR1,
        Signal::User2 => numbers::SIGUSR2,
    }
}

/// Keeps the default of `signals` from acting until the first part is dropped; the second gives
/// each signal as it comes. With `exits` the default acts on the second one.
pub(super) fn listen(signals: &[Signal], exits: bool) -> io::Result<(Held, Incoming)> {
    let mut held = Held::default();
    for &signal in signals {
        held.hold(signal.number())?;
    }
    if exits {
        held.exit_on_second(signals)?;
    }
    let received = signals
        .iter()
        .map(|&signal| Ok((signal, Signals::new([known(signal)])?)));
    let incoming = Incoming {
        received: received.collect::<io::Result<_>>()?,
    };
    Ok((held, incoming))
}

fn known(signal: Signal) -> async_signal::Signal {
    match signal {
        Signal::Interrupt => async_signal::Signal::Int,
        Signal::Terminate => async_signal::Signal::Term,
        Signal::Hangup => async_signal::Signal::Hup,
        Signal::Quit => async_signal::Signal::Quit,
        Signal::User1 => async_signal::Signal::Usr1,
        Signal::User2 => async_signal::Signal::Usr2,
    }
}

pub(super) struct Incoming {
    /// A socket for each: many of one signal fill it, and those that come then are lost.
    received: Vec<(Signal, Signals)>,
}

impl Incoming {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        for index in 0..self.received.len() {
            let (signal, received) = &mut self.received[index];
            let signal = *signal;
            if let Poll::Ready(came) = Pin::new(received).poll_next(cx) {
                came.expect("a stream of signals has no end")?;
                // The others are next, lest one that comes all the time keep them out.
                self.received.rotate_left(index + 1);
                return Poll::Ready(Ok(signal));
            }
        }
        Poll::Pending
    }
}

/// Signals that were ever listened for, by number.
static KNOWN: LazyLock<Mutex<BTreeMap<i32, Known>>> = LazyLock::new(Mutex::default);

struct Known {
    listeners: usize,
    /// Read by the signal handler. `None` where the default is not what was before.
    default_acts: Option<Arc<AtomicBool>>,
}

/// Keeps the default of some signals from acting.
#[derive(Default)]
pub(super) struct Held {
    numbers: Vec<i32>,
    handlers: Vec<SigId>,
}

impl Held {
    fn hold(&mut self, number: i32) -> io::Result<()> {
        let mut known = KNOWN.lock();
        match known.get_mut(&number) {
            Some(entry) => {
                entry.listeners += 1;
                if let Some(default_acts) = &entry.default_acts {
                    default_acts.store(false, Ordering::SeqCst);
                }
            }
            None => {
                // Before the first handler of ours is installed.
                let default_acts = if is_default(number) {
                    let default_acts = Arc::new(AtomicBool::new(false));
                    flag::register_conditional_default(number, default_acts.clone())?;
                    Some(default_acts)
                } else {
                    None
                };
                let entry = Known {
                    listeners: 1,
                    default_acts,
                };
                known.insert(number, entry);
            }
        }
        drop(known);
        self.numbers.push(number);
        Ok(())
    }

    fn exit_on_second(&mut self, signals: &[Signal]) -> io::Result<()> {
        let once = Arc::new(AtomicBool::new(false));
        for signal in signals {
            // In this order: the first signal passes the first of the two, and sets the flag.
            let exit = flag::register_conditional_default(signal.number(), once.clone())?;
            self.handlers.push(exit);
            let arm = flag::register(signal.number(), once.clone())?;
            self.handlers.push(arm);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut known = KNOWN.lock();
        for number in &self.numbers {
            if let Some(entry) = known.get_mut(number) {
                entry.listeners -= 1;
                if let (0, Some(default_acts)) = (entry.listeners, &entry.default_acts) {
                    default_acts.store(true, Ordering::SeqCst);
                }
            }
        }
        drop(known);
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}

/// Whether the signal is neither ignored nor handled, as far as the system says.
fn is_default(number: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_in = |set: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(set));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.unwrap_or(0) & 1 << (number - 1) != 0
    };
    !is_in("SigIgn:") && !is_in("SigCgt:")
}
