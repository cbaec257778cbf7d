//! The limits of time of one request, and what it holds while it waits and while it runs.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::Retry;
use super::redirect::Hop;
use super::retry::{Attempt, Outcome, retry_after};
use super::session::Session;
use super::slots::Slots;
use super::timeouts::Limits;
use super::timer::Alarm;
use super::trace::Trace;
use crate::http::{Deadline, ErrorKind, ExchangePhase, HttpError, Phases, TimeoutPhase};
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

/// Another attempt that is to be made.
pub(super) struct Again {
    pub(super) outcome: Outcome,
    /// Whether the server may have seen the attempts so far.
    maybe_sent: bool,
    delay: Duration,
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

    /// When the exchange must be over, for a client that ends it by itself then. Who reports
    /// phases is told by being dropped; others may take their time to notice that.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let capabilities = self.session.client.capabilities();
        if capabilities.phases() || !capabilities.deadline() {
            return None;
        }
        self.next_deadline().map(|(at, ..)| Deadline(at))
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

    /// How to go on after `outcome`, which came with `headers` if it is an answer: `None` if it is
    /// final.
    pub(super) fn try_again(
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
    pub(super) async fn wait(&mut self, again: Again) -> Result<(), HttpError> {
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

    /// The answer is read: the host is well, unless the answer says it is not.
    pub(super) fn answered(&self, hop: &Hop, outcome: Outcome) {
        if let (Some(retry), Some(pacing)) = (&self.session.options.retry, &self.session.pacing) {
            if !retry.may_pass(outcome) {
                pacing.earn(hop.host());
            }
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

    /// Runs a part of the exchange within the limits. What is ready beats a limit.
    pub(super) async fn until<F>(&mut self, mut part: F) -> Result<F::Output, HttpError>
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

    fn timed_out(&self, which: TimeoutPhase, limit: Duration) -> HttpError {
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
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    let mut cancelled = token.map(CancellationToken::cancelled);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        match &mut cancelled {
            Some(cancelled) => Pin::new(cancelled).poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}
