//! Console events of Windows.
//!
//! The one handler of the process is installed with the first listener, and stays: it does what
//! the console's own would do whenever nobody listens.

use std::io;
use std::process;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use super::Signal;
use crate::primitives::Mutex;

pub(super) const SHUTDOWN: &[Signal] = &[Signal::Interrupt];

/// What the console's own handler ends a program with.
const STATUS_CONTROL_C_EXIT: i32 = 0xC000_013A_u32 as i32;

/// As the C runtime has it, or, of what it has not, as Linux.
pub(super) fn number(signal: Signal) -> i32 {
    match signal {
        Signal::Interrupt => 2,
        Signal::Terminate => 15,
        Signal::Hangup => 1,
        Signal::Quit => 3,
        Signal::User1 => 10,
        Signal::User2 => 12,
    }
}

/// Keeps the console's own handler from acting until the first part is dropped; the second gives
/// each event as it comes. With `exits` the second event ends the program.
pub(super) fn listen(signals: &[Signal], exits: bool) -> io::Result<(Held, Incoming)> {
    if let Some(other) = signals.iter().find(|&&signal| signal != Signal::Interrupt) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("Windows does not send {other}"),
        ));
    }
    let listener = Arc::new(Listener {
        exits,
        events: Mutex::default(),
    });
    let mut console = CONSOLE.lock();
    if !console.has_handler {
        // Runs on a thread of its own. Others may do anything there.
        ctrlc::try_set_handler(received).map_err(io::Error::other)?;
        console.has_handler = true;
    }
    console.listeners.push(listener.clone());
    drop(console);
    Ok((Held(listener.clone()), Incoming(listener)))
}

static CONSOLE: LazyLock<Mutex<Console>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Console {
    has_handler: bool,
    listeners: Vec<Arc<Listener>>,
}

struct Listener {
    exits: bool,
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    came: usize,
    taken: usize,
    waiter: Option<Waker>,
}

fn received() {
    let listeners = CONSOLE.lock().listeners.clone();
    if listeners.is_empty() {
        process::exit(STATUS_CONTROL_C_EXIT);
    }
    for listener in listeners {
        let mut events = listener.events.lock();
        events.came += 1;
        let exits = listener.exits && events.came > 1;
        let waiter = events.waiter.take();
        drop(events);
        if exits {
            process::exit(STATUS_CONTROL_C_EXIT);
        }
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

pub(super) struct Held(Arc<Listener>);

impl Drop for Held {
    fn drop(&mut self) {
        let mut console = CONSOLE.lock();
        console
            .listeners
            .retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

pub(super) struct Incoming(Arc<Listener>);

impl Incoming {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        let mut events = self.0.events.lock();
        if events.taken < events.came {
            events.taken += 1;
            return Poll::Ready(Ok(Signal::Interrupt));
        }
        events.waiter = Some(cx.waker().clone());
        Poll::Pending
    }
}
