//! An HTTP service of four worker processes that reloads and stops without a failed request.
//!
//! ```text
//! cargo run --release --example service --features workers
//! ```
//!
//! starts the service, sends it requests from eight threads, reloads it five times meanwhile, asks
//! it to stop while requests are under way, and counts the requests that failed. The service alone
//! is `service serve 127.0.0.1:8080`; reload it with SIGHUP, stop it with Ctrl-C.

#[cfg(unix)]
fn main() -> Result<(), unix::BoxError> {
    unix::main()
}

#[cfg(not(unix))]
fn main() {
    println!("worker processes need Unix");
}

#[cfg(unix)]
mod unix {
    use std::io::{self, BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::process::{Command, Stdio};
    use std::sync::{Arc, PoisonError, RwLock};
    use std::thread;
    use std::time::Duration;

    use async_io::Async;
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    pub(super) use untethered::group::BoxError;
    use untethered::group::Group;
    use untethered::signal::Signal;
    use untethered::sync::Limit;
    use untethered::workers::{Child, Exit, StopReason, Worker, Workers};
    use untethered::{Runtime, runtime};

    pub(super) fn main() -> Result<(), BoxError> {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["serve", address] => service(address),
            [] => demonstrate(),
            _ => Err("usage: service [serve ADDRESS]".into()),
        }
    }

    fn service(address: &str) -> Result<(), BoxError> {
        let report = Workers::processes(4)
            .listen(address)
            .reload_on([Signal::Hangup])
            .on_notice(|notice| println!("{notice}"))
            .main(|main| async move {
                println!("serving {}", main.listeners()[0].local_addr()?);
                Ok::<_, BoxError>(main.serve(Vec::new()).await?)
            })
            .run(serve)?;
        println!("{report}");
        std::process::exit(report.code().into())
    }

    /// One worker, from start to stop.
    async fn serve(worker: Worker<Vec<u8>>) -> Result<(), BoxError> {
        let rt = runtime::threads(2);
        let listener = Async::new(worker.listener()?)?;
        let connections = Group::builder(&rt).name("connections").build();
        let limit = Limit::new(1000);
        let greeting = format!("worker {} of {}\n", worker.index(), worker.generation());

        let accept = async {
            loop {
                // Before the connection, so that none is accepted only to be dropped.
                let permit = limit.acquire_owned().await;
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                    Err(error) => return error,
                };
                let (rt, greeting) = (rt.clone(), greeting.clone());
                connections.spawn_fallible(async move {
                    let _permit = permit;
                    answer(stream, &rt, &greeting).await
                });
            }
        };
        if let Some(error) = worker.run_until_stopped(accept).await {
            return Err(error.into());
        }

        // After a reload others accept. Else this worker, and those beside it, are the last.
        if worker.stopped().await != StopReason::Reload {
            while let Ok((stream, _)) = listener.get_ref().accept() {
                let (stream, rt) = (Async::new(stream)?, rt.clone());
                let greeting = greeting.clone();
                connections.spawn_fallible(async move { answer(stream, &rt, &greeting).await });
            }
        }
        connections.join().await?;
        Ok(())
    }

    /// Answers one request, and closes the connection.
    async fn answer(mut stream: Async<TcpStream>, rt: &Runtime, text: &str) -> io::Result<()> {
        let (mut request, mut piece) = (Vec::new(), [0; 1024]);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut piece).await? {
                0 => return Ok(()),
                _ if request.len() > 16 * 1024 => return Ok(()),
                length => request.extend_from_slice(&piece[..length]),
            }
        }
        rt.sleep(Duration::from_millis(2)).await; // the work
        let length = text.len();
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
        let response = format!("{head} {length}\r\n\r\n{text}");
        stream.write_all(response.as_bytes()).await
    }

    fn demonstrate() -> Result<(), BoxError> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["serve", "127.0.0.1:0"])
            .stdout(Stdio::piped());
        let mut service = Child::spawn(&mut command)?;
        let output = service.take_stdout().ok_or("standard output is piped")?;
        let mut lines = BufReader::new(output).lines();
        let mut until = |start: &str| -> Result<String, BoxError> {
            for line in lines.by_ref() {
                let line = line?;
                if let Some(rest) = line.strip_prefix(start) {
                    return Ok(rest.trim().to_owned());
                }
            }
            Err(format!("the service ended before it said {start:?}").into())
        };
        let address = until("serving")?;
        until("worker 3 is ready")?;

        let open = Arc::new(RwLock::new(true));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (address, open) = (address.clone(), open.clone());
                thread::spawn(move || requests(&address, &open))
            })
            .collect();
        for _ in 0..5 {
            service.signal(Signal::Hangup)?;
            until("reloaded")?;
        }
        // No more requests from here on; those under way are in the service or in its queue.
        *open.write().unwrap_or_else(PoisonError::into_inner) = false;
        service.signal(Signal::Terminate)?;
        let (mut answered, mut failed) = (0, 0);
        for client in clients {
            let (good, bad) = client.join().map_err(|_| "a client panicked")?;
            answered += good;
            failed += bad.len();
            bad.iter().for_each(|error| println!("{error}"));
        }
        while until("").is_ok() {}
        let exit = futures_lite::future::block_on(service.wait());
        println!("{answered} requests answered, {failed} failed, 5 reloads; the service: {exit}");
        assert_eq!((failed, exit), (0, Exit::Code(0)));
        Ok(())
    }

    /// One after the other while it is open: how many were answered, and what went wrong.
    fn requests(address: &str, open: &RwLock<bool>) -> (usize, Vec<io::Error>) {
        let (mut answered, mut failed) = (0, Vec::new());
        while let Some(sent) = send(address, open) {
            match sent.and_then(receive) {
                Ok(response) if response.starts_with("HTTP/1.1 200") => answered += 1,
                Ok(response) => failed.push(io::Error::other(format!("answered {response:?}"))),
                Err(error) => failed.push(error),
            }
        }
        (answered, failed)
    }

    /// Nobody closes while this is half done.
    fn send(address: &str, open: &RwLock<bool>) -> Option<io::Result<TcpStream>> {
        let open = open.read().unwrap_or_else(PoisonError::into_inner);
        open.then(|| {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            Ok(stream)
        })
    }

    fn receive(mut stream: TcpStream) -> io::Result<String> {
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    }
}
