//! Processes and threads that serve together, and single processes.
//!
//! | You want | Take |
//! |---|---|
//! | n processes that serve, from their start to their stop | [`Workers::processes`] |
//! | n threads that do | [`Workers::threads`] |
//! | one process of any program, waited for by many | [`Child`] |
//! | sockets that share an address | [`listen`](Workers::listen); by SO_REUSEPORT [`reuse_port`] |
//!
//! # The life of a worker
//!
//! | | In the worker | In the parent |
//! |---|---|---|
//! | start | `main` up to [`run`](Workers::run), [`before_start`](Workers::before_start), the body | kills it if it is not ready [in time](Workers::ready_within) |
//! | serve | from [`Worker::ready`] on, which every wait for the stop says too | acts if it [dies](Workers::on_death), or is to be [reloaded](Control::reload) |
//! | stop | [`Worker::stopped`] gives the [`StopReason`] | kills it if it does not end [in time](Workers::stop_within), and reaps it |
//!
//! The parent tells each step as a [`Notice`], and the end of all as a [`Report`], which `main` may
//! return.
//!
//! A parent that is gone, be it by SIGKILL, leaves no worker behind: each is asked to stop, with
//! [`StopReason::ParentGone`], and ends itself after a [limit](Workers::orphans_within). One that
//! had not reached `run` yet ends there.
//!
//! # What a worker process inherits
//!
//! The arguments, the environment, the working directory, standard output and error are those of
//! the parent. Standard input is a socket to the parent; from `run` on it is empty. The program is
//! the file that the parent was started from, as it is when the worker starts: after it was
//! replaced, a reload is an upgrade. A worker finds its body by name, so another build may have
//! more of them.
//!
//! A program that has several sets of worker processes gives each a [name](Workers::name), and
//! lets its arguments decide which one it runs. A worker that comes to another set first ends with
//! exit code 2; it never becomes a parent.
//!
//! # Security
//!
//! Parent and worker talk over a pair of connected sockets that has no address: nobody else can
//! reach it, there is no secret to guess and no file to clean up. What comes over it is trusted,
//! and so are the arguments and the environment, as in every program. The variable
//! `UNTETHERED_WORKER` names the socket that standard input must be, so that it means nothing to a
//! process that only inherited it. Who can set it *and* choose the standard input of the program
//! can have it run a body with a value of theirs: a program that runs with more rights than its
//! caller (setuid) must not have worker processes. The program is started again by the path it was
//! started from: whoever may write there decides what runs.
//!
//! # Platforms
//!
//! Processes need Unix; elsewhere [`run`](Workers::run) says so. Threads and [`Child`] are
//! everywhere. Linux reports the end of a process through a pidfd, other Unix systems and sandboxes
//! that refuse one take a thread for each process, and Windows is asked every 20 ms.
//! PR_SET_PDEATHSIG is not used: it means the parent *thread*, and would end workers with a thread
//! of a pool. Only what was started here is reaped: a parent that is process 1 of a container needs
//! an init for the rest.

// What only processes need.
#![cfg_attr(not(unix), allow(dead_code))]

mod body;
mod builder;
mod child;
mod control;
mod error;
mod main_context;
mod notice;
mod on_death;
mod plan;
mod process;
mod reason;
mod report;
#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
mod reuse_port;
mod run;
mod running;
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
