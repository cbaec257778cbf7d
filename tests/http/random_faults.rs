//! Ten thousand requests at a server that fails in all its ways, each drawn by chance.

use std::collections::{HashMap, HashSet};
use std::io::Write;
#[cfg(feature = "decode")]
use std::sync::LazyLock;
use std::time::Duration;

use untethered::Runtime;
use untethered::http::conformance::{Peer, Server, response};
use untethered::http::{Client, ErrorKind, FanOut, TimeoutPhase, Timeouts};
use untethered::runtime::threads;

use crate::random::Random;

const REQUESTS: usize = 10_000;
const SEED: u64 = 7;
const MAX_BODY: usize = 256 * 1024;

/// What the server does with a request, and what has to come of it.
struct Fault {
    name: &'static str,
    weight: usize,
    /// Whether the connection goes on.
    serve: fn(&mut Peer, &str) -> bool,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// A body that is the path.
    Answer,
    /// Nothing else but this.
    Error(ErrorKind),
    /// One or the other.
    Either(ErrorKind),
}

const TIMEOUT: ErrorKind = ErrorKind::Timeout(TimeoutPhase::Total);

const FAULTS: &[Fault] = &[
    fault("fine", 40, Wanted::Answer, |peer, path| {
        peer.write(&response(200, path.as_bytes()));
        true
    }),
    fault("520", 4, Wanted::Answer, |peer, path| {
        peer.write(&response(520, path.as_bytes()));
        true
    }),
    fault("chunked", 4, Wanted::Answer, |peer, path| {
        let size = path.len();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
        peer.write(format!("{head}\r\n\r\n{size:x}\r\n{path}\r\n0\r\n\r\n").as_bytes());
        true
    }),
    fault("until close", 4, Wanted::Answer, |peer, path| {
        peer.write(format!("HTTP/1.0 200 OK\r\n\r\n{path}").as_bytes());
        false
    }),
    fault("103 before it", 4, Wanted::Answer, |peer, path| {
        peer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        peer.write(&response(200, path.as_bytes()));
        true
    }),
    fault("bytes in a header", 4, Wanted::Answer, |peer, path| {
        let size = path.len();
        peer.write(b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\n");
        peer.write(format!("Content-Length: {size}\r\n\r\n{path}").as_bytes());
        true
    }),
    fault("drop by drop", 2, Wanted::Answer, |peer, path| {
        for byte in response(200, path.as_bytes()) {
            peer.write(&[byte]);
        }
        true
    }),
    fault("a second answer", 4, Wanted::Answer, |peer, path| {
        let mut bytes = response(200, path.as_bytes());
        bytes.extend(response(200, b"nobody asked"));
        peer.write(&bytes);
        peer.wait_for_close();
        false
    }),
    fault("closed after it", 4, Wanted::Answer, |peer, path| {
        peer.write(&response(200, path.as_bytes()));
        false
    }),
    fault(
        "two lengths",
        2,
        Wanted::Either(ErrorKind::Protocol),
        |peer, path| {
            let size = path.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked";
            peer.write(format!("{head}\r\n\r\n{size:x}\r\n{path}\r\n0\r\n\r\n").as_bytes());
            peer.wait_for_close();
            false
        },
    ),
    fault(
        "closed before it",
        4,
        Wanted::Error(ErrorKind::Truncated),
        |_, _| false,
    ),
    fault(
        "half a head",
        4,
        Wanted::Error(ErrorKind::Truncated),
        |peer, _| {
            peer.write(b"HTTP/1.1 200 OK\r\nConte");
            false
        },
    ),
    fault(
        "half a body",
        4,
        Wanted::Error(ErrorKind::Truncated),
        |peer, path| {
            peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{path}").as_bytes());
            false
        },
    ),
    fault(
        "half a chunk",
        4,
        Wanted::Error(ErrorKind::Truncated),
        |peer, path| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
            peer.write(format!("{head}\r\n\r\n20\r\n{path}").as_bytes());
            false
        },
    ),
    fault(
        "garbage",
        4,
        Wanted::Error(ErrorKind::Protocol),
        |peer, _| {
            peer.write(b"\x00\x01\xff garbage\r\n\r\n");
            peer.wait_for_close();
            false
        },
    ),
    fault(
        "a redirect loop",
        2,
        Wanted::Error(ErrorKind::Redirect),
        |peer, path| {
            let head = "HTTP/1.1 302 Found\r\nContent-Length: 0";
            peer.write(format!("{head}\r\nLocation: {path}\r\n\r\n").as_bytes());
            true
        },
    ),
    fault(
        "a length too long",
        1,
        Wanted::Error(ErrorKind::BodyTooLarge),
        |peer, _| {
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nx");
            peer.wait_for_close();
            false
        },
    ),
    fault(
        "a body too long",
        1,
        Wanted::Error(ErrorKind::BodyTooLarge),
        |peer, _| {
            peer.write(b"HTTP/1.1 200 OK\r\n\r\n");
            while peer.stream.write_all(&[b'x'; 65536]).is_ok() {}
            false
        },
    ),
    fault("no answer", 1, Wanted::Error(TIMEOUT), |peer, _| {
        peer.wait_for_close();
        false
    }),
    #[cfg(feature = "decode")]
    fault("coded", 4, Wanted::Answer, |peer, path| {
        peer.write(&coded(&gzip(path.as_bytes())));
        true
    }),
    #[cfg(feature = "decode")]
    fault(
        "half of what is coded",
        2,
        Wanted::Error(ErrorKind::Truncated),
        |peer, path| {
            let bytes = gzip(path.as_bytes());
            peer.write(&coded(&bytes[..bytes.len() / 2]));
            true
        },
    ),
    #[cfg(feature = "decode")]
    fault(
        "a bomb",
        1,
        Wanted::Error(ErrorKind::BodyTooLarge),
        |peer, _| {
            static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&[0; 16 * MAX_BODY]));
            peer.write(&coded(&BOMB));
            true
        },
    ),
];

const fn fault(
    name: &'static str,
    weight: usize,
    wanted: Wanted,
    serve: fn(&mut Peer, &str) -> bool,
) -> Fault {
    Fault {
        name,
        weight,
        serve,
        wanted,
    }
}

#[cfg(feature = "decode")]
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A whole response with a body that says it is gzip.
#[cfg(feature = "decode")]
fn coded(body: &[u8]) -> Vec<u8> {
    let size = body.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip";
    let mut bytes = format!("{head}\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    bytes.extend(body);
    bytes
}

/// What happens to request number `n`.
fn fault_of(n: usize) -> &'static Fault {
    let mut choices = Vec::new();
    for fault in FAULTS {
        choices.push((fault.weight, fault));
    }
    Random::new(SEED + n as u64).weighted(&choices)
}

// H1 H8
#[test]
fn the_engine_survives_ten_thousand_faults() {
    each_key_gets_its_result(crate::engine);
}

// H1 H8
#[cfg(feature = "surf")]
#[test]
fn surf_survives_ten_thousand_faults() {
    each_key_gets_its_result(crate::surf);
}

fn each_key_gets_its_result(client: fn(&Runtime) -> Box<dyn Client>) {
    let server = Server::new(|peer| {
        while let Some(request) = peer.request() {
            let path = request.path();
            let n = path[1..].parse().unwrap();
            if !(fault_of(n).serve)(peer, path) {
                return;
            }
        }
    });
    let rt = threads(2);
    let fan_out = FanOut::new(&rt, client(&rt))
        .concurrency(50)
        .max_body(MAX_BODY)
        .timeout(Timeouts::total(Duration::from_secs(1)));
    #[cfg(feature = "decode")]
    let fan_out = fan_out.decode();
    let url = server.url("/");
    // Every now and then one that never gets there.
    let bad = [
        ("ftp://127.0.0.1/".to_owned(), ErrorKind::InvalidRequest),
        (
            "http://127.0.0.1:99999/".to_owned(),
            ErrorKind::InvalidRequest,
        ),
        ("http://127.0.0.1:1/".to_owned(), ErrorKind::Connect),
        (
            format!("http://{}.invalid/", "a".repeat(64)),
            ErrorKind::Resolve,
        ),
    ];
    let bad_of = |n: usize| (n % 50 == 0).then(|| &bad[n / 50 % bad.len()]);
    let urls = (0..REQUESTS).map(|n| match bad_of(n) {
        Some((url, _)) => (n, url.clone()),
        None => (n, format!("{url}{n}")),
    });
    let mut results = fan_out.fetch_all(urls).stream();
    let mut keys = HashSet::new();
    // By fault: how often the outcome was the one that belongs to it.
    let mut as_wanted: HashMap<&str, usize> = HashMap::new();
    rt.block_on(async {
        while let Some((n, result)) = results.next().await {
            assert!(keys.insert(n), "{n} has two results");
            let (name, wanted) = match bad_of(n) {
                Some((url, kind)) => (&**url, Wanted::Error(*kind)),
                None => (fault_of(n).name, fault_of(n).wanted),
            };
            let is_wanted = match (wanted, &result) {
                (Wanted::Answer | Wanted::Either(_), Ok(fetched)) => {
                    assert_eq!(fetched.body(), format!("/{n}").as_bytes(), "{name}");
                    true
                }
                (Wanted::Error(kind) | Wanted::Either(kind), Err(error))
                    if error.kind() == kind =>
                {
                    true
                }
                (Wanted::Error(_), Ok(_)) => panic!("{n}: {name} is {result:?}"),
                // It may be sent while the server closes the connection for its own reasons, and
                // a busy machine may be too slow for any of them.
                (_, Err(error)) => {
                    let kind = error.kind();
                    assert!(
                        matches!(kind, ErrorKind::Truncated | TIMEOUT),
                        "{n}: {name} is {error:?}"
                    );
                    false
                }
            };
            *as_wanted.entry(name).or_default() += usize::from(is_wanted);
        }
    });
    assert_eq!(keys.len(), REQUESTS);
    assert_eq!(as_wanted.len(), FAULTS.len() + bad.len());
    for (name, times) in &as_wanted {
        assert!(*times > 0, "{name} never ended as it should");
    }
    drop(results);
    drop(fan_out);
    server.finish();
}
