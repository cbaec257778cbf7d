//! What is counted by host.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use super::Adaptive;
use super::adaptive::Gauge;
use super::retry::Outcome;
use crate::Runtime;
use crate::primitives::Mutex;
use crate::sync::{Limit, OwnedPermit};

/// The slots of every host that has requests under way or waiting.
pub(super) struct Hosts {
    per_host: Option<NonZeroUsize>,
    adaptive: Option<Adaptive>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    hosts: HashMap<Arc<str>, Arc<Host>>,
    /// Idle hosts are forgotten when there are so many.
    sweep_at: usize,
}

struct Host {
    name: Arc<str>,
    limit: Limit,
    /// `None` if the limit stays what it is.
    gauge: Option<Gauge>,
}

/// Below this, idle hosts are not worth a look.
const KEPT: usize = 64;

/// The slot of a request at its host. Dropping it gives the slot back.
pub(super) struct HostSlot {
    // In this order: a host that nobody shares has no permit out.
    _permit: OwnedPermit,
    host: Arc<Host>,
}

impl HostSlot {
    /// Whether it is a slot at `host`.
    pub(super) fn is_of(&self, host: &str) -> bool {
        *self.host.name == *host
    }

    /// Says how an exchange with the host ended.
    pub(super) fn report(&self, outcome: Outcome, started: Instant, rt: &Runtime) {
        if let Some(gauge) = &self.host.gauge {
            gauge.report(&self.host.limit, outcome, started, rt);
        }
    }
}

impl Hosts {
    pub(super) fn new(per_host: Option<NonZeroUsize>, adaptive: Option<Adaptive>) -> Self {
        let adaptive = adaptive.map(|adaptive| adaptive.within(per_host));
        Self {
            per_host: adaptive.map(Adaptive::start).or(per_host),
            adaptive,
            known: Mutex::default(),
        }
    }

    /// Whether hosts have a limit.
    pub(super) fn are_limited(&self) -> bool {
        self.per_host.is_some()
    }

    /// Waits for a slot at `host`. `None` if hosts have no limit.
    pub(super) async fn acquire(&self, host: &str) -> Option<HostSlot> {
        let host = self.host(host, self.per_host?);
        Some(HostSlot {
            _permit: host.limit.acquire_owned().await,
            host,
        })
    }

    fn host(&self, name: &str, per_host: NonZeroUsize) -> Arc<Host> {
        let mut known = self.known.lock();
        if let Some(host) = known.hosts.get(name) {
            return host.clone();
        }
        let name: Arc<str> = name.into();
        let host = Arc::new(Host {
            name: name.clone(),
            limit: Limit::from(per_host),
            gauge: self.adaptive.map(Gauge::new),
        });
        known.hosts.insert(name, host.clone());
        if known.hosts.len() > known.sweep_at {
            // Whoever has a slot, or waits for one, holds its host.
            known.hosts.retain(|_, host| Arc::strong_count(host) > 1);
            known.sweep_at = (2 * known.hosts.len()).max(KEPT);
        }
        host
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.lock().hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn idle_hosts_are_forgotten_and_busy_ones_are_not() {
        let hosts = Hosts::new(NonZeroUsize::new(1), None);
        let busy = block_on(hosts.acquire("busy"));
        for host in 0..10_000 {
            drop(block_on(hosts.acquire(&host.to_string())));
        }
        assert!(hosts.len() <= 2 * KEPT, "{} hosts are kept", hosts.len());
        let host = hosts.host("busy", NonZeroUsize::MIN);
        assert!(host.limit.try_acquire().is_none());
        drop(busy);
        assert!(host.limit.try_acquire().is_some());
    }
}
