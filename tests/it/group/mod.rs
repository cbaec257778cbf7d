//! Groups on the deterministic runtime.

mod block;
mod cancel;
mod context;
mod drivers;
mod failure;
mod life;
mod limit;
mod scope;
mod tools;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

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

/// Counts how often it was woken.
#[derive(Default)]
pub(super) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub(super) fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

pub(super) fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), count.into())
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
