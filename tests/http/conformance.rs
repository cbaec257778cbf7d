//! What every client must do, whatever the server does. Mounted for each client on each runtime.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::Stream;
use untethered::Runtime;
use untethered::http::{
    Body, Bytes, Client, Deadline, ErrorKind, ExchangePhase, HttpError, Phases, Request,
    TimeoutPhase,
};

use crate::deviations::Deviation;
use crate::runtimes::BlockOn;
use crate::server::{STUCK, Server, response};

/// A client, and the runtime it is on.
pub(crate) struct Setup {
    pub(crate) rt: Runtime,
    pub(crate) client: Box<dyn Client>,
    /// Runs a future to its end, as a program on that runtime would.
    pub(crate) block_on: BlockOn,
    /// The tests by which it is known to do something else.
    pub(crate) deviations: &'static [Deviation],
}

impl Setup {
    /// Whether this client is known not to do what `test` asks for.
    fn deviates(&self, test: &str) -> bool {
        self.deviations
            .iter()
            .any(|deviation| deviation.test == test)
    }

    /// Runs a test; fails if it leaves a connection open, or if the server failed.
    pub(crate) fn run<F>(self, server: Server, test: impl FnOnce(Arc<Setup>, String) -> F)
    where
        F: Future<Output = ()>,
    {
        let this = Arc::new(self);
        let url = server.url("/");
        (this.block_on)(Box::pin(test(this.clone(), url)));
        // The last clone: with it the connections at rest are closed.
        drop(Arc::into_inner(this).expect("the test keeps nothing"));
        server.finish();
    }

    /// Polls `exchange` until the server has the request, which `asked` tells.
    async fn until_asked<F: Future + Unpin>(
        &self,
        exchange: &mut F,
        phases: &Phases,
        mut asked: impl FnMut() -> bool,
    ) {
        if self.client.capabilities().phases() {
            wait_for_phase(exchange, phases, ExchangePhase::Sent).await;
        }
        std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut *exchange).poll(cx).is_pending(), "answered");
            if asked() {
                return Poll::Ready(());
            }
            std::thread::yield_now();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Gives `request` a deadline, late enough for it to be dropped before.
    fn must_end_soon(&self, request: &mut Request<Body>) {
        let deadline = self.rt.now() + Duration::from_secs(1);
        request.extensions_mut().insert(Deadline(deadline));
    }

    async fn get(&self, url: &str) -> Result<http_response::Whole, HttpError> {
        http_response::whole(self.client.send(get(url)).await?).await
    }
}

pub(crate) mod http_response {
    use untethered::http::{Body, HeaderMap, HttpError, Response};

    /// A response with its body read.
    #[derive(Debug)]
    pub(crate) struct Whole {
        pub status: u16,
        pub headers: HeaderMap,
        pub body: Vec<u8>,
    }

    pub(crate) async fn whole(response: Response<Body>) -> Result<Whole, HttpError> {
        let (head, body) = response.into_parts();
        Ok(Whole {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.bytes(64 << 20).await?.to_vec(),
        })
    }
}

pub(crate) fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

/// Polls once, without anybody to wake.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Names every test, for whoever mounts them.
macro_rules! for_each_conformance_test {
    ($mount:ident! $args:tt) => {
        $mount! { $args
            any_status_is_an_answer
            bytes_in_headers
            big_head
            informational_before_the_answer
            http_1_0_until_close
            until_close_then_reset
            chunks_and_trailers
            drip
            two_lengths
            no_body_where_none_belongs
            garbage
            cut_off_length
            cut_off_chunks
            closed_before_the_answer
            reset_before_the_answer
            body_above_the_limit
            reused_after_the_end
            unread_body_that_is_here
            unread_body_that_is_not_here
            surplus_after_the_answer
            closed_when_asked
            stale_connection
            closed_after_the_request
            dropped_exchange
            dropped_body
            dropped_answer_reaches_nobody
            deadline_without_an_answer
            deadline_within_the_body
            phases
            body_sent_whole
            body_sent_in_pieces
            body_that_fails
            answer_before_the_body_is_sent
            many_at_once
            refused
            bad_requests
            no_redirects
        }
    };
}
pub(crate) use for_each_conformance_test;

pub(crate) fn any_status_is_an_answer(setup: Setup) {
    let server = Server::answering(|request| {
        let status = request.path()[1..].parse().unwrap();
        response(status, b"as you wish")
    });
    setup.run(server, |setup, url| async move {
        for status in [200, 201, 299, 404, 430, 500, 520, 599, 999] {
            let response = setup.get(&format!("{url}{status}")).await.unwrap();
            assert_eq!(response.status, status);
            assert_eq!(response.body, b"as you wish");
        }
    });
}

pub(crate) fn bytes_in_headers(setup: Setup) {
    let server = Server::answering(|_| {
        b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nX-Twice: a\r\nX-Twice: \xff\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    setup.run(server, |setup, url| async move {
        let response = setup.get(&url).await.unwrap();
        assert_eq!(response.headers["x-name"].as_bytes(), b"caf\xe9");
        let twice: Vec<_> = response.headers.get_all("x-twice").iter().collect();
        assert_eq!(twice.len(), 2);
        assert_eq!(twice[1].as_bytes(), b"\xff");
    });
}

pub(crate) fn big_head(setup: Setup) {
    let server = Server::answering(|_| {
        let mut head = String::from("HTTP/1.1 200 OK\r\n");
        for i in 0..198 {
            head += &format!("X-{i}: {i}\r\n");
        }
        head += &format!(
            "X-Big: {}\r\nContent-Length: 2\r\n\r\nok",
            "b".repeat(20 * 1024)
        );
        head.into_bytes()
    });
    setup.run(server, |setup, url| async move {
        let response = setup.get(&url).await.unwrap();
        assert_eq!(response.headers.len(), 200);
        assert_eq!(response.headers["x-big"].len(), 20 * 1024);
        assert_eq!(response.headers["x-197"], "197");
    });
}

pub(crate) fn informational_before_the_answer(setup: Setup) {
    let server = Server::answering(|_| {
        let mut bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(3);
        bytes.extend(response(200, b"the answer"));
        bytes
    });
    setup.run(server, |setup, url| async move {
        for _ in 0..2 {
            let response = setup.get(&url).await.unwrap();
            assert_eq!(
                (response.status, &response.body[..]),
                (200, &b"the answer"[..])
            );
            assert!(!response.headers.contains_key("link"));
        }
    });
}

pub(crate) fn http_1_0_until_close(setup: Setup) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.0 200 OK\r\n\r\nuntil ");
        peer.write(b"close");
        peer.close();
    });
    setup.run(server, |setup, url| async move {
        for _ in 0..2 {
            assert_eq!(setup.get(&url).await.unwrap().body, b"until close");
        }
    });
}

pub(crate) fn until_close_then_reset(setup: Setup) {
    let server = Server::new(|peer| {
        // What the client sent and nobody read makes the kernel reset the connection.
        let mut one = [0];
        std::io::Read::read_exact(&mut peer.stream, &mut one).unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of");
    });
    setup.run(server, |setup, url| async move {
        let outcome = setup.get(&url).await;
        // The reset may overtake the bytes before it.
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Truncated);
    });
}

pub(crate) fn chunks_and_trailers(setup: Setup) {
    let server = Server::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
          5;note=x\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n"
            .to_vec()
    });
    setup.run(server, |setup, url| async move {
        for _ in 0..2 {
            assert_eq!(setup.get(&url).await.unwrap().body, b"hello world");
        }
    });
}

pub(crate) fn drip(setup: Setup) {
    let server = Server::new(|peer| {
        while peer.request().is_some() {
            let chunked =
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            for byte in response(200, b"drop by drop").iter().chain(chunked) {
                peer.write(&[*byte]);
                std::thread::yield_now();
            }
            peer.wait_for_close();
        }
    });
    setup.run(server, |setup, url| async move {
        assert_eq!(setup.get(&url).await.unwrap().body, b"drop by drop");
    });
}

pub(crate) fn two_lengths(setup: Setup) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n",
        );
        // Whoever believes the other length reads the next answer wrongly: so there is none.
        peer.wait_for_close();
    });
    // Who deviates would wait for it.
    let times = if setup.deviates("two_lengths") { 1 } else { 2 };
    setup.run(server, |setup, url| async move {
        for _ in 0..times {
            match setup.get(&url).await {
                Ok(response) => assert_eq!(response.body, b"hello"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol),
            }
        }
    });
}

pub(crate) fn no_body_where_none_belongs(setup: Setup) {
    let server = Server::answering(|request| match request.path() {
        "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec(),
    });
    setup.run(server, |setup, url| async move {
        for (path, status) in [("204", 204), ("304", 304)] {
            let response = setup.get(&format!("{url}{path}")).await.unwrap();
            assert_eq!((response.status, response.body.len()), (status, 0));
        }
        let head = Request::head(format!("{url}head"))
            .body(Body::empty())
            .unwrap();
        let response = setup.client.send(head).await.unwrap();
        assert_eq!(response.headers()["content-length"], "10");
        assert!(response.into_body().bytes(10).await.unwrap().is_empty());
    });
}

pub(crate) fn garbage(setup: Setup) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        peer.write(match request.path() {
            "/binary" => b"\x00\x01\x02\x03\xff\xfe garbage \r\n\r\n",
            "/status" => b"HTTP/1.1 abc Nope\r\n\r\n",
            "/header" => b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "/length" => b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "/lengths" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "/chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
            path => panic!("{path}"),
        });
        peer.wait_for_close();
    });
    setup.run(server, |setup, url| async move {
        for path in ["binary", "status", "header", "length", "lengths", "chunk"] {
            let error = setup.get(&format!("{url}{path}")).await.unwrap_err();
            let kind = if path == "chunk" && setup.deviates("garbage") {
                ErrorKind::Truncated
            } else {
                ErrorKind::Protocol
            };
            assert_eq!(error.kind(), kind, "{path}: {error:?}");
            assert!(error.maybe_sent());
        }
    });
}

// H8
pub(crate) fn cut_off_length(setup: Setup) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        peer.close();
    });
    setup.run(server, |setup, url| async move {
        let response = setup.client.send(get(&url)).await.unwrap();
        let error = response.into_body().bytes(100).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
    });
}

// H8
pub(crate) fn cut_off_chunks(setup: Setup) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.write(match request.path() {
            "/within" => b"a\r\nhalf",
            "/between" => b"4\r\nhalf\r\n",
            "/last" => b"4\r\nhalf\r\n0\r\n",
            path => panic!("{path}"),
        });
        peer.close();
    });
    setup.run(server, |setup, url| async move {
        for path in ["within", "between", "last"] {
            let response = setup
                .client
                .send(get(&format!("{url}{path}")))
                .await
                .unwrap();
            let error = response.into_body().bytes(100).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{path}: {error:?}");
        }
    });
}

pub(crate) fn closed_before_the_answer(setup: Setup) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path() == "/half" {
            peer.write(b"HTTP/1.1 200 OK\r\nConte");
        }
        peer.close();
    });
    setup.run(server, |setup, url| async move {
        for path in ["", "half"] {
            let error = setup.get(&format!("{url}{path}")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
            assert!(error.maybe_sent());
        }
    });
}

pub(crate) fn reset_before_the_answer(setup: Setup) {
    let server = Server::new(|peer| {
        let mut one = [0];
        std::io::Read::read_exact(&mut peer.stream, &mut one).unwrap();
    });
    setup.run(server, |setup, url| async move {
        let error = setup.get(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
        assert!(error.maybe_sent());
    });
}

pub(crate) fn body_above_the_limit(setup: Setup) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path() == "/length" {
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
        } else {
            peer.write(b"HTTP/1.1 200 OK\r\n\r\n");
        }
        // Until the client hangs up.
        while std::io::Write::write_all(&mut peer.stream, &[b'x'; 65536]).is_ok() {}
    });
    setup.run(server, |setup, url| async move {
        for path in ["length", "close"] {
            let response = setup
                .client
                .send(get(&format!("{url}{path}")))
                .await
                .unwrap();
            let error = response.into_body().bytes(8 << 20).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
        }
    });
}

pub(crate) fn reused_after_the_end(setup: Setup) {
    let again = setup.deviates("reused_after_the_end");
    let server = Server::new(move |peer| {
        assert!(peer.number == 0 || again, "a second connection");
        while let Some(request) = peer.request() {
            match request.path() {
                "/chunked" => peer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                ),
                "/big" => peer.write(&response(200, &[b'b'; 300_000])),
                _ => peer.write(&response(200, b"ok")),
            }
        }
    });
    setup.run(server, |setup, url| async move {
        for path in ["", "chunked", "big", "", "chunked", "big", "big"] {
            setup.get(&format!("{url}{path}")).await.unwrap();
        }
    });
}

pub(crate) fn unread_body_that_is_here(setup: Setup) {
    let again = setup.deviates("unread_body_that_is_here");
    let server = Server::new(move |peer| {
        assert!(peer.number == 0 || again, "a second connection");
        while let Some(request) = peer.request() {
            match request.path() {
                "/chunked" => peer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2\r\nok\r\n0\r\n\r\n",
                ),
                _ => peer.write(&response(200, b"nobody reads this")),
            }
        }
    });
    setup.run(server, |setup, url| async move {
        for path in ["", "chunked", "", "chunked"] {
            let response = setup
                .client
                .send(get(&format!("{url}{path}")))
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
        }
    });
}

// H7
pub(crate) fn unread_body_that_is_not_here(setup: Setup) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            if request.path() == "/half" {
                peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                peer.wait_for_close();
                closed.lock().unwrap().send(()).unwrap();
                return;
            }
            peer.write(&response(200, b"another connection"));
        }
    });
    setup.run(server, |setup, url| async move {
        for _ in 0..2 {
            let mut request = get(&format!("{url}half"));
            if setup.deviates("unread_body_that_is_not_here") {
                setup.must_end_soon(&mut request);
            }
            drop(setup.client.send(request).await.unwrap());
            // Blocks the thread: nothing has to be polled for the close.
            seen.recv_timeout(STUCK).unwrap();
            assert_eq!(setup.get(&url).await.unwrap().body, b"another connection");
        }
    });
}

// H7
pub(crate) fn surplus_after_the_answer(setup: Setup) {
    let server = Server::new(|peer| {
        let request = peer.request().unwrap();
        if request.path() == "/first" {
            let mut bytes = response(200, b"first");
            bytes.extend(response(200, b"nobody asked"));
            peer.write(&bytes);
            peer.wait_for_close();
            return;
        }
        peer.write(&response(200, b"second"));
        peer.wait_for_close();
    });
    setup.run(server, |setup, url| async move {
        let first = setup.get(&format!("{url}first")).await.unwrap();
        assert_eq!(first.body, b"first");
        assert_eq!(setup.get(&url).await.unwrap().body, b"second");
    });
}

pub(crate) fn closed_when_asked(setup: Setup) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        peer.wait_for_close();
    });
    setup.run(server, |setup, url| async move {
        for _ in 0..3 {
            assert_eq!(setup.get(&url).await.unwrap().body, b"ok");
        }
    });
}

pub(crate) fn stale_connection(setup: Setup) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        let request = peer.request().unwrap();
        peer.write(&response(200, &request.body));
        peer.close();
        closed.lock().unwrap().send(()).unwrap();
    });
    setup.run(server, |setup, url| async move {
        for body in ["one", "two", "three"] {
            let request = Request::post(&url).body(Body::from(body)).unwrap();
            let response = setup.client.send(request).await.unwrap();
            assert_eq!(response.into_body().bytes(10).await.unwrap(), body);
            seen.recv_timeout(STUCK).unwrap();
        }
    });
}

pub(crate) fn closed_after_the_request(setup: Setup) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            log.lock().unwrap().push(request.path().to_owned());
            if request.path() == "/never" {
                peer.close();
                return;
            }
            peer.write(&response(200, b""));
        }
    });
    setup.run(server, |setup, url| async move {
        setup.get(&url).await.unwrap();
        let error = setup.get(&format!("{url}never")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert!(error.maybe_sent());
    });
    assert_eq!(*seen.lock().unwrap(), ["/", "/never"], "sent once");
}

pub(crate) fn dropped_exchange(setup: Setup) {
    let (event, events) = mpsc::channel();
    let event = Mutex::new(event);
    let server = Server::new(move |peer| {
        peer.request().unwrap();
        event.lock().unwrap().send("asked").unwrap();
        peer.wait_for_close();
        event.lock().unwrap().send("closed").unwrap();
    });
    setup.run(server, |setup, url| async move {
        let phases = Phases::new();
        let mut request = get(&url);
        request.extensions_mut().insert(phases.clone());
        if setup.deviates("dropped_exchange") {
            setup.must_end_soon(&mut request);
        }
        let mut exchange = setup.client.send(request);
        setup
            .until_asked(&mut exchange, &phases, || events.try_recv() == Ok("asked"))
            .await;
        drop(exchange);
        // Blocks the thread: nothing has to be polled for the close.
        assert_eq!(events.recv_timeout(STUCK).unwrap(), "closed");
    });
}

pub(crate) fn dropped_body(setup: Setup) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        peer.wait_for_close();
        closed.lock().unwrap().send(()).unwrap();
    });
    setup.run(server, |setup, url| async move {
        let mut request = get(&url);
        if setup.deviates("dropped_body") {
            setup.must_end_soon(&mut request);
        }
        let response = setup.client.send(request).await.unwrap();
        let mut chunks = response.into_body().chunks();
        assert_eq!(chunks.next().await.unwrap().unwrap(), "half");
        assert!(poll_once(&mut pin!(chunks.next())).is_pending());
        drop(chunks);
        seen.recv_timeout(STUCK).unwrap();
    });
}

// H7
pub(crate) fn dropped_answer_reaches_nobody(setup: Setup) {
    let (asked, seen) = mpsc::channel();
    let asked = Mutex::new(asked);
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            if request.path() == "/dropped" {
                asked.lock().unwrap().send(()).unwrap();
                peer.wait_for_close();
                peer.write(&response(200, b"too late"));
                return;
            }
            peer.write(&response(200, request.path().as_bytes()));
        }
    });
    setup.run(server, |setup, url| async move {
        for i in 0..20 {
            let warm = format!("/warm{i}");
            assert_eq!(
                setup
                    .get(&format!("{url}{}", &warm[1..]))
                    .await
                    .unwrap()
                    .body,
                warm.as_bytes()
            );
            let phases = Phases::new();
            let mut request = get(&format!("{url}dropped"));
            request.extensions_mut().insert(phases.clone());
            let mut exchange = setup.client.send(request);
            setup
                .until_asked(&mut exchange, &phases, || seen.try_recv().is_ok())
                .await;
            drop(exchange);
        }
    });
}

pub(crate) fn deadline_without_an_answer(setup: Setup) {
    let server = Server::new(|peer| {
        assert_eq!(peer.request().unwrap().path(), "/");
        peer.wait_for_close();
    });
    setup.run(server, |setup, url| async move {
        let mut request = get(&url);
        let deadline = setup.rt.now() + Duration::from_millis(50);
        request.extensions_mut().insert(Deadline(deadline));
        let error = setup.client.send(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
        assert!(error.maybe_sent());
        assert!(setup.rt.now() >= deadline);

        // One that has passed: nothing is begun.
        let mut request = get(&format!("{url}too-late"));
        request.extensions_mut().insert(Deadline(setup.rt.now()));
        let error = setup.client.send(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
        assert!(!error.maybe_sent());
    });
}

pub(crate) fn deadline_within_the_body(setup: Setup) {
    let server = Server::new(|peer| {
        peer.request().unwrap();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        peer.wait_for_close();
    });
    setup.run(server, |setup, url| async move {
        let mut request = get(&url);
        let deadline = setup.rt.now() + Duration::from_millis(200);
        request.extensions_mut().insert(Deadline(deadline));
        let response = setup.client.send(request).await.unwrap();
        let error = response.into_body().bytes(10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
        assert!(setup.rt.now() >= deadline);
    });
}

pub(crate) fn phases(setup: Setup) {
    if setup.deviates("phases") {
        return no_phases(setup);
    }
    let (go_on, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let server = Server::new(move |peer| {
        while peer.request().is_some() {
            wait.lock().unwrap().recv_timeout(STUCK).unwrap();
            peer.write(&response(200, b"ok"));
        }
    });
    setup.run(server, |setup, url| async move {
        for _ in 0..2 {
            let phases = Phases::new();
            let mut request = get(&url);
            request.extensions_mut().insert(phases.clone());
            let mut exchange = setup.client.send(request);
            assert_eq!(phases.current(), ExchangePhase::Begun);
            wait_for_phase(&mut exchange, &phases, ExchangePhase::Sent).await;
            assert_eq!(phases.current(), ExchangePhase::Sent);
            go_on.send(()).unwrap();
            let response = exchange.await.unwrap();
            assert_eq!(phases.current(), ExchangePhase::Head);
            response.into_body().bytes(10).await.unwrap();
        }

        // A body that has not ended is not sent, whatever was written of it.
        let (body, pieces) = pieces();
        pieces.give("first");
        let phases = Phases::new();
        let mut request = Request::post(&url).body(body).unwrap();
        request.extensions_mut().insert(phases.clone());
        let mut exchange = setup.client.send(request);
        wait_for_phase(&mut exchange, &phases, ExchangePhase::Sending).await;
        assert!(poll_once(&mut exchange).is_pending());
        assert_eq!(phases.current(), ExchangePhase::Sending);
        pieces.end();
        wait_for_phase(&mut exchange, &phases, ExchangePhase::Sent).await;
        go_on.send(()).unwrap();
        exchange.await.unwrap();
    });
}

/// Who can not report says so, and reports nothing.
fn no_phases(setup: Setup) {
    assert!(!setup.client.capabilities().phases());
    let server = Server::answering(|_| response(200, b"ok"));
    setup.run(server, |setup, url| async move {
        let phases = Phases::new();
        let mut request = get(&url);
        request.extensions_mut().insert(phases.clone());
        let response = setup.client.send(request).await.unwrap();
        response.into_body().bytes(10).await.unwrap();
        assert_eq!(phases.current(), ExchangePhase::Begun);
    });
}

pub(crate) fn body_sent_whole(setup: Setup) {
    let server = Server::answering(|request| {
        assert_eq!(
            request.header("content-length").as_deref(),
            Some(&*request.body.len().to_string())
        );
        response(200, &request.body)
    });
    setup.run(server, |setup, url| async move {
        for size in [0, 1, 10_000, 5 << 20] {
            let body = vec![b'x'; size];
            let request = Request::put(&url).body(Body::from(body.clone())).unwrap();
            let response = setup.client.send(request).await.unwrap();
            assert_eq!(response.into_body().bytes(size).await.unwrap(), body);
        }
    });
}

pub(crate) fn body_sent_in_pieces(setup: Setup) {
    let server = Server::answering(|request| {
        assert_eq!(
            request.header("transfer-encoding").as_deref(),
            Some("chunked")
        );
        response(200, &request.body)
    });
    setup.run(server, |setup, url| async move {
        for method in ["POST", "GET"] {
            let (body, pieces) = pieces();
            let request = Request::builder()
                .method(method)
                .uri(&url)
                .body(body)
                .unwrap();
            let exchange = setup.client.send(request);
            let feed = async {
                let mut all = String::new();
                for i in 0..100 {
                    let piece = format!("piece {i} ");
                    all += &piece;
                    pieces.give(piece);
                    futures_lite::future::yield_now().await;
                }
                pieces.end();
                all
            };
            let (response, sent) = futures_lite::future::zip(exchange, feed).await;
            let body = response.unwrap().into_body().bytes(1 << 20).await.unwrap();
            assert_eq!(body, sent);
        }
    });
}

pub(crate) fn body_that_fails(setup: Setup) {
    let server = Server::new(|peer| {
        assert!(peer.request().is_none(), "the body never ends");
    });
    setup.run(server, |setup, url| async move {
        let (body, pieces) = pieces();
        pieces.give("first");
        pieces.fail(HttpError::new(ErrorKind::Cancelled));
        let request = Request::post(&url).body(body).unwrap();
        let error = setup.client.send(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    });
}

pub(crate) fn answer_before_the_body_is_sent(setup: Setup) {
    let (closed, seen) = mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::new(move |peer| {
        peer.head().unwrap();
        peer.write(&response(413, b"enough"));
        peer.wait_for_close();
        closed.lock().unwrap().send(()).unwrap();
    });
    setup.run(server, |setup, url| async move {
        for _ in 0..2 {
            let (body, pieces) = pieces();
            pieces.give("first");
            let request = Request::post(&url).body(body).unwrap();
            let response = setup.client.send(request).await.unwrap();
            assert_eq!(response.status(), 413);
            assert_eq!(response.into_body().bytes(10).await.unwrap(), "enough");
            // The rest of the request can not follow, nor another request.
            seen.recv_timeout(STUCK).unwrap();
            drop(pieces);
        }
    });
}

pub(crate) fn many_at_once(setup: Setup) {
    let server = Server::answering(|request| response(200, request.path().as_bytes()));
    setup.run(server, |setup, url| async move {
        let tasks: Vec<_> = (0..40)
            .map(|task| {
                let (setup, url) = (setup.clone(), url.clone());
                setup.rt.clone().spawn(async move {
                    for i in 0..25 {
                        let path = format!("{task}/{i}");
                        let response = setup.get(&format!("{url}{path}")).await.unwrap();
                        assert_eq!(response.body, format!("/{path}").as_bytes());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

pub(crate) fn refused(setup: Setup) {
    let server = Server::answering(|_| response(200, b""));
    let port = free_port();
    setup.run(server, |setup, _| async move {
        let error = setup
            .get(&format!("http://127.0.0.1:{port}/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(!error.maybe_sent());
        assert!(std::error::Error::source(&error).is_some());
    });
}

pub(crate) fn bad_requests(setup: Setup) {
    let server = Server::answering(|_| panic!("nothing may be sent"));
    setup.run(server, |setup, url| async move {
        for bad in [
            "ftp://127.0.0.1/",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:0/",
            "/only/a/path",
            "http://[::zz]/",
        ] {
            // What is no URL at all can not even be asked for.
            let Ok(request) = Request::get(bad).body(Body::empty()) else {
                continue;
            };
            let error = setup.client.send(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{bad}: {error:?}");
            assert!(!error.maybe_sent());
        }
        let connect = Request::connect(&url).body(Body::empty()).unwrap();
        let error = setup.client.send(connect).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let wrong_length = Request::post(&url)
            .header("Content-Length", "3")
            .body(Body::from("four"))
            .unwrap();
        let error = setup.client.send(wrong_length).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        let own_framing = Request::post(&url)
            .header("Transfer-Encoding", "gzip")
            .body(Body::from("four"))
            .unwrap();
        let error = setup.client.send(own_framing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    });
}

pub(crate) fn no_redirects(setup: Setup) {
    let server = Server::answering(|request| {
        assert_eq!(request.path(), "/");
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    setup.run(server, |setup, url| async move {
        let response = setup.get(&url).await.unwrap();
        assert_eq!(response.status, 302);
        assert_eq!(response.headers["location"], "/elsewhere");
    });
}

/// Polls `exchange` until it has reported `phase`.
pub(crate) async fn wait_for_phase<F: Future + Unpin>(
    exchange: &mut F,
    phases: &Phases,
    phase: ExchangePhase,
) {
    std::future::poll_fn(|cx| {
        assert!(
            Pin::new(&mut *exchange).poll(cx).is_pending(),
            "ended too early"
        );
        if phases.current() >= phase {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A body that is fed from outside.
pub(crate) fn pieces() -> (Body, Pieces) {
    let pieces = Pieces::default();
    (Body::stream(pieces.clone()), pieces)
}

#[derive(Clone, Default)]
pub(crate) struct Pieces(Arc<Mutex<Feed>>);

#[derive(Default)]
struct Feed {
    pieces: VecDeque<Result<Bytes, HttpError>>,
    ended: bool,
    waker: Option<Waker>,
}

impl Pieces {
    pub(crate) fn give(&self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        self.change(|feed| feed.pieces.push_back(Ok(piece)));
    }

    fn fail(&self, error: HttpError) {
        self.change(|feed| feed.pieces.push_back(Err(error)));
    }

    pub(crate) fn end(&self) {
        self.change(|feed| feed.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut Feed)) {
        let mut feed = self.0.lock().unwrap();
        change(&mut feed);
        let waker = feed.waker.take();
        drop(feed);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut feed = self.0.lock().unwrap();
        match feed.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(piece)),
            None if feed.ended => Poll::Ready(None),
            None => {
                feed.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
