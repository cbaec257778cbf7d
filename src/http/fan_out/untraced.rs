//! In place of `trace.rs` without the feature `tracing`: says nothing.

use std::time::Duration;

use http::{Method, StatusCode};
use url::Url;

use super::retry::Outcome;
use super::{FetchError, Fetched};

pub(super) struct Trace;

impl Trace {
    pub(super) fn request(_: &Method, _: &Url) -> Self {
        Self
    }

    pub(super) fn beside(&self) -> Self {
        Self
    }

    pub(super) fn refused(_: &FetchError) {}

    pub(super) fn sending(&self, _: usize, _: &Method, _: &Url) {}

    pub(super) fn redirected(&self, _: StatusCode, _: &Url) {}

    pub(super) fn retry(&self, _: usize, _: Outcome, _: Duration) {}

    pub(super) fn answered(&mut self, _: &Fetched) {}

    pub(super) fn failed(&mut self, _: &FetchError) {}
}
