//! Structured, bounded, runtime-agnostic async.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod primitives;

#[cfg(feature = "http")]
pub mod http;
pub mod runtime;
mod set;
#[cfg(feature = "signal")]
pub mod signal;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stream;
pub mod sync;
pub mod task;

pub use runtime::Runtime;
pub use stream::{concurrent, try_concurrent};
pub use task::{CancellationToken, Task};
