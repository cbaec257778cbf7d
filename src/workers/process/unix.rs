//! The parent's side: starts this program again, talks to it, sees its end.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};

use async_io::Async;

use super::socket::{MARK, mark, send_listeners};
use super::{Value, adopt};
use crate::combine::{OneOf2, race};
use crate::primitives::Mutex;
use crate::queue::Queue;
use crate::task::Task;
use crate::workers::body::Role;
use crate::workers::builder::Set;
use crate::workers::child::Child;
use crate::workers::error::{Kind, WorkersError};
use crate::workers::reason::StopReason;
use crate::workers::running::{News, Running, Start, Starter};
use crate::workers::wire::{Hello, Inbox, LONGEST, ToParent, ToWorker};

/// Where in this program each name was run. A worker finds its way by the name alone, so one name
/// for two sets of workers would have it run the wrong one.
static NAMES: LazyLock<Mutex<BTreeMap<String, &'static Location<'static>>>> =
    LazyLock::new(Mutex::default);

/// In a worker process, runs it and ends the process. In the parent does nothing.
pub(in crate::workers) fn serve_if_worker<V: Value>(set: &Set<V>, role: &Role<V>) {
    adopt::serve_if_worker(set, role);
}

pub(in crate::workers) fn starter<V: Value>(
    set: Set<V>,
    place: &'static Location<'static>,
    listeners: Vec<TcpListener>,
    value: V,
) -> Result<Starter, WorkersError> {
    let first = *NAMES.lock().entry(set.name.clone()).or_insert(place);
    if first != place {
        return Err(WorkersError::new(Kind::NameTaken(set.name)));
    }
    let value = value.into_bytes();
    if value.len() > LONGEST / 2 {
        return Err(WorkersError::new(Kind::TooLong(value.len())));
    }
    // Asked once: when the file is replaced, a reload starts the new one.
    let program = env::current_exe().map_err(|error| WorkersError::new(Kind::Program(error)))?;
    let program = Program {
        program,
        name: set.name,
        arguments: env::args_os().collect(),
        listeners,
    };
    Ok(Box::new(move |start| {
        let hello = ToWorker::Hello(Hello {
            index: start.index,
            generation: start.generation,
            role: start.name.to_owned(),
            orphan_limit: set.orphan_within,
            value: value.clone(),
        });
        let process = program.start(start, hello.frame())?;
        Ok(Box::new(process) as Box<dyn Running>)
    }))
}

struct Program {
    program: PathBuf,
    name: String,
    arguments: Vec<OsString>,
    listeners: Vec<TcpListener>,
}

impl Program {
    fn start(&self, start: &Start<'_>, hello: Vec<u8>) -> io::Result<Process> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&self.program);
        if let Some((first, rest)) = self.arguments.split_first() {
            command.arg0(first).args(rest);
        }
        command.env(MARK, mark(&self.name, &theirs)?);
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        send_listeners(&ours, &self.listeners)?;
        let child = Arc::new(Child::spawn(&mut command)?);
        // Holds the worker's end of the socket: only the worker may, or its end is not seen.
        drop(command);
        let socket = Async::new(ours)?;
        let outbox = Queue::unbounded();
        outbox.try_push(hello).ok();
        let talk = Talk {
            socket,
            id: start.id,
            news: start.news.clone(),
        };
        let talk = Arc::new(talk);
        Ok(Process {
            _writer: start.rt.spawn(write(talk.clone(), outbox.clone())),
            _watcher: start.rt.spawn(watch(talk, child.clone())),
            child,
            outbox,
        })
    }
}

struct Process {
    child: Arc<Child>,
    /// What the parent says: who the worker is, and once that it is to stop.
    outbox: Queue<Vec<u8>>,
    _writer: Task<()>,
    _watcher: Task<()>,
}

impl Running for Process {
    fn pid(&self) -> Option<u32> {
        Some(self.child.pid())
    }

    fn stop(&self, reason: &StopReason) {
        let frame = ToWorker::Stop(reason.clone()).frame();
        self.outbox.try_push(frame).ok();
    }

    fn kill(&self) -> bool {
        // One that has ended needs no kill.
        self.child.kill().is_ok() || self.child.exit().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Now, and not when the task that waits for the child is dropped: this program may end
        // before that. One that has ended needs no kill.
        self.child.kill().ok();
    }
}

/// Between the parent and one worker.
struct Talk {
    socket: Async<UnixStream>,
    id: u64,
    news: Queue<News>,
}

async fn write(talk: Arc<Talk>, outbox: Queue<Vec<u8>>) {
    while let Some(frame) = outbox.pop().await {
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match talk
                .socket
                .write_with(|mut socket| socket.write(rest))
                .await
            {
                Ok(length) => rest = &rest[length..],
                // The worker has gone, which the other task sees.
                Err(_) => return,
            }
        }
    }
}

/// Passes on what the worker says, and after that how it ended.
async fn watch(talk: Arc<Talk>, child: Arc<Child>) {
    let mut inbox = Inbox::default();
    let mut silent = false;
    let exit = loop {
        let what = match silent {
            true => OneOf2::A(child.wait().await),
            false => race((child.wait(), talk.socket.readable())).await,
        };
        silent |= !talk.hear(&mut inbox);
        if let OneOf2::A(exit) = what {
            // All it has said is in the socket by now, and was heard.
            break exit;
        }
    };
    talk.news.try_push(News::Ended(talk.id, exit)).ok();
}

impl Talk {
    /// Takes what is there. Whether there may be more.
    fn hear(&self, inbox: &mut Inbox) -> bool {
        let mut socket = self.socket.get_ref();
        let mut piece = [0; 4096];
        loop {
            match socket.read(&mut piece) {
                Ok(0) => return false,
                Ok(length) => inbox.push(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            // Behind what can not be understood, nothing can.
            if self.understand(inbox).is_err() {
                return false;
            }
        }
    }

    fn understand(&self, inbox: &mut Inbox) -> io::Result<()> {
        while let Some(message) = inbox.next()? {
            let said = ToParent::decode(&message)?;
            self.news.try_push(News::Said(self.id, said)).ok();
        }
        Ok(())
    }
}
