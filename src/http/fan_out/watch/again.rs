//! Whether another attempt is made, and the wait for it.

use std::pin::pin;
use std::time::Duration;

use http::HeaderMap;

use super::{Watch, unless};
use crate::http::HttpError;
use crate::http::fan_out::redirect::Hop;
use crate::http::fan_out::retry::{Attempt, Outcome, retry_after};

/// Another attempt that is to be made.
pub(in crate::http::fan_out) struct Again {
    pub(in crate::http::fan_out) outcome: Outcome,
    /// Whether the server may have seen the attempts so far.
    maybe_sent: bool,
    delay: Duration,
}

impl Watch<'_> {
    /// How to go on after `outcome`, which came with `headers` if it is an answer: `None` if it is
    /// final.
    pub(in crate::http::fan_out) fn try_again(
        &self,
        hop: &Hop,
        outcome: Outcome,
        maybe_sent: bool,
        headers: Option<&HeaderMap>,
    ) -> Option<Again> {
        let options = &self.session.options;
        let (retry, pacing) = options.retry.as_ref().zip(self.session.pacing.as_ref())?;
        if !retry.may_pass(outcome) {
            return None;
        }
        let now = options.rt.now();
        let pause = headers.and_then(retry_after);
        let pause = pause.map_or(Duration::ZERO, |asked| pacing.pause(hop.host(), asked, now));
        let maybe_sent = maybe_sent || self.was_sent;
        if self.session.is_closed()
            || !hop.is_repeatable()
            || !retry.allows(self.attempts, &hop.method, maybe_sent)
        {
            return None;
        }
        let delay = retry.delay(self.alarm.id(), self.attempts).max(pause);
        if let (Some(limit), Some(began)) = (retry.limit(), self.began) {
            let left = limit.saturating_sub(now.saturating_duration_since(began));
            if delay >= left {
                return None;
            }
        }
        pacing.spend(hop.host(), now).then_some(Again {
            outcome,
            maybe_sent,
            delay,
        })
    }

    /// The attempt is over; waits until the next one may begin.
    pub(in crate::http::fan_out) async fn wait(&mut self, again: Again) -> Result<(), HttpError> {
        let elapsed = self.in_attempt();
        self.session.counters.tried_again();
        self.trace.retry(self.attempts, again.outcome, again.delay);
        self.earlier.push(Attempt {
            outcome: again.outcome,
            elapsed,
            delay: again.delay,
        });
        self.before += elapsed;
        self.spent = Duration::ZERO;
        self.exchange = None;
        self.is_at_rest = true;
        self.was_sent = again.maybe_sent;
        let options = &self.session.options;
        let until = options.rt.now().checked_add(again.delay);
        let waited = {
            let wait = pin!(self.alarm.wait(until));
            unless(options.close.as_ref(), wait).await
        };
        waited.ok_or_else(|| self.cancelled())
    }

    /// The answer is read: the host is well, unless the answer says it is not.
    pub(in crate::http::fan_out) fn answered(&self, hop: &Hop, outcome: Outcome) {
        if let (Some(retry), Some(pacing)) = (&self.session.options.retry, &self.session.pacing) {
            if !retry.may_pass(outcome) {
                pacing.earn(hop.host());
            }
        }
    }
}
