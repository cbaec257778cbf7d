//! Results as machines read them. What may be a secret (a URL, a header, a body) is in none.
//!
//! The number of fields that a format is told beforehand is that of those which come: some write it.

use std::error::Error;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Attempt, FetchError, Fetched, Stats};
use crate::http::ErrorKind;

/// `{"status": 200, "bytes": 1024, "ms": 12.3, "attempts": 1}`, and `"earlier_attempts"` if there
/// were any. Put the key or the URL beside it.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Fetched {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = 4 + usize::from(!self.earlier_attempts.is_empty());
        let mut fields = serializer.serialize_struct("Fetched", count)?;
        fields.serialize_field("status", &self.status.as_u16())?;
        fields.serialize_field("bytes", &self.body_len())?;
        fields.serialize_field("ms", &milliseconds(self.elapsed))?;
        fields.serialize_field("attempts", &self.attempts)?;
        earlier_attempts::<S>(&mut fields, &self.earlier_attempts)?;
        fields.end()
    }
}

/// `{"error": {"kind": "timeout", "phase": "connect", "message": ..}, "ms": 12.3, "attempts": 1}`.
///
/// Only timeouts have a phase. The message is the error with its causes, and the URL as
/// [`FetchError`] shows it. Of an answer that was refused there is the `"status"`, of a request
/// that was tried again `"earlier_attempts"`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for FetchError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = 3
            + usize::from(self.response().is_some())
            + usize::from(!self.earlier_attempts().is_empty());
        let mut fields = serializer.serialize_struct("FetchError", count)?;
        let message = full_message(self);
        let failure = Failure {
            kind: self.kind(),
            message: Some(&message),
        };
        fields.serialize_field("error", &failure)?;
        match self.response() {
            Some(response) => fields.serialize_field("status", &response.status.as_u16())?,
            None => fields.skip_field("status")?,
        }
        fields.serialize_field("ms", &milliseconds(self.elapsed()))?;
        fields.serialize_field("attempts", &self.attempts())?;
        earlier_attempts::<S>(&mut fields, self.earlier_attempts())?;
        fields.end()
    }
}

/// `{"status": 503, "ms": 12.3, "delay_ms": 200.0}`, or in place of the status
/// `"error": {"kind": "timeout", "phase": "connect"}` or `"lost": true`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Attempt", 3)?;
        match (self.status(), self.error()) {
            (Some(status), _) => fields.serialize_field("status", &status.as_u16())?,
            (None, Some(kind)) => {
                let failure = Failure {
                    kind,
                    message: None,
                };
                fields.serialize_field("error", &failure)?;
            }
            (None, None) => fields.serialize_field("lost", &true)?,
        }
        fields.serialize_field("ms", &milliseconds(self.elapsed))?;
        fields.serialize_field("delay_ms", &milliseconds(self.delay))?;
        fields.end()
    }
}

/// `{"running": 3, "done": 12, "failed": 0, "retries": 1, "hedges": 0, "shared": 0, "bytes": 12288}`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            running,
            done,
            failed,
            retries,
            hedges,
            shared,
            bytes,
        } = self;
        let mut fields = serializer.serialize_struct("Stats", 7)?;
        fields.serialize_field("running", running)?;
        fields.serialize_field("done", done)?;
        fields.serialize_field("failed", failed)?;
        fields.serialize_field("retries", retries)?;
        fields.serialize_field("hedges", hedges)?;
        fields.serialize_field("shared", shared)?;
        fields.serialize_field("bytes", bytes)?;
        fields.end()
    }
}

struct Failure<'a> {
    kind: ErrorKind,
    message: Option<&'a str>,
}

impl Serialize for Failure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let phase = match self.kind {
            ErrorKind::Timeout(phase) => Some(phase),
            _ => None,
        };
        let count = 1 + usize::from(phase.is_some()) + usize::from(self.message.is_some());
        let mut fields = serializer.serialize_struct("Failure", count)?;
        fields.serialize_field("kind", self.kind.as_str())?;
        match phase {
            Some(phase) => fields.serialize_field("phase", phase.as_str())?,
            None => fields.skip_field("phase")?,
        }
        match self.message {
            Some(message) => fields.serialize_field("message", message)?,
            None => fields.skip_field("message")?,
        }
        fields.end()
    }
}

fn earlier_attempts<S: Serializer>(
    fields: &mut S::SerializeStruct,
    attempts: &[Attempt],
) -> Result<(), S::Error> {
    if attempts.is_empty() {
        return fields.skip_field("earlier_attempts");
    }
    fields.serialize_field("earlier_attempts", attempts)
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The error and its causes.
fn full_message(error: &FetchError) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}
