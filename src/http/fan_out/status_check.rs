use std::fmt;
use std::sync::Arc;

use http::StatusCode;

/// Which statuses are failures. By default none is: any answer is an answer.
///
/// An answer that is refused gives a [`FetchError`](super::FetchError) of kind
/// [`Status`](crate::http::ErrorKind::Status), which keeps status, headers and the beginning of
/// the body.
///
/// # Examples
///
/// ```
/// use untethered::http::{StatusCheck, StatusCode};
///
/// assert!(StatusCheck::off().accepts(StatusCode::NOT_FOUND));
/// assert!(!StatusCheck::errors().accepts(StatusCode::NOT_FOUND));
/// let created = StatusCheck::new(|status| status == StatusCode::CREATED);
/// assert!(!created.accepts(StatusCode::OK));
/// ```
#[derive(Clone, Default)]
pub struct StatusCheck(Check);

#[derive(Clone, Default)]
enum Check {
    #[default]
    Off,
    Errors,
    Own(Arc<dyn Fn(StatusCode) -> bool + Send + Sync>),
}

impl StatusCheck {
    /// Accepts every status.
    pub fn off() -> Self {
        Self(Check::Off)
    }

    /// Refuses 400 and above.
    pub fn errors() -> Self {
        Self(Check::Errors)
    }

    /// Accepts the statuses for which `accepts` says so.
    pub fn new(accepts: impl Fn(StatusCode) -> bool + Send + Sync + 'static) -> Self {
        Self(Check::Own(Arc::new(accepts)))
    }

    /// Whether `status` is accepted.
    pub fn accepts(&self, status: StatusCode) -> bool {
        match &self.0 {
            Check::Off => true,
            Check::Errors => status.as_u16() < 400,
            Check::Own(accepts) => accepts(status),
        }
    }
}

impl fmt::Debug for StatusCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Check::Off => "StatusCheck::off()",
            Check::Errors => "StatusCheck::errors()",
            Check::Own(_) => "StatusCheck::new(..)",
        })
    }
}
