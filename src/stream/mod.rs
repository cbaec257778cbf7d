//! Streams of futures, so many at a time.
//!
//! | For | Take |
//! |---|---|
//! | every output, whether good or bad | [`concurrent`] |
//! | all or the first error | [`try_concurrent`] |
//! | the same with the items of a stream | [`concurrently`](StreamConcurrently::concurrently) |
//! | objects with what several futures make of each | [`inflate`], [`try_inflate`] |
//! | what closures that may block make of items | [`map_blocking`] |
//!
//! The first two take any iterator of futures; [`from_stream`], [`try_from_iter`] and [`try_from_stream`]
//! make a source of other things. What they give is a [`Concurrent`]: a stream, and a future of
//! the list.
//!
//! Beside them, streams in and streams out, none of which takes an item but to give it:
//!
//! | For | Take |
//! |---|---|
//! | the first item, or the first of a kind | [`first`], [`first_where`] |
//! | lists of items, by number and by time | [`batches`], [`chunks`], [`batch_size`] |
//! | a stream out of a closure | [`poll_until`], [`poll_until_none`], [`try_poll_until`] |
//! | several streams as one | [`merge`], [`merge_all`], [`zip`] |
//! | no more than so many in a period | [`RateLimit::throttle`](crate::sync::RateLimit::throttle) |
//! | how far it has come | [`with_progress`] |
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

/// Of types that have nothing of their own to show.
macro_rules! debug {
    ($($name:ident)*) => {$(
        impl<A, B> fmt::Debug for $name<A, B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

mod batches;
mod concurrent;
mod concurrently;
mod driver;
mod filter_map;
mod first;
mod hub;
mod inflate;
mod map_blocking;
mod merge;
mod mode;
mod on_runtime;
mod ordered;
mod poll_until;
mod progress;
mod run;
mod source;
mod zip;

pub use batches::{Batches, Chunks, batch_size, batches, batches_nonzero, chunks};
pub use concurrent::{Collect, Concurrent, concurrent, try_concurrent};
pub use concurrently::{Concurrently, Mapped, MappedBlocking, StreamConcurrently};
pub use filter_map::{FilterMap, Filtered, Kept};
pub use first::{First, first, first_where};
pub use inflate::{Inflate, Inflated, TryInflate, TryInflated, inflate, try_inflate};
pub use map_blocking::{Blocking, MapBlocking, map_blocking};
pub use merge::{Merge, MergeAll, merge, merge_all};
pub use mode::{ConcurrentError, Every, FailFast, Mode};
pub use on_runtime::{CollectOnRuntime, OnRuntime};
pub use poll_until::{
    End, Equal, EqualOrError, IsNone, PollUntil, poll_until, poll_until_none, try_poll_until,
};
pub use progress::{Progress, WithProgress, with_progress};
pub use source::{
    FromIter, FromStream, IntoSource, Source, TryFromIter, TryFromStream, from_stream,
    try_from_iter, try_from_stream,
};
pub use zip::{Zip, zip};
