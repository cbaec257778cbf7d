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
    limits: HashMap<Box<str>, Arc<Limit>>,
    /// Idle hosts are forgotten when there are so many.
    sweep_at: usize,
}

/// Below this, idle hosts are not worth a look.
const KEPT: usize = 64;

/// The slot of a request at its host. Dropping it gives the slot back.
pub(super) struct HostSlot {
    // In this order: a host whose limit is not shared any more has no permit out.
    _permit: OwnedPermit,
    _limit: Arc<Limit>,
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
        let limit = self.limit(host, self.per_host?);
        Some(HostSlot {
            _permit: limit.acquire_owned().await,
            _limit: limit,
        })
    }

    fn limit(&self, host: &str, per_host: NonZeroUsize) -> Arc<Limit> {
        let mut known = self.known.lock();
        if let Some(limit) = known.limits.get(host) {
            return limit.clone();
        }
        let limit = Arc::new(Limit::from(per_host));
        known.limits.insert(host.into(), limit.clone());
        if known.limits.len() > known.sweep_at {
            // Whoever uses a limit, or waits for it, holds it.
            known.limits.retain(|_, limit| Arc::strong_count(limit) > 1);
            known.sweep_at = (2 * known.limits.len()).max(KEPT);
        }
        limit
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.lock().limits.len()
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
        let limit = hosts.limit("busy", NonZeroUsize::MIN);
        assert!(limit.try_acquire().is_none());
        drop(busy);
        assert!(limit.try_acquire().is_some());
    }
}
