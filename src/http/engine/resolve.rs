use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::primitives::Mutex;
use crate::runtime::{BoxFuture, Runtime};
use crate::sync::{Key, NeedsClone, WaitList, wake_all};
use crate::task::{Task, discard};

/// Finds the addresses of a host.
pub(super) type Resolver =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// What a resolution brought, for everyone who waits for it.
pub(super) type Addresses = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// The system's resolver, on a thread where it may block.
pub(super) fn system(runtime: &Runtime) -> Resolver {
    let runtime = runtime.clone();
    Arc::new(move |host| {
        let lookup = runtime.spawn_blocking(move || {
            let addresses = (host.as_str(), 0).to_socket_addrs()?;
            Ok(addresses.map(|address| address.ip()).collect())
        });
        Box::pin(async move {
            lookup
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
        })
    })
}

/// Resolutions under way: those who ask for one host at the same time share one.
pub(super) struct Lookups {
    runtime: Runtime,
    resolver: Resolver,
    flights: Arc<Flights>,
}

type Flights = Mutex<HashMap<String, Weak<Flight>>>;

/// One resolution. It goes on while somebody waits for it.
struct Flight {
    host: String,
    flights: Arc<Flights>,
    state: Mutex<State>,
    /// Dropped with the last who waits.
    task: Mutex<Option<Task<()>>>,
}

struct State {
    addresses: Option<Addresses>,
    waiters: WaitList,
}

impl Lookups {
    pub(super) fn new(runtime: Runtime, resolver: Resolver) -> Self {
        Self {
            runtime,
            resolver,
            flights: Arc::default(),
        }
    }

    pub(super) async fn resolve(&self, host: &str) -> Addresses {
        let flight = self.join(host);
        let mut waiter = Waiter {
            flight: &flight,
            key: None,
        };
        poll_fn(|cx| waiter.poll(cx)).await
    }

    fn join(&self, host: &str) -> Arc<Flight> {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(host).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Arc::new(Flight {
            host: host.to_owned(),
            flights: self.flights.clone(),
            state: Mutex::new(State {
                addresses: None,
                waiters: WaitList::new(),
            }),
            task: Mutex::new(None),
        });
        flights.insert(host.to_owned(), Arc::downgrade(&flight));
        drop(flights);
        let landing = Landing(Arc::downgrade(&flight));
        let resolver = self.resolver.clone();
        let host = host.to_owned();
        let task = self.runtime.spawn(async move {
            let landing = landing;
            let addresses = resolver(host).await;
            landing.land(addresses);
        });
        *flight.task.lock() = Some(task);
        flight
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // Somebody may have started another one since.
        if flights
            .get(&self.host)
            .is_some_and(|flight| flight.strong_count() == 0)
        {
            flights.remove(&self.host);
        }
    }
}

/// Delivers the result to whoever waits, a failure if there is none.
struct Landing(Weak<Flight>);

impl Landing {
    fn land(&self, addresses: io::Result<Vec<IpAddr>>) {
        let Some(flight) = self.0.upgrade() else {
            return;
        };
        // Whoever asks from now on asks anew.
        let mut flights = flight.flights.lock();
        if flights
            .get(&flight.host)
            .is_some_and(|other| other.ptr_eq(&self.0))
        {
            flights.remove(&flight.host);
        }
        drop(flights);
        let mut state = flight.state.lock();
        if state.addresses.is_some() {
            return;
        }
        state.addresses = Some(match addresses {
            Ok(addresses) => Ok(addresses.into()),
            Err(error) => Err(Arc::new(error)),
        });
        let mut wakers = Vec::new();
        while let Some(served) = state.waiters.serve_first() {
            wakers.extend(served);
        }
        drop(state);
        wake_all(wakers);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.land(Err(io::Error::other("the resolution was given up")));
    }
}

struct Waiter<'a> {
    flight: &'a Flight,
    key: Option<Key>,
}

impl Waiter<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Addresses> {
        let mut spare = None;
        loop {
            let mut state = self.flight.state.lock();
            if let Some(addresses) = &state.addresses {
                return Poll::Ready(addresses.clone());
            }
            let queued = state
                .waiters
                .queue(&mut self.key, cx.waker(), &mut spare, || ());
            drop(state);
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let removed = self.flight.state.lock().waiters.remove(key);
            discard(removed.waker);
        }
    }
}

/// A resolver from a closure.
pub(super) fn from_fn<F, Fut>(resolve: F) -> Resolver
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
{
    Arc::new(move |host| Box::pin(resolve(host)))
}
