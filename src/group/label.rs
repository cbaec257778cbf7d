//! What is said about a child: its name, its place, its stop, its end.

use std::borrow::Cow;
use std::panic::Location;

use super::node::Node;
use crate::task::Reason;

pub(super) type Name = Cow<'static, str>;

/// What a child is called, and where it comes from.
#[derive(Clone)]
pub(super) struct Label {
    pub(super) name: Option<Name>,
    pub(super) spawned_at: &'static Location<'static>,
}

impl Label {
    pub(super) fn unnamed(spawned_at: &'static Location<'static>) -> Self {
        Self {
            name: None,
            spawned_at,
        }
    }
}

/// A request to one child.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) reason: Option<Reason>,
    /// Whether to drop the future without a grace.
    pub(super) hard: bool,
}

impl Stop {
    pub(super) fn reason(&self) -> Reason {
        self.reason
            .clone()
            .unwrap_or_else(|| Reason::from("aborted"))
    }
}

impl Label {
    /// The path of a task of `node`.
    pub(super) fn path(&self, node: &Node) -> String {
        self.path_below(&node.path())
    }

    /// Who it is, for reports.
    pub(super) fn line(&self, group: &str) -> String {
        match &self.name {
            Some(name) => format!("{group}/{name}, spawned at {}", self.spawned_at),
            None => format!("a task of {group}, spawned at {}", self.spawned_at),
        }
    }

    pub(super) fn path_below(&self, group: &str) -> String {
        match &self.name {
            Some(name) => format!("{group}/{name}"),
            // No `/` before what is a path of files.
            None => format!("{group} at {}", self.spawned_at),
        }
    }
}

impl ChildId {
    /// The place of no child.
    pub(super) const NONE: Self = Self {
        key: usize::MAX,
        number: 0,
    };
}

/// The place of a child in its list. Places are used again, numbers are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChildId {
    pub(super) key: usize,
    pub(super) number: u64,
}

/// On whose behalf something is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Refused once the group closes.
    Outside,
    /// A member: refused once the group is cancelled or its last member has ended.
    Member,
    /// Something a member relies on: refused once its last member has ended.
    CleanUp,
    /// Part of the end of the group.
    Hook,
}

/// How a child came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Failed,
    Panicked,
    Cancelled,
    /// Its future was dropped against its `OnCancel`.
    Aborted,
}
