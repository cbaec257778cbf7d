//! Which kind of failure it was.

use super::socket::Socket;
use crate::http::{ErrorKind, HttpError, cause};

/// What went wrong on a connection that had been made.
pub(super) fn of_exchange(error: hyper::Error, socket: &Socket) -> HttpError {
    let error = HttpError::new(cause::kind_of(&error)).with_source(error);
    if socket.wrote() {
        error.with_maybe_sent()
    } else {
        error
    }
}

/// What went wrong on a connection that was just made: a server may say only then that it does not
/// like our certificate.
pub(super) fn before_the_request(error: hyper::Error) -> HttpError {
    let kind = match cause::kind_of(&error) {
        ErrorKind::Tls => ErrorKind::Tls,
        _ => ErrorKind::Connect,
    };
    HttpError::new(kind)
        .with_message("closed before the request was sent")
        .with_source(error)
}
