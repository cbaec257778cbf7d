//! URLs, headers and answers that name a time to wait.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use untethered::http::{
    Body, FanOut, FetchRequest, HeaderMap, Request, Response, Retry, Timeouts, Uri, client_fn,
    header,
};
use untethered::sim::Sim;

/// What a client was asked for.
type Asked = Arc<Mutex<Vec<(Uri, HeaderMap)>>>;

/// A fan-out over a client that answers with what `answer` makes, and notes what it was asked.
fn fan_out(
    sim: &Sim,
    answer: impl Fn(usize) -> Response<Body> + Send + Sync + 'static,
) -> (FanOut, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let answer = Arc::new(answer);
    let client = client_fn(move |request: Request<Body>| {
        let mut asked = noted.lock().unwrap();
        asked.push((request.uri().clone(), request.headers().clone()));
        let (answer, number) = (Arc::clone(&answer), asked.len());
        async move { Ok(answer(number)) }
    });
    (FanOut::new(&sim.runtime(), client), asked)
}

/// The parts of an input, cut at its zero bytes.
fn parts<const N: usize>(input: &[u8]) -> [&[u8]; N] {
    let mut parts = input.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// A request that can not be sent is an error; one that is sent has the header as it was given,
/// once, and no user name in its URL.
// H15
#[test]
fn urls_and_headers() {
    bolero::check!().for_each(|input: &[u8]| {
        let [url, name, value] = parts(input);
        let Ok(url) = std::str::from_utf8(url) else {
            return;
        };
        let sim = Sim::new();
        let (fan_out, asked) = fan_out(&sim, |_| Response::new(Body::empty()));
        let request = FetchRequest::get(url).header(name, value);
        let result = sim.block_on(fan_out.fetch(request));
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), usize::from(result.is_ok()), "{result:?}");
        for (uri, headers) in asked.iter() {
            assert!(
                !uri.authority()
                    .is_some_and(|whole| whole.as_str().contains('@')),
                "{uri}"
            );
            let name = header::HeaderName::from_bytes(name).expect("else it is not sent");
            if name != header::AUTHORIZATION {
                let sent: Vec<_> = headers.get_all(name).iter().collect();
                assert!(
                    matches!(&sent[..], [one] if one.as_bytes() == value),
                    "{sent:?}"
                );
            }
            for value in headers.values() {
                assert!(!value.as_bytes().contains(&b'\n') && !value.as_bytes().contains(&b'\r'));
            }
        }
    });
}

/// Where a server sends its visitors: no visit leaves http and https, none goes on for ever.
// H15
#[test]
fn locations() {
    bolero::check!().for_each(|input: &[u8]| {
        let Ok(location) = header::HeaderValue::from_bytes(input) else {
            return;
        };
        let sim = Sim::new();
        let (fan_out, asked) = fan_out(&sim, move |_| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = untethered::http::StatusCode::FOUND;
            response
                .headers_mut()
                .insert(header::LOCATION, location.clone());
            response
        });
        let request = FetchRequest::get("https://user:secret@a.test/b").bearer_auth("secret");
        let _ = sim.block_on(fan_out.fetch(request));
        let asked = asked.lock().unwrap();
        assert!(!asked.is_empty() && asked.len() <= 11, "{}", asked.len());
        for (uri, headers) in asked.iter() {
            assert_eq!(uri.scheme_str(), Some("https"), "{uri}");
            let home = uri.host() == Some("a.test") && uri.port_u16().unwrap_or(443) == 443;
            assert_eq!(headers.contains_key(header::AUTHORIZATION), home, "{uri}");
        }
    });
}

/// Whatever a server writes there, the wait is bounded, and the next attempt is made.
#[test]
fn retry_after() {
    const LONGEST: Duration = Duration::from_secs(60);
    bolero::check!().for_each(|input: &[u8]| {
        let Ok(after) = header::HeaderValue::from_bytes(input) else {
            return;
        };
        let sim = Sim::new();
        let (fan_out, asked) = fan_out(&sim, move |number| {
            let mut response = Response::new(Body::empty());
            if number == 1 {
                *response.status_mut() = untethered::http::StatusCode::SERVICE_UNAVAILABLE;
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, after.clone());
            }
            response
        });
        let fan_out = fan_out
            .retry(Retry::attempts(2).longest_pause(LONGEST))
            .timeout(Timeouts::none());
        let fetched = sim.block_on(fan_out.fetch("http://a.test/")).unwrap();
        assert!(fetched.status().is_success(), "{}", fetched.status());
        assert_eq!(asked.lock().unwrap().len(), 2);
        assert!(
            sim.elapsed() <= LONGEST + Duration::from_secs(1),
            "{:?}",
            sim.elapsed()
        );
    });
}
