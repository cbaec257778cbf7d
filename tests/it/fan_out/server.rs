//! A client whose answers are scripted and which writes down what it was asked.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use untethered::Runtime;
use untethered::http::{
    Body, Capabilities, Client, Exchange, ExchangePhase, HeaderMap, HttpError, Method, Phases,
    Request, Response,
};
use untethered::runtime::{BoxFuture, Sleep};
use untethered::sim::Sim;

pub(super) type Answer = Result<Response<Body>, HttpError>;

#[derive(Clone)]
pub(super) struct Server {
    rt: Runtime,
    epoch: Instant,
    script: Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>,
    has_phases: bool,
    seen: Arc<Mutex<Seen>>,
}

/// What was asked.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) requests: Vec<Asked>,
    pub(super) running: usize,
    pub(super) peak: usize,
    hosts: HashMap<String, (usize, usize)>,
}

pub(super) struct Asked {
    pub(super) at: Duration,
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Body>,
}

/// One request to be answered.
pub(super) struct Call {
    pub(super) rt: Runtime,
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) path: String,
    phases: Option<Phases>,
    under_way: UnderWay,
}

impl Server {
    pub(super) fn new<F, Fut>(sim: &Sim, script: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        Self {
            rt: sim.runtime(),
            epoch: sim.now(),
            script: Arc::new(move |call| Box::pin(script(call))),
            has_phases: true,
            seen: Arc::default(),
        }
    }

    /// Answers everything at once.
    pub(super) fn prompt(sim: &Sim) -> Self {
        Self::new(sim, |call| async move { call.answer("ok") })
    }

    /// Answers everything after `delay`.
    pub(super) fn slow(sim: &Sim, delay: Duration) -> Self {
        Self::new(sim, move |call| async move {
            call.sleep(delay).await;
            call.answer("ok")
        })
    }

    pub(super) fn without_phases(self) -> Self {
        Self {
            has_phases: false,
            ..self
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// When each request started.
    pub(super) fn starts(&self) -> Vec<Duration> {
        self.seen().requests.iter().map(|asked| asked.at).collect()
    }

    pub(super) fn urls(&self) -> Vec<String> {
        let seen = self.seen();
        seen.requests.iter().map(|it| it.url.clone()).collect()
    }
}

impl Seen {
    /// The most requests a host ever had under way.
    pub(super) fn host_peak(&self) -> usize {
        let peaks = self.hosts.values().map(|(_, peak)| *peak);
        peaks.max().unwrap_or_default()
    }
}

impl Client for Server {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        let (parts, body) = request.into_parts();
        let host = parts.uri.host().unwrap().to_owned();
        let mut seen = self.seen();
        seen.running += 1;
        seen.peak = seen.peak.max(seen.running);
        let (running, peak) = seen.hosts.entry(host.clone()).or_default();
        *running += 1;
        *peak = (*peak).max(*running);
        let url = parts.uri.to_string();
        seen.requests.push(Asked {
            at: self.rt.now() - self.epoch,
            method: parts.method.clone(),
            url: url.clone(),
            headers: parts.headers,
            body: Some(body),
        });
        drop(seen);
        (self.script)(Call {
            rt: self.rt.clone(),
            method: parts.method,
            url,
            path: parts.uri.path().to_owned(),
            phases: parts.extensions.get().cloned(),
            under_way: UnderWay {
                seen: self.seen.clone(),
                host,
            },
        })
    }

    fn capabilities(&self) -> Capabilities {
        if self.has_phases {
            Capabilities::default().with_phases()
        } else {
            Capabilities::default()
        }
    }
}

impl Call {
    pub(super) fn report(&self, phase: ExchangePhase) {
        if let Some(phases) = &self.phases {
            phases.report(phase);
        }
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.rt.sleep(duration).await;
    }

    pub(super) fn answer(self, body: &'static str) -> Answer {
        self.answer_with(200, &[], body)
    }

    pub(super) fn answer_with(
        self,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> Answer {
        self.drip(status, headers, [(Duration::ZERO, body)])
    }

    pub(super) fn redirect(self, status: u16, location: &str) -> Answer {
        self.answer_with(status, &[("location", location)], "elsewhere")
    }

    /// A body that comes in pieces, each so long after the one before.
    pub(super) fn drip(
        self,
        status: u16,
        headers: &[(&'static str, &str)],
        pieces: impl IntoIterator<Item = (Duration, &'static str), IntoIter: Send + 'static>,
    ) -> Answer {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let body = Drip {
            rt: self.rt,
            pieces: Box::new(pieces.into_iter()),
            next: None,
            _under_way: self.under_way,
        };
        Ok(response.body(Body::new(body)).unwrap())
    }
}

/// A request from the moment it is sent until its answer is read or dropped.
struct UnderWay {
    seen: Arc<Mutex<Seen>>,
    host: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut seen = self.seen.lock().unwrap();
        seen.running -= 1;
        seen.hosts.get_mut(&self.host).unwrap().0 -= 1;
    }
}

struct Drip {
    rt: Runtime,
    pieces: Box<dyn Iterator<Item = (Duration, &'static str)> + Send>,
    next: Option<(Pin<Box<Sleep>>, &'static str)>,
    _under_way: UnderWay,
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if this.next.is_none() {
            let Some((delay, piece)) = this.pieces.next() else {
                return Poll::Ready(None);
            };
            this.next = Some((Box::pin(this.rt.sleep(delay)), piece));
        }
        let (sleep, piece) = this.next.as_mut().unwrap();
        ready!(sleep.as_mut().poll(cx));
        let piece = Bytes::from_static(piece.as_bytes());
        this.next = None;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}
