use std::sync::Arc;

use http::{HeaderValue, Method, Request, header};

use super::{ACCEPTED_ENCODINGS, decode};
use crate::http::{Body, Capabilities, Client, Exchange};

/// Asks for coded answers and decodes them, unless the client beneath does so by itself.
pub(in crate::http) struct Decoding(pub(in crate::http) Arc<dyn Client>);

impl Client for Decoding {
    fn send(&self, mut request: Request<Body>) -> Exchange<'_> {
        let headers = request.headers_mut();
        let is_asked_otherwise =
            headers.contains_key(header::ACCEPT_ENCODING) || headers.contains_key(header::RANGE);
        if is_asked_otherwise
            || *request.method() == Method::HEAD
            || self.0.capabilities().decoding()
        {
            return self.0.send(request);
        }
        let accepted = HeaderValue::from_static(ACCEPTED_ENCODINGS);
        request
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, accepted);
        let answer = self.0.send(request);
        Box::pin(async move { decode(answer.await?) })
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities().with_decoding()
    }
}
