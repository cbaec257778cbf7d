//! What holds for the clients that stand on other libraries, beyond the suite.

use std::error::Error;

use futures_lite::{StreamExt, stream};
use untethered::Runtime;
use untethered::http::conformance::{Server, response};
use untethered::http::{Body, Bytes, Client, ErrorKind, FanOut, FetchRequest, Request, Timeouts};

use crate::runtimes::On;
use crate::support::{STUCK, get, poll_once};

/// A client, and what it is on.
struct Setup {
    on: On,
    client: Box<dyn Client>,
}

impl Setup {
    fn new(on: On, client: fn(&Runtime) -> Box<dyn Client>) -> Self {
        let client = client(&on.rt);
        Self { on, client }
    }

    /// Runs a test; fails if it leaves a connection open, or if the server failed.
    fn run(self, server: Server, test: impl AsyncFnOnce(&dyn Client, String)) {
        let url = server.url("/");
        (self.on.block_on)(Box::pin(test(&*self.client, url)));
        drop(self.client);
        server.finish();
    }
}

/// Mounts these tests for a client on `threads`.
macro_rules! mount {
    ($client:ident) => {
        mod $client {
            use super::*;

            fn setup() -> Setup {
                Setup::new(crate::runtimes::threads(), crate::$client)
            }

            #[test]
            fn a_host_without_an_address_is_not_found() {
                super::a_host_without_an_address_is_not_found(setup());
            }

            #[test]
            fn errors_hold_no_url() {
                super::errors_hold_no_url(setup());
            }

            #[test]
            fn a_body_without_end_stops_with_the_answer() {
                super::a_body_without_end_stops_with_the_answer(setup());
            }

            #[test]
            fn dropped_at_any_poll_it_leaves_nothing() {
                super::dropped_at_any_poll_it_leaves_nothing(setup);
            }

            #[test]
            fn a_fan_out_runs_on_it() {
                super::a_fan_out_runs_on_it(setup());
            }
        }
    };
}

#[cfg(all(feature = "hyper-tokio", feature = "threads"))]
mount!(hyper);
#[cfg(all(feature = "isahc", feature = "threads"))]
mount!(isahc);
#[cfg(all(feature = "reqwest", feature = "threads"))]
mount!(reqwest);

#[cfg(all(feature = "hyper-tokio", feature = "tokio"))]
#[test]
fn hyper_in_tokio_without_sockets_is_an_error() {
    in_tokio_without_sockets_it_is_an_error(Setup::new(crate::runtimes::tokio(), crate::hyper));
}

#[cfg(all(feature = "reqwest", feature = "tokio"))]
#[test]
fn reqwest_in_tokio_without_sockets_is_an_error() {
    in_tokio_without_sockets_it_is_an_error(Setup::new(crate::runtimes::tokio(), crate::reqwest));
}

#[cfg(all(feature = "tokio", any(feature = "hyper-tokio", feature = "reqwest")))]
fn in_tokio_without_sockets_it_is_an_error(setup: Setup) {
    let server = Server::answering(|_| panic!("nothing may be sent"));
    setup.run(server, async |client, url| {
        let error = client.send(get(&url)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert!(error.to_string().contains("enable_all"), "{error}");
    });
}

/// Timers of reqwest's own are made while the body is polled.
#[cfg(all(feature = "reqwest", feature = "threads"))]
#[test]
fn an_own_reqwest_client_may_use_timers_outside_of_tokio() {
    let server = Server::answering(|_| response(200, &[b'x'; 300_000]));
    let url = server.url("/");
    let own = ::reqwest::Client::builder()
        .no_proxy()
        .timeout(STUCK)
        .read_timeout(STUCK)
        .build()
        .unwrap();
    futures_lite::future::block_on(async {
        let client = untethered::http::ReqwestClient::from(own);
        assert!(!untethered::http::Client::capabilities(&client).deadline());
        let response = untethered::http::Client::send(&client, get(&url))
            .await
            .unwrap();
        let body = response.into_body().bytes(1 << 20).await.unwrap();
        assert_eq!(body.len(), 300_000);
    });
    server.finish();
}

#[cfg(all(feature = "hyper-tokio", feature = "threads"))]
#[test]
fn an_own_hyper_client_is_a_client() {
    let server = Server::answering(|_| response(200, b"hello"));
    let url = server.url("/");
    let own = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    futures_lite::future::block_on(async {
        let client = untethered::http::HyperClient::from(own.build_http());
        let response = untethered::http::Client::send(&client, get(&url))
            .await
            .unwrap();
        assert_eq!(response.into_body().bytes(10).await.unwrap(), "hello");
    });
    server.finish();
}

fn a_host_without_an_address_is_not_found(setup: Setup) {
    // Longer than a label of a name may be: no resolver asks the network for it.
    let url = format!("http://{}.invalid/", "a".repeat(64));
    futures_lite::future::block_on(async {
        let error = setup.client.send(get(&url)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resolve, "{error:?}");
        assert!(!error.maybe_sent());
    });
}

// H6
fn errors_hold_no_url(setup: Setup) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path().starts_with("/body") {
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        peer.close();
    });
    setup.run(server, async |client, url| {
        for path in ["head", "body"] {
            let request = get(&format!("{url}{path}?key=canary"));
            let error = match client.send(request).await {
                Ok(response) => response.into_body().bytes(10).await.unwrap_err(),
                Err(error) => error,
            };
            let mut shown = format!("{error:?}");
            let mut cause: Option<&dyn Error> = Some(&error);
            while let Some(error) = cause {
                shown += &format!(" {error} {error:?}");
                cause = error.source();
            }
            assert!(!shown.contains("canary"), "{path}: {shown}");
        }
    });
}

fn a_body_without_end_stops_with_the_answer(setup: Setup) {
    let server = Server::new(|peer| {
        peer.head().unwrap();
        peer.write(&response(413, b"enough"));
        peer.wait_for_close();
    });
    setup.run(server, async |client, url| {
        let endless = stream::repeat(()).map(|()| Ok(Bytes::from_static(&[b'x'; 1024])));
        let request = Request::post(&url).body(Body::stream(endless)).unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.into_body().bytes(10).await.unwrap(), "enough");
    });
}

// H7
fn dropped_at_any_poll_it_leaves_nothing(setup: impl Fn() -> Setup) {
    let mut polls = 0;
    loop {
        let mut done = false;
        let ended = &mut done;
        let server = Server::answering(|request| response(200, request.path().as_bytes()));
        setup().run(server, async |client, url| {
            {
                let request = get(&format!("{url}dropped"));
                let mut exchange = client.send(request);
                for _ in 0..polls {
                    if poll_once(&mut exchange).is_ready() {
                        *ended = true;
                        break;
                    }
                    std::thread::yield_now();
                }
            }
            let response = client.send(get(&url)).await.unwrap();
            assert_eq!(response.into_body().bytes(10).await.unwrap(), "/");
        });
        if done {
            return;
        }
        // The first few one by one, for after them it waits.
        polls += 1 + polls / 4;
    }
}

fn a_fan_out_runs_on_it(setup: Setup) {
    let server = Server::answering(|request| response(200, request.path().as_bytes()));
    let url = server.url("/");
    let fan_out = FanOut::new(&setup.on.rt, setup.client)
        .concurrency(4)
        .timeout(Timeouts::total(STUCK));
    futures_lite::future::block_on(async {
        let urls = (0..40).map(|n| (n, format!("{url}{n}")));
        let results = fan_out.fetch_all(urls).await;
        for (n, result) in &results {
            assert_eq!(result.as_ref().unwrap().body(), format!("/{n}").as_bytes());
        }
        assert_eq!(results.len(), 40);

        let refused = fan_out
            .fetch(FetchRequest::get(&url).timeout(Timeouts::new().connect(STUCK)))
            .await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    });
    drop(fan_out);
    server.finish();
}
