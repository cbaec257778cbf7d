use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::server::Server;
use crate::http::{Body, Client, Deadline, ExchangePhase, HeaderMap, HttpError, Phases, Request};
use crate::runtime::Runtime;
use crate::task::{catch, caught, panic_message};

/// What a case looks at.
pub(super) struct Subject {
    pub(super) rt: Runtime,
    pub(super) client: Box<dyn Client>,
    /// Whether the client is known not to do what the case asks for.
    pub(super) deviates: bool,
}

/// A response with its body read.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Subject {
    /// Runs a case; fails if it asks the server nothing, if it leaves a connection open, or if the
    /// server failed.
    pub(super) async fn run<F>(self, server: Server, case: impl FnOnce(Arc<Self>, String) -> F)
    where
        F: Future<Output = ()>,
    {
        let url = server.url("/");
        let Err(failure) = caught(self.run_alone(|this| case(this, url))).await else {
            assert!(server.accepted() > 0, "the server was asked nothing");
            return server.finish();
        };
        // Either may be the reason for the other.
        if let Err(of_server) = catch(|| server.finish()) {
            let [failure, of_server] = [&failure, &of_server].map(|it| message(&**it));
            panic!("{failure}; and the server: {of_server}");
        }
        resume_unwind(failure);
    }

    /// The same for a case in which nothing need be sent.
    pub(super) async fn run_alone<F>(self, case: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()>,
    {
        let this = Arc::new(self);
        case(this.clone()).await;
        // The last clone: with it the connections at rest are closed.
        drop(Arc::into_inner(this).expect("a case keeps nothing"));
    }

    /// Sends a GET and reads the answer.
    pub(super) async fn get(&self, url: &str) -> Result<Whole, HttpError> {
        let (head, body) = self.client.send(get(url)).await?.into_parts();
        Ok(Whole {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.bytes(64 << 20).await?.to_vec(),
        })
    }

    /// Polls `exchange` until the server has the request, which `asked` tells.
    pub(super) async fn until_asked<F: Future + Unpin>(
        &self,
        exchange: &mut F,
        phases: &Phases,
        mut asked: impl FnMut() -> bool,
    ) {
        if self.client.capabilities().phases() {
            wait_for_phase(exchange, phases, ExchangePhase::Sent).await;
        }
        poll_fn(|cx| {
            assert!(Pin::new(&mut *exchange).poll(cx).is_pending(), "answered");
            if asked() {
                return Poll::Ready(());
            }
            std::thread::yield_now();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Gives `request` a deadline, late enough for it to be dropped before.
    pub(super) fn must_end_soon(&self, request: &mut Request<Body>) {
        let deadline = self.rt.now() + Duration::from_secs(1);
        request.extensions_mut().insert(Deadline(deadline));
    }
}

/// What a panic says.
pub(super) fn message(payload: &(dyn Any + Send)) -> &str {
    panic_message(payload).unwrap_or("panicked")
}

pub(super) fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

/// Polls once, without anybody to wake.
pub(super) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `exchange` until it has reported `phase`.
pub(super) async fn wait_for_phase<F: Future + Unpin>(
    exchange: &mut F,
    phases: &Phases,
    phase: ExchangePhase,
) {
    poll_fn(|cx| {
        assert!(
            Pin::new(&mut *exchange).poll(cx).is_pending(),
            "ended too early"
        );
        if phases.current() >= phase {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}
