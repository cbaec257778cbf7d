use std::time::Instant;

use super::hosts::HostSlot;
use super::retry::Outcome;
use super::session::Session;
use super::timer::Timer;
use crate::sync::Permit;

/// What a request holds while it is under way.
pub(super) struct Slots<'a> {
    _slot: Permit<'a>,
    host: Option<HostSlot>,
}

impl<'a> Slots<'a> {
    /// Waits for a slot at `host` and one of the session, while the host wants to be asked at all.
    pub(super) async fn acquire(session: &'a Session, host: &str, timer: &Timer) -> Self {
        loop {
            while let Some(until) = session.paused(host) {
                timer.alarm().wait(Some(until)).await;
            }
            let slots = Self {
                host: session.hosts.acquire(host).await,
                _slot: session.slots.acquire().await,
            };
            // What it said while we waited counts too; until then others may have the slots.
            if session.paused(host).is_none() {
                return slots;
            }
        }
    }

    /// Whether they do for a request to `host`.
    pub(super) fn are_for(&self, host: &str) -> bool {
        self.host.as_ref().is_none_or(|slot| slot.is_of(host))
    }

    /// Says how an exchange that was begun at `started` ended to whoever holds the limit of the host.
    pub(super) fn report(&self, outcome: Outcome, started: Instant, session: &Session) {
        if let Some(host) = &self.host {
            host.report(outcome, started, &session.options.rt);
        }
    }
}
