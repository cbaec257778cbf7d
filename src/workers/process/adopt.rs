//! The worker's side: finds its parent, and ends with it.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Value;
use super::socket::{adopt, next_message, receive_listeners};
use crate::runtime::block_on;
use crate::signal::{ShutdownSignals, Signal};
use crate::workers::body::{Role, play};
use crate::workers::builder::Set;
use crate::workers::reason::StopReason;
use crate::workers::wire::{Hello, Inbox, ToParent, ToWorker};
use crate::workers::worker::{Seat, set_process_index};

/// The exit code of a worker that found out too late that it can not be one.
const UNUSABLE: i32 = 2;

pub(super) fn serve_if_worker<V: Value>(set: &Set<V>, role: &Role<V>) {
    match adopt() {
        Ok(None) => {}
        // A process that was started as a worker must never go on as a parent.
        Ok(Some((name, _))) if name != set.name => give_up(format_args!(
            "this process is a worker of {name:?} and came to {:?} first: \
             let the arguments of the program decide which of the two it runs",
            set.name
        )),
        Ok(Some((_, socket))) => match serve(set, role, socket) {
            Ok(code) => process::exit(code),
            Err(error) => give_up(format_args!("a worker can not start: {error}")),
        },
        Err(error) => give_up(format_args!("a worker can not reach its parent: {error}")),
    }
}

fn give_up(why: fmt::Arguments<'_>) -> ! {
    eprintln!("untethered: {why}");
    process::exit(UNUSABLE)
}

fn serve<V: Value>(set: &Set<V>, role: &Role<V>, socket: UnixStream) -> io::Result<i32> {
    let signals = set.plan.listen_for_signals()?;
    // Fails if the parent has gone, whatever it had said before.
    let here = (&socket).write_all(&ToParent::Here.frame());
    here.map_err(|_| orphan())?;
    let listeners = receive_listeners(&socket)?;
    let mut inbox = Inbox::default();
    let hello = match next_message(&socket, &mut inbox)? {
        Some(ToWorker::Hello(hello)) => hello,
        Some(ToWorker::Stop(_)) => return Err(io::ErrorKind::InvalidData.into()),
        None => return Err(orphan()),
    };
    let Hello {
        index, generation, ..
    } = hello;
    set_process_index(index);
    let mut roles = std::iter::once(role).chain(&set.extras);
    let role = roles.find(|role| role.name == hello.role);
    let role = role.ok_or_else(|| {
        let what = format!("this build of the program has no worker {:?}", hello.role);
        io::Error::new(io::ErrorKind::NotFound, what)
    })?;

    let parent = socket.try_clone()?;
    let say = move |what: ToParent| {
        // Without a parent there is nobody to tell.
        (&parent).write_all(&what.frame()).ok();
    };
    let seat = Seat::new(index, hello.role, generation, listeners, say);
    let worker = seat.clone();
    let limit = hello.orphan_limit;
    start_thread("untethered-parent", move || {
        obey(&worker, &socket, inbox, limit)
    })?;
    let worker = seat.clone();
    let stop_signals = set.plan.stop_signals.clone();
    start_thread("untethered-stop", move || {
        listen(&worker, signals, &stop_signals)
    })?;

    let value = V::from_bytes(hello.value);
    let done = play(&seat, value, &role.body, &set.before_start, &set.runner);
    let code = i32::from(done.code);
    seat.say(ToParent::Done(done));
    Ok(code)
}

fn orphan() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "its parent has gone")
}

fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map(drop)
}

/// Does what the parent says, and outlives it only for as long as `limit`.
fn obey(worker: &Seat, socket: &UnixStream, mut inbox: Inbox, limit: Duration) {
    // What can not be understood is as good as a parent that has gone.
    while let Ok(Some(message)) = next_message(socket, &mut inbox) {
        if let ToWorker::Stop(reason) = message {
            worker.stop(reason);
        }
    }
    worker.stop(StopReason::ParentGone);
    #[expect(
        clippy::disallowed_methods,
        reason = "the last resort, whatever the runtimes of this process do"
    )]
    thread::sleep(limit);
    // No exit handlers, which may hang.
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::KILL).ok();
}

/// Stops on a signal that came to this process, for one from the terminal. Later ones are for the
/// parent, which decides when it is enough; so are those that reload.
fn listen(worker: &Arc<Seat>, mut signals: ShutdownSignals, stop: &[Signal]) {
    block_on(async {
        loop {
            let signal = signals.next().await;
            if stop.contains(&signal) {
                worker.stop(StopReason::Signal(signal));
            }
        }
    })
}
