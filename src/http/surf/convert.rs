use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use surf::http::headers::{HeaderName as SurfName, HeaderValue as SurfValue, Headers};
use surf::http::{Method as SurfMethod, Request as SurfRequest, Response as SurfResponse};

use super::body;
use crate::http::exclusive::Exclusive;
use crate::http::{Body, Deadline, ErrorKind, HttpError, Phases};

/// What a response has that surf's types can not hold.
struct Beyond {
    status: StatusCode,
    headers: HeaderMap,
}

/// surf sees method and URL; the rest passes unseen among the extensions, which have to be `Sync`.
pub(super) fn carry_request(request: Request<Body>) -> Result<SurfRequest, HttpError> {
    let url = to_url(request.uri())?;
    let method = to_surf_method(request.method()).unwrap_or(SurfMethod::Get);
    let mut carrier = SurfRequest::new(method, url);
    carrier.ext_mut().insert(Exclusive::new(request));
    Ok(carrier)
}

pub(super) fn carry_response(response: Response<Body>) -> SurfResponse {
    let mut carrier = SurfResponse::new(nearest_status(response.status()));
    carrier.ext_mut().insert(Exclusive::new(response));
    carrier
}

pub(super) fn to_surf_request(request: Request<Body>) -> Result<SurfRequest, HttpError> {
    let (head, body) = request.into_parts();
    let method = to_surf_method(&head.method).ok_or_else(|| {
        HttpError::new(ErrorKind::Unsupported).with_message("surf does not know this method")
    })?;
    let mut request = SurfRequest::new(method, to_url(&head.uri)?);
    request.set_body(body::to_surf(body));
    // surf makes one up for every body.
    request.remove_header(SurfName::from("content-type"));
    let left_out = copy_headers(&head.headers, request.as_mut());
    if !left_out.is_empty() {
        return Err(
            HttpError::new(ErrorKind::Unsupported).with_message("surf sends ASCII headers only")
        );
    }
    if let Some(phases) = head.extensions.get::<Phases>() {
        request.ext_mut().insert(phases.clone());
    }
    if let Some(deadline) = head.extensions.get::<Deadline>() {
        request.ext_mut().insert(*deadline);
    }
    Ok(request)
}

pub(super) fn from_surf_request(mut from: SurfRequest) -> Result<Request<Body>, HttpError> {
    let invalid = || HttpError::new(ErrorKind::InvalidRequest);
    let uri: Uri = from
        .url()
        .as_str()
        .parse()
        .map_err(|error| invalid().with_source(error))?;
    let method = Method::from_bytes(from.method().as_ref().as_bytes())
        .map_err(|error| invalid().with_source(error))?;
    let mut request = Request::new(body::from_surf(from.take_body(), true));
    *request.uri_mut() = uri;
    *request.method_mut() = method;
    *request.headers_mut() =
        read_headers(from.as_ref()).map_err(|error| invalid().with_source(error))?;
    if let Some(phases) = from.ext_mut().remove::<Phases>() {
        request.extensions_mut().insert(phases);
    }
    if let Some(deadline) = from.ext_mut().remove::<Deadline>() {
        request.extensions_mut().insert(deadline);
    }
    Ok(request)
}

pub(super) fn to_surf_response(response: Response<Body>) -> Result<SurfResponse, HttpError> {
    let (head, body) = response.into_parts();
    let mut response = SurfResponse::new(nearest_status(head.status));
    response.set_body(body::to_surf(body));
    response.remove_header(SurfName::from("content-type"));
    let beyond = Beyond {
        status: head.status,
        headers: copy_headers(&head.headers, response.as_mut()),
    };
    response.ext_mut().insert(beyond);
    Ok(response)
}

pub(super) fn from_surf_response(
    mut from: SurfResponse,
    method: &Method,
) -> Result<Response<Body>, HttpError> {
    let protocol = || HttpError::new(ErrorKind::Protocol).with_maybe_sent();
    let mut status = StatusCode::from_u16(from.status().into())
        .map_err(|error| protocol().with_source(error))?;
    let mut headers = read_headers(from.as_ref()).map_err(|error| protocol().with_source(error))?;
    if let Some(beyond) = from.ext_mut().remove::<Beyond>() {
        // Middleware may have made another status of it.
        if nearest_status(beyond.status) == from.status() {
            status = beyond.status;
        }
        for (name, value) in &beyond.headers {
            headers.append(name, value.clone());
        }
    }
    let framed = *method != Method::HEAD;
    let mut response = Response::new(body::from_surf(from.take_body(), framed));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

pub(super) fn to_surf_error(error: HttpError) -> surf::Error {
    surf::Error::new(surf::StatusCode::InternalServerError, error)
}

/// The error as it was, if it was ours.
pub(super) fn from_surf_error(error: surf::Error) -> HttpError {
    error.downcast::<HttpError>().unwrap_or_else(|error| {
        HttpError::new(ErrorKind::Other)
            .with_maybe_sent()
            .with_source(error.into_inner())
    })
}

fn to_url(uri: &Uri) -> Result<surf::Url, HttpError> {
    surf::Url::parse(&uri.to_string())
        .map_err(|error| HttpError::new(ErrorKind::InvalidRequest).with_source(error))
}

fn to_surf_method(method: &Method) -> Option<SurfMethod> {
    let known: SurfMethod = method.as_str().parse().ok()?;
    // surf takes methods in any case, and servers do not.
    (known.as_ref() == method.as_str()).then_some(known)
}

/// The status, or the general one of its class: surf knows few.
fn nearest_status(status: StatusCode) -> surf::StatusCode {
    surf::StatusCode::try_from(status.as_u16()).unwrap_or(match status.as_u16() {
        100..=199 => surf::StatusCode::Continue,
        200..=299 => surf::StatusCode::Ok,
        300..=399 => surf::StatusCode::MultipleChoice,
        400..=499 => surf::StatusCode::BadRequest,
        _ => surf::StatusCode::InternalServerError,
    })
}

/// Copies what surf can hold, and gives back what it can not.
fn copy_headers(from: &HeaderMap, to: &mut Headers) -> HeaderMap {
    let mut left_out = HeaderMap::new();
    for (name, value) in from {
        match SurfValue::from_bytes(value.as_bytes().to_vec()) {
            Ok(value) => to.append(name.as_str(), value),
            Err(_) => {
                left_out.append(name, value.clone());
            }
        }
    }
    left_out
}

fn read_headers(from: &Headers) -> Result<HeaderMap, http::Error> {
    let mut headers = HeaderMap::new();
    for (name, values) in from {
        let name = HeaderName::from_bytes(name.as_str().as_bytes())?;
        for value in values {
            headers.append(&name, HeaderValue::from_str(value.as_str())?);
        }
    }
    Ok(headers)
}
