use std::time::Duration;

use untethered::http::{
    Body, ErrorKind, FanOut, HttpError, Request, Response, Retry, Timeouts, client_fn,
};
use untethered::sim::Sim;

use crate::counter::peak;

/// The most that is in use while so many URLs are fetched, each from a host of its own; one in
/// ten fails.
fn peak_of(urls: usize) -> i64 {
    let sim = Sim::new();
    let rt = sim.runtime();
    let client = client_fn(move |request: Request<Body>| {
        let answered = rt.sleep(Duration::from_millis(20));
        async move {
            answered.await;
            if request.uri().host().unwrap().ends_with('7') {
                return Err(HttpError::new(ErrorKind::Connect));
            }
            Ok(Response::new(Body::from(vec![b'x'; 1024])))
        }
    });
    let fan_out = FanOut::new(&sim.runtime(), client)
        .concurrency(50)
        .per_host(2)
        .retry(Retry::attempts(2))
        .timeout(Timeouts::new().queue(Duration::from_secs(3600)));
    peak(|| {
        // As many digits each.
        let all = (10_000_000..).take(urls).map(|n| format!("http://h{n}/"));
        let mut results = fan_out.fetch_all(all).stream();
        let (done, failed) = sim.block_on(async {
            let (mut done, mut failed) = (0, 0);
            while let Some((_, result)) = results.next().await {
                done += 1;
                failed += usize::from(result.is_err());
            }
            (done, failed)
        });
        assert_eq!((done, failed), (urls, urls / 10));
    })
}

// H13
#[test]
fn ten_times_the_urls_take_no_more_memory() {
    let few = peak_of(20_000);
    let many = peak_of(200_000);
    assert!(few > 50 * 1024, "{few} bytes hold no 50 bodies");
    assert!(many <= few + few / 20, "{few} bytes became {many}");
}
