//! Credentials: how they are written, and which headers hold some.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
};

/// `Authorization: Basic ..`. A user name must not contain a colon: the other side would take it
/// for the end of the name.
pub(super) fn basic(user: &[u8], password: &[u8]) -> HeaderValue {
    let pair = [user, b":", password].concat();
    let value = format!("Basic {}", STANDARD.encode(pair));
    sensitive(value.try_into().expect("base64 is visible ASCII"))
}

/// `Authorization: Bearer ..`. `None` for a token that no header can hold.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    Some(sensitive(value))
}

/// Whether a header must not follow a request to another origin.
pub(super) fn is_credential(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
}

/// Marks what is a credential by its name, so that nobody prints it.
pub(super) fn mark_credentials(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if is_credential(name, value) {
            value.set_sensitive(true);
        }
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
