//! The same fan-out over every HTTP client that was compiled in: the one line that differs.
//!
//! ```text
//! cargo run --example clients --features http
//! cargo run --example clients --features surf,reqwest,hyper-tokio
//! ```
//!
//! | Take | If |
//! |---|---|
//! | `Engine` | you have none: HTTP/1.1, https with the feature `tls`, the fewest crates |
//! | `ReqwestClient`, `HyperClient` | you have reqwest or hyper already, or need HTTP/2 or a proxy |
//! | `IsahcClient` | you have isahc; it brings a curl of its own |
//! | `SurfClient` | you have surf |
//! | `Client`, implemented | you have something else; `client_fn` for a test |

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use untethered::http::{Body, Client, Engine, FanOut, Request, Response, client_fn};
use untethered::{Runtime, runtime};

fn clients(rt: &Runtime) -> Vec<(&'static str, Box<dyn Client>)> {
    vec![
        ("engine", Box::new(Engine::new(rt))),
        #[cfg(feature = "reqwest")]
        (
            "reqwest",
            Box::new(untethered::http::ReqwestClient::new(rt).expect("it needs no TLS")),
        ),
        #[cfg(feature = "hyper-tokio")]
        ("hyper", Box::new(untethered::http::HyperClient::new(rt))),
        #[cfg(feature = "isahc")]
        (
            "isahc",
            Box::new(untethered::http::IsahcClient::new(rt).expect("it starts its thread")),
        ),
        #[cfg(feature = "surf")]
        ("surf", Box::new(untethered::http::SurfClient::new(rt))),
        (
            "a double",
            Box::new(client_fn(async |request: Request<Body>| {
                Ok(Response::new(Body::from(request.uri().path().to_owned())))
            })),
        ),
    ]
}

fn main() -> io::Result<()> {
    let base = serve()?;
    let rt = runtime::threads(2);
    for (name, client) in clients(&rt) {
        let fan_out = FanOut::new(&rt, client).concurrency(4).per_host(2);
        let urls = (0..20).map(|n| (n, format!("{base}/page/{n}")));
        let results = rt.block_on(async { fan_out.fetch_all(urls).await });
        for (n, result) in &results {
            let fetched = result.as_ref().expect("the server is there");
            assert_eq!(fetched.body(), &format!("/page/{n}"), "{name}");
        }
        println!("{name}: {:?}", fan_out.stats());
        assert_eq!(fan_out.stats().done, 20);
    }
    Ok(())
}

/// A server that answers with the path.
fn serve() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || answer(&socket).ok());
        }
    });
    Ok(base)
}

fn answer(mut socket: &TcpStream) -> io::Result<()> {
    let mut path = String::new();
    for line in BufReader::new(socket).lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        } else if line.is_empty() {
            let length = path.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            socket.write_all((head + &path).as_bytes())?;
        }
    }
    Ok(())
}
