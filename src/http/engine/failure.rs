//! Which kind of failure it was.

use std::error::Error;
use std::io;

use super::socket::Socket;
use crate::http::{ErrorKind, HttpError};

/// What went wrong on a connection that had been made.
pub(super) fn of_exchange(error: hyper::Error, socket: &Socket) -> HttpError {
    let mut kind = ErrorKind::Other;
    if error.is_parse() {
        kind = ErrorKind::Protocol;
    } else if error.is_incomplete_message() {
        kind = ErrorKind::Truncated;
    } else if error.is_user() {
        kind = ErrorKind::InvalidRequest;
    }
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            kind = error.kind();
            break;
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            kind = of_io(error);
        }
        cause = error.source();
    }
    let error = HttpError::new(kind).with_source(error);
    if socket.wrote() {
        error.with_maybe_sent()
    } else {
        error
    }
}

fn of_io(error: &io::Error) -> ErrorKind {
    #[cfg(feature = "tls")]
    if super::tls::is_tls(error) {
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
