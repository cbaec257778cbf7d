//! What `FanOut` costs a request, beside a loop by hand over the same client.
//!
//! ```text
//! cargo run --release --bin fan_out -- [--rounds N] [--only VARIANT] [ready|yield]
//! ```
//!
//! The client is a function: it answers at once, or yields once before. In a task under `block_on`.

use std::future::IntoFuture;
use std::time::Duration;

use futures_lite::future::{block_on, yield_now};
use untethered::http::{
    Body, Client, FanOut, HttpError, Request, Response, Timeouts, Uri, client_fn,
};
use untethered::sync::RateLimit;
use untethered::{Runtime, concurrent, runtime};
use untethered_benches::{Asked, Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LIMIT: usize = 50;
const BODY: &[u8] = &[b'x'; 1024];

fn main() {
    let mut asked = Asked::new(31);
    let rt = runtime::threads(1);
    row(&mut asked, &rt, "ready", || {
        client_fn(async |_: Request<Body>| answer())
    });
    row(&mut asked, &rt, "yield", || {
        client_fn(async |_: Request<Body>| {
            yield_now().await;
            answer()
        })
    });
    asked.end();
}

fn answer() -> Result<Response<Body>, HttpError> {
    Ok(Response::new(Body::from(BODY)))
}

fn row<C: Client + 'static>(asked: &mut Asked, rt: &Runtime, name: &str, client: fn() -> C) {
    if !asked.wants(name) {
        return;
    }
    let new = || FanOut::new(rt, client()).concurrency(LIMIT);
    let bare = client();
    asked.measure(Row {
        name: format!("fan_out {name}"),
        items: 10_000,
        variants: vec![
            Variant::new("by hand", move |items| by_hand(&bare, items)),
            fan_out("fan_out", new()),
            fan_out("timeouts-none", new().timeout(Timeouts::none())),
            fan_out("per-host", new().per_host(LIMIT)),
            fan_out(
                "rate",
                new().rate_limit(RateLimit::new(LIMIT, Duration::from_micros(1))),
            ),
        ],
    });
}

fn by_hand(client: &impl Client, items: usize) {
    let requests = urls(items).map(|url| async move {
        let uri: Uri = url.parse().unwrap();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        let response = client.send(request).await.unwrap();
        let body = response.into_body().bytes(BODY.len()).await.unwrap();
        (url, body)
    });
    let results = block_on(concurrent(requests).limit(LIMIT).into_future());
    assert!(results.iter().all(|(_, body)| body.len() == BODY.len()));
    assert_eq!(results.len(), items);
}

fn fan_out(name: &'static str, fan_out: FanOut) -> Variant {
    Variant::new(name, move |items| {
        let results = block_on(fan_out.fetch_all(urls(items)).into_future()).into_vec();
        let fetched = results.iter().flat_map(|(_, result)| result);
        assert!(fetched.clone().all(|it| it.body().len() == BODY.len()));
        assert_eq!(fetched.count(), items);
    })
}

fn urls(items: usize) -> impl Iterator<Item = String> + Send {
    (0..items).map(|n| format!("http://host.example/path/{n}?query={n}"))
}
