//! What only the engine can do.
#![cfg(feature = "threads")]

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use untethered::Runtime;
use untethered::http::conformance::{Server, response};
use untethered::http::{
    Body, Client, Deadline, Engine, ErrorKind, ExchangePhase, HeaderValue, HttpError, Phases,
    Request, TimeoutPhase,
};
use untethered::runtime::{BoxFuture, Sleeper, Spawner, threads};
use untethered::sim::Sim;

use crate::support::{STUCK, get, poll_once, wait_for_phase};

/// Runs a test on async-io's sockets, and on tokio's.
fn on_both_sockets(test: impl Fn(&Runtime)) {
    test(&threads(1));
    #[cfg(feature = "tokio")]
    {
        let on = crate::runtimes::tokio_with_sockets();
        test(&on.rt);
    }
}

async fn fetch(engine: &Engine, url: &str) -> Result<String, HttpError> {
    let response = engine.send(get(url)).await?;
    let body = response.into_body().bytes(1 << 20).await?;
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

/// Counts how often it was woken.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl std::task::Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn says_what_it_does() {
    let capabilities = Engine::new(&threads(1)).capabilities();
    assert!(capabilities.phases() && capabilities.deadline());
}

#[test]
fn what_goes_over_the_wire() {
    let server = Server::answering(|request| response(200, request.head.as_bytes()));
    let rt = threads(1);
    let host = server.address();
    block_on(async {
        let engine = Engine::new(&rt);
        let head = fetch(&engine, &server.url("/a?b=c")).await.unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            head,
            format!("GET /a?b=c HTTP/1.1\r\nhost: {host}\r\nuser-agent: untethered/{version}")
        );
        let head = fetch(&engine, &format!("http://{host}?q")).await.unwrap();
        assert!(head.starts_with("GET /?q HTTP/1.1\r\n"), "{head}");

        let engine = Engine::builder(&rt)
            .user_agent(HeaderValue::from_static("me"))
            .base_url(server.url("/api/").parse().unwrap())
            .no_keep_alive()
            .build();
        let head = fetch(&engine, "/users").await.unwrap();
        assert!(head.starts_with("GET /api/users HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("user-agent: me"), "{head}");
        assert!(head.contains("connection: close"), "{head}");

        let engine = Engine::builder(&rt).no_user_agent().build();
        let request = Request::post(server.url("/"))
            .header("Host", "other.example")
            .body(Body::empty())
            .unwrap();
        let response = engine.send(request).await.unwrap();
        let head = response.into_body().bytes(1024).await.unwrap();
        assert_eq!(
            head,
            "POST / HTTP/1.1\r\nhost: other.example\r\ncontent-length: 0"
        );
    });
    server.finish();
}

#[test]
fn no_keep_alive_uses_each_connection_once() {
    let server = Server::answering(|_| response(200, b"ok"));
    block_on(async {
        let engine = Engine::builder(&threads(1)).no_keep_alive().build();
        for _ in 0..3 {
            fetch(&engine, &server.url("/")).await.unwrap();
        }
    });
    assert_eq!(server.accepted(), 3);
    server.finish();
}

#[test]
fn clones_share_connections_and_closing_ends_all() {
    let server = Server::answering(|_| response(200, b"ok"));
    let url = server.url("/");
    block_on(async {
        let engine = Engine::new(&threads(1));
        let clone = engine.clone();
        fetch(&engine, &url).await.unwrap();
        fetch(&clone, &url).await.unwrap();
        assert_eq!(server.accepted(), 1);

        engine.close(Duration::MAX).await;
        for engine in [&engine, &clone] {
            let error = fetch(engine, &url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            assert!(!error.maybe_sent());
        }
        clone.close(Duration::MAX).await;
        // While both engines are alive: the connection at rest was closed.
        server.finish();
    });
}

#[test]
fn closing_waits_for_what_is_in_use() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            wait.lock().unwrap().recv_timeout(STUCK).unwrap();
            peer.write(&response(200, b"in time"));
        }
    });
    block_on(async {
        let engine = Engine::new(&threads(1));
        let phases = Phases::new();
        let mut request = get(&server.url("/"));
        request.extensions_mut().insert(phases.clone());
        let mut exchange = engine.send(request);
        wait_for_phase(&mut exchange, &phases, ExchangePhase::Sent).await;

        let counting = Arc::new(Counting::default());
        let waker = Waker::from(counting.clone());
        let mut cx = Context::from_waker(&waker);
        let mut close = Box::pin(engine.close(Duration::MAX));
        assert!(close.as_mut().poll(&mut cx).is_pending());
        go_on.send(()).unwrap();
        let response = exchange.await.unwrap();
        assert_eq!(response.into_body().bytes(10).await.unwrap(), "in time");
        assert_eq!(counting.count(), 1);
        assert!(close.as_mut().poll(&mut cx).is_ready());
    });
    server.finish();
}

#[test]
fn a_dropped_close_leaves_what_is_in_use_alone() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nin");
            wait.lock().unwrap().recv_timeout(STUCK).unwrap();
            peer.write(b" time");
        }
    });
    let url = server.url("/");
    block_on(async {
        for polls in 0..2 {
            let engine = Engine::new(&threads(1));
            let response = engine.send(get(&url)).await.unwrap();
            let mut close = Box::pin(engine.close(Duration::ZERO));
            // It waits for what is in use.
            let mut patient = Box::pin(engine.close(Duration::MAX));
            for _ in 0..polls {
                assert!(poll_once(&mut patient).is_pending());
            }
            drop(patient);
            let error = fetch(&engine, &url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            go_on.send(()).unwrap();
            assert_eq!(response.into_body().bytes(10).await.unwrap(), "in time");
            assert!(poll_once(&mut close).is_ready());
        }
    });
    server.finish();
}

#[test]
fn closing_ends_what_takes_too_long() {
    on_both_sockets(closing_ends_what_takes_too_long_on);
}

fn closing_ends_what_takes_too_long_on(rt: &Runtime) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path() == "/body" {
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        peer.wait_for_close();
    });
    block_on(async {
        let resolving = Engine::builder(rt)
            .resolver(|_| std::future::pending())
            .build();
        let mut exchange = resolving.send(get("http://h/"));
        assert!(poll_once(&mut exchange).is_pending());
        resolving.close(Duration::ZERO).await;
        assert_eq!(exchange.await.unwrap_err().kind(), ErrorKind::Cancelled);

        let engine = Engine::new(rt);
        let phases = Phases::new();
        let mut request = get(&server.url("/"));
        request.extensions_mut().insert(phases.clone());
        let mut exchange = engine.send(request);
        wait_for_phase(&mut exchange, &phases, ExchangePhase::Sent).await;
        let response = engine.send(get(&server.url("/body"))).await.unwrap();

        engine.close(Duration::ZERO).await;
        let error = exchange.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(error.maybe_sent());
        let error = response.into_body().bytes(10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    });
    server.finish();
}

#[test]
fn connections_rest_only_so_long() {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            peer.write(&response(200, b"ok"));
        }
        closed.lock().unwrap().send(()).unwrap();
    });
    let engine = Engine::builder(&threads(1))
        .idle_time(Duration::from_millis(20))
        .build();
    for _ in 0..2 {
        block_on(fetch(&engine, &server.url("/"))).unwrap();
        // While the engine is alive, and without anybody using it.
        seen.recv_timeout(STUCK).unwrap();
    }
    drop(engine);
    server.finish();
}

/// A spawner whose first call takes until it is told to go on.
struct Slow {
    rt: Runtime,
    first: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Spawner for Slow {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.rt.spawn(task).detach();
        let first = self.first.lock().unwrap().take();
        if let Some((spawned, go_on)) = first {
            spawned.send(()).unwrap();
            go_on.recv_timeout(STUCK).unwrap();
        }
    }
}

struct Clock(Runtime);

impl Sleeper for Clock {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.0.sleep_until(deadline))
    }
}

/// A task that looks after connections has ended, and the next one is at work, before the first one
/// is put down as begun.
#[test]
fn connections_are_looked_after_whoever_comes_late() {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            // So long that the end is not there with the head.
            peer.write(&response(200, &[b'x'; 300_000]));
        }
        closed.lock().unwrap().send(()).unwrap();
    });
    let url = server.url("/");
    let sim = Sim::new();
    let (spawned, wait) = mpsc::channel();
    let (go_on, late) = mpsc::channel();
    let slow = Slow {
        rt: sim.runtime(),
        first: Mutex::new(Some((spawned, late))),
    };
    let idle_time = Duration::from_secs(30);
    let engine = Engine::builder(&Runtime::new(slow, Clock(sim.runtime())))
        .idle_time(idle_time)
        .build();
    std::thread::scope(|scope| {
        scope.spawn(|| block_on(fetch(&engine, &url)).unwrap());
        wait.recv_timeout(STUCK).unwrap();
        let answer = block_on(engine.send(get(&url))).unwrap();
        // Finds no connection at rest.
        sim.run_until_idle();
        block_on(answer.into_body().bytes(1 << 20)).unwrap();
        go_on.send(()).unwrap();
    });
    assert_eq!(server.accepted(), 1);
    sim.advance(idle_time);
    seen.recv_timeout(STUCK).unwrap();
    drop(engine);
    server.finish();
}

#[test]
fn connections_at_rest_are_bounded() {
    // So long that the end is not there with the head.
    let server = Server::answering(|_| response(200, &[b'x'; 300_000]));
    let other = Server::answering(|_| response(200, b"ok"));
    for (engine, kept) in [
        (Engine::builder(&threads(1)).max_idle_per_host(2).build(), 2),
        (Engine::builder(&threads(1)).max_idle(2).build(), 1),
        (Engine::builder(&threads(1)).max_idle(0).build(), 0),
        (Engine::builder(&threads(1)).max_idle_per_host(0).build(), 0),
    ] {
        block_on(async {
            let before = server.accepted();
            // Four at once, none of them read before all are there: four connections.
            let mut responses = Vec::new();
            for _ in 0..4 {
                let response = engine.send(get(&server.url("/"))).await.unwrap();
                responses.push(response);
            }
            assert_eq!(server.accepted() - before, 4);
            for response in responses {
                response.into_body().bytes(1 << 20).await.unwrap();
            }
            // With a bound over all hosts, another host takes a place.
            fetch(&engine, &other.url("/")).await.unwrap();
            let mut responses = Vec::new();
            for _ in 0..4 {
                responses.push(engine.send(get(&server.url("/"))).await.unwrap());
            }
            assert_eq!(server.accepted() - before, 8 - kept);
        });
    }
    drop(other);
    server.finish();
}

#[test]
fn as_many_headers_as_were_allowed() {
    let server = Server::answering(|request| {
        let headers = "X: y\r\n".repeat(request.path()[1..].parse::<usize>().unwrap() - 1);
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n").into()
    });
    block_on(async {
        for most in [1, 99, 200] {
            let engine = Engine::builder(&threads(1)).max_headers(most).build();
            fetch(&engine, &server.url(&format!("/{most}")))
                .await
                .unwrap();
            let error = fetch(&engine, &server.url(&format!("/{}", most + 1)))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol);
        }
        let rt = threads(1);
        let engine = Engine::builder(&rt).max_headers(usize::MAX).build();
        fetch(&engine, &server.url("/5000")).await.unwrap();
        let engine = Engine::builder(&rt).max_headers(0).build();
        let error = fetch(&engine, &server.url("/1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    });
    server.finish();
}

// H21
#[test]
fn a_connection_takes_so_many_requests() {
    let server = Server::answering(|_| response(200, b"ok"));
    block_on(async {
        let engine = Engine::builder(&threads(1)).max_requests(2).build();
        for _ in 0..5 {
            fetch(&engine, &server.url("/")).await.unwrap();
        }
        assert_eq!(server.accepted(), 3);
        drop(engine);
    });
    server.finish();
}

#[test]
#[should_panic = "a connection that takes no request serves nobody"]
fn a_connection_for_no_request() {
    let _ = Engine::builder(&threads(1)).max_requests(0);
}

// H21
#[test]
fn a_connection_gets_only_so_old() {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            peer.write(&response(200, &[b'x'; 300_000]));
        }
        closed.lock().unwrap().send(peer.number).unwrap();
    });
    let sim = Sim::new();
    let age = Duration::from_secs(60);
    let builder = || Engine::builder(&sim.runtime()).idle_time(age * 2);
    block_on(async {
        let engine = builder().max_age(age).build();
        fetch(&engine, &server.url("/")).await.unwrap();
        sim.advance(age - Duration::from_nanos(1));
        fetch(&engine, &server.url("/")).await.unwrap();
        assert_eq!(server.accepted(), 1);
        // At rest, without anybody using it.
        sim.advance(Duration::from_nanos(1));
        assert_eq!(seen.recv_timeout(STUCK).unwrap(), 0);
        // In use.
        let answer = engine.send(get(&server.url("/"))).await.unwrap();
        sim.advance(age);
        answer.into_body().bytes(1 << 20).await.unwrap();
        assert_eq!(seen.recv_timeout(STUCK).unwrap(), 1);

        let engine = builder().max_age(Duration::ZERO).build();
        for number in 2..4 {
            fetch(&engine, &server.url("/")).await.unwrap();
            assert_eq!(seen.recv_timeout(STUCK).unwrap(), number);
        }
        let engine = builder()
            .idle_time(Duration::MAX)
            .max_age(Duration::MAX)
            .build();
        fetch(&engine, &server.url("/")).await.unwrap();
        sim.advance(Duration::from_secs(1 << 30));
        fetch(&engine, &server.url("/")).await.unwrap();
        assert_eq!(server.accepted(), 5);
    });
    server.finish();
}

// H22
#[cfg(feature = "tokio")]
#[test]
fn where_the_sockets_have_ended_an_exchange_fails() {
    let server = Server::new(|peer| {
        while let Some(request) = peer.request() {
            match request.path() {
                "/" => peer.write(&response(200, b"ok")),
                "/half" => peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
                _ => peer.wait_for_close(),
            }
        }
    });
    let on = crate::runtimes::tokio_with_sockets();
    let engine = Engine::new(&on.rt);
    let mut begun = None;
    (on.block_on)(Box::pin(async {
        begun = Some(engine.send(get(&server.url("/half"))).await.unwrap());
        fetch(&engine, &server.url("/")).await.unwrap();
    }));
    drop(on);
    block_on(async {
        begun.unwrap().into_body().bytes(100).await.unwrap_err();
        // On the connection that is at rest.
        let error = fetch(&engine, &server.url("/never")).await.unwrap_err();
        assert!(error.maybe_sent());
        assert_eq!(server.accepted(), 2);
        // On a new one.
        let error = fetch(&engine, &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
    });
    server.finish();
}

#[test]
fn deadline_while_connecting() {
    block_on(async {
        let rt = threads(1);
        let engine = Engine::builder(&rt)
            .resolver(|_| std::future::pending())
            .build();
        let phases = Phases::new();
        let mut request = get("http://h/");
        request.extensions_mut().insert(phases.clone());
        let deadline = rt.now() + Duration::from_millis(20);
        request.extensions_mut().insert(Deadline(deadline));
        let error = engine.send(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
        assert!(!error.maybe_sent());
        assert_eq!(phases.current(), ExchangePhase::Connecting);
        assert!(rt.now() >= deadline);
    });
}

/// An engine whose resolver says that it was asked and answers when told.
fn resolving(
    rt: &Runtime,
    answer: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
) -> (Engine, mpsc::Receiver<String>, mpsc::Sender<()>) {
    let (ask, asked) = mpsc::channel();
    let ask = Mutex::new(ask);
    let (go_on, wait) = mpsc::channel();
    let wait = Arc::new(Mutex::new(wait));
    let answer = Arc::new(answer);
    let runtime = rt.clone();
    let engine = Engine::builder(rt)
        .resolver(move |host| {
            ask.lock().unwrap().send(host.clone()).unwrap();
            let (wait, answer) = (wait.clone(), answer.clone());
            let lookup = runtime.spawn_blocking(move || {
                wait.lock().unwrap().recv_timeout(STUCK).unwrap();
                answer(&host)
            });
            async move { lookup.await.unwrap() }
        })
        .build();
    (engine, asked, go_on)
}

#[test]
fn look_ups_of_one_host_are_shared() {
    let server = Server::answering(|_| response(200, b"ok"));
    let port = server.address().port();
    block_on(async {
        let (engine, asked, go_on) = resolving(&threads(1), |_| Ok(vec![[127, 0, 0, 1].into()]));
        let url = format!("http://some.host:{port}/");
        let mut exchanges: Vec<_> = (0..20).map(|_| Box::pin(fetch(&engine, &url))).collect();
        for exchange in &mut exchanges {
            assert!(poll_once(exchange).is_pending());
        }
        assert_eq!(asked.recv_timeout(STUCK).unwrap(), "some.host");
        // The first one has begun it; it goes on for the others.
        drop(exchanges.remove(0));
        go_on.send(()).unwrap();
        for exchange in exchanges {
            assert_eq!(exchange.await.unwrap(), "ok");
        }
        assert!(asked.try_recv().is_err(), "asked once");

        // Nobody waits for what a dropped one has asked: the next one asks anew.
        let another = format!("http://another.host:{port}/");
        let mut dropped = Box::pin(fetch(&engine, &another));
        assert!(poll_once(&mut dropped).is_pending());
        assert_eq!(asked.recv_timeout(STUCK).unwrap(), "another.host");
        drop(dropped);
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        assert_eq!(fetch(&engine, &another).await.unwrap(), "ok");
        assert_eq!(asked.try_recv().unwrap(), "another.host");
    });
    server.finish();
}

#[test]
fn failed_look_ups() {
    block_on(async {
        let (engine, _asked, go_on) = resolving(&threads(1), |host| match host {
            "empty" => Ok(Vec::new()),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "unknown")),
        });
        for host in ["unknown", "empty", "unknown"] {
            go_on.send(()).unwrap();
            let error = fetch(&engine, &format!("http://{host}/"))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Resolve);
            assert!(!error.maybe_sent());
        }
    });
}

#[test]
fn a_resolver_that_panics_hangs_nobody() {
    let (note, noted) = mpsc::channel();
    let note = Mutex::new(note);
    let rt = threads(1).on_unobserved(move |panic| {
        note.lock().unwrap().send(panic.to_string()).unwrap();
    });
    let engine = Engine::builder(&rt)
        .resolver(|_| async { panic!("the resolver's own fault") })
        .build();
    let mut request = get("http://h/");
    request.extensions_mut().insert(Deadline(rt.now() + STUCK));
    let error = block_on(engine.send(request)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resolve);
    let noted = noted.recv_timeout(STUCK).unwrap();
    assert!(noted.contains("the resolver's own fault"), "{noted}");
}

#[test]
fn the_next_address_is_tried_at_once_when_one_fails() {
    let server = Server::on("127.0.0.3:0", |peer| {
        while peer.request().is_some() {
            peer.write(&response(200, b"third"));
        }
    });
    let port = server.address().port();
    block_on(async {
        let addresses: Vec<IpAddr> = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
            .map(|address| address.parse().unwrap())
            .into();
        let engine = Engine::builder(&threads(1))
            .resolver(move |_| std::future::ready(Ok(addresses.clone())))
            .build();
        let answer = fetch(&engine, &format!("http://h:{port}/")).await;
        assert_eq!(answer.unwrap(), "third");
    });
    server.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn connects_from_the_local_address() {
    let (peer_address, seen) = mpsc::channel();
    let peer_address = Mutex::new(peer_address);
    let server = Server::new(move |peer| {
        let address = peer.stream.peer_addr().unwrap().ip();
        peer_address.lock().unwrap().send(address).unwrap();
        peer.request().unwrap();
        peer.write(&response(200, b"ok"));
        peer.wait_for_close();
    });
    let local: IpAddr = "127.0.0.2".parse().unwrap();
    block_on(async {
        let engine = Engine::builder(&threads(1)).local_address(local).build();
        assert_eq!(fetch(&engine, &server.url("/")).await.unwrap(), "ok");
        assert_eq!(seen.recv_timeout(STUCK).unwrap(), local);

        let error = fetch(&engine, "http://127.0.0.1:1/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        let error = fetch(&engine, "http://[::1]/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
    });
    server.finish();
}

#[test]
fn ipv6_literals() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        return; // A machine without IPv6.
    };
    drop(listener);
    let server = Server::on("[::1]:0", |peer| {
        let request = peer.request().unwrap();
        peer.write(&response(200, request.header("host").unwrap().as_bytes()));
        peer.wait_for_close();
    });
    let url = server.url("/");
    let host = block_on(fetch(&Engine::new(&threads(1)), &url)).unwrap();
    assert_eq!(url, format!("http://{host}/"));
    server.finish();
}

#[test]
#[cfg(not(feature = "tls"))]
fn https_names_the_feature() {
    let error = block_on(fetch(&Engine::new(&threads(1)), "https://127.0.0.1/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("\"tls\""), "{error}");
}

#[test]
fn no_secrets_in_errors() {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"garbage hunter2\r\n\r\n");
        peer.wait_for_close();
    });
    block_on(async {
        let engine = Engine::new(&threads(1));
        let port = server.address().port();
        for url in [
            format!("http://user:hunter2@127.0.0.1:{port}/"),
            format!("http://127.0.0.1:{port}/?token=hunter2"),
            "ftp://user:hunter2@h/hunter2".to_owned(),
            "http://h:99999/hunter2".to_owned(),
        ] {
            let request = Request::get(&url).header("Authorization", "hunter2");
            let Ok(request) = request.body(Body::empty()) else {
                continue;
            };
            let error = engine.send(request).await.unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{error:?}"
            );
        }
    });
    server.finish();
}

/// A connection goes from task to task: it must wake the one that waits now, and no other.
#[test]
fn former_users_are_not_woken() {
    on_both_sockets(former_users_are_not_woken_on);
}

fn former_users_are_not_woken_on(rt: &Runtime) {
    // Not all at once, so that the former user drives it to the end.
    let server = Server::answering(|_| response(200, &[b'x'; 300_000]));
    let url = server.url("/");
    let engine = Engine::new(rt);
    let counting = Arc::new(Counting::default());
    let waker = Waker::from(counting.clone());
    let mut former = Box::pin(fetch(&engine, &url));
    loop {
        match former.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(body) => break assert_eq!(body.unwrap().len(), 300_000),
            Poll::Pending => std::thread::yield_now(),
        }
    }
    drop(former);
    let before = counting.count();
    for _ in 0..10 {
        assert_eq!(block_on(fetch(&engine, &url)).unwrap().len(), 300_000);
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(counting.count(), before);
    drop(engine);
    server.finish();
}

/// Every prefix of an exchange can be its end: nothing is left, and nobody gets its answer.
#[test]
fn dropped_at_every_poll() {
    on_both_sockets(dropped_at_every_poll_on);
}

fn dropped_at_every_poll_on(rt: &Runtime) {
    // Who may send the next byte of which answer.
    let permits: Arc<Mutex<HashMap<String, mpsc::Receiver<()>>>> = Arc::default();
    let theirs = permits.clone();
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            let answer = response(200, request.path().as_bytes());
            let Some(permits) = theirs.lock().unwrap().remove(request.path()) else {
                peer.write(&answer);
                continue;
            };
            for byte in answer {
                if permits.recv_timeout(STUCK).is_err() {
                    return;
                }
                peer.write(&[byte]);
            }
        }
    });
    block_on(async {
        let engine = Engine::new(rt);
        for polls in 0.. {
            let path = format!("/{polls}");
            let (permit, wait) = mpsc::channel();
            permits.lock().unwrap().insert(path.clone(), wait);
            let url = server.url(&path);
            let mut exchange = Box::pin(fetch(&engine, &url));
            let mut left = polls;
            let ended = std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                let polled = exchange.as_mut().poll(cx);
                if polled.is_pending() {
                    permit.send(()).ok();
                }
                polled.map(Some)
            })
            .await;
            drop((exchange, permit));
            permits.lock().unwrap().clear();
            // Whoever comes next, on whatever connection, gets its own answer.
            let after = format!("/after{polls}");
            let body = fetch(&engine, &server.url(&after)).await.unwrap();
            assert_eq!(body, after);
            if let Some(body) = ended {
                assert_eq!(body.unwrap(), path);
                assert!(polls > 20, "a byte at a time takes more than {polls} polls");
                break;
            }
        }
    });
    server.finish();
}
