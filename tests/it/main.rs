//! Behaviour through the public API, one module per concept, on the deterministic runtime.

mod auto_traits;

#[cfg(feature = "http")]
mod chaos;
mod combine_busy;
mod combine_gather;
mod combine_panics;
mod combine_race;
mod context;
mod debug;
mod event;
mod every_future;
#[cfg(feature = "http")]
mod fan_out;
mod group;
mod in_place;
mod keyed_rate_limit;
mod keyed_sweeps;
mod limit;
mod memo;
mod memo_model;
mod once;
mod once_drops;
mod polled;
mod pool;
mod queue;
mod queue_halves;
mod queue_model;
mod queue_waits;
mod random;
mod rate_limit;
#[cfg(feature = "tracing")]
mod recorder;
mod run;
mod signal;
mod sim;
mod sim_crate;
mod sim_explore;
#[cfg(feature = "http")]
mod sim_network;
mod sim_orders;
mod sim_planted;
mod sometimes;
mod stream_adaptors;
mod stream_concurrent;
mod stream_hints;
mod stream_on_runtime;
mod support;
mod task;
mod task_panics;
mod time_timeout;
mod time_timer;
mod token;
mod wait_wakers;
