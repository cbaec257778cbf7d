//! The bridge to tower: when a service is called, and what its failures become.

use std::future::{Ready, ready};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_lite::future::block_on;
use tower_service::Service;
use untethered::http::{
    Body, Client, ClientService, ErrorKind, HttpError, Request, Response, TowerClient, client_fn,
};

use crate::support::{get, poll_once};

/// A service that is ready when it is told so, and remembers which clone was.
#[derive(Default)]
struct Gate {
    shared: Arc<Shared>,
    ready: bool,
}

#[derive(Default)]
struct Shared {
    open: AtomicBool,
    calls: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Clone for Gate {
    /// A clone has to become ready by itself.
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            ready: false,
        }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Ready<io::Result<Response<Body>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self.shared.waker.lock().unwrap() = Some(cx.waker().clone());
        if !self.shared.open.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(self.ready, "called before it was ready");
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        ready(match request.uri().path() {
            "/reset" => Err(io::ErrorKind::ConnectionReset.into()),
            path => Ok(Response::new(Body::from(path.to_owned()))),
        })
    }
}

#[test]
fn a_service_is_called_once_it_is_ready() {
    let gate = Gate::default();
    let shared = gate.shared.clone();
    let client = TowerClient::new(gate);
    {
        // One that is dropped while it waits is never called.
        let mut dropped = client.send(get("http://h/dropped"));
        assert!(poll_once(&mut dropped).is_pending());
    }
    let mut exchange = client.send(get("http://h/path"));
    assert!(poll_once(&mut exchange).is_pending());
    assert_eq!(shared.calls.load(Ordering::SeqCst), 0);
    shared.open.store(true, Ordering::SeqCst);
    shared.waker.lock().unwrap().take().unwrap().wake();
    block_on(async {
        let response = exchange.await.unwrap();
        assert_eq!(response.into_body().bytes(10).await.unwrap(), "/path");
    });
    assert_eq!(shared.calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failed_call_may_have_been_sent() {
    let gate = Gate::default();
    gate.shared.open.store(true, Ordering::SeqCst);
    let client = TowerClient::new(gate);
    let error = block_on(client.send(get("http://h/reset"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(error.maybe_sent());
}

/// A service that is never ready again.
#[derive(Clone)]
struct Broken;

impl Service<Request<Body>> for Broken {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Ready<io::Result<Response<Body>>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("worn out")))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        panic!("called though it is not ready");
    }
}

#[test]
fn a_service_that_is_not_ready_was_sent_nothing() {
    let error = block_on(TowerClient::new(Broken).send(get("http://h/"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(!error.maybe_sent());
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "worn out");
}

#[test]
fn our_errors_pass_as_they_are() {
    let refuses = client_fn(|_| async {
        Err(HttpError::new(ErrorKind::Connect).with_message("nobody there"))
    });
    let client = TowerClient::new(ClientService::new(refuses));
    let error = block_on(client.send(get("http://h/"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.to_string(), "no connection: nobody there");
    assert!(!error.maybe_sent());

    let breaks_off = client_fn(|_| async {
        let body = futures_lite::stream::once(Err(HttpError::new(ErrorKind::BodyTooLarge)));
        Ok(Response::new(Body::stream(body)))
    });
    let client = TowerClient::new(ClientService::new(breaks_off));
    let response = block_on(client.send(get("http://h/"))).unwrap();
    let error = block_on(response.into_body().bytes(10)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
}

#[test]
fn a_future_of_a_service_that_is_dropped_drops_the_exchange() {
    let token = Arc::new(());
    let held = token.clone();
    let never = client_fn(move |_| {
        let held = held.clone();
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(Response::new(Body::empty()))
        }
    });
    let mut service = ClientService::new(Arc::new(never));
    let mut exchange = service.call(get("http://h/"));
    assert!(poll_once(&mut exchange).is_pending());
    assert_eq!(Arc::strong_count(&token), 3);
    drop(exchange);
    assert_eq!(Arc::strong_count(&token), 2);
}
