use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Uri};

use super::connection::CHEAP_HEADERS;
use super::pool::{Limits, Pool};
use super::resolve::{self, Lookups, Resolver};
#[cfg(feature = "tls")]
use super::target::Target;
use super::{Engine, Inner};
use crate::runtime::Runtime;

/// Options of an [`Engine`]. From [`Engine::builder`].
#[must_use = "nothing is made before build()"]
pub struct EngineBuilder {
    runtime: Runtime,
    limits: Limits,
    max_headers: usize,
    user_agent: Option<HeaderValue>,
    base_url: Option<Uri>,
    resolver: Option<Resolver>,
    local_address: Option<IpAddr>,
    expect_wait: Duration,
    #[cfg(feature = "tls")]
    tls: super::tls::Options,
}

impl EngineBuilder {
    pub(super) fn new(runtime: &Runtime) -> Self {
        Self {
            runtime: runtime.clone(),
            limits: Limits {
                keep_alive: true,
                idle_time: Duration::from_secs(30),
                max_idle: 512,
                max_idle_per_host: 256,
                max_requests: usize::MAX,
                max_age: Duration::MAX,
            },
            max_headers: CHEAP_HEADERS,
            user_agent: Some(HeaderValue::from_static(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))),
            base_url: None,
            resolver: None,
            local_address: None,
            expect_wait: Duration::from_secs(1),
            #[cfg(feature = "tls")]
            tls: super::tls::Options::default(),
        }
    }

    /// How many connections may rest at once, over all hosts. Default 512; nought keeps none.
    ///
    /// Above it the one that has rested longest is closed.
    pub fn max_idle(self, n: usize) -> Self {
        Self {
            limits: Limits {
                max_idle: n,
                ..self.limits
            },
            ..self
        }
    }

    /// How many connections to one host may rest at once. Default 256; nought keeps none.
    pub fn max_idle_per_host(self, n: usize) -> Self {
        Self {
            limits: Limits {
                max_idle_per_host: n,
                ..self.limits
            },
            ..self
        }
    }

    /// How long a connection may rest before it is closed, from the end of the last response on.
    /// Default 30 seconds.
    pub fn idle_time(self, longest: Duration) -> Self {
        Self {
            limits: Limits {
                idle_time: longest,
                ..self.limits
            },
            ..self
        }
    }

    /// How many requests a connection is used for before it is closed, at the end of the last
    /// response. No limit by default. The server is not told: see
    /// [`no_keep_alive`](Self::no_keep_alive) for that.
    ///
    /// # Panics
    ///
    /// If `n` is nought. For a number that comes from outside go by
    /// [`NonZeroUsize`](std::num::NonZeroUsize).
    #[track_caller]
    pub fn max_requests(self, n: usize) -> Self {
        assert!(n != 0, "a connection that takes no request serves nobody");
        Self {
            limits: Limits {
                max_requests: n,
                ..self.limits
            },
            ..self
        }
    }

    /// How old a connection may get: one that is older takes no request, and is closed once it is
    /// found to be so, at the latest when it has rested for the [`idle_time`](Self::idle_time).
    /// No limit by default; nought uses each once.
    ///
    /// So an engine that lives for long follows a name that leads elsewhere by now.
    pub fn max_age(self, longest: Duration) -> Self {
        Self {
            limits: Limits {
                max_age: longest,
                ..self.limits
            },
            ..self
        }
    }

    /// Uses each connection once, and tells the server so.
    pub fn no_keep_alive(self) -> Self {
        Self {
            limits: Limits {
                keep_alive: false,
                ..self.limits
            },
            ..self
        }
    }

    /// How many headers a response may have; one with more fails as
    /// [`Protocol`](crate::http::ErrorKind::Protocol). Default 100.
    ///
    /// Room for more is made anew for each response, used or not: for 256 it costs a small request
    /// 6 to 9 % more CPU. Whatever the number, a head may have 256 KiB; nought refuses every header.
    pub fn max_headers(self, n: usize) -> Self {
        Self {
            max_headers: n,
            ..self
        }
    }

    /// The `User-Agent` of requests that bring none. Default `untethered/` and the version.
    pub fn user_agent(self, value: HeaderValue) -> Self {
        Self {
            user_agent: Some(value),
            ..self
        }
    }

    /// Sends no `User-Agent` by itself.
    pub fn no_user_agent(self) -> Self {
        Self {
            user_agent: None,
            ..self
        }
    }

    /// What requests without a host are for: their path is appended to that of `url`.
    pub fn base_url(self, url: Uri) -> Self {
        Self {
            base_url: Some(url),
            ..self
        }
    }

    /// Finds addresses with `resolve` instead of the system's resolver.
    ///
    /// Those who ask for one host at the same time share one call. It runs on the runtime: what
    /// blocks goes through [`Runtime::spawn_blocking`]. Literal addresses are not asked for.
    ///
    /// ```
    /// # #[cfg(feature = "threads")] {
    /// # use untethered::http::Engine;
    /// # let rt = untethered::runtime::threads(1);
    /// let engine = Engine::builder(&rt)
    ///     .resolver(|_host| async { Ok(vec![[127, 0, 0, 1].into()]) })
    ///     .build();
    /// # drop(engine);
    /// # }
    /// ```
    pub fn resolver<F, Fut>(self, resolve: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self {
            resolver: Some(resolve::from_fn(resolve)),
            ..self
        }
    }

    /// How long the body of a request with the header `Expect: 100-continue` waits for the server
    /// to ask for it. Then it is sent unasked. Default 1 second; nought does not wait.
    ///
    /// An answer that comes before the body was asked for is the answer: the body stays where it
    /// is, and the connection is closed after it.
    pub fn expect_wait(self, longest: Duration) -> Self {
        Self {
            expect_wait: longest,
            ..self
        }
    }

    /// Connects from this address. Hosts of the other family can then not be reached.
    pub fn local_address(self, address: IpAddr) -> Self {
        Self {
            local_address: Some(address),
            ..self
        }
    }

    /// Trusts the root certificates of a PEM file too, beside Mozilla's.
    ///
    /// # Errors
    ///
    /// [`Tls`](crate::http::ErrorKind::Tls) if there is none in it, or one that is not valid.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, crate::http::HttpError> {
        self.tls.add_roots(pem)?;
        Ok(self)
    }

    /// Shows a client certificate to the server at `origin`, such as `https://example.com`, and to
    /// no other. `pem` holds the chain, beginning with the certificate itself, and its private
    /// key. The path of `origin` does not count; of two for one origin the later one does.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::http::ErrorKind::InvalidRequest) if `origin` is not https.
    /// [`Tls`](crate::http::ErrorKind::Tls) if a part is missing or not valid, or the key is not
    /// that of the certificate.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn client_certificate(
        mut self,
        origin: &Uri,
        pem: &[u8],
    ) -> Result<Self, crate::http::HttpError> {
        self.tls.add_identity(&Target::of_https(origin)?, pem)?;
        Ok(self)
    }

    /// Believes every server to be the one that was asked for, whatever certificate it shows:
    /// anyone on the way can read and change what is sent.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn dangerous_accept_invalid_certificates(mut self) -> Self {
        self.tls.accept_invalid();
        self
    }

    /// The engine.
    pub fn build(self) -> Engine {
        let resolver = self
            .resolver
            .unwrap_or_else(|| resolve::system(&self.runtime));
        Engine {
            inner: Arc::new(Inner {
                pool: Pool::new(self.runtime.clone(), self.limits),
                lookups: Lookups::new(self.runtime, resolver),
                max_headers: self.max_headers,
                user_agent: self.user_agent,
                base_url: self.base_url,
                local_address: self.local_address,
                expect_wait: self.expect_wait,
                #[cfg(feature = "tls")]
                tls: self.tls.connectors(),
            }),
        }
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
