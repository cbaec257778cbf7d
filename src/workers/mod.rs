//! Processes and threads that serve together.
//!
//! | You want | Take |
//! |---|---|
//! | n processes that serve, from start to stop | [`Workers::processes`] |
//! | n threads that serve | [`Workers::threads`] |
//! | one process of any program, waited for by many | [`Child`] |
//! | sockets that share an address by SO_REUSEPORT | `reuse_port` |

mod body;
mod builder;
mod child;
mod control;
mod error;
mod main_context;
mod notice;
mod on_death;
mod process;
mod reason;
mod report;
#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
mod reuse_port;
mod supervisor;
mod thread;
mod wire;
mod worker;

pub use self::body::WorkerOutput;
pub use self::builder::{Processes, Threads, Workers};
pub use self::child::{Child, Exit, SignalError};
pub use self::control::Control;
pub use self::error::WorkersError;
pub use self::main_context::Main;
pub use self::notice::Notice;
pub use self::on_death::{OnDeath, Respawn};
pub use self::process::Value;
pub use self::reason::StopReason;
pub use self::report::{End, Failure, Phase, Report};
#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
pub use self::reuse_port::reuse_port;
pub use self::worker::{Worker, worker_index};
