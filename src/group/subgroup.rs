//! Groups below groups.

use std::fmt;

use super::Group;
use super::builder::Builder;
use super::label::Name;

pub(super) fn of<E: Send + 'static>(
    builder: Builder<E>,
    name: Name,
) -> Result<Group<E>, ClosedError> {
    builder.name(name).try_build().map_err(|_| ClosedError(()))
}

/// The [`Group`](super::Group) takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedError(pub(super) ());

impl fmt::Display for ClosedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the group takes no more tasks")
    }
}

impl std::error::Error for ClosedError {}
