mod lease;

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use slab::Slab;

pub(super) use self::lease::Lease;
use super::connection::Connection;
use super::origin::{Kept, Origin};
use super::socket::Hook;
use crate::primitives::Mutex;
use crate::runtime::Runtime;
use crate::sync::Event;
use crate::task::{CancellationToken, Task};

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
    drained: Event,
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
                reaping: false,
            }),
            ended: CancellationToken::new(),
            drained: Event::new(),
            reaper: Mutex::new(None),
        })
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn keep_alive(&self) -> bool {
        self.limits.keep_alive
    }

    /// Fires when a close has waited long enough.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Refuses whatever comes from now on, and closes the connections at rest.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.idle_count = 0;
        let idle = std::mem::take(&mut state.idle);
        let drained = state.is_drained();
        drop(state);
        drop(idle);
        if drained {
            self.drained.set();
        }
        let reaper = self.reaper.lock().take();
        drop(reaper);
    }

    /// Happens when, after a [`close`](Self::close), nobody uses a connection any more.
    pub(super) fn drained(&self) -> &Event {
        &self.drained
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

    fn start_reaper(self: &Arc<Self>) {
        let task = self.runtime.spawn(reap(Arc::downgrade(self)));
        let old = self.reaper.lock().replace(task);
        // Whoever comes late with a task that has ended meets the one that is at work.
        if let Some(old) = old {
            old.detach();
        }
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

impl State {
    /// Has a connection rest. Gives the one that there is no room for.
    fn put(&mut self, origin: &Origin, idle: Idle, limits: &Limits) -> Option<Idle> {
        if self.closed || limits.max_idle == 0 || limits.max_idle_per_host == 0 {
            return Some(idle);
        }
        if self.idle.len() > limits.max_idle.saturating_add(EMPTY_HOSTS) {
            self.idle.retain(|_, host| !host.is_empty());
        }
        let host = match self.idle.get_mut(origin) {
            Some(host) => host,
            None => self.idle.entry(origin.clone()).or_default(),
        };
        host.push_back(idle);
        if host.len() > limits.max_idle_per_host {
            return host.pop_front();
        }
        self.idle_count += 1;
        if self.idle_count > limits.max_idle {
            return self.pop_oldest();
        }
        None
    }

    /// Takes the connection that was used last, and those that have rested too long on the way
    /// to it.
    fn take(&mut self, origin: &Origin, now: Instant) -> (Option<Idle>, Vec<Idle>) {
        let mut stale = Vec::new();
        let Some(host) = self.idle.get_mut(origin) else {
            return (None, stale);
        };
        let newest = loop {
            match host.pop_back() {
                Some(newest) if newest.is_over(now) => stale.push(newest),
                newest => break newest,
            }
        };
        self.idle_count -= stale.len() + usize::from(newest.is_some());
        (newest, stale)
    }

    /// Nobody uses a connection, and nobody will.
    fn is_drained(&self) -> bool {
        self.closed && self.in_use.is_empty()
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
