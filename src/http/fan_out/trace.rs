//! What a fan-out tells subscribers of `tracing`.
//!
//! Of a URL no user info and no query, of headers nothing, of bodies their length.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use tracing::{Level, debug, enabled, trace};
use url::Url;

use super::retry::Outcome;
use super::{FetchError, Fetched, address};

const TARGET: &str = "untethered::http";

/// Tells of one request.
///
/// The number it has in every event tells it from all others of the process.
pub(super) struct Trace {
    /// `None` where nobody listens, and once it has ended.
    request: Option<u64>,
    /// Of an exchange beside the first: whose end is told by another one.
    is_beside: bool,
}

impl Trace {
    pub(super) fn request(method: &Method, url: &Url) -> Self {
        let request = next_request();
        if let Some(request) = request {
            debug!(target: TARGET, request, %method, url = address::shown(url), "request");
        }
        Self {
            request,
            is_beside: false,
        }
    }

    /// For an exchange beside that of the same attempt.
    pub(super) fn beside(&self) -> Self {
        Self {
            request: self.request,
            is_beside: true,
        }
    }

    /// A request that can not even begin.
    pub(super) fn refused(error: &FetchError) {
        Self {
            request: next_request(),
            is_beside: false,
        }
        .failed(error);
    }

    /// An exchange begins: the first of an attempt, or one after a redirect.
    pub(super) fn sending(&self, attempt: usize, method: &Method, url: &Url) {
        if let Some(request) = self.request {
            let message = if self.is_beside {
                "sending beside"
            } else {
                "sending"
            };
            trace!(target: TARGET, request, attempt, %method, url = address::shown(url), "{message}");
        }
    }

    pub(super) fn redirected(&self, status: StatusCode, to: &Url) {
        if let Some(request) = self.request {
            let status = status.as_u16();
            debug!(target: TARGET, request, status, to = address::shown(to), "redirected");
        }
    }

    /// The attempt is followed by another one after `pause`.
    pub(super) fn retry(&self, attempt: usize, outcome: Outcome, pause: Duration) {
        let Some(request) = self.request else { return };
        match outcome {
            Outcome::Status(status) => {
                let status = status.as_u16();
                debug!(target: TARGET, request, attempt, status, ?pause, "retry");
            }
            Outcome::Error(kind) => {
                let kind = kind.as_str();
                debug!(target: TARGET, request, attempt, kind, ?pause, "retry");
            }
            // The one that was answered is what is tried again, or not.
            Outcome::Lost => {}
        }
    }

    pub(super) fn answered(&mut self, fetched: &Fetched) {
        if let Some(request) = self.request.take() {
            let status = fetched.status().as_u16();
            let (bytes, attempts) = (fetched.body_len(), fetched.attempts());
            let elapsed = fetched.elapsed();
            debug!(target: TARGET, request, status, bytes, attempts, ?elapsed, "answered");
        }
    }

    pub(super) fn failed(&mut self, error: &FetchError) {
        if let Some(request) = self.request.take() {
            let (kind, attempts) = (error.kind().as_str(), error.attempts());
            debug!(target: TARGET, request, kind, attempts, %error, "failed");
        }
    }
}

impl Drop for Trace {
    /// Whoever waited for it went away.
    fn drop(&mut self) {
        if let (Some(request), false) = (self.request, self.is_beside) {
            debug!(target: TARGET, request, "dropped");
        }
    }
}

/// `None` where nobody listens.
fn next_request() -> Option<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    enabled!(target: TARGET, Level::DEBUG).then(|| NEXT.fetch_add(1, Ordering::Relaxed))
}
