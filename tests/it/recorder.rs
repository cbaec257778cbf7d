//! A subscriber of `tracing` that writes everything down.

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Writes down all events of its thread and of one target, or of the target `test`, up to a level, as
/// `LEVEL message field=value ..`, with the span that they are in before them, in parentheses.
struct Recorder {
    target: &'static str,
    most: Level,
    lines: Arc<Mutex<Vec<String>>>,
    spans: Mutex<Spans>,
}

#[derive(Default)]
struct Spans {
    made: Vec<String>,
    entered: Vec<Id>,
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
        let is_asked_for = [self.target, "test"].contains(&metadata.target());
        is_asked_for && *metadata.level() <= self.most
    }

    fn event(&self, event: &Event<'_>) {
        if self.target == "untethered::http" {
            assert!(event.fields().any(|field| field.name() == "request"));
        }
        let spans = self.spans.lock().unwrap();
        let span = spans.entered.last().map(|id| id.into_u64() as usize - 1);
        let mut line = Line(match span {
            Some(index) => format!("({}) {}", spans.made[index], event.metadata().level()),
            None => event.metadata().level().to_string(),
        });
        drop(spans);
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert!(span.is_root());
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        let mut spans = self.spans.lock().unwrap();
        spans.made.push(line.0);
        Id::from_u64(spans.made.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, id: &Id) {
        self.spans.lock().unwrap().entered.push(id.clone());
    }

    fn exit(&self, id: &Id) {
        assert_eq!(self.spans.lock().unwrap().entered.pop().as_ref(), Some(id));
    }
}

/// While there is but one subscriber, an event that is met first on another thread asks that thread's
/// own, finds none, and is taken for one that interests nobody: for good, on all threads. So there
/// are always two.
static TWO: LazyLock<[Dispatch; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        Dispatch::new(Recorder {
            target: "",
            most: Level::TRACE,
            lines: Arc::default(),
            spans: Mutex::default(),
        })
    })
});

/// What is told of `target` while `f` runs.
pub(crate) fn told(target: &'static str, most: Level, f: impl FnOnce()) -> Vec<String> {
    LazyLock::force(&TWO);
    // For what was met while they were made.
    tracing::callsite::rebuild_interest_cache();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder {
        target,
        most,
        lines: lines.clone(),
        spans: Mutex::default(),
    };
    tracing::subscriber::with_default(recorder, f);
    Arc::into_inner(lines).unwrap().into_inner().unwrap()
}
