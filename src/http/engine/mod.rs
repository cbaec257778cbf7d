//! The client that is built in: HTTP/1.1 over sockets that work under every runtime.
//!
//! The way of a request: [`target`] reads where it goes, [`pool`] may have a connection that leads
//! there, else [`resolve`] and [`connect`] make one; [`connection`] speaks HTTP over a [`socket`],
//! driven by whoever waits for the response; [`response`] gives the connection back once it has
//! seen the end.

mod builder;
mod connect;
mod connection;
mod expect;
mod failure;
mod origin;
mod pool;
mod resolve;
mod response;
mod socket;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod turn;

#[cfg(feature = "hyper-tokio")]
pub(super) use self::connection::MAX_HEAD;
#[cfg(any(feature = "hyper-tokio", feature = "reqwest"))]
pub(super) use self::connection::MAX_HEADERS;
#[cfg(feature = "hyper-tokio")]
pub(super) use self::response::is_ambiguous;
#[cfg(any(feature = "hyper-tokio", feature = "isahc", feature = "reqwest"))]
pub(super) use self::target::check;
pub use builder::EngineBuilder;

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;

use self::connection::{Connection, Refused};
use self::pool::{Lease, Pool};
use self::resolve::Lookups;
use self::socket::Socket;
use self::target::{Host, Target};
use self::transport::{Protocol, Transport};
use super::{
    Body, Capabilities, Client, Deadline, ErrorKind, Exchange, ExchangePhase, HttpError, Phases,
};
use crate::primitives::atomic::{AtomicBool, Ordering::Relaxed};
use crate::runtime::Runtime;
use crate::time::timeout;

/// An HTTP/1.1 client for any runtime.
///
/// Clones share the connections. A request is driven by whoever awaits it: no task stands behind
/// a connection, and dropping the exchange or the response's body closes it at once. The runtime
/// is used for resolving names, for timers and to close what has rested too long.
///
/// On a tokio runtime that was built with `enable_io` it is tokio that watches the sockets; they
/// work while that runtime does. Everywhere else they are async-io's, which has a thread of its
/// own. tokio answers by a panic only whether it has sockets: it is asked once, before the first
/// connection. The panic is caught, but the program's panic hook sees it, and a program that
/// aborts on panic ends.
///
/// A connection is used again only after the end of a response was seen on it. It is looked at
/// before it is used again; if the server has closed it meanwhile, the request goes out on
/// another one.
///
/// It keeps [`Deadline`]s and reports [`Phases`]. It follows no redirects, keeps no cookies,
/// repeats nothing and asks no proxy.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::http::{Body, Client, Engine, Request};
///
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// # let url = format!("http://{}/", listener.local_addr().unwrap());
/// # std::thread::spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let mut request = [0; 1024];
/// #     assert!(socket.read(&mut request).unwrap() > 0);
/// #     socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
/// # });
/// # futures_lite::future::block_on(async {
/// let rt = untethered::runtime::threads(1);
/// let engine = Engine::new(&rt);
/// let request = Request::get(url).body(Body::empty()).unwrap();
/// let response = engine.send(request).await.unwrap();
/// assert_eq!(response.into_body().bytes(1024).await.unwrap(), "hello");
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Arc<Pool>,
    lookups: Lookups,
    max_headers: usize,
    user_agent: Option<HeaderValue>,
    base_url: Option<Uri>,
    local_address: Option<IpAddr>,
    expect_wait: Duration,
    #[cfg(feature = "tls")]
    tls: tls::Connectors,
}

impl Engine {
    /// An engine with the default options.
    pub fn new(runtime: &Runtime) -> Self {
        Self::builder(runtime).build()
    }

    /// Options for an engine.
    pub fn builder(runtime: &Runtime) -> EngineBuilder {
        EngineBuilder::new(runtime)
    }

    /// Refuses new requests, closes the connections at rest and waits for those in use, for at
    /// most `limit`; after that they are closed too.
    ///
    /// The refusal begins with this call, awaited or not. An exchange that is ended by it fails
    /// with an error. Closing again is allowed and waits again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future leaves the engine closed to new requests, and those in use
    /// alone.
    pub fn close(&self, limit: Duration) -> impl Future<Output = ()> + Send + use<> {
        let pool = self.inner.pool.clone();
        pool.close();
        async move {
            let in_time = timeout(pool.runtime(), limit, pool.drained().wait()).await;
            if in_time.is_err() {
                pool.end();
            }
        }
    }
}

impl Client for Engine {
    fn send(&self, request: Request<Body>) -> Exchange<'_> {
        Box::pin(self.inner.exchange(request))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_phases().with_deadline()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Inner {
    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Body>, HttpError> {
        let deadline = request.extensions_mut().remove::<Deadline>();
        let phases = request.extensions_mut().remove::<Phases>();
        let target = Target::of(
            &mut request,
            self.base_url.as_ref(),
            self.user_agent.as_ref(),
            self.pool.keep_alive(),
        )?;
        if deadline.is_some_and(|Deadline(deadline)| self.pool.runtime().now() >= deadline) {
            return Err(response::deadline_passed(false));
        }
        let lease = self.pool.enter(target.origin.clone())?;
        let mut timer =
            deadline.map(|Deadline(deadline)| Box::pin(self.pool.runtime().sleep_until(deadline)));
        let under_way = AtomicBool::new(false);
        let answer = {
            let answer = self.answer(&target, &mut request, &lease, phases.as_ref(), &under_way);
            let mut answer = pin!(answer);
            poll_fn(|cx| {
                if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                    return Poll::Ready(answer);
                }
                match &mut timer {
                    Some(timer) => timer
                        .as_mut()
                        .poll(cx)
                        .map(|()| Err(response::deadline_passed(under_way.load(Relaxed)))),
                    None => Poll::Pending,
                }
            })
            .await
        };
        let (response, connection) = answer.map_err(|error| lease.explain(error))?;
        if let Some(phases) = &phases {
            phases.report(ExchangePhase::Head);
        }
        Ok(response::hand_over(response, connection, lease, timer))
    }

    async fn answer(
        &self,
        target: &Target,
        request: &mut Request<Body>,
        lease: &Lease,
        phases: Option<&Phases>,
        under_way: &AtomicBool,
    ) -> Result<(Response<Incoming>, Box<Connection>), HttpError> {
        let held = || {
            let wait = target.holds_body.then_some(self.expect_wait)?;
            Some(self.pool.runtime().sleep(wait))
        };
        while let Some(mut connection) = lease.take_idle() {
            under_way.store(true, Relaxed);
            match connection.send(request, phases, held()).await {
                Ok(response) => return Ok((response, connection)),
                Err(Refused::Failed(error)) => return Err(error),
                // The server had closed it while it rested.
                Err(Refused::Unsent(_)) => {}
            }
            under_way.store(false, Relaxed);
        }
        if let Some(phases) = phases {
            phases.report(ExchangePhase::Connecting);
        }
        // Boxed, so that requests on a connection that is there do not carry room for it.
        let mut connection = Box::new(Box::pin(self.connect(target)).await?);
        lease.uses(&connection);
        under_way.store(true, Relaxed);
        match connection.send(request, phases, held()).await {
            Ok(response) => Ok((response, connection)),
            Err(Refused::Failed(error)) => Err(error),
            Err(Refused::Unsent(error)) => Err(failure::before_the_request(error)),
        }
    }

    async fn connect(&self, target: &Target) -> Result<Connection, HttpError> {
        let ended = self.pool.ended();
        match ended.run_until_cancelled(self.open(target)).await {
            Some(opened) => opened,
            None => Err(HttpError::new(ErrorKind::Cancelled).with_message("the engine was closed")),
        }
    }

    async fn open(&self, target: &Target) -> Result<Connection, HttpError> {
        let found;
        let literal;
        let addresses: &[IpAddr] = match target.host()? {
            Host::Address(address) => {
                literal = [address];
                &literal
            }
            Host::Name(name) => {
                let failed = HttpError::new(ErrorKind::Resolve);
                match self.lookups.resolve(name).await {
                    Ok(addresses) if addresses.is_empty() => {
                        return Err(failed.with_message("the host has no address"));
                    }
                    Ok(addresses) => found = addresses,
                    Err(error) => return Err(failed.with_source(error)),
                }
                &found
            }
        };
        let runtime = self.pool.runtime();
        let tcp = connect::connect(runtime, addresses, target.port, self.local_address)
            .await
            .map_err(|error| HttpError::new(ErrorKind::Connect).with_source(error))?;
        let socket = Socket::new(tcp);
        let transport = if target.origin.secure {
            self.secure(target, socket.clone()).await?
        } else {
            Transport::Plain(socket.clone())
        };
        let connection = match transport.protocol()? {
            Protocol::Http1 => {
                Connection::new(transport, socket, runtime.now(), self.max_headers).await
            }
        };
        connection.map_err(|error| HttpError::new(ErrorKind::Connect).with_source(error))
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, target: &Target, socket: Socket) -> Result<Transport, HttpError> {
        let stream = self.tls.handshake(target, socket).await?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, _target: &Target, _socket: Socket) -> Result<Transport, HttpError> {
        Err(target::no_tls())
    }
}
