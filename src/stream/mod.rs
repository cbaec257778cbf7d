//! Streams of futures, so many at a time.
//!
//! | For | Take |
//! |---|---|
//! | every output, whether good or bad | [`concurrent`] |
//! | all or the first error | [`try_concurrent`] |
//!
//! Both take any iterator of futures; [`from_stream`], [`try_from_iter`] and [`try_from_stream`]
//! make a source of other things. What they give is a [`Concurrent`]: a stream, and a future of
//! the list.
//!
//! # Examples
//!
//! ```
//! use untethered::concurrent;
//!
//! # futures_lite::future::block_on(async {
//! let squares = concurrent((1..=4).map(|n| async move { n * n })).limit(2).ordered();
//! assert_eq!(squares.await, [1, 4, 9, 16]);
//! # });
//! ```

mod concurrent;
mod driver;
mod mode;
mod on_runtime;
mod ordered;
mod run;
mod source;

pub use concurrent::{Collect, Concurrent, concurrent, try_concurrent};
pub use mode::{ConcurrentError, Every, FailFast, Mode};
pub use on_runtime::{CollectOnRuntime, OnRuntime};
pub use source::{
    FromIter, FromStream, IntoSource, Source, TryFromIter, TryFromStream, from_stream,
    try_from_iter, try_from_stream,
};
