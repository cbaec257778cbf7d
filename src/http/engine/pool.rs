use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::uri::Authority;
use slab::Slab;

use super::connection::Connection;
use super::socket::Hook;
use crate::http::{ErrorKind, HttpError};
use crate::primitives::Mutex;
use crate::runtime::Runtime;
use crate::sync::{Key, NeedsClone, WaitList, wake_all};
use crate::task::{CancellationToken, Task, discard};

/// Where a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) secure: bool,
    pub(super) authority: Authority,
    /// Looked up twice for a request, and read byte by byte: so it is kept.
    hash: u64,
}

impl Origin {
    pub(super) fn new(secure: bool, authority: Authority) -> Self {
        // FNV-1a. Who picks names to collide gains little: the table is bounded.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(secure);
        for byte in authority.as_str().bytes() {
            let byte = u64::from(byte.to_ascii_lowercase());
            hash = (hash ^ byte).wrapping_mul(0x0100_0000_01b3);
        }
        Self {
            secure,
            authority,
            hash,
        }
    }
}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The connections at rest, and who is using one.
///
/// A connection is here only while nobody uses it, and comes back only after the end of a response
/// was seen.
#[derive(Debug)]
pub(super) struct Pool {
    runtime: Runtime,
    limits: Limits,
    state: Mutex<State>,
    /// Ends what is still being connected when a close has waited long enough.
    ended: CancellationToken,
    reaper: Mutex<Option<Task<()>>>,
}

#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) keep_alive: bool,
    pub(super) idle_time: Duration,
    pub(super) max_idle: usize,
    pub(super) max_idle_per_host: usize,
    pub(super) max_requests: usize,
    pub(super) max_age: Duration,
    pub(super) max_headers: usize,
}

impl Limits {
    fn is_used_up(&self, connection: &Connection, now: Instant) -> bool {
        let age = now.saturating_duration_since(connection.made());
        !self.keep_alive || connection.requests() >= self.max_requests || age >= self.max_age
    }

    /// Until when a connection may rest from now on. `None` is for ever.
    fn until(&self, connection: &Connection, now: Instant) -> Option<Instant> {
        let of_age = connection.made().checked_add(self.max_age);
        let idle = now.checked_add(self.idle_time);
        of_age.into_iter().chain(idle).min()
    }
}

#[derive(Debug)]
struct State {
    closed: bool,
    /// The newest connection of a host is last. Hosts without any stay for a while, because they
    /// tend to come back.
    idle: HashMap<Origin, VecDeque<Idle>, BuildHasherDefault<Kept>>,
    idle_count: usize,
    in_use: Slab<Option<Hook>>,
    closers: WaitList,
    /// Someone takes care of connections that rest too long.
    reaping: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
    /// `None` is for ever.
    until: Option<Instant>,
}

impl Idle {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// How many hosts may be remembered on top of those that have a connection.
const EMPTY_HOSTS: usize = 256;

impl Pool {
    pub(super) fn new(runtime: Runtime, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            limits,
            state: Mutex::new(State {
                closed: false,
                idle: HashMap::default(),
                idle_count: 0,
                in_use: Slab::new(),
                closers: WaitList::new(),
                reaping: false,
            }),
            ended: CancellationToken::new(),
            reaper: Mutex::new(None),
        })
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn keep_alive(&self) -> bool {
        self.limits.keep_alive
    }

    pub(super) fn max_headers(&self) -> usize {
        self.limits.max_headers
    }

    /// Fires when a close has waited long enough.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// The right to make one exchange.
    pub(super) fn enter(self: &Arc<Self>, origin: Origin) -> Result<Lease, HttpError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(HttpError::new(ErrorKind::Cancelled).with_message("the engine is closed"));
        }
        let key = state.in_use.insert(None);
        drop(state);
        Ok(Lease {
            pool: self.clone(),
            origin,
            key,
            given_back: false,
        })
    }

    /// Refuses whatever comes from now on, and closes the connections at rest.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.idle_count = 0;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
        let reaper = self.reaper.lock().take();
        drop(reaper);
    }

    /// Waits until nobody uses a connection.
    pub(super) async fn drained(&self) {
        let mut waiter = Closer {
            pool: self,
            key: None,
        };
        poll_fn(|cx| waiter.poll(cx)).await;
    }

    /// Hangs up on whoever still uses a connection.
    pub(super) fn end(&self) {
        self.ended.cancel("the engine was closed");
        let state = self.state.lock();
        let hooks: Vec<Hook> = state
            .in_use
            .iter()
            .filter_map(|(_, hook)| hook.clone())
            .collect();
        drop(state);
        for hook in hooks {
            hook.hang_up();
        }
    }

    /// Closes what has rested too long. Gives the time of the next look, unless there is nothing
    /// to look after.
    fn reap(&self) -> Option<Instant> {
        let now = self.runtime.now();
        let mut stale = Vec::new();
        let mut next: Option<Instant> = None;
        let mut state = self.state.lock();
        for host in state.idle.values_mut() {
            if host.iter().any(|idle| idle.is_over(now)) {
                let (over, good) = std::mem::take(host)
                    .into_iter()
                    .partition::<Vec<_>, _>(|idle| idle.is_over(now));
                stale.extend(over);
                *host = good.into();
            }
            let first = host.iter().filter_map(|idle| idle.until).min();
            next = next.into_iter().chain(first).min();
        }
        state.idle_count -= stale.len();
        state.idle.retain(|_, host| !host.is_empty());
        state.reaping = next.is_some();
        drop(state);
        drop(stale);
        next
    }
}

async fn reap(pool: Weak<Pool>) {
    loop {
        let sleep = match pool.upgrade() {
            Some(pool) => match pool.reap() {
                Some(next) => pool.runtime.sleep_until(next),
                None => return,
            },
            None => return,
        };
        sleep.await;
    }
}

/// The right to make one exchange. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    origin: Origin,
    key: usize,
    given_back: bool,
}

impl Lease {
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// A connection at rest that leads there, the one that was used last.
    pub(super) fn take_idle(&self) -> Option<Box<Connection>> {
        let now = self.pool.runtime.now();
        let mut stale = Vec::new();
        let mut state = self.pool.state.lock();
        let host = state.idle.get_mut(&self.origin)?;
        let newest = loop {
            match host.pop_back() {
                Some(newest) if newest.is_over(now) => stale.push(newest),
                newest => break newest,
            }
        };
        state.idle_count -= stale.len() + usize::from(newest.is_some());
        if let Some(newest) = &newest {
            state.in_use[self.key] = Some(newest.connection.hook());
        }
        drop(state);
        drop(stale);
        newest.map(|newest| newest.connection)
    }

    /// Says which connection is used: so that it can be ended with the engine.
    pub(super) fn uses(&self, connection: &Connection) {
        self.pool.state.lock().in_use[self.key] = Some(connection.hook());
        if self.pool.ended.is_cancelled() {
            connection.hook().hang_up();
        }
    }

    /// The failure of an exchange: if the engine has hung up, that is the cause.
    pub(super) fn explain(&self, error: HttpError) -> HttpError {
        if !self.pool.ended.is_cancelled() || error.kind() == ErrorKind::Cancelled {
            return error;
        }
        let maybe_sent = error.maybe_sent();
        let error = HttpError::new(ErrorKind::Cancelled).with_source(error);
        if maybe_sent {
            error.with_maybe_sent()
        } else {
            error
        }
    }

    /// Gives back the right, and a connection that is good for another exchange.
    pub(super) fn give_back(mut self, connection: Box<Connection>) {
        let pool = &self.pool;
        let since = pool.runtime.now();
        if pool.limits.is_used_up(&connection, since) {
            return;
        }
        connection.rest();
        let until = pool.limits.until(&connection, since);
        let idle = Idle {
            connection,
            since,
            until,
        };
        let mut surplus = None;
        let mut start_reaper = false;
        let mut state = pool.state.lock();
        if state.closed || pool.limits.max_idle == 0 || pool.limits.max_idle_per_host == 0 {
            surplus = Some(idle);
        } else {
            if state.idle.len() > pool.limits.max_idle.saturating_add(EMPTY_HOSTS) {
                state.idle.retain(|_, host| !host.is_empty());
            }
            let host = match state.idle.get_mut(&self.origin) {
                Some(host) => host,
                None => state.idle.entry(self.origin.clone()).or_default(),
            };
            host.push_back(idle);
            if host.len() > pool.limits.max_idle_per_host {
                surplus = host.pop_front();
            } else {
                state.idle_count += 1;
                if state.idle_count > pool.limits.max_idle {
                    surplus = state.pop_oldest();
                }
            }
            start_reaper = until.is_some() && !std::mem::replace(&mut state.reaping, true);
        }
        let left = state.leave(self.key);
        drop(state);
        self.given_back = true;
        left.tell();
        drop(surplus);
        if start_reaper {
            let task = pool.runtime.spawn(reap(Arc::downgrade(pool)));
            let old = pool.reaper.lock().replace(task);
            drop(old);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.given_back {
            let left = self.pool.state.lock().leave(self.key);
            left.tell();
        }
    }
}

/// What is to be done outside the lock when somebody has left.
struct Left {
    hook: Option<Hook>,
    wakers: Vec<Waker>,
}

impl Left {
    fn tell(self) {
        drop(self.hook);
        wake_all(self.wakers);
    }
}

impl State {
    fn leave(&mut self, key: usize) -> Left {
        let mut left = Left {
            hook: self.in_use.remove(key),
            wakers: Vec::new(),
        };
        if self.closed && self.in_use.is_empty() {
            while let Some(waker) = self.closers.serve_first() {
                left.wakers.extend(waker);
            }
        }
        left
    }

    fn pop_oldest(&mut self) -> Option<Idle> {
        let oldest = self
            .idle
            .values_mut()
            .filter(|host| !host.is_empty())
            .min_by_key(|host| host.front().map(|idle| idle.since))?;
        self.idle_count -= 1;
        oldest.pop_front()
    }
}

/// Waits until nobody uses a connection.
struct Closer<'a> {
    pool: &'a Pool,
    key: Option<Key>,
}

impl Closer<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut spare = None;
        loop {
            let mut state = self.pool.state.lock();
            if state.in_use.is_empty() {
                return Poll::Ready(());
            }
            // One that was served too early begins again.
            let key = self.key.take_if(|key| state.closers.is_served(key));
            let served = key.map(|key| state.closers.remove(key));
            let queued = state
                .closers
                .queue(&mut self.key, cx.waker(), &mut spare, || ());
            drop(state);
            discard(served.and_then(|removed| removed.waker));
            match queued {
                Ok(_) => return Poll::Pending,
                Err(NeedsClone) => spare = Some(cx.waker().clone()),
            }
        }
    }
}

impl Drop for Closer<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let removed = self.pool.state.lock().closers.remove(key);
            discard(removed.waker);
        }
    }
}

/// Takes the hash of an [`Origin`] as it is.
#[derive(Debug, Default)]
struct Kept(u64);

impl Hasher for Kept {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
