//! What is allocated and what stays so, counted by the allocator of this program.
//!
//! The counts are of the thread that asks: tests run beside each other, each on its own.

mod counter;
#[cfg(feature = "http")]
mod fan_out;
mod group;
mod group_bursts;
mod local;
mod memo;
mod queue;
mod race;
mod sim;
mod stream;
mod sync;
mod task;
mod token;
