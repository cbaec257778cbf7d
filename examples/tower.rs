//! Middleware of tower below a fan-out, and a client of this crate below tower.
//!
//! ```text
//! cargo run --example tower --features tower
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tower_service::Service;
use untethered::http::{
    Body, ClientService, FanOut, HttpError, Request, Response, TowerClient, client_fn,
};
use untethered::runtime;

/// Counts calls. Any middleware has this shape; that of tower and tower-http is used as it is.
#[derive(Clone)]
struct Count<S> {
    inner: S,
    calls: Arc<AtomicUsize>,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Count<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        request.headers_mut().insert("x-number", number.into());
        self.inner.call(request)
    }
}

fn main() {
    let rt = runtime::threads(2);
    // Stands for `Engine::new(&rt)`: answers with the header that the middleware has set.
    let client = client_fn(async |request: Request<Body>| {
        let number = request.headers()["x-number"].as_bytes().to_vec();
        Ok::<_, HttpError>(Response::new(Body::from(number)))
    });
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Count {
        inner: ClientService::new(client), // a client, as a service
        calls: calls.clone(),
    };
    // A service, as a client.
    let fan_out = FanOut::new(&rt, TowerClient::new(counted)).concurrency(2);
    let urls = (0..10).map(|n| format!("http://a.test/{n}"));
    let results = rt.block_on(async { fan_out.fetch_all(urls).await });
    let mut numbers = Vec::new();
    for (_, result) in &results {
        let body = result.as_ref().expect("it answers").body();
        numbers.push(
            String::from_utf8_lossy(body)
                .parse::<usize>()
                .expect("a number"),
        );
    }
    numbers.sort_unstable();
    println!("{numbers:?}");
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert_eq!(calls.load(Ordering::Relaxed), 10);
}
