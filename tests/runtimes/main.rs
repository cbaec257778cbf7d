//! One contract, held on every runtime.
//!
//! `contract.rs` lists what holds; the lines below mount it, once for each runtime.

mod blocking;
mod contract;
mod ends;
mod groups;
mod hosts;
mod mains;
mod panics;
mod pools;
mod sleeps;
mod tasks;
#[cfg(feature = "threads")]
mod threads;
#[cfg(all(
    feature = "async-std",
    feature = "smol",
    feature = "threads",
    feature = "tokio"
))]
mod together;
#[cfg(feature = "tokio")]
mod tokio;

use contract::contract;

#[cfg(feature = "tokio")]
contract!(tokio_current_thread, hosts::TokioCurrentThread, ends);
#[cfg(feature = "tokio")]
contract!(tokio_multi_thread, hosts::TokioMultiThread, ends);
#[cfg(feature = "smol")]
contract!(smol_global, hosts::SmolGlobal);
#[cfg(feature = "smol")]
contract!(smol_executor, hosts::SmolExecutor, ends);
#[cfg(feature = "async-std")]
contract!(async_std, hosts::AsyncStd);
#[cfg(feature = "threads")]
contract!(own_threads, hosts::Threads, ends);
#[cfg(feature = "sim")]
contract!(sim, hosts::Sim, ends);
