//! Behaviour through the public API, one module per concept, on the deterministic runtime.

mod limit;
mod rate_limit;
mod sim;
