use std::error::Error;

use super::{ErrorKind, HttpError, cause};

/// The error of a connection that hyper-util's client did not get.
pub(super) fn failed(error: impl Error + Send + Sync + 'static) -> HttpError {
    let kind = match cause::kind_of(&error) {
        kind @ (ErrorKind::Tls | ErrorKind::Resolve) => kind,
        _ if is_unresolved(&error) => ErrorKind::Resolve,
        _ => ErrorKind::Connect,
    };
    HttpError::new(kind).with_source(error)
}

/// hyper-util says so with the words alone.
fn is_unresolved(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.to_string() == "dns error" {
            return true;
        }
        cause = error.source();
    }
    false
}
