//! What a group tells subscribers of `tracing`.

use std::error::Error;
use std::fmt;

use tracing::{Level, Span, debug, debug_span, span_enabled, trace, warn};

use super::label::{ChildId, End};
use super::node::Node;
use super::report::Report;
use crate::task::Reason;

const TARGET: &str = "untethered::group";

/// The span a task is polled in. Made at the first poll for which somebody listens.
// In a box: most programs listen to few spans, and all tasks have its place.
pub(super) struct TaskSpan(Option<Box<Span>>);

impl TaskSpan {
    pub(super) fn new() -> Self {
        Self(None)
    }

    pub(super) fn poll<T>(&mut self, node: &Node, id: ChildId, poll: impl FnOnce() -> T) -> T {
        if self.0.is_none() && span_enabled!(target: TARGET, Level::DEBUG) {
            let path = node.path_of(id);
            // What the driver happens to be in has nothing to do with the task.
            let span = debug_span!(target: TARGET, parent: None, "task", path);
            self.0 = Some(Box::new(span));
        }
        self.again(poll)
    }

    /// In the span, if there is one.
    pub(super) fn again<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(span) => span.in_scope(f),
            None => f(),
        }
    }
}

/// A task ended by itself, or because it was asked to.
pub(super) fn ended(node: &Node, id: ChildId, end: End, reason: Option<&Reason>) {
    match (end, reason) {
        (End::Finished, _) => trace!(target: TARGET, path = node.path_of(id), "finished"),
        (End::Cancelled, Some(reason)) => {
            debug!(target: TARGET, path = node.path_of(id), %reason, "cancelled");
        }
        (End::Cancelled, None) => debug!(target: TARGET, path = node.path_of(id), "cancelled"),
        (End::Aborted, Some(reason)) => {
            debug!(target: TARGET, path = node.path_of(id), %reason, "aborted");
        }
        (End::Aborted, None) => debug!(target: TARGET, path = node.path_of(id), "aborted"),
        // Whoever gets the error tells of it.
        (End::Failed | End::Panicked, _) => {}
    }
}

/// A task failed, or panicked, and the group has the error.
pub(super) fn failed(path: &str, is_panic: bool, error: &(dyn Error + 'static)) {
    if is_panic {
        debug!(target: TARGET, path, %error, "panicked");
    } else {
        debug!(target: TARGET, path, error = %Chain(error), "failed");
    }
}

/// A task panicked, and its handle has the panic.
pub(super) fn panicked(node: &Node, id: ChildId, error: &(dyn Error + 'static)) {
    debug!(target: TARGET, path = node.path_of(id), %error, "panicked");
}

pub(super) fn group_cancelled(node: &Node) {
    if let Some(reason) = node.reason() {
        debug!(target: TARGET, path = node.path(), %reason, "group cancelled");
    }
}

pub(super) fn shut_down(node: &Node, report: &Report) {
    if report.is_clean() {
        debug!(target: TARGET, path = node.path(), %report, "group shut down");
    } else {
        warn!(target: TARGET, path = node.path(), %report, "group shut down");
    }
}

/// An error and what caused it.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
