use std::net::IpAddr;

use http::uri::{PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Method, Request, Version, header};
use http_body::Body as _;

use super::expect;
use super::origin::Origin;
use crate::http::{Body, ErrorKind, HttpError};

/// Where a request goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) origin: Origin,
    pub(super) port: u16,
    /// The body is held back until the server asks for it.
    pub(super) holds_body: bool,
}

/// A host as it stands in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl Target {
    /// Reads where the request goes and turns it into what goes over the wire.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) or
    /// [`Unsupported`](ErrorKind::Unsupported): nothing was sent.
    pub(super) fn of(
        request: &mut Request<Body>,
        base: Option<&Uri>,
        user_agent: Option<&HeaderValue>,
        keep_alive: bool,
    ) -> Result<Self, HttpError> {
        let joined;
        let uri = match base {
            Some(base) if request.uri().authority().is_none() => {
                joined = join(base, request.uri())?;
                &joined
            }
            _ => request.uri(),
        };
        let mut target = Self::of_uri(uri)?;
        if target.origin.secure && cfg!(not(feature = "tls")) {
            return Err(no_tls());
        }
        let path = match uri.path_and_query() {
            Some(path) => path.clone(),
            None => PathAndQuery::from_static("/"),
        };
        frame(request)?;
        if expect::is_asked_for(request.headers()) {
            if request.body().is_end_stream() {
                return Err(invalid("Expect: 100-continue without a body"));
            }
            // A server of HTTP/1.0 has no way to ask.
            target.holds_body = request.version() == Version::HTTP_11;
        }
        let host = target.host_header()?;
        *request.uri_mut() = path.into();
        let headers = request.headers_mut();
        headers.entry(header::HOST).or_insert(host);
        if let Some(user_agent) = user_agent {
            headers
                .entry(header::USER_AGENT)
                .or_insert_with(|| user_agent.clone());
        }
        if !keep_alive {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(target)
    }

    /// Where an https URL leads.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) for any other.
    #[cfg(feature = "tls")]
    pub(super) fn of_https(uri: &Uri) -> Result<Self, HttpError> {
        let target = Self::of_uri(uri)?;
        target.host()?;
        if !target.origin.secure {
            return Err(invalid("only an https origin asks for a certificate"));
        }
        Ok(target)
    }

    fn of_uri(uri: &Uri) -> Result<Self, HttpError> {
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(_) => return Err(invalid("only http and https URLs can be fetched")),
            None => return Err(invalid("the URL has no scheme")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| invalid("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid(
                "user info in the URL: send an Authorization header instead",
            ));
        }
        let host = authority.host();
        if host.is_empty() || host == "[]" {
            return Err(invalid("the URL has no host"));
        }
        let port = match authority.as_str()[host.len()..].strip_prefix(':') {
            None | Some("") => {
                if secure {
                    443
                } else {
                    80
                }
            }
            // Not `authority.port_u16()`, which takes a port that is too big for none at all.
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(invalid("the URL's port is not between 1 and 65535")),
            },
        };
        Ok(Self {
            origin: Origin::new(secure, authority.clone()),
            port,
            holds_body: false,
        })
    }

    /// # Errors
    ///
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) for brackets without an IPv6 address.
    pub(super) fn host(&self) -> Result<Host<'_>, HttpError> {
        let host = self.origin.authority.host();
        if let Some(address) = host.strip_prefix('[') {
            let address = address.trim_end_matches(']').parse();
            return match address {
                Ok(address) => Ok(Host::Address(IpAddr::V6(address))),
                Err(_) => Err(invalid("no IPv6 address between the brackets")),
            };
        }
        Ok(match host.parse() {
            Ok(address) => Host::Address(IpAddr::V4(address)),
            Err(_) => Host::Name(host),
        })
    }

    fn host_header(&self) -> Result<HeaderValue, HttpError> {
        let authority = &self.origin.authority;
        let default = if self.origin.secure { 443 } else { 80 };
        let text = if self.port == default {
            authority.host()
        } else {
            authority.as_str()
        };
        HeaderValue::from_str(text).map_err(|_| invalid("the host can not stand in a header"))
    }
}

/// Refuses what no client may send, for those that would send it.
#[cfg(any(feature = "hyper-tokio", feature = "isahc", feature = "reqwest"))]
pub(in crate::http) fn check(request: &mut Request<Body>) -> Result<(), HttpError> {
    Target::of_uri(request.uri())?.host()?;
    frame(request)
}

/// Makes sure that the body goes out with one length, and the right one.
fn frame(request: &mut Request<Body>) -> Result<(), HttpError> {
    let method = request.method();
    if method == Method::CONNECT {
        return Err(HttpError::new(ErrorKind::Unsupported).with_message("the method CONNECT"));
    }
    match request.version() {
        Version::HTTP_10 | Version::HTTP_11 => {}
        version => {
            return Err(HttpError::new(ErrorKind::Unsupported)
                .with_message(format!("requests of {version:?}")));
        }
    }
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(invalid("Transfer-Encoding is set by the client"));
    }
    let exact = request.body().size_hint().exact();
    let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
    let version = request.version();
    let headers = request.headers_mut();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next(), exact) {
        (None, None, Some(0)) if expects_body => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        (None, None, Some(_)) => {}
        (None, None, None) if version == Version::HTTP_11 => {
            headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        (None, None, None) => {
            return Err(invalid("HTTP/1.0 needs a Content-Length"));
        }
        (Some(length), None, exact) => {
            // `parse` would take a sign, too.
            let digits = length.to_str().ok();
            let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = digits.and_then(|text| text.parse::<u64>().ok());
            if length.is_none() || exact.is_some_and(|exact| Some(exact) != length) {
                return Err(invalid("Content-Length is not the length of the body"));
            }
        }
        _ => return Err(invalid("more than one Content-Length")),
    }
    Ok(())
}

fn join(base: &Uri, relative: &Uri) -> Result<Uri, HttpError> {
    let path = relative.path_and_query().map_or("", PathAndQuery::as_str);
    let path = format!(
        "{}/{}",
        base.path().trim_end_matches('/'),
        path.trim_start_matches('/')
    );
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| invalid("bad path"))?);
    Uri::from_parts(parts).map_err(|_| invalid("the base URL is not complete"))
}

/// The answer to https where it was not built in.
pub(super) fn no_tls() -> HttpError {
    HttpError::new(ErrorKind::Unsupported).with_message("https needs the feature \"tls\"")
}

fn invalid(message: &'static str) -> HttpError {
    HttpError::new(ErrorKind::InvalidRequest).with_message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Result<Target, HttpError> {
        Target::of_uri(&uri.parse().unwrap())
    }

    #[test]
    fn ports() {
        assert_eq!(target("http://h/").unwrap().port, 80);
        assert_eq!(target("http://h:/").unwrap().port, 80);
        assert_eq!(target("http://[::1]:81/").unwrap().port, 81);
        for bad in ["http://h:0/", "http://h:65536/", "http://h:99999/"] {
            assert_eq!(target(bad).unwrap_err().kind(), ErrorKind::InvalidRequest);
        }
    }

    #[test]
    fn hosts() {
        let v6 = target("http://[::1]:81/").unwrap();
        assert_eq!(v6.host().unwrap(), Host::Address("::1".parse().unwrap()));
        let v4 = target("http://127.0.0.1/").unwrap();
        assert_eq!(
            v4.host().unwrap(),
            Host::Address("127.0.0.1".parse().unwrap())
        );
        let name = target("http://256.0.0.1/").unwrap();
        assert_eq!(name.host().unwrap(), Host::Name("256.0.0.1"));
        assert_eq!(
            target("ftp://h/").unwrap_err().kind(),
            ErrorKind::InvalidRequest
        );
        assert_eq!(
            target("http://user:secret@h/").unwrap_err().kind(),
            ErrorKind::InvalidRequest
        );
    }

    #[test]
    fn base() {
        let base: Uri = "http://h/api/".parse().unwrap();
        let joined = join(&base, &"/users?n=1".parse().unwrap()).unwrap();
        assert_eq!(joined, "http://h/api/users?n=1");
    }

    #[test]
    fn wrong_lengths() {
        for (length, body) in [
            ("5", ""),
            ("4", "hello"),
            ("x", "hello"),
            ("-1", ""),
            ("+5", "hello"),
        ] {
            let mut request = Request::post("http://h/")
                .header(header::CONTENT_LENGTH, length)
                .body(Body::from(body))
                .unwrap();
            let error = Target::of(&mut request, None, None, true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{length}");
        }
    }

    #[test]
    fn what_can_not_be_framed() {
        let post = || Request::post("http://h/").version(Version::HTTP_11);
        let endless = || Body::stream(futures_lite::stream::pending());
        let cases = [
            (
                post().version(Version::HTTP_2),
                Body::empty(),
                "requests of HTTP/2.0",
            ),
            (
                post().method("CONNECT"),
                Body::empty(),
                "the method CONNECT",
            ),
            (
                post().version(Version::HTTP_10),
                endless(),
                "HTTP/1.0 needs a Content-Length",
            ),
            (
                post().header(header::TRANSFER_ENCODING, "chunked"),
                Body::empty(),
                "Transfer-Encoding is set by the client",
            ),
            (
                post()
                    .header(header::CONTENT_LENGTH, "1")
                    .header(header::CONTENT_LENGTH, "1"),
                Body::from("x"),
                "more than one Content-Length",
            ),
        ];
        for (request, body, message) in cases {
            let mut request = request.body(body).unwrap();
            let error = Target::of(&mut request, None, None, true).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
