//! Owners of tasks, with an orderly end.

mod driver;
#[cfg(all(test, untethered_loom))]
mod driver_model;
