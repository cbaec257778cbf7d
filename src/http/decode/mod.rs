//! Content codings of answers, undone (RFC 9110, 8.4).

mod body;
mod brotli;
mod client;
mod deflate;
mod gzip;
#[cfg(feature = "zstd")]
mod zstd;

pub(super) use client::Decoding;

use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body as _;

use self::body::Decoded;
use super::{Body, ErrorKind, HttpError};

/// What [`decode`] can undo, as the value of an `Accept-Encoding`.
#[cfg(not(feature = "zstd"))]
pub const ACCEPTED_ENCODINGS: &str = "gzip, deflate, br";
/// What [`decode`] can undo, as the value of an `Accept-Encoding`.
#[cfg(feature = "zstd")]
pub const ACCEPTED_ENCODINGS: &str = "gzip, deflate, br, zstd";

/// So many codings of one answer are undone. Nobody needs a second one; each takes the memory of
/// its window.
const MOST_CODINGS: usize = 2;

/// Undoes the content coding of an answer: gzip, deflate, br, and zstd with the feature of that
/// name.
///
/// The body is decoded as it is read, in pieces of 16 KiB at most, so that whoever reads
/// it limits what was decoded. Beside that piece a decoder holds its window: 32 KiB
/// for gzip and deflate, 16 MiB at most for br, 8 MiB for zstd. A chunk from which nothing could be
/// decoded yet gives an empty piece.
///
/// Of an answer that was decoded `Content-Encoding` and `Content-Length` are dropped: they spoke of
/// what was sent. As it is stays an answer without a body, a part of one (206), and one with a
/// coding that is not known here; its `Content-Encoding` tells.
///
/// [`FanOut::decode`](super::FanOut::decode) asks for coded answers and does this to each of them.
/// For a [`Client`](super::Client) of your own send [`ACCEPTED_ENCODINGS`] as `Accept-Encoding`.
///
/// # Errors
///
/// [`Decode`](ErrorKind::Decode) if more than two codings lie over each other. Reading the body
/// gives the same if it is not what the header says, if it has something behind its end, or if it is
/// longer than 16 times what was decoded and a mebibyte, which no limit of the reader would end; and
/// [`Truncated`](ErrorKind::Truncated) if it ends too early.
///
/// # Examples
///
/// ```
/// use untethered::http::{Body, Response, decode};
///
/// # futures_lite::future::block_on(async {
/// let coded = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";
/// let answer = Response::builder()
///     .header("content-encoding", "gzip")
///     .body(Body::from(&coded[..]))
///     .unwrap();
/// let answer = decode(answer).unwrap();
/// assert!(answer.headers().is_empty());
/// assert_eq!(answer.into_body().bytes(5).await.unwrap(), "hello");
/// # });
/// ```
pub fn decode(response: Response<Body>) -> Result<Response<Body>, HttpError> {
    let has_body = !matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
    );
    if !has_body || response.body().is_end_stream() {
        return Ok(response);
    }
    let Some(codings) = codings(response.headers())? else {
        return Ok(response);
    };
    let (mut head, mut body) = response.into_parts();
    for coding in codings.into_iter().rev() {
        body = Body::new(Decoded::new(body, coding));
    }
    head.headers.remove(header::CONTENT_ENCODING);
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, body))
}

/// The codings in the order in which they were applied. `None` if there is none to be undone, or
/// one that can not be.
fn codings(headers: &HeaderMap) -> Result<Option<Vec<Coding>>, HttpError> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii();
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let Some(coding) = Coding::named(name) else {
                return Ok(None);
            };
            if codings.len() == MOST_CODINGS {
                return Err(HttpError::new(ErrorKind::Decode)
                    .with_message(format!("more than {MOST_CODINGS} codings over each other"))
                    .with_maybe_sent());
            }
            codings.push(coding);
        }
    }
    Ok(Some(codings).filter(|codings| !codings.is_empty()))
}

#[derive(Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Coding {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match &*name.to_ascii_lowercase() {
            b"gzip" | b"x-gzip" => Self::Gzip,
            b"deflate" => Self::Deflate,
            b"br" => Self::Brotli,
            #[cfg(feature = "zstd")]
            b"zstd" => Self::Zstd,
            _ => return None,
        })
    }

    fn decoder(self) -> Box<dyn Decoder> {
        match self {
            Self::Gzip => Box::new(gzip::Gzip::new()),
            Self::Deflate => Box::new(deflate::Deflate::new()),
            Self::Brotli => Box::new(brotli::Brotli::new()),
            #[cfg(feature = "zstd")]
            Self::Zstd => Box::new(zstd::Zstd::new()),
        }
    }
}

/// Undoes one coding, step by step.
trait Decoder: Send {
    /// Decodes from `input` to `output`, neither more than is there nor more than has room. It
    /// needs more input once it gives nothing for what is left; that may be none at all.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, &'static str>;

    /// Whether the input may end here.
    fn is_complete(&self) -> bool;
}

/// How much one step took and gave.
#[derive(Default)]
struct Step {
    read: usize,
    written: usize,
}

const CORRUPT: &str = "the coded body is corrupt";
const WRONG_SUM: &str = "the coded body has another checksum than it says";
const HOLLOW: &str = "the coded body is far longer than what it says";
const SURPLUS: &str = "something follows the end of the coded body";
