//! Groups on the deterministic runtime.

mod asked;
mod block;
mod cancel;
mod context;
mod drivers;
mod failure;
mod life;
mod limit;
mod panics;
mod random;
mod same;
mod scope;
mod shields;
mod starts;
mod told;
mod tools;
#[cfg(feature = "tracing")]
mod traced;
mod turns;

use std::future::{Future, pending};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use untethered::runtime::{BoxFuture, Sleeper, Spawner};
use untethered::sim::Sim;

/// What happened, in order.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Adds `what` when dropped.
    pub(super) fn on_drop(&self, what: &str) -> OnDrop {
        OnDrop(self.clone(), what.into())
    }
}

pub(super) struct OnDrop(Log, String);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1.clone());
    }
}

/// Counts how many of it are alive.
#[derive(Clone, Default)]
pub(super) struct Census(Arc<()>);

impl Census {
    pub(super) fn alive(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// Pending for ever; counts its polls.
pub(super) struct Forever(pub(super) Arc<AtomicUsize>);

impl Future for Forever {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Pending
    }
}

/// Panics when dropped, unless something else panics already.
pub(super) struct PanicsOnDrop(pub(super) &'static str);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

/// What a hook for unobserved failures heard.
pub(super) fn listening(rt: untethered::Runtime) -> (untethered::Runtime, Log) {
    let log = Log::default();
    let sink = log.clone();
    let rt = rt.on_unobserved(move |unobserved| sink.add(unobserved.to_string()));
    (rt, log)
}

/// A runtime that is polled by hand, with a clock that is moved by hand.
#[derive(Clone, Default)]
pub(super) struct ByHand(Arc<Mutex<(Vec<BoxFuture<'static, ()>>, Duration)>>);

impl ByHand {
    pub(super) fn pass(&self, time: Duration) {
        self.0.lock().unwrap().1 += time;
    }

    /// Polls each task once.
    pub(super) fn poll(&self) {
        let mut tasks = std::mem::take(&mut self.0.lock().unwrap().0);
        let mut cx = Context::from_waker(Waker::noop());
        tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
        self.0.lock().unwrap().0.extend(tasks);
    }

    /// How many tasks it has, but for those it polls.
    pub(super) fn tasks(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }

    /// Drops one of the tasks it polled last.
    pub(super) fn drop_polled(&self) {
        // Those that came meanwhile stand before them.
        let task = self.0.lock().unwrap().0.pop();
        drop(task);
    }
}

impl Spawner for ByHand {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().0.push(task);
    }

    fn parallelism(&self) -> NonZeroUsize {
        NonZeroUsize::new(2).unwrap()
    }
}

impl Sleeper for ByHand {
    fn now(&self) -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(|| Sim::new().now()) + self.0.lock().unwrap().1
    }

    fn sleep_until(&self, _deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }
}
