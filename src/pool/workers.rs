//! The threads of a pool, and what they share.

use std::io;
use std::sync::Arc;

use super::job::AnyJob;
use crate::primitives::Mutex;
use crate::primitives::thread::{self, JoinHandle};
use crate::queue::Queue;
use crate::runtime::Hook;
use crate::sync::Event;
use crate::task::{CancellationToken, Reason};

pub(super) struct Workers {
    pub(super) name: String,
    pub(super) threads: usize,
    pub(super) queue: Queue<AnyJob>,
    pub(super) token: CancellationToken,
    pub(super) hook: Arc<Hook>,
    /// Set once all threads have ended.
    pub(super) ended: Event,
    state: Mutex<State>,
}

struct State {
    /// How many threads have not left their loop.
    running: usize,
    /// For the last thread, which joins the others: nobody else is free to block.
    handles: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts all threads, or none.
    pub(super) fn start(
        name: String,
        threads: usize,
        queue: Queue<AnyJob>,
        hook: Arc<Hook>,
    ) -> io::Result<Arc<Self>> {
        let workers = Arc::new(Self {
            name,
            threads,
            queue,
            token: CancellationToken::new(),
            hook,
            ended: Event::new(),
            state: Mutex::new(State {
                running: threads,
                handles: Vec::new(),
            }),
        });
        let mut handles = Vec::new();
        for index in 0..threads {
            let worker = workers.clone();
            let name = format!("{}-{index}", workers.name);
            match thread::Builder::new()
                .name(name)
                .spawn(move || worker.work())
            {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    workers.queue.close();
                    for handle in handles {
                        handle.join().ok();
                    }
                    return Err(error);
                }
            }
        }
        // No thread ends before the pool is closed, and nobody has the pool yet.
        workers.state.lock().handles = handles;
        Ok(workers)
    }

    /// What each thread does.
    fn work(&self) {
        while let Some(job) = self.queue.pop_blocking() {
            match self.token.reason() {
                None => job.run(),
                reason => job.cancel(reason),
            }
        }
        self.end();
    }

    /// A thread has left its loop.
    fn end(&self) {
        let mut state = self.state.lock();
        state.running -= 1;
        if state.running > 0 {
            return;
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        let this = thread::current().id();
        for handle in handles {
            if handle.thread().id() != this {
                // Nothing in the loop unwinds; should a thread-local's destructor, it is told already.
                handle.join().ok();
            }
        }
        self.ended.set();
    }

    pub(super) fn cancel(&self, reason: Reason) {
        // First, for a thread that takes a closure meanwhile.
        self.token.cancel(reason);
        let reason = self.token.reason();
        for job in self.queue.close_now() {
            job.cancel(reason.clone());
        }
    }
}
