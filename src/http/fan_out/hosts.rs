//! What is counted by host.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::primitives::Mutex;
use crate::sync::{Limit, OwnedPermit};

/// The slots of every host that has requests under way or waiting.
pub(super) struct Hosts {
    per_host: Option<NonZeroUsize>,
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
}

impl Hosts {
    pub(super) fn new(per_host: Option<NonZeroUsize>) -> Self {
        Self {
            per_host,
            known: Mutex::default(),
        }
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
        let hosts = Hosts::new(NonZeroUsize::new(1));
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
