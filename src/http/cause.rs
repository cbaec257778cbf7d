use std::error::Error;
use std::io;

use super::{ErrorKind, HttpError};

/// The kind of failure that lies at the bottom of an error of hyper, or of a library above it.
pub(super) fn kind_of(error: &(dyn Error + 'static)) -> ErrorKind {
    let mut kind = ErrorKind::Other;
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return error.kind();
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            kind = of_hyper(error);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // What an I/O error wraps is not among its sources.
            if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref()) {
                return HttpError::kind(error);
            }
            kind = of_io(error);
        }
        cause = error.source();
    }
    kind
}

fn of_hyper(error: &hyper::Error) -> ErrorKind {
    if error.is_parse() {
        ErrorKind::Protocol
    } else if error.is_incomplete_message() {
        ErrorKind::Truncated
    } else if error.is_user() {
        ErrorKind::InvalidRequest
    } else {
        ErrorKind::Other
    }
}

fn of_io(error: &io::Error) -> ErrorKind {
    #[cfg(feature = "tls")]
    if is_tls(error) {
        return ErrorKind::Tls;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => ErrorKind::Truncated,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ErrorKind::Protocol,
        _ => ErrorKind::Other,
    }
}

/// Whether it was TLS that failed, and not what it runs over.
#[cfg(feature = "tls")]
fn is_tls(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|error| error.is::<rustls::Error>())
}
