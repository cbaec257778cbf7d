//! Behaviour through the public API, one module per concept, on the deterministic runtime.

mod auto_traits;
#[cfg(feature = "http")]
mod fan_out;
mod limit;
mod rate_limit;
mod sim;
mod sim_orders;
mod stream_concurrent;
mod stream_on_runtime;
mod support;
mod task;
mod task_panics;
mod token;
