//! Runs workers, and waits for their end.

use std::future::Future;
use std::net::TcpListener;
use std::panic::Location;
use std::sync::Arc;

use super::body::{Role, WorkerOutput, body};
use super::builder::{Processes, Set, Threads, WORKER, Workers};
use super::error::{Kind, WorkersError};
use super::main_context::Main;
use super::running::Starter;
use super::worker::Worker;
use super::{Report, process, thread};
use crate::primitives::Mutex;

impl<V: process::Value> Workers<Processes, V> {
    /// Runs the workers, and comes back when the last one has ended.
    ///
    /// In a worker process it does not come back.
    ///
    /// # Errors
    ///
    /// [`WorkersError`] if the workers can not be run: an address is taken, the main context fails,
    /// the system has no such processes (they need Unix). What happens to single workers is in the
    /// [`Report`].
    #[track_caller]
    pub fn run<F, Fut>(self, worker: F) -> Result<Report, WorkersError>
    where
        F: Fn(Worker<V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: WorkerOutput> + 'static,
    {
        let role = Role {
            name: WORKER.into(),
            body: body(worker),
        };
        process::serve_if_worker(&self.set, &role);
        let place = Location::caller();
        self.supervise(move |set, listeners, value| process::starter(set, place, listeners, value))
    }
}

impl<V: Clone + Send + 'static> Workers<Threads, V> {
    /// Runs the workers, and comes back when the last one has ended or was left behind.
    ///
    /// # Errors
    ///
    /// [`WorkersError`] if the workers can not be run: an address is taken, the main context fails.
    /// What happens to single workers is in the [`Report`].
    pub fn run<F, Fut>(self, worker: F) -> Result<Report, WorkersError>
    where
        F: Fn(Worker<V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: WorkerOutput> + 'static,
    {
        let body = body(worker);
        self.supervise(move |set, listeners, value| {
            Ok(thread::starter(set, listeners, value, body))
        })
    }
}

impl<M, V> Workers<M, V> {
    /// Supervises workers that `starter` makes of the value of the main context.
    fn supervise(
        mut self,
        starter: impl FnOnce(Set<V>, Vec<TcpListener>, V) -> Result<Starter, WorkersError> + 'static,
    ) -> Result<Report, WorkersError>
    where
        V: 'static,
    {
        let workers = (0..self.set.count.get()).map(|_| WORKER.to_owned());
        let extras = self.set.extras.iter().map(|role| role.name.clone());
        self.set.plan.names = workers.chain(extras).collect();
        let listeners = bind(&self.set.listen)?;
        let mut shared = Vec::new();
        for (listener, address) in listeners.iter().zip(&self.set.listen) {
            let listener = listener.try_clone();
            shared.push(listener.map_err(|error| listen_error(address, error))?);
        }
        let runner = self.set.runner.clone();
        let plan = self.set.plan.clone();
        let set = self.set;
        let main = Main::new(plan, listeners, self.control, move |value| {
            starter(set, shared, value)
        });
        let output = Arc::new(Mutex::new(None));
        let (slot, body) = (output.clone(), self.main);
        runner(Box::pin(async move {
            let ended = body(main).await;
            *slot.lock() = Some(ended);
        }));
        let ended = output.lock().take();
        ended.unwrap_or_else(|| Err(WorkersError::new(Kind::Runner)))
    }
}

fn bind(addresses: &[String]) -> Result<Vec<TcpListener>, WorkersError> {
    let bind = |address: &String| {
        let listener = TcpListener::bind(address.as_str()).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        listener.map_err(|error| listen_error(address, error))
    };
    addresses.iter().map(bind).collect()
}

fn listen_error(address: &str, error: std::io::Error) -> WorkersError {
    WorkersError::new(Kind::Listen(address.to_owned(), error))
}
