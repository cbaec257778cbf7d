//! One request from the queue to the end of the body.

use std::future::Future;
use std::mem;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use http::Response;

use super::fetched::{Failure, FetchError, Fetched};
use super::hosts::HostSlot;
use super::redirect::Hop;
use super::session::Session;
use super::timeouts::Limits;
use super::timer::{Alarm, Timer};
use super::{FetchRequest, StatusCheck, address};
use crate::http::body::Collected;
use crate::http::{Body, ErrorKind, ExchangePhase, HttpError, Phases, TimeoutPhase};
use crate::sync::OwnedPermit;

/// Of a body that comes with a refused status, so much is kept at most.
const REFUSED_BODY: usize = 64 * 1024;

/// Fetches `request`.
pub(super) async fn fetch(
    session: &Session,
    timer: &Timer,
    mut request: FetchRequest,
) -> Result<Fetched, FetchError> {
    let options = &session.options;
    let timeouts = mem::take(&mut request.timeouts).or(options.timeouts);
    let status_check = request.status_check.take();
    let mut hop = Hop::first(request).map_err(|(error, url)| {
        FetchError::new(Failure {
            error,
            url,
            attempts: 0,
            elapsed: Duration::ZERO,
            response: None,
        })
    })?;
    let limits = timeouts.resolve(options.client.capabilities());
    let mut watch = Watch {
        session,
        alarm: timer.alarm(),
        limits: Limits::none(),
        spent: Duration::ZERO,
        waited: Duration::ZERO,
        attempts: 0,
        exchange: None,
        refused: None,
    };
    let result = match limits {
        Err(error) => Err(error),
        Ok(limits) => {
            watch.limits = limits;
            let check = status_check.as_ref().unwrap_or(&options.status_check);
            let answer = answer(&mut watch, &mut hop, check);
            match &options.cancel {
                None => answer.await,
                Some(token) => match token.run_until_cancelled(answer).await {
                    Some(result) => result,
                    None => Err(watch.cancelled()),
                },
            }
        }
    };
    let elapsed = watch.elapsed();
    result.map_err(|error| {
        FetchError::new(Failure {
            error,
            url: address::shown(&hop.url),
            attempts: watch.attempts,
            elapsed,
            response: watch.refused,
        })
    })
}

async fn answer(
    watch: &mut Watch<'_>,
    hop: &mut Hop,
    check: &StatusCheck,
) -> Result<Fetched, HttpError> {
    let session = watch.session;
    let options = &session.options;
    if session.is_closed() {
        return Err(watch.cancelled());
    }
    let mut slots = Some(watch.queue(hop.host(), None).await?);
    // It may have been closed while we waited.
    if session.is_closed() {
        return Err(watch.cancelled());
    }
    loop {
        let mut request = hop.request(&options.headers)?;
        if let Some(phases) = watch.start() {
            request.extensions_mut().insert(phases);
        }
        let response = watch.until(options.client.send(request)).await??;
        watch.heard();
        if !hop.follow(response.status(), response.headers(), options.redirects)? {
            return read(watch, hop, response, check).await;
        }
        // Before anything waits: the connection is needed elsewhere.
        drop(response);
        watch.stop();
        slots = Some(watch.queue(hop.host(), slots.take()).await?);
    }
}

async fn read(
    watch: &mut Watch<'_>,
    hop: &mut Hop,
    response: Response<Body>,
    check: &StatusCheck,
) -> Result<Fetched, HttpError> {
    let max = watch.session.options.max_body.unwrap_or(usize::MAX);
    let (head, body) = response.into_parts();
    let accepted = check.accepts(head.status);
    let mut collected = Collected::new(if accepted { max } else { max.min(REFUSED_BODY) });
    let mut full = collected.expect(&body);
    let mut chunks = body.chunks();
    while full.is_ok() {
        let Some(chunk) = watch.until(chunks.next()).await? else {
            break;
        };
        watch.heard();
        full = collected.push(chunk?);
    }
    let fetched = Fetched {
        status: head.status,
        headers: head.headers,
        body: collected.into_bytes(),
        url: hop.url.clone(),
        history: mem::take(&mut hop.history),
        attempts: watch.attempts,
        elapsed: watch.elapsed(),
    };
    if !accepted {
        watch.refused = Some(fetched);
        return Err(HttpError::new(ErrorKind::Status)
            .with_message(head.status.to_string())
            .with_maybe_sent());
    }
    full.map(|()| fetched)
}

/// What a request holds while it is under way.
struct Slots {
    host: String,
    _host_slot: Option<HostSlot>,
    _slot: OwnedPermit,
}

/// Keeps the limits of time of one request.
struct Watch<'a> {
    session: &'a Session,
    alarm: Alarm<'a>,
    limits: Limits,
    /// In exchanges that are over.
    spent: Duration,
    /// In queues.
    waited: Duration,
    attempts: usize,
    exchange: Option<Exchange>,
    refused: Option<Fetched>,
}

/// The exchange that is under way.
struct Exchange {
    started: Instant,
    /// When the phase began, or data last came.
    since: Instant,
    phases: Option<Phases>,
    phase: ExchangePhase,
}

impl Watch<'_> {
    /// Waits for the host's slot, a slot and the rate limit, in this order. `slots` are those of
    /// the hop before: they are used again at the same host, and else given back before waiting.
    /// Whoever kept one while it waits for the other could wait for ever.
    async fn queue(&mut self, host: &str, slots: Option<Slots>) -> Result<Slots, HttpError> {
        let session = self.session;
        let options = &session.options;
        let turn = async {
            let slots = match slots {
                Some(slots) if slots.host == host => slots,
                slots => {
                    drop(slots);
                    Slots {
                        host: host.to_owned(),
                        _host_slot: session.hosts.acquire(host).await,
                        _slot: session.slots.acquire_owned().await,
                    }
                }
            };
            if let Some(rate) = &options.rate {
                rate.acquire(&options.rt).await;
            }
            slots
        };
        let turn = async {
            match &options.close {
                None => Some(turn.await),
                Some(token) => token.run_until_cancelled(turn).await,
            }
        };
        let Some(limit) = self.limits.queue else {
            return turn.await.ok_or_else(|| self.cancelled());
        };
        let began = options.rt.now();
        let deadline = began.checked_add(limit.saturating_sub(self.waited));
        let turn = self.alarm.until(deadline, turn).await;
        self.waited += options.rt.now().saturating_duration_since(began);
        match turn {
            Some(turn) => turn.ok_or_else(|| self.cancelled()),
            None => Err(self.timed_out(TimeoutPhase::Queue, limit)),
        }
    }

    /// An exchange begins. Gives what its client reports to.
    fn start(&mut self) -> Option<Phases> {
        let options = &self.session.options;
        let now = options.rt.now();
        let phases = options.client.capabilities().phases().then(Phases::new);
        self.attempts = self.attempts.max(1);
        self.exchange = Some(Exchange {
            started: now,
            since: now,
            phases: phases.clone(),
            phase: ExchangePhase::Begun,
        });
        phases
    }

    /// The exchange is over, but not the request.
    fn stop(&mut self) {
        self.spent = self.elapsed();
        self.exchange = None;
    }

    /// Data came.
    fn heard(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.phase = ExchangePhase::Head;
            if self.limits.idle.is_some() {
                exchange.since = self.session.options.rt.now();
            }
        }
    }

    fn elapsed(&self) -> Duration {
        let now = || self.session.options.rt.now();
        let current = self.exchange.as_ref().map(|exchange| exchange.started);
        self.spent + current.map_or(Duration::ZERO, |at| now().saturating_duration_since(at))
    }

    /// Runs a part of the exchange within the limits. What is ready beats a limit.
    async fn until<F: Future>(&mut self, part: F) -> Result<F::Output, HttpError> {
        let mut part = pin!(part);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = part.as_mut().poll(cx) {
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

    fn cancelled(&self) -> HttpError {
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
        match &self.exchange {
            // Between two hops it has.
            None => self.attempts > 0,
            Some(exchange) => {
                exchange.phases.is_none()
                    || exchange.phase >= ExchangePhase::Sending
                    || !self.spent.is_zero()
            }
        }
    }
}
