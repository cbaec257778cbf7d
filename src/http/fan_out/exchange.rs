//! One request from the queue to the end of the body.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response, StatusCode};

use super::fetched::{Failure, FetchError, Fetched};
use super::redirect::Hop;
use super::retry::Outcome;
use super::saved::Saved;
use super::session::Session;
use super::timer::Timer;
use super::trace::Trace;
use super::watch::{Again, Watch, unless};
use super::{FetchRequest, StatusCheck, Timeouts, address};
use crate::http::body::Collected;
use crate::http::{Body, ErrorKind, HttpError};

/// Of a body that comes with a refused status, so much is kept at most.
const REFUSED_BODY: usize = 64 * 1024;

/// One request to be fetched. Boxed, because what is handed to an `async fn` lies in its future,
/// and a future is copied when it begins.
pub(super) struct Job {
    pub(super) hop: Hop,
    pub(super) timeouts: Timeouts,
    pub(super) status_check: Option<StatusCheck>,
    pub(super) save_to: Option<PathBuf>,
}

/// The end of the last hop.
struct Answer {
    head: Parts,
    body: Bytes,
    /// How many bytes went to a file instead.
    saved: Option<u64>,
    /// Whether the status is one that may be.
    is_accepted: bool,
}

impl Job {
    pub(super) fn new(mut request: FetchRequest) -> Result<Box<Self>, FetchError> {
        let timeouts = request.timeouts;
        let status_check = request.status_check.take();
        let save_to = request.save_to.take();
        match Hop::first(request) {
            Ok(hop) => Ok(Box::new(Self {
                hop,
                timeouts,
                status_check,
                save_to,
            })),
            Err((error, url)) => {
                let error = FetchError::new(Failure {
                    error,
                    url,
                    attempts: 0,
                    earlier_attempts: Vec::new(),
                    elapsed: Duration::ZERO,
                    response: None,
                });
                Trace::refused(&error);
                Err(error)
            }
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
        let trace = Trace::request(&self.hop.method, &self.hop.url);
        let mut watch = Watch::new(session, timer.alarm(), trace);
        let result = match timeouts.resolve(session.client.capabilities()) {
            Err(error) => Err(error),
            Ok(limits) => {
                watch.limits = limits;
                let check = self.status_check.as_ref().unwrap_or(&options.status_check);
                let result = {
                    let save_to = self.save_to.as_deref();
                    let answer = pin!(answer(&mut watch, &mut self.hop, check, save_to));
                    unless(options.cancel.as_ref(), answer).await
                };
                result.unwrap_or_else(|| {
                    let error = watch.cancelled();
                    // What was begun beside the others is not watched here.
                    Err(match self.hop.hedges {
                        0 => error,
                        _ => error.with_maybe_sent(),
                    })
                })
            }
        };
        let elapsed = watch.elapsed();
        let attempts = watch.attempts + self.hop.hedges;
        let Hop { url, history, .. } = self.hop;
        let fetched = |answer: Answer, url, earlier_attempts| Fetched {
            status: answer.head.status,
            headers: answer.head.headers,
            saved: answer.saved,
            body: answer.body,
            url,
            history,
            attempts,
            earlier_attempts,
            elapsed,
        };
        let answer = match result {
            Ok(answer) if answer.is_accepted => {
                let fetched = fetched(answer, url, watch.earlier);
                watch.trace.answered(&fetched);
                return Ok(fetched);
            }
            answer => answer,
        };
        let shown = address::shown(&url);
        let (error, response) = match answer {
            Ok(answer) => {
                let error = refused(answer.head.status);
                (error, Some(fetched(answer, url, watch.earlier.clone())))
            }
            Err(error) if watch.was_sent => (error.with_maybe_sent(), None),
            Err(error) => (error, None),
        };
        let error = FetchError::new(Failure {
            error,
            url: shown,
            attempts,
            earlier_attempts: watch.earlier,
            elapsed,
            response,
        });
        watch.trace.failed(&error);
        Err(error)
    }
}

/// Sends the request, its redirects and its retries, until there is an answer to be given.
async fn answer(
    watch: &mut Watch<'_>,
    hop: &mut Hop,
    check: &StatusCheck,
    save_to: Option<&Path>,
) -> Result<Answer, HttpError> {
    let mut slots = None;
    loop {
        let slot = match slots.take() {
            Some(kept) => watch.queue(hop.host(), Some(kept)).await?,
            None => {
                watch.refuse_closed()?;
                let slot = watch.queue(hop.host(), None).await?;
                // It may have been closed while we waited.
                watch.refuse_closed()?;
                slot
            }
        };
        let result = exchange(watch, hop, check, save_to).await;
        watch.report(
            &slot,
            match &result {
                Ok(Step::Answered(answer)) => Some(Outcome::Status(answer.head.status)),
                Ok(Step::TryAgain(again)) => Some(again.outcome),
                Ok(Step::Redirected) => None,
                Err(error) => Some(Outcome::Error(error.kind())),
            },
        );
        let again = match result {
            Ok(Step::Answered(answer)) => return Ok(answer),
            Ok(Step::Redirected) => {
                watch.stop();
                slots = Some(slot);
                continue;
            }
            Ok(Step::TryAgain(again)) => again,
            Err(error) => {
                let outcome = Outcome::Error(error.kind());
                match watch.try_again(hop, outcome, error.maybe_sent(), None) {
                    Some(again) => again,
                    None => return Err(error),
                }
            }
        };
        drop(slot);
        watch.wait(again).await?;
    }
}

/// What an exchange leads to.
enum Step {
    Answered(Answer),
    Redirected,
    TryAgain(Again),
}

async fn exchange(
    watch: &mut Watch<'_>,
    hop: &mut Hop,
    check: &StatusCheck,
    save_to: Option<&Path>,
) -> Result<Step, HttpError> {
    let options = &watch.session.options;
    let request = begin(watch, hop)?;
    let response = match &watch.session.hedging {
        None => watch.until(watch.session.client.send(request)).await??,
        // Boxed, so that it adds nothing to the others.
        Some(hedging) => Box::pin(hedging.send(watch, hop, request)).await?,
    };
    watch.heard();
    // Whoever returns here drops the response, before anything waits: its connection is needed
    // elsewhere.
    if hop.follow(response.status(), response.headers(), options.redirects)? {
        watch.trace.redirected(response.status(), &hop.url);
        return Ok(Step::Redirected);
    }
    let outcome = Outcome::Status(response.status());
    if let Some(again) = watch.try_again(hop, outcome, true, Some(response.headers())) {
        return Ok(Step::TryAgain(again));
    }
    let answer = read(watch, response, check, save_to).await?;
    watch.answered(hop, outcome);
    Ok(Step::Answered(answer))
}

/// The request of an exchange that begins.
pub(super) fn begin(watch: &mut Watch<'_>, hop: &mut Hop) -> Result<Request<Body>, HttpError> {
    let mut request = hop.request(&watch.session.options.headers)?;
    if let Some(phases) = watch.start() {
        request.extensions_mut().insert(phases);
    }
    if let Some(deadline) = watch.deadline() {
        request.extensions_mut().insert(deadline);
    }
    watch.trace.sending(watch.attempts, &hop.method, &hop.url);
    Ok(request)
}

async fn read(
    watch: &mut Watch<'_>,
    response: Response<Body>,
    check: &StatusCheck,
    save_to: Option<&Path>,
) -> Result<Answer, HttpError> {
    let max = watch.session.options.max_body.unwrap_or(usize::MAX);
    let (head, body) = response.into_parts();
    let is_accepted = check.accepts(head.status);
    if let Some(path) = save_to.filter(|_| is_accepted) {
        return Ok(Answer {
            head,
            saved: Some(save(watch, body, path, max).await?),
            body: Bytes::new(),
            is_accepted,
        });
    }
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
        saved: None,
        body: collected.into_bytes(),
        is_accepted,
    })
}

/// Writes the body to a file. Gives its length.
async fn save(
    watch: &mut Watch<'_>,
    body: Body,
    path: &Path,
    max: usize,
) -> Result<u64, HttpError> {
    Collected::new(max).expect(&body)?;
    let mut saved = Saved::create(&watch.session.options.rt, path, max as u64).await?;
    let mut chunks = body.chunks();
    while let Some(chunk) = watch.until(pin!(chunks.next())).await? {
        saved.push(chunk?).await?;
        // Time spent on writing is not the server's.
        watch.heard();
    }
    saved.finish().await
}

fn refused(status: StatusCode) -> HttpError {
    HttpError::new(ErrorKind::Status)
        .with_message(status.to_string())
        .with_maybe_sent()
}
