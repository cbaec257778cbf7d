//! In place of `trace.rs` without the feature `tracing`: says nothing.

use std::error::Error;

use super::label::{ChildId, End};
use super::node::Node;
use super::report::Report;
use crate::task::Reason;

pub(super) struct TaskSpan;

impl TaskSpan {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn poll<T>(&mut self, _: &Node, _: ChildId, poll: impl FnOnce() -> T) -> T {
        poll()
    }

    pub(super) fn again<T>(&self, f: impl FnOnce() -> T) -> T {
        f()
    }
}

pub(super) fn ended(_: &Node, _: ChildId, _: End, _: Option<&Reason>) {}

pub(super) fn failed(_: &str, _: bool, _: &(dyn Error + 'static)) {}

pub(super) fn panicked(_: &Node, _: ChildId, _: &(dyn Error + 'static)) {}

pub(super) fn group_cancelled(_: &Node) {}

pub(super) fn shut_down(_: &Node, _: &Report) {}
