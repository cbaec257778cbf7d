use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use futures_lite::{future::block_on, stream};
use futures_util::StreamExt;
use http_body::Body as _;
use untethered::Runtime;
use untethered::http::{
    ACCEPTED_ENCODINGS, Body, Capabilities, Client, ErrorKind, Exchange, FanOut, FetchRequest,
    HeaderMap, Method, Request, Response, TimeoutPhase, Timeouts, decode,
};
use untethered::sim::{Order, Sim, drop_at_every_poll};

use super::{MS, SECOND};
use crate::random::Random;
use crate::support::{Drops, Wakes};

const PLAIN: &str = "hello hello hello";

/// `PLAIN` in every coding, and whether a checksum guards it.
const CODED: &[(&str, bool, &[u8])] = &[
    (
        "gzip",
        true,
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\0\x80\x88\xf9\xe5\x11\0\0\0",
    ),
    (
        "deflate",
        true,
        b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\0\x3a\x2e\x06\x7d",
    ),
    (
        "deflate",
        false,
        b"\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\0",
    ),
    (
        "br",
        false,
        b"\x1b\x10\0\xf8\x8d\x94\x6e\xde\x44\x55\x86\x96\x6c\x20\x6f\x01\x4f\x1c\x60\x1c",
    ),
    #[cfg(feature = "zstd")]
    (
        "zstd",
        true,
        b"\x28\xb5\x2f\xfd\x04\x58\x65\0\0\x30hello \x01\0\x31\x4a\x11\xa2\xed\x1e\x0c",
    ),
];

/// A mebibyte of the letter a.
const BOMBS: &[(&str, &[u8])] = &[
    (
        "br",
        b"\x5b\xff\xff\x8f\x5f\x22\x2c\x1e\x0b\x04\x72\xef\x1f\0",
    ),
    #[cfg(feature = "zstd")]
    (
        "zstd",
        b"\x28\xb5\x2f\xfd\x04\x58\x54\0\0\x10\x61\x61\x01\0\xfb\xff\x39\xc0\x02\
          \x02\0\x10a\x02\0\x10a\x02\0\x10a\x02\0\x10a\x02\0\x10a\x02\0\x10a\x03\0\x10a\
          \xf1\x13\x21\xb5",
    ),
];

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// An answer whose body comes in pieces of so many bytes.
fn answer(coding: &str, coded: &[u8], piece: usize) -> Response<Body> {
    let pieces: Vec<_> = coded
        .chunks(piece)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    Response::builder()
        .header("content-encoding", coding)
        .header("content-length", coded.len())
        .header("etag", "kept")
        .body(Body::stream(stream::iter(pieces)))
        .unwrap()
}

fn decoded(coding: &str, coded: &[u8], piece: usize) -> Result<Bytes, ErrorKind> {
    let read = async {
        decode(answer(coding, coded, piece))?
            .into_body()
            .bytes(1 << 24)
            .await
    };
    block_on(read).map_err(|error| {
        assert!(error.maybe_sent());
        error.kind()
    })
}

/// A client whose one answer is scripted, and which keeps what it was asked.
#[derive(Clone)]
struct Coder {
    answer: Arc<dyn Fn() -> Response<Body> + Send + Sync>,
    decodes: bool,
    asked: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Coder {
    fn new(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            decodes: false,
            asked: Arc::default(),
        }
    }

    /// What the last request said it accepts.
    fn asked(&self) -> Option<String> {
        let asked = self.asked.lock().unwrap();
        let value = asked.last().unwrap().get("accept-encoding")?;
        Some(value.to_str().unwrap().to_owned())
    }
}

impl Client for Coder {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        let (parts, _) = request.into_parts();
        self.asked.lock().unwrap().push(parts.headers);
        Box::pin(async { Ok((self.answer)()) })
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::default().with_phases();
        if self.decodes {
            capabilities.with_decoding()
        } else {
            capabilities
        }
    }
}

fn fan_out(sim: &Sim, client: &Coder) -> FanOut {
    FanOut::new(&sim.runtime(), client.clone()).decode()
}

// H9
#[test]
fn every_coding_is_undone_however_it_is_cut() {
    for (coding, _, coded) in CODED {
        for piece in [1, 2, 7, coded.len()] {
            let sim = Sim::new();
            let client = Coder::new(move || answer(coding, coded, piece));
            let fetched = sim
                .block_on(fan_out(&sim, &client).fetch("http://a/"))
                .unwrap();
            assert_eq!(fetched.body(), PLAIN, "{coding}");
            assert_eq!(client.asked().as_deref(), Some(ACCEPTED_ENCODINGS));
            let names: Vec<_> = fetched.headers().keys().collect();
            assert_eq!(names, ["etag"]);
        }
    }
}

// H9
#[test]
fn a_coded_body_that_is_cut_off_anywhere_is_truncated() {
    for (coding, _, coded) in CODED {
        for length in 1..coded.len() {
            for piece in [1, length] {
                let result = decoded(coding, &coded[..length], piece);
                assert_eq!(result, Err(ErrorKind::Truncated), "{coding}, {length}");
            }
        }
    }
}

// H9
#[test]
fn what_is_changed_on_the_way_is_never_taken_for_something_else() {
    for (coding, is_guarded, coded) in CODED {
        for at in 0..coded.len() {
            for bit in 0..8 {
                let mut coded = coded.to_vec();
                coded[at] ^= 1 << bit;
                let result = decoded(coding, &coded, 5);
                let is_right = result.as_ref().is_ok_and(|body| body == PLAIN);
                // A changed first byte makes bare data of zlib, which has no checksum.
                if *is_guarded && !(*coding == "deflate" && at == 0) {
                    assert!(is_right || result.is_err(), "{coding}, {at}, {bit}");
                }
                // Both sums are looked at, that of the bytes and how many they are.
                if *coding == "gzip" && at + 8 >= coded.len() {
                    assert_eq!(result, Err(ErrorKind::Decode), "{at}, {bit}");
                }
            }
        }
    }
}

#[test]
fn noise_ends_in_an_answer_or_an_error() {
    let mut random = Random::new(11);
    for (coding, _, coded) in CODED {
        for _ in 0..300 {
            let mut noise = coded[..random.below(8).min(coded.len())].to_vec();
            noise.extend((0..random.below(200)).map(|_| random.below(256) as u8));
            decoded(coding, &noise, 1 + random.below(64)).ok();
        }
    }
}

// H9
#[test]
fn something_behind_the_end_is_an_error() {
    for (coding, _, coded) in CODED {
        let surplus = [coded, &b"x"[..]].concat();
        for piece in [1, surplus.len()] {
            let result = decoded(coding, &surplus, piece);
            assert_eq!(result, Err(ErrorKind::Decode), "{coding}");
        }
    }
}

#[test]
fn members_follow_each_other() {
    for (coding, _, coded) in CODED {
        if !matches!(*coding, "gzip" | "zstd") {
            continue;
        }
        let twice = [*coded, coded].concat();
        for piece in [1, 3, twice.len()] {
            assert_eq!(decoded(coding, &twice, piece).unwrap(), PLAIN.repeat(2));
        }
    }
}

#[test]
fn every_part_of_a_gzip_header_is_passed_over() {
    let (_, _, coded) = CODED[0];
    let extra = b"\x1f\x8b\x08\x1e\0\0\0\0\0\x03\x04\0abcdname\0comment\0\x12\x34";
    let empty_extra = b"\x1f\x8b\x08\x04\0\0\0\0\0\x03\0\0";
    for header in [&extra[..], &empty_extra[..]] {
        let whole = [header, &coded[10..]].concat();
        for piece in [1, 4, whole.len()] {
            assert_eq!(decoded("gzip", &whole, piece).unwrap(), PLAIN);
        }
    }
    let reserved = [b"\x1f\x8b\x08\x20\0\0\0\0\0\x03", &coded[10..]].concat();
    assert_eq!(decoded("gzip", &reserved, 40), Err(ErrorKind::Decode));
}

#[test]
fn a_long_body_comes_whole() {
    let mut random = Random::new(5);
    let plain: Vec<u8> = (0..300_000)
        .map(|_| b'a' + random.below(16) as u8)
        .collect();
    let coded = gzip(&plain);
    for piece in [1, 1000, 65_536, coded.len()] {
        assert!(decoded("gzip", &coded, piece).unwrap() == plain, "{piece}");
    }
    let twice = gzip(&coded);
    assert!(decoded("gzip, GZIP", &twice, 777).unwrap() == plain);
}

// H9 H16
#[test]
fn limits_count_what_was_decoded() {
    let gzip = gzip(&vec![b'a'; 1 << 20]);
    let mut bombs = BOMBS.to_vec();
    bombs.push(("gzip", gzip.leak()));
    for (coding, coded) in bombs {
        let sim = Sim::new();
        let client = Coder::new(move || answer(coding, coded, coded.len()));
        let fan_out = fan_out(&sim, &client);
        for (max, is_enough) in [(0, false), ((1 << 20) - 1, false), (1 << 20, true)] {
            let result = sim.block_on(fan_out.clone().max_body(max).fetch("http://a/"));
            match result {
                Ok(fetched) => assert!(is_enough && fetched.body_len() == 1 << 20, "{coding}"),
                Err(error) => {
                    assert!(!is_enough, "{coding}: {error}");
                    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
                }
            }
        }
    }
}

// H9
#[test]
fn a_bomb_comes_in_small_pieces_and_gives_way() {
    for (coding, coded) in BOMBS {
        let mut body = decode(answer(coding, coded, coded.len()))
            .unwrap()
            .into_body();
        let (wakes, waker) = Wakes::new();
        let mut cx = Context::from_waker(&waker);
        let (mut length, mut in_a_row, mut pauses) = (0, 0, 0);
        loop {
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Pending => {
                    pauses += 1;
                    assert_eq!(wakes.count(), pauses, "it must be woken again");
                    in_a_row = 0;
                }
                Poll::Ready(Some(frame)) => {
                    let piece = frame.unwrap().into_data().unwrap();
                    assert!(piece.len() <= 16 * 1024);
                    length += piece.len();
                    in_a_row += 1;
                    assert!(in_a_row <= 64);
                }
                Poll::Ready(None) => break,
            }
        }
        assert_eq!(length, 1 << 20);
        assert!(pauses > 0 && body.is_end_stream());
        let again = Pin::new(&mut body).poll_frame(&mut cx);
        assert!(matches!(again, Poll::Ready(None)));
    }
}

// H9
#[test]
fn a_coded_body_in_which_there_is_nothing_is_refused() {
    let endless: &[(&str, &[u8], &[u8])] = &[
        // A name that never ends, members and blocks with nothing in them.
        ("gzip", b"\x1f\x8b\x08\x08\0\0\0\0\0\x03", b"name"),
        (
            "gzip",
            b"",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
        ),
        ("deflate", b"\x78\x9c", b"\0\0\0\xff\xff"),
        #[cfg(feature = "zstd")]
        ("zstd", b"", b"\x50\x2a\x4d\x18\x08\0\0\0nothing!"),
    ];
    for (coding, head, filler) in endless {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let filler = Bytes::from(filler.repeat(1000));
        let pieces = stream::iter([Bytes::from_static(head)]).chain(stream::repeat(filler));
        let body = Body::stream(pieces.map(move |piece| {
            count.fetch_add(piece.len(), Ordering::Relaxed);
            Ok(piece)
        }));
        let mut response = Response::new(body);
        let value = coding.parse().unwrap();
        response.headers_mut().insert("content-encoding", value);
        let body = decode(response).unwrap().into_body();
        let error = block_on(body.bytes(100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{coding}");
        let sent = sent.load(Ordering::Relaxed);
        assert!((1 << 20..2 << 20).contains(&sent), "{coding}: {sent}");
    }
}

#[test]
fn a_flush_behind_each_byte_is_allowed() {
    // A block for a byte, and the empty one of a flush.
    let mut coded = b"\0\x01\0\xfe\xffa\0\0\0\xff\xff".repeat(300_000);
    coded.extend(b"\x03\0");
    assert_eq!(decoded("deflate", &coded, 1000).unwrap().len(), 300_000);
}

#[cfg(feature = "zstd")]
#[test]
fn a_window_beyond_8_mib_is_refused() {
    let (_, coded) = BOMBS[1];
    let mut coded = coded.to_vec();
    for (window, is_allowed) in [(0x68, true), (0x69, false), (0x88, false), (0xff, false)] {
        coded[5] = window;
        let result = decoded("zstd", &coded, coded.len());
        assert_eq!(result.is_ok(), is_allowed, "{window:x}");
        if !is_allowed {
            assert_eq!(result, Err(ErrorKind::Decode));
        }
    }
}

#[test]
fn too_many_codings_are_refused_and_others_left_alone() {
    let (_, _, coded) = CODED[0];
    assert_eq!(
        decoded("gzip, gzip, gzip", coded, 9),
        Err(ErrorKind::Decode)
    );
    assert_eq!(decoded(" , identity, GZip,", coded, 9).unwrap(), PLAIN);
    assert_eq!(decoded("x-gzip", coded, 9).unwrap(), PLAIN);
    for coding in [
        "identity",
        "",
        "compress",
        "gzip, compress",
        "utf-8",
        "\u{e4}",
    ] {
        let left = decode(answer(coding, coded, 9)).unwrap();
        assert_eq!(
            left.headers()["content-encoding"].as_bytes(),
            coding.as_bytes()
        );
        assert_eq!(left.headers().len(), 3);
        assert_eq!(block_on(left.into_body().bytes(100)).unwrap(), coded);
    }
    let both = gzip(coded);
    let mut two_lines = answer("gzip", &both, 9);
    two_lines
        .headers_mut()
        .append("content-encoding", "gzip".parse().unwrap());
    let body = decode(two_lines).unwrap().into_body();
    assert_eq!(block_on(body.bytes(100)).unwrap(), PLAIN);
}

#[test]
fn what_has_no_body_has_nothing_to_decode() {
    for status in [204, 304, 206] {
        let mut response = answer("gzip", b"part", 9);
        *response.status_mut() = status.try_into().unwrap();
        let left = decode(response).unwrap();
        assert_eq!(left.headers().len(), 3);
        assert_eq!(block_on(left.into_body().bytes(9)).unwrap(), "part");
    }
    let mut empty = answer("gzip", b"", 1);
    *empty.body_mut() = Body::empty();
    assert_eq!(decode(empty).unwrap().headers().len(), 3);
    // One that is known to be empty only at its end.
    assert_eq!(decoded("gzip", b"", 1).unwrap(), "");
    let sim = Sim::new();
    let client = Coder::new(|| answer("gzip", b"", 1));
    let head = FetchRequest::new(Method::HEAD, "http://a/");
    let fetched = sim.block_on(fan_out(&sim, &client).fetch(head)).unwrap();
    assert_eq!(fetched.headers()["content-encoding"], "gzip");
}

#[test]
fn who_asks_otherwise_is_left_alone() {
    let (_, _, coded) = CODED[0];
    let sim = Sim::new();
    let mut client = Coder::new(|| answer("gzip", CODED[0].2, 9));
    let decoding = fan_out(&sim, &client);
    for (name, value) in [("accept-encoding", "gzip"), ("range", "bytes=0-9")] {
        let request = FetchRequest::get("http://a/").header(name, value);
        let fetched = sim.block_on(decoding.fetch(request)).unwrap();
        assert_eq!(fetched.body(), coded);
        assert_eq!(client.asked().is_some(), name == "accept-encoding");
        let session = decoding.clone().header(name, value);
        let fetched = sim.block_on(session.fetch("http://a/")).unwrap();
        assert_eq!(fetched.body(), coded);
    }
    let plain = FanOut::new(&sim.runtime(), client.clone());
    assert_eq!(
        sim.block_on(plain.fetch("http://a/")).unwrap().body(),
        coded
    );
    assert_eq!(client.asked(), None);
    client.decodes = true;
    let fan_out = fan_out(&sim, &client);
    assert_eq!(
        sim.block_on(fan_out.fetch("http://a/")).unwrap().body(),
        coded
    );
    assert_eq!(client.asked(), None);
    // Twice is once.
    client.decodes = false;
    let twice = FanOut::new(&sim.runtime(), client).decode().decode();
    assert_eq!(
        sim.block_on(twice.fetch("http://a/")).unwrap().body(),
        PLAIN
    );
}

/// Each byte of a coded body so long after the one before.
fn dripping(rt: &Runtime, coded: &'static [u8], delay: Duration) -> Response<Body> {
    let rt = rt.clone();
    let bytes = stream::iter(coded).then(move |byte| {
        let sleep = rt.sleep(delay);
        async move {
            sleep.await;
            Ok(Bytes::copy_from_slice(&[*byte]))
        }
    });
    Response::builder()
        .header("content-encoding", "gzip")
        .body(Body::stream(bytes))
        .unwrap()
}

#[test]
fn bytes_that_can_not_be_decoded_yet_are_no_silence() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let client = Coder::new(move || dripping(&rt, CODED[0].2, SECOND));
    let fan_out = fan_out(&sim, &client).timeout(Timeouts::none().idle(SECOND * 2));
    assert_eq!(
        sim.block_on(fan_out.fetch("http://a/")).unwrap().body(),
        PLAIN
    );
    let impatient = fan_out.timeout(Timeouts::new().idle(MS * 900));
    let error = sim.block_on(impatient.fetch("http://a/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Idle));
}

#[test]
fn a_file_holds_what_was_decoded() {
    let path = std::env::temp_dir().join(format!("decoded-{}", std::process::id()));
    let sim = Sim::new();
    let client = Coder::new(|| answer("gzip", CODED[0].2, 1));
    let request = FetchRequest::get("http://a/").save_to(&path);
    let fetched = sim.block_on(fan_out(&sim, &client).fetch(request)).unwrap();
    assert_eq!(fetched.body_len(), PLAIN.len() as u64);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), PLAIN);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_decoding_dropped_at_any_poll_drops_its_body() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let rt = sim.runtime();
        let drops = Drops::default();
        let bodies = drops.clone();
        let client = Coder::new(move || {
            let guard = bodies.guard();
            dripping(&rt, &CODED[0].2[..4], SECOND).map(|body| {
                let chunks = body.chunks().inspect(move |_| {
                    let _moved = &guard;
                });
                Body::stream(chunks)
            })
        });
        let fan_out = fan_out(sim, &client);
        let future = async move { fan_out.fetch("http://a/").await.map(drop) };
        (future, move |_: &Sim| {
            assert_eq!(drops.count(), drops.made());
        })
    });
    assert!(polls > 3, "{polls}");
}
