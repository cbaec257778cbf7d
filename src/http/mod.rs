//! Many HTTP requests at once, over any client.

mod body;
mod client;
mod engine;
mod error;
mod exchange;
mod fan_out;

pub use body::{Body, Chunks};
pub use client::{Capabilities, Client, ClientFn, Exchange, client_fn};
pub use engine::{Engine, EngineBuilder};
pub use error::{ErrorKind, HttpError, TimeoutPhase};
pub use exchange::{Deadline, ExchangePhase, Phases};
pub use fan_out::{
    FailFast, FailedFetch, FanOut, FetchAll, FetchAllFuture, FetchError, FetchRequest,
    FetchResults, FetchStream, Fetched, IntoFetch, Progress, Redirected, StatusCheck, Tally,
    Timeouts, redact_url,
};

pub use bytes::Bytes;
pub use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
