//! surf on the built-in engine.
//!
//! [`convert`] is the border to surf's own types: nothing of them goes further.

mod body;
mod convert;

use std::fmt;

use async_trait::async_trait;
use http::{Request, Response};

use super::exclusive::Exclusive;
use super::{Body, Capabilities, Client, Engine, Exchange, HttpError};
use crate::runtime::Runtime;

/// surf as a [`Client`].
///
/// [`new`](Self::new) makes one of surf without any of its own engines, on [`Engine`], without
/// middleware. What surf's types can not hold (a status like 520, a header that is not ASCII)
/// passes beside them.
///
/// A [`surf::Client`] of your own becomes one by `From`: with the engine and the middleware that
/// you gave it. On another engine than ours the [contract](Client) is only kept as far as that
/// engine keeps it. Do not use surf's redirect middleware: it sends credentials to other hosts.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::http::{Body, Client, Request, SurfClient};
///
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// # let url = format!("http://{}/", listener.local_addr().unwrap());
/// # std::thread::spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let mut request = [0; 1024];
/// #     assert!(socket.read(&mut request).unwrap() > 0);
/// #     socket.write_all(b"HTTP/1.1 520 Odd\r\nContent-Length: 5\r\n\r\nhello").unwrap();
/// # });
/// # futures_lite::future::block_on(async {
/// let rt = untethered::runtime::threads(1);
/// let client = SurfClient::new(&rt);
/// let request = Request::get(url).body(Body::empty()).unwrap();
/// let response = client.send(request).await.unwrap();
/// assert_eq!(response.status(), 520);
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct SurfClient {
    surf: surf::Client,
    /// Ours from end to end: nobody between looks at headers or bodies.
    direct: bool,
}

impl SurfClient {
    /// surf on an [`Engine`] with the default options.
    pub fn new(runtime: &Runtime) -> Self {
        Engine::new(runtime).into()
    }
}

impl From<Engine> for SurfClient {
    fn from(engine: Engine) -> Self {
        Self {
            surf: surf::Client::with_http_client(engine),
            direct: true,
        }
    }
}

impl From<surf::Client> for SurfClient {
    fn from(surf: surf::Client) -> Self {
        Self {
            surf,
            direct: false,
        }
    }
}

impl Client for SurfClient {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        Box::pin(self.exchange(request))
    }

    fn capabilities(&self) -> Capabilities {
        if self.direct {
            Capabilities::default().with_phases().with_deadline()
        } else {
            Capabilities::default()
        }
    }
}

impl fmt::Debug for SurfClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SurfClient").finish_non_exhaustive()
    }
}

impl SurfClient {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, HttpError> {
        let method = request.method().clone();
        let request = if self.direct {
            convert::carry_request(request)?
        } else {
            convert::to_surf_request(request)?
        };
        let response = self.surf.send(request).await;
        let mut response: surf::http::Response = response.map_err(convert::from_surf_error)?.into();
        match response.ext_mut().remove::<Exclusive<Response<Body>>>() {
            Some(carried) => Ok(carried.into_inner()),
            None => convert::from_surf_response(response, &method),
        }
    }
}

/// surf's engine. A request that came by [`SurfClient`] passes as it was.
#[async_trait]
impl surf::HttpClient for Engine {
    async fn send(
        &self,
        mut request: surf::http::Request,
    ) -> Result<surf::http::Response, surf::Error> {
        let carried = request.ext_mut().remove::<Exclusive<Request<Body>>>();
        let answer = match carried {
            Some(carried) => Client::send(self, carried.into_inner())
                .await
                .map(convert::carry_response),
            None => match convert::from_surf_request(request) {
                Ok(request) => Client::send(self, request)
                    .await
                    .and_then(convert::to_surf_response),
                Err(error) => Err(error),
            },
        };
        answer.map_err(convert::to_surf_error)
    }
}
