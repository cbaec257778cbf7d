//! What the tests share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

/// What happened, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn push(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// A value that logs `event` when it is dropped.
    pub(crate) fn on_drop(&self, event: &'static str) -> OnDrop {
        let log = self.clone();
        OnDrop::new(move || log.push(event))
    }
}

/// Runs a closure when it is dropped.
pub(crate) struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl OnDrop {
    pub(crate) fn new(f: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(f)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Panics when it is dropped, with something that does the same.
pub(crate) struct PanicsTwice(
    #[expect(dead_code, reason = "its drop is what counts")] pub(crate) OnDrop,
);

/// What [`PanicsTwice`] panics with.
pub(crate) struct Payload;

impl Drop for PanicsTwice {
    fn drop(&mut self) {
        std::panic::panic_any(Payload);
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        panic!("the payload");
    }
}

/// Counts the guards it made and those that were dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drops(Arc<[AtomicUsize; 2]>);

impl Drops {
    pub(crate) fn guard(&self) -> OnDrop {
        self.0[0].fetch_add(1, SeqCst);
        let counts = self.0.clone();
        OnDrop::new(move || {
            counts[1].fetch_add(1, SeqCst);
        })
    }

    pub(crate) fn made(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    /// How many were dropped.
    pub(crate) fn count(&self) -> usize {
        self.0[1].load(SeqCst)
    }
}

/// How many of something run, and have run at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<[AtomicUsize; 2]>);

impl Running {
    /// Counts one until the value is dropped.
    pub(crate) fn start(&self) -> OnDrop {
        let now = self.0[0].fetch_add(1, SeqCst) + 1;
        self.0[1].fetch_max(now, SeqCst);
        let counts = self.0.clone();
        OnDrop::new(move || {
            counts[0].fetch_sub(1, SeqCst);
        })
    }

    pub(crate) fn now(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.0[1].load(SeqCst)
    }
}

/// So many seeds, times `UNTETHERED_SEEDS` where more time is to be spent.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let times = std::env::var("UNTETHERED_SEEDS").map_or(1, |times| {
        times.parse().expect("UNTETHERED_SEEDS is a number")
    });
    0..usual.saturating_mul(times)
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (wakes.clone(), Waker::from(wakes))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// `waker`, which does something when it is cloned, as that of an executor may.
pub(crate) fn on_clone(waker: Waker, f: impl Fn() + Send + Sync + 'static) -> Waker {
    let waker = Arc::new(Cloned(waker, Box::new(f)));
    // SAFETY: the functions do what a `RawWaker` asks for, and the closure is `Send` and `Sync`.
    unsafe { Waker::new(Arc::into_raw(waker).cast(), &Cloned::CALLS) }
}

struct Cloned(Waker, Box<dyn Fn() + Send + Sync>);

impl Cloned {
    const CALLS: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: `data` is of an `Arc` that the waker holds, and so will the clone.
            let this = unsafe {
                Arc::increment_strong_count(data.cast::<Self>());
                Arc::from_raw(data.cast::<Self>())
            };
            (this.1)();
            RawWaker::new(Arc::into_raw(this).cast(), &Self::CALLS)
        },
        |data| {
            // SAFETY: the waker goes, and with it the `Arc` that it holds.
            let this = unsafe { Arc::from_raw(data.cast::<Self>()) };
            this.0.wake_by_ref();
        },
        |data| {
            // SAFETY: the waker holds the `Arc`.
            let this = unsafe { &*data.cast::<Self>() };
            this.0.wake_by_ref();
        },
        |data| {
            // SAFETY: the waker goes, and with it the `Arc` that it holds.
            drop(unsafe { Arc::from_raw(data.cast::<Self>()) });
        },
    );
}

/// The message of the panic that `f` ends in.
#[track_caller]
pub(crate) fn panic_text<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => (*payload.downcast::<&str>().expect("the payload is text")).into(),
        },
    }
}
