//! Which kind of failure it was.

use super::socket::Socket;
use crate::http::HttpError;
use crate::http::cause;

/// What went wrong on a connection that had been made.
pub(super) fn of_exchange(error: hyper::Error, socket: &Socket) -> HttpError {
    let error = HttpError::new(cause::kind_of(&error)).with_source(error);
    if socket.wrote() {
        error.with_maybe_sent()
    } else {
        error
    }
}
