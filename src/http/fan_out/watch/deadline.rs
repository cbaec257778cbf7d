//! Which limit passes first, and what happens then.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use super::{Exchange, Watch};
use crate::http::fan_out::Retry;
use crate::http::{Deadline, ErrorKind, ExchangePhase, HttpError, TimeoutPhase};

impl Watch<'_> {
    /// Runs a part of the exchange within the limits. What is ready beats a limit.
    pub(in crate::http::fan_out) async fn until<F>(
        &mut self,
        mut part: F,
    ) -> Result<F::Output, HttpError>
    where
        F: Future + Unpin,
    {
        poll_fn(|cx| {
            if let Poll::Ready(output) = Pin::new(&mut part).poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if let Some(exchange) = &mut self.exchange {
                while exchange.phase < ExchangePhase::Head {
                    let Some(phases) = &exchange.phases else {
                        break;
                    };
                    let Poll::Ready(phase) = phases.poll_past(exchange.phase, cx) else {
                        break;
                    };
                    exchange.phase = phase;
                    exchange.since = self.session.options.rt.now();
                }
            }
            let Some((deadline, which, limit)) = self.next_deadline() else {
                return Poll::Pending;
            };
            ready!(self.alarm.poll(deadline, cx));
            Poll::Ready(Err(self.timed_out(which, limit)))
        })
        .await
    }

    /// The limit that passes first.
    fn next_deadline(&self) -> Option<(Instant, TimeoutPhase, Duration)> {
        let exchange = self.exchange.as_ref()?;
        let limits = &self.limits;
        let (connect, first_byte, idle) = match exchange.phase {
            ExchangePhase::Begun | ExchangePhase::Connecting => (limits.connect, None, None),
            ExchangePhase::Sending => (None, None, None),
            ExchangePhase::Sent => (None, limits.first_byte, limits.idle),
            ExchangePhase::Head => (None, None, limits.idle),
        };
        let left = limits.total.map(|total| total.saturating_sub(self.spent));
        let within = self.session.options.retry.as_ref().and_then(Retry::limit);
        let began = self.began.unwrap_or(exchange.started);
        [
            (exchange.started, connect, connect, TimeoutPhase::Connect),
            (
                exchange.since,
                first_byte,
                first_byte,
                TimeoutPhase::FirstByte,
            ),
            (exchange.since, idle, idle, TimeoutPhase::Idle),
            (exchange.started, left, limits.total, TimeoutPhase::Total),
            (began, within, within, TimeoutPhase::Total),
        ]
        .into_iter()
        .filter_map(|(from, left, limit, which)| {
            // Beyond what the clock can say is never.
            Some((from.checked_add(left?)?, which, limit?))
        })
        .min_by_key(|(deadline, ..)| *deadline)
    }

    /// When the exchange must be over, for a client that ends it by itself then. Who reports
    /// phases is told by being dropped; others may take their time to notice that.
    pub(in crate::http::fan_out) fn deadline(&self) -> Option<Deadline> {
        let capabilities = self.session.client.capabilities();
        if capabilities.phases() || !capabilities.deadline() {
            return None;
        }
        self.next_deadline().map(|(at, ..)| Deadline(at))
    }

    pub(super) fn timed_out(&self, which: TimeoutPhase, limit: Duration) -> HttpError {
        let doing = match &self.exchange {
            None => "waiting for a slot",
            Some(Exchange {
                phases: None,
                phase,
                ..
            }) if *phase < ExchangePhase::Head => "waiting for the answer",
            Some(exchange) => match exchange.phase {
                ExchangePhase::Begun | ExchangePhase::Connecting => "connecting",
                ExchangePhase::Sending => "sending the request",
                ExchangePhase::Sent => "waiting for the answer",
                ExchangePhase::Head => "reading the body",
            },
        };
        let error = HttpError::new(ErrorKind::Timeout(which))
            .with_message(format!("{limit:?} passed while {doing}"));
        if self.is_maybe_sent() {
            error.with_maybe_sent()
        } else {
            error
        }
    }
}
