//! Where processes can not inherit a socket without `unsafe` of ours.

use std::io;
use std::net::TcpListener;
use std::panic::Location;

use super::Value;
use crate::workers::body::Role;
use crate::workers::builder::Set;
use crate::workers::error::{Kind, WorkersError};
use crate::workers::running::Starter;

pub(in crate::workers) fn serve_if_worker<V: Value>(_set: &Set<V>, _role: &Role<V>) {}

pub(in crate::workers) fn starter<V: Value>(
    _set: Set<V>,
    _place: &'static Location<'static>,
    _listeners: Vec<TcpListener>,
    _value: V,
) -> Result<Starter, WorkersError> {
    Err(WorkersError::new(Kind::Program(io::Error::new(
        io::ErrorKind::Unsupported,
        "worker processes need Unix; worker threads do not",
    ))))
}
