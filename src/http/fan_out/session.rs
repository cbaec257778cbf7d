//! What all requests of a fan-out share.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use super::hedge::Hedging;
use super::hosts::Hosts;
use super::options::Options;
use super::retry::Pacing;
use super::stats::{Counters, Stats};
use super::{FetchError, Fetched};
use crate::http::Client;
use crate::sync::Limit;
use crate::task::CancellationToken;

pub(super) struct Session {
    pub(super) options: Options,
    /// What all requests are sent by.
    pub(super) client: Arc<dyn Client>,
    pub(super) slots: Limit,
    pub(super) hosts: Hosts,
    pub(super) counters: Counters,
    /// `None` without retries.
    pub(super) pacing: Option<Pacing>,
    /// `None` without hedges.
    pub(super) hedging: Option<Hedging>,
}

impl Session {
    pub(super) fn new(options: Options) -> Self {
        Self {
            slots: Limit::from(options.concurrency),
            counters: Counters::default(),
            hosts: Hosts::new(options.per_host, options.adaptive),
            pacing: options.retry.as_ref().map(Pacing::new),
            hedging: options.hedge.map(Hedging::new),
            client: options.client(),
            options,
        }
    }

    /// Whether nothing more is to be started.
    pub(super) fn is_closed(&self) -> bool {
        let tokens = [&self.options.close, &self.options.cancel];
        let mut tokens = tokens.into_iter().flatten();
        tokens.any(CancellationToken::is_cancelled)
    }

    pub(super) fn count(&self, result: &Result<Fetched, FetchError>) {
        let bytes = result.as_ref().ok().map(Fetched::body_len);
        self.counters.ended(bytes);
    }

    /// As [`count`](Self::count), for one that was given the answer of another.
    pub(super) fn count_shared(&self, result: &Result<Fetched, FetchError>) {
        self.counters.shared();
        self.counters.ended(result.is_ok().then_some(0));
    }

    pub(super) fn stats(&self) -> Stats {
        let running = self.slots.total() - self.slots.available();
        self.counters.stats(running)
    }

    /// Until when `host` asked to be left alone.
    pub(super) fn paused(&self, host: &str) -> Option<Instant> {
        let pacing = self.pacing.as_ref()?;
        pacing.paused(host, self.options.rt.now())
    }

    /// How many requests are looked at: those under way, and where a host can hold requests up, or
    /// one waits for its equal, some more.
    pub(super) fn window(&self) -> NonZeroUsize {
        const LOOK_AHEAD: NonZeroUsize = NonZeroUsize::new(4).unwrap();
        let Options { retry, dedupe, .. } = &self.options;
        if !self.hosts.are_limited() && retry.is_none() && !dedupe {
            return self.options.concurrency;
        }
        self.options.concurrency.saturating_mul(LOOK_AHEAD)
    }
}
