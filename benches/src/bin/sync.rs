//! Events, tokens and rate limits beside their peers.
//!
//! ```text
//! cargo run --release --bin sync -- [--rounds N] [--items N] [--only VARIANT] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words. An item is one waiter, or one start.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use governor::clock::{MonotonicClock, QuantaClock};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;
use untethered::CancellationToken;
use untethered::sync::{Event, RateLimit};
use untethered_benches::{Asked, Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut asked = Asked::new(31);
    let rows: [(&str, fn() -> Vec<Variant>); 5] = [
        ("register", || waits(Part::Register)),
        ("wake", || waits(Part::Wake)),
        ("wake-alone", || waits(Part::WakeAlone)),
        ("drop", || waits(Part::Drop)),
        ("rate", rates),
    ];
    for (name, variants) in rows {
        if asked.wants(name) {
            asked.measure(Row {
                name: name.to_owned(),
                items: asked.items(100_000),
                variants: variants(),
            });
        }
    }
    asked.end();
}

/// What of the life of many waiters is timed.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Their first poll.
    Register,
    /// Waking all, and polling them again.
    Wake,
    /// Waking all.
    WakeAlone,
    /// Dropping them while they wait.
    Drop,
}

fn waits(part: Part) -> Vec<Variant> {
    vec![
        Variant::timed("Event", move |waiters| {
            let event = Event::new();
            let waits = (0..waiters).map(|_| event.wait()).collect();
            time(part, waits, || event.set())
        }),
        Variant::timed("CancellationToken", move |waiters| {
            let token = CancellationToken::new();
            let waits = (0..waiters).map(|_| token.cancelled()).collect();
            time(part, waits, || token.cancel("now"))
        }),
        Variant::timed("tokio Notify", move |waiters| {
            let notify = Notify::new();
            let waits = (0..waiters).map(|_| notify.notified()).collect();
            time(part, waits, || notify.notify_waiters())
        }),
        Variant::timed("event-listener", move |waiters| {
            let event = event_listener::Event::new();
            let start = Instant::now();
            let waits: Vec<_> = (0..waiters).map(|_| event.listen()).collect();
            let listening = start.elapsed();
            let taken = time(part, waits, || {
                event.notify(usize::MAX);
            });
            match part {
                // It queues when it is made.
                Part::Register => listening + taken,
                _ => taken,
            }
        }),
        Variant::timed("tokio-util CancellationToken", move |waiters| {
            let token = tokio_util::sync::CancellationToken::new();
            let waits = (0..waiters).map(|_| token.cancelled()).collect();
            time(part, waits, || token.cancel())
        }),
    ]
}

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// All in boxes, some futures being such that they must be.
fn time<F: Future>(part: Part, waits: Vec<F>, wake: impl FnOnce()) -> Duration {
    let mut waits: Vec<Pin<Box<F>>> = waits.into_iter().map(Box::pin).collect();
    let waker = Waker::from(Arc::new(Ignore));
    let mut cx = Context::from_waker(&waker);
    let mut start = Instant::now();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    if part == Part::Register {
        return start.elapsed();
    }
    start = Instant::now();
    if part == Part::WakeAlone {
        wake();
        return start.elapsed();
    }
    if part == Part::Wake {
        wake();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut cx).is_ready());
        }
    } else {
        drop(waits);
    }
    start.elapsed()
}

fn rates() -> Vec<Variant> {
    let rt = untethered::runtime::smol();
    // Never reached; short enough that starts are forgotten as fast as they come.
    let ours = RateLimit::new(1_000, Duration::from_micros(10));
    let quota = Quota::per_second(NonZeroU32::MAX);
    let governor = RateLimiter::direct_with_clock(quota, MonotonicClock);
    let counting_cycles = RateLimiter::direct_with_clock(quota, QuantaClock::default());
    vec![
        Variant::new("RateLimit", move |starts| {
            for _ in 0..starts {
                assert!(ours.try_acquire(&rt));
            }
        }),
        Variant::new("governor, the same clock", move |starts| {
            for _ in 0..starts {
                assert!(governor.check().is_ok());
            }
        }),
        Variant::new("governor, quanta", move |starts| {
            for _ in 0..starts {
                assert!(counting_cycles.check().is_ok());
            }
        }),
        Variant::new("the clock alone", |starts| {
            for _ in 0..starts {
                std::hint::black_box(Instant::now());
            }
        }),
    ]
}
