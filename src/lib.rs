//! Structured, bounded, runtime-agnostic async.
//!
//! Nothing here forces a runtime on anybody. What only combines futures works by being polled;
//! what has to start tasks, sleep or tell the time takes a [`Runtime`], a value that the caller
//! passes.
//!
//! | Operation | Take |
//! |---|---|
//! | a runtime to pass on | [`runtime`] |
//! | start a task, cancel it by dropping its handle | [`Runtime::spawn`], [`Task`] |
//! | own many tasks: failures, graces, an orderly end | [`group::Group`] |
//! | a body and its tasks, all over when it returns | [`group::task_group`] |
//! | the same in place: no runtime, tasks may borrow | [`group::scope`] |
//! | ask tasks to stop | [`CancellationToken`] |
//! | many futures, so many at once | [`stream::concurrent`], [`stream::try_concurrent`] |
//! | items of a stream in lists, by number or by time | [`stream::batches`] |
//! | pass items from task to task, with an end | [`Queue`] |
//! | wait for a flag; load a value once | [`sync::Event`], [`sync::Once`] |
//! | the first, the first success, all, some of several futures | [`combine`] |
//! | what a `select!` does, without its traps | [`combine::instead_of_select`] |
//! | a time limit, something every period | [`time::timeout`], [`time::Timer`] |
//! | how long to wait before trying again | [`time::Backoff`] |
//! | so many at once in several places; so many in a period | [`sync::Limit`], [`sync::RateLimit`] |
//! | many HTTP requests | [`http::FanOut`] |
//! | keep what async functions gave, load each key once | [`memo::Memo`] |
//! | blocking closures on threads of their own | [`pool::BlockingPool`] |
//! | a program that stops in order on Ctrl-C | [`run()`], [`run_with`] |
//! | signals as a token or a stream | [`signal::ShutdownSignals`] |
//! | await one future from a thread | [`block_on`], [`Runtime::block_on`] |
//! | clean-up that is awaited, after an error and a panic too | [`context`] |
//! | serve with several processes or threads | [`workers::Workers`] |
//! | test with virtual time | [`sim::Sim`] |
//! | find the schedule that breaks it, shrink and replay it | [`sim::explore`], [`sim::guide`] |
//! | HTTP on virtual time | [`sim::Network`] |
//!
//! The [`guide`] answers what comes before that: who owns a task, how it is cancelled, how a program
//! ends, what is bounded.
//!
//! # Words that mean the same everywhere
//!
//! * **Drop** cancels and never blocks.
//! * **Cancel safe**: a wait that is dropped loses nothing and leaves nothing behind.
//! * **Limit**: never nought; without one only where the name says `unlimited`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Links to what a feature adds.
#![cfg_attr(
    not(all(
        feature = "http",
        feature = "memo",
        feature = "sim",
        feature = "workers"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(all(
    doctest,
    feature = "http",
    feature = "memo",
    feature = "signal",
    feature = "sim"
))]
#[doc = include_str!("../COMPARE.md")]
struct Compare;

#[cfg(all(
    doctest,
    feature = "cookies",
    feature = "decode",
    feature = "memo",
    feature = "sim",
    feature = "workers"
))]
#[doc = include_str!("../FROM_PYTHON.md")]
struct FromPython;

// The guide is there for readers; its tests need what its examples use.
#[cfg(all(
    doc,
    any(
        not(doctest),
        all(
            feature = "http",
            feature = "signal",
            feature = "sim",
            feature = "threads"
        )
    )
))]
pub mod guide;

pub mod combine;
pub mod context;
mod primitives;

pub mod group;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "memo")]
pub mod memo;
pub mod pool;
pub mod queue;
#[cfg(feature = "signal")]
pub mod run;
pub mod runtime;
mod set;
#[cfg(feature = "signal")]
pub mod signal;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stream;
pub mod sync;
pub mod task;
pub mod time;
#[cfg(feature = "workers")]
pub mod workers;

pub use queue::Queue;
#[cfg(feature = "signal")]
pub use run::{run, run_with};
pub use runtime::{Runtime, block_on};
pub use stream::{concurrent, try_concurrent};
pub use task::{CancellationToken, Task};
