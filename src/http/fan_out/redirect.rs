//! One hop of a request, and what a redirect makes of it.

use std::num::NonZeroUsize;
use std::str;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use url::Url;

use super::fetched::Redirected;
use super::{FetchRequest, address, auth};
use crate::http::{Body, ErrorKind, HttpError};

/// What the next exchange of a request sends.
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    /// The request's own; the session's are added when it is sent.
    pub(super) headers: HeaderMap,
    /// What the URL said. The request's own header goes before it, the session's after it.
    pub(super) url_auth: Option<HeaderValue>,
    /// `None` once a body that can be sent only once was sent.
    pub(super) body: Option<Body>,
    pub(super) extensions: Extensions,
    /// Whether a redirect led to another origin, even if a later one led back.
    left_origin: bool,
    /// Whether a redirect took the body away.
    dropped_body: bool,
    pub(super) history: Vec<Redirected>,
    /// What was asked of each URL of the history.
    methods: Vec<Method>,
    /// How many exchanges were begun beside others, so far.
    pub(super) hedges: usize,
}

impl Hop {
    /// The first one. `Err` with how the URL is shown, if it can not be fetched.
    pub(super) fn first(request: FetchRequest) -> Result<Self, (HttpError, String)> {
        let parsed = request.check().and_then(|()| address::parse(&request.url));
        let (url, url_auth) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return Err((error, address::shown_text(&request.url))),
        };
        let mut headers = request.headers;
        auth::mark_credentials(&mut headers);
        Ok(Self {
            method: request.method,
            url,
            headers,
            url_auth,
            body: Some(request.body),
            extensions: request.extensions,
            left_origin: false,
            dropped_body: false,
            history: Vec::new(),
            methods: Vec::new(),
            hedges: 0,
        })
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether it can be sent once more.
    pub(super) fn is_repeatable(&self) -> bool {
        self.body.is_some()
    }

    /// The request to send. Keeps what it takes to send it again.
    pub(super) fn request(&mut self, session: &HeaderMap) -> Result<Request<Body>, HttpError> {
        let body = self
            .body
            .take()
            .ok_or_else(|| redirect_error("the body can be sent only once"))?;
        self.body = body.try_clone();
        let mut request = Request::new(body);
        *request.uri_mut() = address::to_uri(&self.url)?;
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.sent_headers(session);
        *request.extensions_mut() = self.extensions.clone();
        Ok(request)
    }

    fn sent_headers(&self, session: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(value) = &self.url_auth {
            headers
                .entry(header::AUTHORIZATION)
                .or_insert_with(|| value.clone());
        }
        for name in session.keys() {
            if !headers.contains_key(name) {
                for value in session.get_all(name) {
                    headers.append(name, value.clone());
                }
            }
        }
        if self.left_origin {
            remove(&mut headers, |name, value| {
                auth::is_credential(name, value) || *name == header::HOST
            });
        }
        if self.dropped_body {
            remove(&mut headers, |name, _| describes_body(name));
        }
        headers
    }

    /// Moves on to where an answer with that head redirects to. `false` if it does not.
    ///
    /// `max` is the number of hops allowed; with `None` redirects are answers like any other.
    pub(super) fn follow(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        max: Option<NonZeroUsize>,
    ) -> Result<bool, HttpError> {
        let Some(max) = max else { return Ok(false) };
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(false);
        }
        let Some(location) = headers.get(header::LOCATION) else {
            return Ok(false);
        };
        let next = self.target(location)?;
        let (method, drops_body) = match (status.as_u16(), &self.method) {
            (303, &Method::GET | &Method::HEAD) => (self.method.clone(), false),
            (303, _) | (301 | 302, &Method::POST) => (Method::GET, true),
            _ => (self.method.clone(), false),
        };
        if !drops_body && self.body.is_none() {
            return Err(redirect_error("the body can be sent only once"));
        }
        let left_origin = next.origin() != self.url.origin();
        self.history.push(Redirected {
            status,
            url: std::mem::replace(&mut self.url, next),
        });
        self.methods
            .push(std::mem::replace(&mut self.method, method));
        self.left_origin |= left_origin;
        if drops_body {
            self.dropped_body = true;
            self.body = Some(Body::empty());
        }
        let mut seen = self.history.iter().zip(&self.methods);
        if seen.any(|(hop, method)| is_same(&hop.url, &self.url) && *method == self.method) {
            return Err(redirect_error("a loop"));
        }
        if self.history.len() > max.get() {
            return Err(redirect_error(format!("more than {max} redirects")));
        }
        Ok(true)
    }

    fn target(&self, location: &HeaderValue) -> Result<Url, HttpError> {
        let location = str::from_utf8(location.as_bytes())
            .map_err(|error| redirect_error("Location is not a URL").with_source(error))?;
        let mut next = self
            .url
            .join(location)
            .map_err(|error| redirect_error("Location is not a URL").with_source(error))?;
        if !address::is_http(&next) {
            return Err(redirect_error("to something else than http and https"));
        }
        if self.url.scheme() == "https" && next.scheme() == "http" {
            return Err(redirect_error("from https to http"));
        }
        if next.fragment().is_none() {
            next.set_fragment(self.url.fragment());
        }
        // A server has no say in whom we authenticate as.
        Ok(address::without_user_info(next).0)
    }
}

fn redirect_error(message: impl Into<String>) -> HttpError {
    HttpError::new(ErrorKind::Redirect)
        .with_message(message)
        .with_maybe_sent()
}

/// Whether a server can not tell the two apart.
fn is_same(one: &Url, other: &Url) -> bool {
    use url::Position::AfterQuery;
    one[..AfterQuery] == other[..AfterQuery]
}

fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName, &HeaderValue) -> bool) {
    let names: Vec<_> = headers
        .iter()
        .filter(|(name, value)| unwanted(name, value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn describes_body(name: &HeaderName) -> bool {
    [
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_LENGTH,
        header::CONTENT_LOCATION,
        header::CONTENT_TYPE,
        header::TRANSFER_ENCODING,
        header::EXPECT,
    ]
    .contains(name)
}
