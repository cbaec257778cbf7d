//! What the fan-out tells of each request: its begin, redirects, retries and end, with a number.
//!
//! ```text
//! cargo run --example tracing --features tracing
//! ```
//!
//! A program takes `tracing_subscriber::fmt()` or what it has already in the place of `Lines`.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use untethered::http::{Body, FanOut, Request, Response, Retry, client_fn};
use untethered::sim::Sim;

/// The least that a subscriber can be: a line for each event.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a String takes all");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "untethered::http" && *metadata.level() <= Level::DEBUG
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        println!("{}", line.0);
        self.0.lock().expect("nobody panics").push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn main() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("it is the first");

    let sim = Sim::new();
    let asked = AtomicBool::new(false);
    let server = client_fn(move |request: Request<Body>| {
        let response = Response::builder();
        let response = match request.uri().path() {
            "/old" => response.status(302).header("location", "/new"),
            "/busy" if !asked.swap(true, Ordering::Relaxed) => response.status(503),
            _ => response,
        };
        async { Ok(response.body(Body::empty()).expect("its headers are some")) }
    });
    let fan_out = FanOut::new(&sim.runtime(), server).retry(Retry::default());
    sim.block_on(async {
        let urls = ["http://a.test/old?password=1234", "http://a.test/busy"];
        fan_out.fetch_all(urls).await;
    });

    let lines = lines.0.lock().expect("nobody panics");
    let said = |what: &str| lines.iter().any(|line| line.contains(what));
    assert!(said("redirect") && said("503"));
    assert!(!said("1234"), "secrets of a URL are in no event");
}
