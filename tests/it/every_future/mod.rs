//! Every public future, stream and `async fn`, dropped at each of its polls. What is here, and that
//! nothing is missing, is held against the API by `tests/api/drops.rs`.

mod combine;
mod context;
mod group;
#[cfg(feature = "http")]
mod http;
mod memo;
mod pool;
mod queue;
mod run;
mod sim;
mod stream;
mod sync;
mod task;
mod time;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::Stream;
use untethered::Runtime;
use untethered::sim::{Order, Sim, drop_at_every_poll, yield_now};
use untethered::stream::poll_until_none;

use crate::support::Drops;

const SECOND: Duration = Duration::from_secs(1);

/// Drops what `make` makes of the futures and streams of these `paths` at each of its polls, and
/// once when it is done: then no part of it, no task, no timer and no waker may be left.
#[track_caller]
fn row<F: Future<Output = ()> + 'static>(paths: &str, make: impl Fn(Parts) -> F) {
    row_then(paths, |_, parts| (make(parts), |_: &Sim| ()));
}

/// As [`row`], with what has to hold besides.
#[track_caller]
fn row_then<F, C>(paths: &str, make: impl Fn(&Sim, Parts) -> (F, C))
where
    F: Future<Output = ()> + 'static,
    C: FnOnce(&Sim),
{
    row_after(paths, Duration::ZERO, make);
}

/// As [`row_then`], for what is promised so much time to end by itself.
#[track_caller]
fn row_after<F, C>(paths: &str, time: Duration, make: impl Fn(&Sim, Parts) -> (F, C))
where
    F: Future<Output = ()> + 'static,
    C: FnOnce(&Sim),
{
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(7)] {
        let polls = drop_at_every_poll(order, |sim| {
            let parts = Parts {
                rt: sim.runtime(),
                drops: Drops::default(),
            };
            let drops = parts.drops.clone();
            let (future, check) = make(sim, parts);
            let (future, wakers) = Watched::new(future);
            (future, move |sim: &Sim| {
                if !time.is_zero() {
                    sim.advance(time);
                }
                assert_eq!(drops.made(), drops.count(), "{paths}: parts are left");
                assert_eq!(wakers.strong_count(), 0, "{paths}: a waker is left");
                sim.assert_empty();
                check(sim);
                sim.run_until_idle();
                sim.assert_empty();
            })
        });
        assert!(polls >= 2, "{paths}: {polls} polls");
    }
}

/// What the operations under test are made of.
#[derive(Clone)]
struct Parts {
    rt: Runtime,
    drops: Drops,
}

impl Parts {
    /// A future that yields, sleeps and is done.
    fn job(&self, seconds: u32) -> impl Future<Output = u32> + use<> {
        let (held, rt) = (self.drops.guard(), self.rt.clone());
        async move {
            let _held = held;
            yield_now().await;
            rt.sleep(SECOND * seconds).await;
            seconds
        }
    }

    fn fallible(&self, seconds: u32) -> impl Future<Output = Result<u32, u32>> + use<> {
        let job = self.job(seconds);
        async move {
            match job.await {
                2 => Err(2),
                n => Ok(n),
            }
        }
    }

    fn jobs<const N: usize>(&self, seconds: [u32; N]) -> Vec<impl Future<Output = u32> + use<N>> {
        seconds
            .into_iter()
            .map(|seconds| self.job(seconds))
            .collect()
    }

    fn fallibles<const N: usize>(
        &self,
        seconds: [u32; N],
    ) -> Vec<impl Future<Output = Result<u32, u32>> + use<N>> {
        seconds
            .into_iter()
            .map(|seconds| self.fallible(seconds))
            .collect()
    }

    /// A stream of three numbers that holds a guard.
    fn numbers(&self) -> impl Stream<Item = u32> + use<> {
        let (held, parts) = (self.drops.guard(), self.clone());
        let mut next = 0;
        poll_until_none(move || {
            let _held = &held;
            next += 1;
            let (job, last) = (parts.job(1), next > 3);
            let number = next;
            async move {
                job.await;
                (!last).then_some(number)
            }
        })
    }

    /// A future that does `f` after it has yielded and slept.
    fn later<T>(&self, f: impl FnOnce() -> T) -> impl Future<Output = T> {
        let job = self.job(1);
        async move {
            job.await;
            f()
        }
    }
}

/// A future whose wakers can be counted.
struct Watched<F> {
    future: Pin<Box<F>>,
    relay: Arc<Relay>,
}

/// Wakes who polls the future.
struct Relay(Mutex<Waker>);

impl<F: Future> Watched<F> {
    fn new(future: F) -> (Self, Weak<Relay>) {
        let relay = Arc::new(Relay(Mutex::new(Waker::noop().clone())));
        let wakers = Arc::downgrade(&relay);
        let future = Box::pin(future);
        (Self { future, relay }, wakers)
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        cx.waker().clone_into(&mut self.relay.0.lock().unwrap());
        let waker = Waker::from(self.relay.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        let waker = self.0.lock().unwrap().clone();
        waker.wake();
    }
}
