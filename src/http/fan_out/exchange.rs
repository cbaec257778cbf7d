//! One request from the queue to the end of the body.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::response::{Parts, Response};

use super::fetched::{Failure, FetchError, Fetched};
use super::hosts::HostSlot;
use super::redirect::Hop;
use super::session::Session;
use super::timeouts::Limits;
use super::timer::{Alarm, Timer};
use super::{FetchRequest, StatusCheck, Timeouts, address};
use crate::http::body::Collected;
use crate::http::{Body, ErrorKind, ExchangePhase, HttpError, Phases, TimeoutPhase};
use crate::sync::OwnedPermit;
use crate::task::CancellationToken;

/// Of a body that comes with a refused status, so much is kept at most.
const REFUSED_BODY: usize = 64 * 1024;

/// One request to be fetched. Boxed, because what is handed to an `async fn` lies in its future,
/// and a future is copied when it begins.
pub(super) struct Job {
    hop: Hop,
    timeouts: Timeouts,
    status_check: Option<StatusCheck>,
}

/// The end of the last hop.
struct Answer {
    head: Parts,
    body: Bytes,
    /// Whether the status is one that may be.
    is_accepted: bool,
}

impl Job {
    pub(super) fn new(mut request: FetchRequest) -> Result<Box<Self>, FetchError> {
        let timeouts = request.timeouts;
        let status_check = request.status_check.take();
        match Hop::first(request) {
            Ok(hop) => Ok(Box::new(Self {
                hop,
                timeouts,
                status_check,
            })),
            Err((error, url)) => Err(FetchError::new(Failure {
                error,
                url,
                attempts: 0,
                elapsed: Duration::ZERO,
                response: None,
            })),
        }
    }

    /// Fetches it.
    pub(super) async fn run(
        mut self: Box<Self>,
        session: &Session,
        timer: &Timer,
    ) -> Result<Fetched, FetchError> {
        let options = &session.options;
        let timeouts = self.timeouts.or(options.timeouts);
        let mut watch = Watch::new(session, timer.alarm());
        let result = match timeouts.resolve(options.client.capabilities()) {
            Err(error) => Err(error),
            Ok(limits) => {
                watch.limits = limits;
                let check = self.status_check.as_ref().unwrap_or(&options.status_check);
                let result = {
                    let answer = pin!(answer(&mut watch, &mut self.hop, check));
                    unless(options.cancel.as_ref(), answer).await
                };
                result.unwrap_or_else(|| Err(watch.cancelled()))
            }
        };
        let elapsed = watch.elapsed();
        let attempts = watch.attempts;
        let shown = address::shown(&self.hop.url);
        let Hop { url, history, .. } = self.hop;
        let fetched = |answer: Answer| Fetched {
            status: answer.head.status,
            headers: answer.head.headers,
            body: answer.body,
            url,
            history,
            attempts,
            elapsed,
        };
        let (error, response) = match result {
            Ok(answer) if answer.is_accepted => return Ok(fetched(answer)),
            Ok(answer) => (refused(answer.head.status), Some(fetched(answer))),
            Err(error) => (error, None),
        };
        Err(FetchError::new(Failure {
            error,
            url: shown,
            attempts,
            elapsed,
            response,
        }))
    }
}

async fn answer(
    watch: &mut Watch<'_>,
    hop: &mut Hop,
    check: &StatusCheck,
) -> Result<Answer, HttpError> {
    let session = watch.session;
    let options = &session.options;
    if session.is_closed() {
        return Err(watch.cancelled());
    }
    let mut slots = watch.queue(hop.host(), None).await?;
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
            return read(watch, response, check).await;
        }
        // Before anything waits: the connection is needed elsewhere.
        drop(response);
        watch.stop();
        slots = watch.queue(hop.host(), Some(slots)).await?;
    }
}

async fn read(
    watch: &mut Watch<'_>,
    response: Response<Body>,
    check: &StatusCheck,
) -> Result<Answer, HttpError> {
    let max = watch.session.options.max_body.unwrap_or(usize::MAX);
    let (head, body) = response.into_parts();
    let is_accepted = check.accepts(head.status);
    let mut collected = Collected::new(if is_accepted {
        max
    } else {
        max.min(REFUSED_BODY)
    });
    let mut room = collected.expect(&body);
    let mut chunks = body.chunks();
    while room.is_ok() {
        let Some(chunk) = watch.until(pin!(chunks.next())).await? else {
            break;
        };
        watch.heard();
        room = collected.push(chunk?);
    }
    if is_accepted {
        room?;
    }
    Ok(Answer {
        head,
        body: collected.into_bytes(),
        is_accepted,
    })
}

fn refused(status: StatusCode) -> HttpError {
    HttpError::new(ErrorKind::Status)
        .with_message(status.to_string())
        .with_maybe_sent()
}

/// Runs `future` unless `token` is cancelled first. What is ready beats the token.
async fn unless<F: Future>(
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

/// What a request holds while it is under way.
struct Slots {
    _slot: OwnedPermit,
    host: Option<HostSlot>,
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
    fn new(session: &'a Session, alarm: Alarm<'a>) -> Self {
        Self {
            session,
            alarm,
            limits: Limits::none(),
            spent: Duration::ZERO,
            waited: Duration::ZERO,
            attempts: 0,
            exchange: None,
        }
    }

    /// Waits for the host's slot, a slot and the rate limit, in this order. `slots` are those of
    /// the hop before: where the host counts and is another one they are given back before
    /// waiting, since whoever kept one while it waits for the other could wait for ever.
    async fn queue(&mut self, host: &str, slots: Option<Slots>) -> Result<Slots, HttpError> {
        let session = self.session;
        let options = &session.options;
        let turn = pin!(async {
            let slots = match slots {
                Some(slots) if slots.host.as_ref().is_none_or(|slot| slot.is_of(host)) => slots,
                slots => {
                    drop(slots);
                    Slots {
                        host: session.hosts.acquire(host).await,
                        _slot: session.slots.acquire_owned().await,
                    }
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
    async fn until<F>(&mut self, mut part: F) -> Result<F::Output, HttpError>
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
