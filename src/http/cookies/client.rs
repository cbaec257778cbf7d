use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, Request, header};

use super::CookieJar;
use crate::http::{Body, Capabilities, Client, Exchange};
use crate::runtime::wall_clock;

/// Sends cookies of a jar, and keeps there what answers set.
pub(in crate::http) struct WithCookies {
    pub(in crate::http) jar: CookieJar,
    pub(in crate::http) client: Arc<dyn Client>,
}

impl Client for WithCookies {
    fn send(&self, mut request: Request<Body>) -> Exchange<'_> {
        let uri = request.uri().clone();
        if !request.headers().contains_key(header::COOKIE) {
            if let Some(value) = self.jar.sent_to(&uri) {
                request.headers_mut().insert(header::COOKIE, value);
            }
        }
        let answer = self.client.send(request);
        Box::pin(async move {
            let response = answer.await?;
            let headers = response.headers();
            let mut cookies = headers.get_all(header::SET_COOKIE).iter().peekable();
            if cookies.peek().is_some() {
                let date = date(headers);
                for cookie in cookies {
                    self.jar.set(&uri, cookie.as_bytes(), date);
                }
            }
            Ok(response)
        })
    }

    fn capabilities(&self) -> Capabilities {
        self.client.capabilities()
    }
}

/// When the server says it answered, so that it does not matter whether its clock agrees with ours.
fn date(headers: &HeaderMap) -> SystemTime {
    let date = headers
        .get(header::DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| httpdate::parse_http_date(text).ok());
    date.unwrap_or_else(wall_clock)
}
