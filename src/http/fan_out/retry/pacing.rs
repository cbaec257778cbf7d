use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Retry;
use crate::primitives::Mutex;

/// What each host has to say to retries: until when it is to be left alone, and how many it may
/// still be sent.
pub(in crate::http::fan_out) struct Pacing {
    longest_pause: Duration,
    budget: Option<usize>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// A host that is not here may be sent anything.
    hosts: HashMap<Box<str>, Pace>,
    /// Hosts that may be sent anything are forgotten when there are so many.
    sweep_at: usize,
}

struct Pace {
    until: Option<Instant>,
    /// Retries that were sent and not given back, as of `at`.
    spent: usize,
    at: Instant,
}

/// Below this, hosts are not worth a look.
const KEPT: usize = 64;

impl Pacing {
    pub(in crate::http::fan_out) fn new(retry: &Retry) -> Self {
        Self {
            longest_pause: retry.longest_pause,
            budget: retry.budget,
            known: Mutex::default(),
        }
    }

    /// Until when `host` is to be left alone.
    pub(in crate::http::fan_out) fn paused(&self, host: &str, now: Instant) -> Option<Instant> {
        let known = self.known.lock();
        let until = known.hosts.get(host)?.until?;
        Some(until).filter(|until| *until > now)
    }

    /// Leaves `host` alone for as long as it asked to be, within the limit. Gives how long that is.
    pub(in crate::http::fan_out) fn pause(
        &self,
        host: &str,
        asked: Duration,
        now: Instant,
    ) -> Duration {
        let pause = asked.min(self.longest_pause);
        // What no clock can say is never; such a limit was asked for.
        if let Some(until) = now.checked_add(pause) {
            let mut known = self.known.lock();
            let pace = known.pace(host, now);
            pace.until = pace.until.max(Some(until));
        }
        pause
    }

    /// Takes a retry out of the budget of `host`, if one is left.
    pub(in crate::http::fan_out) fn spend(&self, host: &str, now: Instant) -> bool {
        let Some(budget) = self.budget else {
            return true;
        };
        let mut known = self.known.lock();
        let pace = known.pace(host, now);
        pace.recover(now);
        let is_left = pace.spent < budget;
        pace.spent += usize::from(is_left);
        is_left
    }

    /// Says that `host` gave an answer that needs no retry.
    pub(in crate::http::fan_out) fn earn(&self, host: &str) {
        let mut known = self.known.lock();
        if let Some(pace) = known.hosts.get_mut(host) {
            pace.spent = pace.spent.saturating_sub(1);
        }
    }
}

impl Known {
    fn pace(&mut self, host: &str, now: Instant) -> &mut Pace {
        if !self.hosts.contains_key(host) && self.hosts.len() >= self.sweep_at {
            self.hosts.retain(|_, pace| {
                pace.recover(now);
                pace.spent > 0 || pace.until.is_some_and(|until| until > now)
            });
            self.sweep_at = (2 * self.hosts.len()).max(KEPT);
        }
        self.hosts.entry(host.into()).or_insert(Pace {
            until: None,
            spent: 0,
            at: now,
        })
    }
}

impl Pace {
    /// Gives back one retry for each second.
    fn recover(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs();
        self.at += Duration::from_secs(seconds);
        let back = usize::try_from(seconds).unwrap_or(usize::MAX);
        self.spent = self.spent.saturating_sub(back);
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use super::*;
    use crate::sim::Sim;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn answers_and_seconds_fill_the_budget_again_and_no_more() {
        let now = Sim::new().now();
        let pacing = Pacing::new(&Retry::default().budget(2));
        let spend = |at| pacing.spend("host", at);
        assert!(spend(now) && spend(now) && !spend(now));
        pacing.earn("host");
        assert!(spend(now) && !spend(now));
        assert!(!spend(now + SECOND / 2));
        assert!(spend(now + SECOND) && !spend(now + SECOND));
        for _ in 0..5 {
            pacing.earn("host");
        }
        let later = now + SECOND * 100;
        assert!(spend(later) && spend(later) && !spend(later));
        assert!(pacing.spend("other", now));
    }

    #[test]
    fn a_pause_is_never_shortened_and_never_longer_than_the_limit() {
        let now = Sim::new().now();
        let pacing = Pacing::new(&Retry::default().longest_pause(SECOND * 9));
        assert_eq!(pacing.paused("host", now), None);
        assert_eq!(pacing.pause("host", SECOND * 5, now), SECOND * 5);
        assert_eq!(pacing.pause("host", SECOND, now), SECOND);
        assert_eq!(pacing.paused("host", now), Some(now + SECOND * 5));
        assert_eq!(pacing.pause("host", Duration::MAX, now), SECOND * 9);
        assert_eq!(pacing.paused("host", now), Some(now + SECOND * 9));
        assert_eq!(pacing.paused("host", now + SECOND * 9), None);
        assert_eq!(pacing.paused("other", now), None);
        let patient = Pacing::new(&Retry::default().longest_pause(Duration::MAX));
        assert_eq!(patient.pause("host", Duration::MAX, now), Duration::MAX);
    }

    #[test]
    fn hosts_that_are_at_rest_are_forgotten() {
        let now = Sim::new().now();
        let pacing = Pacing::new(&Retry::default());
        for host in 0..10_000_u32 {
            let at = now + SECOND * host;
            pacing.spend(&host.to_string(), at);
            pacing.pause(&host.to_string(), SECOND, at);
        }
        let kept = pacing.known.lock().hosts.len();
        assert!(kept <= 2 * KEPT, "{kept} hosts are kept");
    }
}
