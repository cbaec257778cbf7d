//! Between the supervisor and what starts workers.

use std::io;

use super::wire::ToParent;
use super::{Exit, StopReason};
use crate::queue::Queue;
use crate::runtime::Runtime;

/// One worker while it runs. Dropping it kills a process, and asks a thread to stop.
pub(super) trait Running {
    fn pid(&self) -> Option<u32>;
    fn stop(&self, reason: &StopReason);
    /// Kills it. `false` if that can not be done.
    fn kill(&self) -> bool;
}

/// Which worker to start, and where to tell what becomes of it.
pub(super) struct Start<'a> {
    pub(super) id: u64,
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) generation: u64,
    pub(super) rt: &'a Runtime,
    /// As long as the workers are few: each tells a handful of things.
    pub(super) news: &'a Queue<News>,
}

pub(super) type Starter = Box<dyn Fn(&Start<'_>) -> io::Result<Box<dyn Running>>>;

/// What becomes of a worker, by id. A seat's worker may change; an id is used once.
pub(super) enum News {
    Said(u64, ToParent),
    Ended(u64, Exit),
    NotReady(u64),
    NotStopped(u64),
    NotKilled(u64),
    /// The seat's wait is over.
    Respawn(usize),
}
