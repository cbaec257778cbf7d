//! The limits of time of one request, and what it holds while it waits and while it runs.

mod again;
mod deadline;

pub(super) use self::again::Again;

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use super::retry::{Attempt, Outcome};
use super::session::Session;
use super::slots::Slots;
use super::timeouts::Limits;
use super::timer::Alarm;
use super::trace::Trace;
use crate::http::{ErrorKind, ExchangePhase, HttpError, Phases, TimeoutPhase};
use crate::task::CancellationToken;

/// Keeps the limits of time of one request.
pub(super) struct Watch<'a> {
    pub(super) session: &'a Session,
    pub(super) trace: Trace,
    alarm: Alarm<'a>,
    pub(super) limits: Limits,
    /// In earlier attempts.
    before: Duration,
    /// In exchanges of this attempt that are over.
    spent: Duration,
    /// In queues.
    waited: Duration,
    pub(super) attempts: usize,
    pub(super) earlier: Vec<Attempt>,
    /// Whether the next exchange begins an attempt.
    is_at_rest: bool,
    /// Whether an answer came, or the server may have seen an earlier attempt.
    pub(super) was_sent: bool,
    /// When the first attempt began.
    began: Option<Instant>,
    exchange: Option<Exchange>,
}

/// The exchange that is under way.
struct Exchange {
    started: Instant,
    /// When the phase began, or data last came.
    since: Instant,
    phases: Option<Phases>,
    phase: ExchangePhase,
}

impl<'a> Watch<'a> {
    pub(super) fn new(session: &'a Session, alarm: Alarm<'a>, trace: Trace) -> Self {
        Self {
            session,
            trace,
            alarm,
            limits: Limits::none(),
            before: Duration::ZERO,
            spent: Duration::ZERO,
            waited: Duration::ZERO,
            attempts: 0,
            earlier: Vec::new(),
            is_at_rest: true,
            was_sent: false,
            began: None,
            exchange: None,
        }
    }

    /// Waits for the host's slot, a slot and the rate limit, in this order. `slots` are those of
    /// the hop before: where the host counts and is another one they are given back before
    /// waiting, since whoever kept one while it waits for the other could wait for ever.
    pub(super) async fn queue(
        &mut self,
        host: &str,
        slots: Option<Slots<'a>>,
    ) -> Result<Slots<'a>, HttpError> {
        let session = self.session;
        let options = &session.options;
        let timer = self.alarm.timer();
        let turn = pin!(async {
            let slots = match slots {
                Some(slots) if slots.are_for(host) => slots,
                slots => {
                    drop(slots);
                    Slots::acquire(session, host, timer).await
                }
            };
            if let Some(rate) = &options.rate {
                rate.acquire(&options.rt).await;
            }
            slots
        });
        let turn = pin!(unless(options.close.as_ref(), turn));
        let turn = match self.limits.queue {
            None => turn.await,
            Some(limit) => {
                let began = options.rt.now();
                let deadline = began.checked_add(limit.saturating_sub(self.waited));
                let turn = self.alarm.until(deadline, turn).await;
                self.waited += options.rt.now().saturating_duration_since(began);
                turn.ok_or_else(|| self.timed_out(TimeoutPhase::Queue, limit))?
            }
        };
        turn.ok_or_else(|| self.cancelled())
    }

    /// An exchange begins. Gives what its client reports to.
    pub(super) fn start(&mut self) -> Option<Phases> {
        let session = self.session;
        let now = session.options.rt.now();
        let phases = session.client.capabilities().phases().then(Phases::new);
        if std::mem::take(&mut self.is_at_rest) {
            self.attempts += 1;
            self.began.get_or_insert(now);
        }
        self.exchange = Some(Exchange {
            started: now,
            since: now,
            phases: phases.clone(),
            phase: ExchangePhase::Begun,
        });
        phases
    }

    /// A watch for an exchange that is to begin beside this one, in the same attempt.
    pub(super) fn beside(&self) -> Self {
        let exchange = self.exchange.as_ref().map(|exchange| Exchange {
            phases: None,
            ..*exchange
        });
        Self {
            limits: self.limits,
            spent: self.spent,
            attempts: self.attempts,
            is_at_rest: false,
            was_sent: self.was_sent,
            began: self.began,
            exchange,
            ..Self::new(
                self.session,
                self.alarm.timer().alarm(),
                self.trace.beside(),
            )
        }
    }

    /// Goes on with the exchange of another one.
    pub(super) fn take_over(&mut self, other: Self) {
        self.alarm = other.alarm;
        self.spent = other.spent;
        self.exchange = other.exchange;
    }

    /// The exchange is over, but not the attempt.
    pub(super) fn stop(&mut self) {
        self.spent = self.in_attempt();
        self.exchange = None;
    }

    /// Waits until then.
    pub(super) async fn sleep_until(&mut self, at: Instant) {
        self.alarm.wait(Some(at)).await;
    }

    /// Says how the exchange ended to whoever holds the limit of the host.
    pub(super) fn report(&self, slots: &Slots<'_>, outcome: Option<Outcome>) {
        let started = self.exchange.as_ref().map(|exchange| exchange.started);
        if let (Some(outcome), Some(started)) = (outcome, started) {
            slots.report(outcome, started, self.session);
        }
    }

    /// Refuses to begin what can not be begun any more.
    pub(super) fn refuse_closed(&self) -> Result<(), HttpError> {
        if self.session.is_closed() {
            return Err(self.cancelled());
        }
        Ok(())
    }

    /// Data came.
    pub(super) fn heard(&mut self) {
        self.was_sent = true;
        if let Some(exchange) = &mut self.exchange {
            exchange.phase = ExchangePhase::Head;
            if self.limits.idle.is_some() {
                exchange.since = self.session.options.rt.now();
            }
        }
    }

    /// How long it took so far, waiting not counted.
    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.in_attempt()
    }

    fn in_attempt(&self) -> Duration {
        let now = || self.session.options.rt.now();
        let current = self.exchange.as_ref().map(|exchange| exchange.started);
        self.spent + current.map_or(Duration::ZERO, |at| now().saturating_duration_since(at))
    }

    pub(super) fn cancelled(&self) -> HttpError {
        let tokens = [&self.session.options.cancel, &self.session.options.close];
        let reason = tokens
            .into_iter()
            .flatten()
            .find_map(|token| token.reason());
        let error = HttpError::new(ErrorKind::Cancelled);
        let error = match reason {
            Some(reason) => error.with_message(reason.as_str()),
            None => error,
        };
        if self.is_maybe_sent() {
            error.with_maybe_sent()
        } else {
            error
        }
    }

    /// Whether the server may have seen the request.
    fn is_maybe_sent(&self) -> bool {
        let is_being_sent = |exchange: &Exchange| {
            exchange.phases.is_none() || exchange.phase >= ExchangePhase::Sending
        };
        self.was_sent || self.exchange.as_ref().is_some_and(is_being_sent)
    }
}

/// Runs `future` unless `token` is cancelled first. What is ready beats the token.
pub(super) async fn unless<F: Future>(
    token: Option<&CancellationToken>,
    future: Pin<&mut F>,
) -> Option<F::Output> {
    match token {
        Some(token) => token.run_until_cancelled(future).await,
        None => Some(future.await),
    }
}
