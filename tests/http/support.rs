//! What tests of single clients share.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use untethered::http::{Body, ExchangePhase, Phases, Request};

/// How long anything may take before the test is called stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(30);

pub(crate) fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

/// Polls once, without anybody to wake.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `exchange` until it has reported `phase`.
pub(crate) async fn wait_for_phase<F: Future + Unpin>(
    exchange: &mut F,
    phases: &Phases,
    phase: ExchangePhase,
) {
    poll_fn(|cx| {
        assert!(Pin::new(&mut *exchange).poll(cx).is_pending(), "ended");
        if phases.current() < phase {
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}
