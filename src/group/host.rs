//! What polls a child: the drivers of its group, or one of its own.

use std::sync::Arc;

use async_task::Runnable;

use super::executor::{Executor, Owner};
use super::label::Label;
use super::node::{Node, Ready};
use crate::primitives::atomic::{AtomicBool, Ordering};

/// Where a child runs.
pub(super) enum Host {
    /// With all others of its group and those above.
    Group(Arc<Node>),
    /// As a task of the runtime of its own.
    Alone(Arc<Solo>),
}

/// The executor of a single child.
pub(super) struct Solo {
    node: Arc<Node>,
    label: Label,
    executor: Executor<Ready>,
    alive: AtomicBool,
}

/// Keeps the driver of a child that runs alone for as long as the child lives.
pub(super) struct Stay(Arc<Solo>);

impl Host {
    pub(super) fn of(node: &Arc<Node>, isolated: bool, label: impl FnOnce() -> Label) -> Self {
        if !isolated {
            return Self::Group(node.clone());
        }
        Self::Alone(Arc::new(Solo {
            node: node.clone(),
            label: label(),
            executor: Executor::new(node.runtime().clone(), Some(1)),
            alive: AtomicBool::new(true),
        }))
    }

    pub(super) fn stay(&self) -> Option<Stay> {
        match self {
            Self::Group(_) => None,
            Self::Alone(solo) => Some(Stay(solo.clone())),
        }
    }

    pub(super) fn push(&self, child: Runnable, again: bool) {
        match self {
            Self::Group(node) => node.push(child, again),
            Self::Alone(solo) => solo.executor.push(solo, Ready(child), again),
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        // A child ends in its driver, which looks afterwards, or where there is none any more.
        self.0.alive.store(false, Ordering::Release);
    }
}

impl Owner for Solo {
    type Job = Ready;

    fn lines(self: Arc<Self>) -> Vec<String> {
        vec![format!("{}, isolated", self.label.line(&self.node.path()))]
    }

    fn executor(&self) -> &Executor<Ready> {
        &self.executor
    }

    fn has_children(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    fn runtime_gone(self: &Arc<Self>) {
        self.node.runtime_gone();
    }
}
