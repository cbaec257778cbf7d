use std::sync::Arc;

use super::{Idle, Pool, State};
use crate::http::engine::connection::Connection;
use crate::http::engine::origin::Origin;
use crate::http::{ErrorKind, HttpError};
use crate::primitives::MutexGuard;

/// The right to make one exchange. Dropping it gives it back.
#[derive(Debug)]
pub(in crate::http::engine) struct Lease {
    pool: Arc<Pool>,
    origin: Origin,
    key: usize,
    given_back: bool,
}

impl Pool {
    /// The right to make one exchange.
    pub(in crate::http::engine) fn enter(
        self: &Arc<Self>,
        origin: Origin,
    ) -> Result<Lease, HttpError> {
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
}

impl Lease {
    /// A connection at rest that leads there, the one that was used last.
    pub(in crate::http::engine) fn take_idle(&self) -> Option<Box<Connection>> {
        let now = self.pool.runtime.now();
        let mut state = self.pool.state.lock();
        let (newest, stale) = state.take(&self.origin, now);
        if let Some(newest) = &newest {
            state.in_use[self.key] = Some(newest.connection.hook());
        }
        drop(state);
        drop(stale);
        newest.map(|newest| newest.connection)
    }

    /// Says which connection is used: so that it can be ended with the engine.
    pub(in crate::http::engine) fn uses(&self, connection: &Connection) {
        self.pool.state.lock().in_use[self.key] = Some(connection.hook());
        if self.pool.ended.is_cancelled() {
            connection.hook().hang_up();
        }
    }

    /// The failure of an exchange: if the engine has hung up, that is the cause.
    pub(in crate::http::engine) fn explain(&self, error: HttpError) -> HttpError {
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
    pub(in crate::http::engine) fn give_back(mut self, connection: Box<Connection>) {
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
        let mut state = pool.state.lock();
        let surplus = state.put(&self.origin, idle, &pool.limits);
        let rests = until.is_some() && state.idle_count > 0;
        let start_reaper = rests && !std::mem::replace(&mut state.reaping, true);
        self.given_back = true;
        self.leave(state);
        drop(surplus);
        if start_reaper {
            pool.start_reaper();
        }
    }

    /// Unlocks the pool, and says so if this was the last.
    fn leave(&self, mut state: MutexGuard<'_, State>) {
        let hook = state.in_use.remove(self.key);
        let drained = state.is_drained();
        drop(state);
        drop(hook);
        if drained {
            self.pool.drained.set();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.given_back {
            self.leave(self.pool.state.lock());
        }
    }
}
