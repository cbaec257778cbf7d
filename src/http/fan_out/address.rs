//! URLs: what may be fetched, and how one is shown.

use http::{HeaderValue, Uri};
use url::{Position, Url};

use super::auth;
use crate::http::{ErrorKind, HttpError};

/// A URL without the user name and password in it.
///
/// For whatever is to be printed or stored: the rest stays as it was written. Of a text that is
/// no URL everything up to the last `@` but the scheme is left out, to be on the safe side.
/// [`FetchError`] shows even less, no query either.
///
/// [`FetchError`]: super::FetchError
///
/// # Examples
///
/// ```
/// use untethered::http::redact_url;
///
/// assert_eq!(redact_url("http://me:secret@host/path?q"), "http://host/path?q");
/// assert_eq!(redact_url("http://host/a@b"), "http://host/a@b");
/// assert_eq!(redact_url("http://me:secret@host:99999/"), "http://host:99999/");
/// ```
pub fn redact_url(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => {
            if has_user_info(&url) {
                without_user_info(url).0.into()
            } else {
                text.to_owned()
            }
        }
        _ => match text.rsplit_once('@') {
            None => text.to_owned(),
            Some((before, after)) => match before.split_once("://") {
                Some((scheme, _)) if is_scheme(scheme) => format!("{scheme}://{after}"),
                _ => after.to_owned(),
            },
        },
    }
}

/// Whether it can be one, and not a secret that stands in its place.
fn is_scheme(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Takes a URL apart: where to send to, and the `Authorization` that was written into it.
pub(super) fn parse(text: &str) -> Result<(Url, Option<HeaderValue>), HttpError> {
    let invalid = |message| HttpError::new(ErrorKind::InvalidRequest).with_message(message);
    // The parser would leave line breaks and tabs out without a word.
    // Without an early end it takes many bytes at a time.
    let has_control = |found, byte: u8| found | byte.is_ascii_control();
    if text.bytes().fold(false, has_control) {
        return Err(invalid("a control character in the URL"));
    }
    if text.trim().is_empty() {
        return Err(invalid("the URL is empty"));
    }
    let url = Url::parse(text).map_err(|error| invalid("not a URL").with_source(error))?;
    if !is_http(&url) {
        return Err(invalid("only http and https URLs can be fetched"));
    }
    Ok(without_user_info(url))
}

pub(super) fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// The URL as a client wants it.
pub(super) fn to_uri(url: &Url) -> Result<Uri, HttpError> {
    Uri::try_from(&url[..Position::AfterQuery]).map_err(|error| {
        HttpError::new(ErrorKind::InvalidRequest)
            .with_message("not a URL that can be sent")
            .with_source(error)
    })
}

/// How messages show a URL: no user info, no query, no fragment, each of which may be a secret.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url[..Position::AfterPath].to_owned();
    if url.query().is_some() {
        shown.push_str("?..");
    }
    shown
}

/// The same for a text that may be no URL. If it is none, a password may be anywhere in front of
/// an `@`, and a query behind it.
pub(super) fn shown_text(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => shown(&without_user_info(url).0),
        _ if text.contains('@') => "..".to_owned(),
        _ => match text.find(['?', '#']) {
            Some(end) => format!("{}?..", &text[..end]),
            None => text.to_owned(),
        },
    }
}

/// Takes the user info out, and makes an `Authorization` of it.
pub(super) fn without_user_info(mut url: Url) -> (Url, Option<HeaderValue>) {
    if !has_user_info(&url) {
        return (url, None);
    }
    let user = percent_decoded(url.username());
    let password = percent_decoded(url.password().unwrap_or_default());
    // These fail only for URLs without a host, which have no user info.
    url.set_username("").ok();
    url.set_password(None).ok();
    (url, Some(auth::basic(&user, &password)))
}

fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits = ahead.next().zip(ahead.next());
        let value = digits.and_then(|(high, low)| Some((hex(high)?, hex(low)?)));
        match value {
            Some((high, low)) if byte == b'%' => {
                decoded.push(high << 4 | low);
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_is_decoded() {
        assert_eq!(percent_decoded("a%3Ab%"), b"a:b%");
        assert_eq!(percent_decoded("%4"), b"%4");
        assert_eq!(percent_decoded("%zz%C3%BC"), "%zz\u{fc}".as_bytes());
    }

    #[test]
    fn what_is_no_url_keeps_its_scheme_alone() {
        for (text, left) in [
            ("ftp://u:secret@h:99999/", "ftp://h:99999/"),
            ("secret@x://y@h/", "h/"),
            ("u:secret://x@h/", "h/"),
            ("mailto:secret@h", "h"),
            ("no@secret@h", "h"),
            ("x://h/path@rest", "x://h/path@rest"),
        ] {
            assert_eq!(redact_url(text), left);
        }
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        for text in [
            "http://u:secret@h/p?secret#secret",
            "http://secret@h/p?secret",
            "http://u:secret@h:99999/p?secret",
            "http://u:sec/ret@h/p?secret",
            "u:secret@h/p?secret",
            "mailto:u:secret@h/p?secret",
            "ftp://u:secret@h/p?secret",
            "http:u:secret@h/p#secret",
            "//u:secret@h/p?a@secret",
        ] {
            let shown = match parse(text) {
                Ok((url, _)) => shown(&url),
                Err(_) => shown_text(text),
            };
            assert!(!shown.contains("secret"), "{text} is shown as {shown}");
        }
    }
}
