//! A subscriber of `tracing` that writes everything down.

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Writes down all events of its thread, up to a level, as `LEVEL message field=value ..`.
struct Recorder {
    most: Level,
    lines: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            // They go on from test to test.
            "request" => Ok(()),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.unwrap();
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "untethered::http" && *metadata.level() <= self.most
    }

    fn event(&self, event: &Event<'_>) {
        assert!(event.fields().any(|field| field.name() == "request"));
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// While there is but one subscriber, an event that is met first on another thread asks that thread's
/// own, finds none, and is taken for one that interests nobody: for good, on all threads. So there
/// are always two.
static TWO: LazyLock<[Dispatch; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        Dispatch::new(Recorder {
            most: Level::TRACE,
            lines: Arc::default(),
        })
    })
});

/// What is told while `f` runs.
pub(crate) fn told(most: Level, f: impl FnOnce()) -> Vec<String> {
    LazyLock::force(&TWO);
    // For what was met while they were made.
    tracing::callsite::rebuild_interest_cache();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder {
        most,
        lines: lines.clone(),
    };
    tracing::subscriber::with_default(recorder, f);
    Arc::into_inner(lines).unwrap().into_inner().unwrap()
}
