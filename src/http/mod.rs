//! Many HTTP requests at once, over any client.
//!
//! | You want | Take |
//! |---|---|
//! | many requests, each with its own result | [`FanOut`]; `FanOut::surf` (feature `surf`) is the short form |
//! | one request, with timeouts, redirects and a body limit | [`FanOut::fetch`] |
//! | one exchange and nothing else | a [`Client`]: [`Engine`], `SurfClient` (feature `surf`) |
//! | the HTTP library you have already | [`Client`], implemented for it |
//! | a client for a test | [`client_fn`] |
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
mod client;
mod engine;
mod error;
mod exchange;
mod fan_out;
#[cfg(feature = "surf")]
mod surf;

#[cfg(feature = "surf")]
#[cfg_attr(docsrs, doc(cfg(feature = "surf")))]
pub use self::surf::SurfClient;
pub use body::{Body, Chunks};
pub use client::{Capabilities, Client, ClientFn, Exchange, client_fn};
pub use engine::{Engine, EngineBuilder};
pub use error::{ErrorKind, HttpError, TimeoutPhase};
pub use exchange::{Deadline, ExchangePhase, Phases};
pub use fan_out::{
    Adaptive, Attempt, FailFast, FailedFetch, FanOut, FetchAll, FetchAllFuture, FetchError,
    FetchRequest, FetchResults, FetchStream, Fetched, IntoFetch, Progress, Redirected, Retry,
    Stats, StatusCheck, Tally, Timeouts, redact_url,
};

pub use bytes::Bytes;
pub use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
