//! Many HTTP requests at once, over any client.
//!
//! | You want | Take |
//! |---|---|
//! | many requests, each with its own result | [`FanOut`]; `FanOut::surf` (feature `surf`) is the short form |
//! | one request, with timeouts, redirects and a body limit | [`FanOut::fetch`] |
//! | one exchange and nothing else | a [`Client`]: [`Engine`], `SurfClient` (feature `surf`) |
//! | the HTTP library you have already | `ReqwestClient` (feature `reqwest`), `HyperClient` (feature `hyper-tokio`), `IsahcClient` (feature `isahc`), or [`Client`], implemented for it |
//! | middleware of tower | `TowerClient` and `ClientService` (feature `tower`) |
//! | answers that are compressed | `FanOut::decode`, `decode` (feature `decode`) |
//! | cookies | `FanOut::cookies`, `CookieJar` (feature `cookies`) |
//! | equal requests once, slow ones twice | [`FanOut::dedupe`], [`FanOut::hedge`] |
//! | a client for a test | [`client_fn`] |
//! | tests for a client of your own | `conformance` (feature `conformance`) |
//!
//! A client does one exchange for a call; everything above that (limits, timeouts, redirects,
//! retries, authentication, progress) is the fan-out's, and the same over every client.
//!
//! # Examples
//!
//! ```
//! # #[cfg(feature = "threads")]
//! # futures_lite::future::block_on(async {
//! # use std::io::{BufRead, BufReader, Write};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! # let base = format!("http://{}", listener.local_addr().unwrap());
//! # std::thread::spawn(move || {
//! #     for socket in listener.incoming().flatten() {
//! #         std::thread::spawn(move || {
//! #             for line in BufReader::new(&socket).lines().map_while(Result::ok) {
//! #                 if line.is_empty() {
//! #                     (&socket).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
//! #                 }
//! #             }
//! #         });
//! #     }
//! # });
//! use std::time::Duration;
//! use untethered::http::{Engine, FanOut, Timeouts};
//! use untethered::runtime;
//!
//! let rt = runtime::threads(1);
//! let fan_out = FanOut::new(&rt, Engine::new(&rt))
//!     .concurrency(50)
//!     .timeout(Timeouts::total(Duration::from_secs(10)));
//! let results = fan_out.fetch_all((0..9).map(|n| (n, format!("{base}/{n}")))).await;
//! for (_, result) in &results {
//!     assert_eq!(result.as_ref().unwrap().body(), "ok");
//! }
//! # });
//! ```

mod body;
mod cause;
mod client;
#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
#[cfg(any(feature = "hyper-tokio", feature = "reqwest"))]
mod connecting;
#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "decode")]
mod decode;
mod engine;
mod error;
mod exchange;
#[cfg(any(
    feature = "hyper-tokio",
    feature = "isahc",
    feature = "reqwest",
    feature = "surf"
))]
mod exclusive;
mod fan_out;
#[cfg(any(feature = "hyper-tokio", feature = "isahc", feature = "reqwest"))]
mod foreign;
#[cfg(feature = "hyper-tokio")]
mod hyper;
#[cfg(any(feature = "hyper-tokio", feature = "reqwest"))]
mod inside;
#[cfg(feature = "isahc")]
mod isahc;
#[cfg(any(feature = "isahc", feature = "surf"))]
mod reader;
#[cfg(any(
    feature = "hyper-tokio",
    feature = "isahc",
    feature = "reqwest",
    feature = "tower"
))]
mod received;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "surf")]
mod surf;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "cookies")]
#[cfg_attr(docsrs, doc(cfg(feature = "cookies")))]
pub use self::cookies::CookieJar;
#[cfg(feature = "decode")]
#[cfg_attr(docsrs, doc(cfg(feature = "decode")))]
pub use self::decode::{ACCEPTED_ENCODINGS, decode};
#[cfg(feature = "hyper-tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper-tokio")))]
pub use self::hyper::HyperClient;
#[cfg(feature = "isahc")]
#[cfg_attr(docsrs, doc(cfg(feature = "isahc")))]
pub use self::isahc::IsahcClient;
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use self::reqwest::ReqwestClient;
#[cfg(feature = "surf")]
#[cfg_attr(docsrs, doc(cfg(feature = "surf")))]
pub use self::surf::SurfClient;
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use self::tower::{ClientService, TowerClient};
pub use body::{Body, Chunks};
pub use client::{Capabilities, Client, ClientFn, Exchange, client_fn};
pub use engine::{Engine, EngineBuilder};
pub use error::{ErrorKind, HttpError, TimeoutPhase};
pub use exchange::{Deadline, ExchangePhase, Phases};
pub use fan_out::{
    Adaptive, Attempt, FailFast, FailedFetch, FanOut, FetchAll, FetchAllFuture, FetchError,
    FetchRequest, FetchResults, FetchStream, Fetched, Hedge, IntoFetch, Progress, Redirected,
    Retry, Stats, StatusCheck, Tally, Timeouts, redact_url,
};

pub use bytes::Bytes;
pub use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
