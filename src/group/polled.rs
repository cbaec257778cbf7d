//! Which group's task is polled on this thread.

use std::cell::Cell;

use super::node::Node;

crate::primitives::per_thread! {
    /// The address of the group whose child is polled on this thread.
    #[allow(clippy::missing_const_for_thread_local, reason = "the model checker knows no const")]
    static POLLED: Cell<usize> = Cell::new(0);
}

pub(super) fn polled_here() -> Option<usize> {
    POLLED
        .try_with(Cell::get)
        .ok()
        .filter(|&address| address != 0)
}

/// Marks this thread as polling a child of `node` until it is dropped.
pub(super) struct Polled {
    outer: usize,
}

impl Polled {
    pub(super) fn enter(node: &Node) -> Self {
        let outer = POLLED.try_with(|polled| polled.replace(node.address()));
        Self {
            outer: outer.unwrap_or(0),
        }
    }
}

impl Polled {
    /// As [`enter`](Self::enter), for the body of the block `node`: it belongs to the group above,
    /// which waits for it, unless a task polls it, which waits for it too.
    pub(super) fn enter_body(node: &Node) -> Option<Self> {
        let above = node.parent.as_ref()?;
        polled_here().is_none().then(|| Self::enter(&above.node))
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        POLLED.try_with(|polled| polled.set(self.outer)).ok();
    }
}
