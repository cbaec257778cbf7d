//! The service: what its parent does, and what each worker does.

use std::io;
use std::net::TcpStream;
use std::process;
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use untethered::group::{BoxError, Group, OnFailure};
use untethered::signal::Signal;
use untethered::sync::Limit;
use untethered::time::{Backoff, timeout};
use untethered::workers::{OnDeath, Respawn, StopReason, Worker, Workers};
use untethered::{Runtime, runtime};

/// Connections of one worker.
const CONNECTIONS: usize = 1000;

/// For one request, from its first byte to the last one of the answer.
const REQUEST: Duration = Duration::from_secs(5);

/// Serves until a signal says stop. Gives the exit status: 0, or that of the worker that ended badly.
pub(crate) fn run(address: &str) -> Result<u8, BoxError> {
    let respawn = Respawn::at_most(10, Duration::from_secs(60))
        .backoff(Backoff::new(Duration::from_millis(10)).most(Duration::from_secs(5)));
    let report = Workers::processes(4)
        .listen(address)
        .reload_on([Signal::Hangup])
        .on_death(OnDeath::Respawn(respawn))
        .stop_within(2 * REQUEST)
        .on_notice(|notice| println!("{notice}"))
        .main(|main| async move {
            println!("serving {}", main.listeners()[0].local_addr()?);
            Ok::<_, BoxError>(main.serve(Vec::new()).await?)
        })
        .run(serve)?;
    println!("{report}");
    Ok(report.code())
}

/// One worker, from start to stop.
async fn serve(worker: Worker<Vec<u8>>) -> Result<(), BoxError> {
    let rt = runtime::threads(2);
    let listener = Async::new(worker.listener()?)?;
    // A client that hung up, or is too slow, is told and ends nobody else.
    let tell = OnFailure::report(|failure| eprintln!("{failure}"));
    let connections = Group::builder(&rt).name("connections").on_failure(tell);
    let connections = connections.build();
    let limit = Limit::new(CONNECTIONS);
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
                answer(&rt, stream, &greeting).await
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
            connections.spawn_fallible(async move { answer(&rt, stream, &greeting).await });
        }
    }
    connections.join().await?;
    Ok(())
}

/// Answers one request, and closes the connection.
async fn answer(rt: &Runtime, mut stream: Async<TcpStream>, text: &str) -> Result<(), BoxError> {
    let exchange = async {
        let (mut request, mut piece) = (Vec::new(), [0; 1024]);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut piece).await? {
                0 => return Ok(()),
                _ if request.len() > 16 * 1024 => return Ok(()),
                length => request.extend_from_slice(&piece[..length]),
            }
        }
        if request.starts_with(b"GET /crash ") {
            process::exit(70); // stands for what no `catch_unwind` catches
        }
        rt.sleep(Duration::from_millis(2)).await; // the work
        let length = text.len();
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
        let response = format!("{head} {length}\r\n\r\n{text}");
        stream.write_all(response.as_bytes()).await
    };
    Ok(timeout(rt, REQUEST, exchange)
        .named("the request")
        .await??)
}
