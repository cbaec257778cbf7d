use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::mem;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;

use futures_core::{FusedStream, Stream};

use super::driver::Driver;
use super::hub::Hub;
use super::ordered::Ordered;
use super::run::{Step, poll_collect};
use super::{Every, Mode, Source};
use crate::runtime::Runtime;
use crate::set::BUDGET;
use crate::task::{JoinError, Task, catch_drop, discard, first_panic};

/// A limited number of futures at a time, run by a runtime. From
/// [`Concurrent::on`](super::Concurrent::on).
///
/// A stream and a future of the list, as [`Concurrent`](super::Concurrent) is, with the same
/// order, limit and errors. The differences:
///
/// * The futures run whether this is polled or not. Outputs that wait to be taken count against
///   the limit: a slow consumer stops new work, and no more outputs than the limit are ever kept.
/// * They are run by a few tasks, as many as the runtime has threads and never more than the
///   limit, which take them from the source in turn. Futures of one such task do not run at the
///   same moment: what computes for long belongs in
///   [`spawn_blocking`](crate::Runtime::spawn_blocking).
/// * Dropping it makes the runtime drop the futures, and the source, where they are; the drop
///   does not wait for that. Once it has ended, with or without a failure, all are gone.
///
/// # Panics
///
/// With the panic of a future or of the source, once all others have been dropped. Also if the
/// runtime drops the work half-way because it shuts down: the outputs that are missing can not be
/// given any more.
///
/// # Cancel safety
///
/// As for [`Concurrent`](super::Concurrent).
#[must_use = "nothing runs unless it is polled or awaited"]
pub struct OnRuntime<S: Source, M: Mode<S> = Every> {
    stage: Stage<S, M>,
    limit: NonZeroUsize,
    /// `None` in completion order.
    ordered: Option<Ordered<M::Value>>,
    /// Values to be given next.
    ready: VecDeque<M::Value>,
    /// Values as they come from the drivers.
    arrived: VecDeque<(usize, M::Value)>,
    delivered: usize,
    /// How many of those the drivers know of.
    reported: usize,
    /// Values given since it last waited.
    in_a_row: usize,
}

enum Stage<S: Source, M: Mode<S>> {
    Idle(Idle<S, M>),
    Running(Running<S, M>),
    /// Nothing more is started. What is there is given, then the drivers are waited for.
    Ending(Ending<S, M>),
    Over,
}

struct Idle<S: Source, M: Mode<S>> {
    source: S,
    runtime: Runtime,
    /// Knows that source and futures may go to other threads.
    start: fn(S, &Runtime, NonZeroUsize) -> Running<S, M>,
}

struct Running<S: Source, M: Mode<S>> {
    hub: Arc<Hub<S, M>>,
    drivers: Vec<Task<()>>,
}

struct Ending<S: Source, M: Mode<S>> {
    hub: Arc<Hub<S, M>>,
    drivers: Vec<Task<()>>,
    failure: Option<M::Failure>,
    /// The first panic of a driver, or else that one did not come to its end.
    lost: Option<JoinError>,
}

impl<S: Source, M: Mode<S>> OnRuntime<S, M> {
    pub(super) fn new(source: S, runtime: &Runtime, limit: NonZeroUsize, ordered: bool) -> Self
    where
        S: Send + 'static,
        S::Future: Send + 'static,
        M: 'static,
        M::Value: Send + 'static,
        M::Failure: Send + 'static,
    {
        Self {
            stage: Stage::Idle(Idle {
                source,
                runtime: runtime.clone(),
                start,
            }),
            limit,
            ordered: ordered.then(Ordered::new),
            ready: VecDeque::new(),
            arrived: VecDeque::new(),
            delivered: 0,
            reported: 0,
            in_a_row: 0,
        }
    }

    /// As [`Concurrent::limit`](super::Concurrent::limit).
    ///
    /// # Panics
    ///
    /// If `limit` is nought: nothing could ever run. If it has been polled already.
    #[track_caller]
    pub fn limit(self, limit: usize) -> Self {
        self.limit_nonzero(
            NonZeroUsize::new(limit).expect("a limit of nought lets nothing run: give one or more"),
        )
    }

    /// As [`limit`](Self::limit), for a number that was checked already.
    ///
    /// # Panics
    ///
    /// If it has been polled already.
    #[track_caller]
    pub fn limit_nonzero(mut self, limit: NonZeroUsize) -> Self {
        self.assert_idle("the limit");
        self.limit = limit;
        self
    }

    /// As [`Concurrent::ordered`](super::Concurrent::ordered).
    ///
    /// # Panics
    ///
    /// If it has been polled already.
    #[track_caller]
    pub fn ordered(mut self) -> Self {
        self.assert_idle("the order of outputs");
        self.ordered = Some(Ordered::new());
        self
    }

    #[track_caller]
    fn assert_idle(&self, what: &str) {
        assert!(
            matches!(self.stage, Stage::Idle(_)),
            "{what} must be chosen before the first output is asked for"
        );
    }

    fn poll_value(&mut self, cx: &mut Context<'_>) -> Step<S, M> {
        if self.in_a_row == BUDGET {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(value) = self.ready.pop_front() {
                self.in_a_row += 1;
                self.delivered += 1;
                // Now, and not when the next is asked for: the drivers may wait for it.
                let unreported = self.delivered - self.reported;
                if self.ready.is_empty() || unreported > self.limit.get() / 4 {
                    self.exchange(None);
                }
                return Poll::Ready(Some(Ok(value)));
            }
            match mem::replace(&mut self.stage, Stage::Over) {
                Stage::Idle(Idle {
                    source,
                    runtime,
                    start,
                }) => self.stage = Stage::Running(start(source, &runtime, self.limit)),
                Stage::Running(running) => {
                    self.stage = Stage::Running(running);
                    if !self.exchange(Some(cx)) {
                        self.in_a_row = 0;
                        return Poll::Pending;
                    }
                }
                Stage::Ending(mut ending) => {
                    if ending.poll_gone(cx).is_pending() {
                        self.stage = Stage::Ending(ending);
                        self.in_a_row = 0;
                        return Poll::Pending;
                    }
                    // What drivers handed over between the failure and their end.
                    ending.hub.exchange(self.delivered, &mut self.arrived, None);
                    self.sort_arrived();
                    if self.ready.is_empty() {
                        let waiting = self.ordered.as_mut().map_or(Ok(()), Ordered::clear);
                        return Poll::Ready(ending.failure(waiting).map(Err));
                    }
                    self.stage = Stage::Ending(ending);
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    /// Tells the drivers what was delivered and takes what they have. If that is nothing, has
    /// `cx` woken when it changes. Says whether something came, be it the end.
    fn exchange(&mut self, cx: Option<&Context<'_>>) -> bool {
        let Stage::Running(Running { hub, drivers }) = &mut self.stage else {
            return false;
        };
        let delivery = hub.exchange(self.delivered, &mut self.arrived, cx);
        self.reported = self.delivered;
        let came = delivery.last || !self.arrived.is_empty();
        if delivery.last {
            for driver in &*drivers {
                driver.abort();
            }
            self.stage = Stage::Ending(Ending {
                hub: hub.clone(),
                drivers: mem::take(drivers),
                failure: delivery.failure,
                lost: None,
            });
        }
        self.sort_arrived();
        came
    }

    fn sort_arrived(&mut self) {
        for (index, value) in self.arrived.drain(..) {
            match &mut self.ordered {
                Some(ordered) => {
                    self.ready.extend(ordered.put(index, value));
                    self.ready.extend(std::iter::from_fn(|| ordered.next()));
                }
                None => self.ready.push_back(value),
            }
        }
    }
}

/// Shares the limit among as many drivers as can run at the same moment.
fn start<S, M>(source: S, runtime: &Runtime, limit: NonZeroUsize) -> Running<S, M>
where
    S: Source + Send + 'static,
    S::Future: Send + 'static,
    M: Mode<S> + 'static,
    M::Value: Send + 'static,
    M::Failure: Send + 'static,
{
    let most = source.size_hint().1.unwrap_or(usize::MAX);
    let drivers = runtime.parallelism().min(limit).get().min(most.max(1));
    let hub = Hub::new(source, limit, drivers);
    let (share, left) = (limit.get() / drivers, limit.get() % drivers);
    let spawn = |id: usize| {
        let share = share + usize::from(id < left);
        runtime.spawn(Driver::new(hub.clone(), id, share))
    };
    Running {
        drivers: (0..drivers).map(spawn).collect(),
        hub,
    }
}

impl<S: Source, M: Mode<S>> Ending<S, M> {
    /// Ready when the runtime has dropped all drivers.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(driver) = self.drivers.last_mut() {
            let result = ready!(Pin::new(driver).poll(cx));
            self.drivers.pop();
            if let Err(error) = result {
                match &self.lost {
                    Some(lost) if lost.is_panic() || !error.is_panic() => discard(error),
                    _ => self.lost = Some(error),
                }
            }
        }
        Poll::Ready(())
    }

    /// What the run ended with, once all that is left of it has been dropped; `cleared` says how
    /// that has gone so far.
    fn failure(self, cleared: thread::Result<()>) -> Option<M::Failure> {
        let Self {
            hub, failure, lost, ..
        } = self;
        // The source goes with it.
        let cleared = first_panic(cleared, catch_drop(hub));
        let first = match lost.map(JoinError::into_panic) {
            Some(Ok(payload)) => first_panic(Err(payload), cleared),
            Some(Err(_)) if failure.is_none() && cleared.is_ok() => {
                panic!("the runtime dropped what it was to run: outputs are lost")
            }
            _ => cleared,
        };
        if let Err(payload) = first {
            discard(failure);
            resume_unwind(payload);
        }
        failure
    }
}

impl<S: Source, M: Mode<S>> Unpin for OnRuntime<S, M> {}

impl<S: Source, M: Mode<S>> Stream for OnRuntime<S, M> {
    type Item = M::Outcome<M::Value>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let value = ready!(self.poll_value(cx));
        Poll::Ready(value.map(M::outcome))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.stage {
            Stage::Idle(idle) => {
                let (low, high) = idle.source.size_hint();
                (M::fewest(low), high)
            }
            Stage::Running(_) | Stage::Ending(_) => (self.ready.len(), None),
            Stage::Over => (self.ready.len(), Some(self.ready.len())),
        }
    }
}

impl<S: Source, M: Mode<S>> FusedStream for OnRuntime<S, M> {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Over) && self.ready.is_empty()
    }
}

impl<S: Source, M: Mode<S>> IntoFuture for OnRuntime<S, M> {
    type Output = M::Outcome<Vec<M::Value>>;
    type IntoFuture = CollectOnRuntime<S, M>;

    fn into_future(self) -> CollectOnRuntime<S, M> {
        CollectOnRuntime {
            run: self,
            values: Some(Vec::new()),
        }
    }
}

impl<S: Source, M: Mode<S>> fmt::Debug for OnRuntime<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnRuntime")
            .field("limit", &self.limit)
            .field("ordered", &self.ordered.is_some())
            .finish_non_exhaustive()
    }
}

/// The future of a [`Concurrent`](super::Concurrent) that runs [on a runtime](OnRuntime): all values,
/// or what ended the run.
///
/// # Cancel safety
///
/// Dropping it cancels the tasks that it runs on, with the futures they hold, and drops the values
/// so far.
#[must_use = "futures do nothing unless awaited"]
pub struct CollectOnRuntime<S: Source, M: Mode<S> = Every> {
    run: OnRuntime<S, M>,
    /// `None` once given away.
    values: Option<Vec<M::Value>>,
}

impl<S: Source, M: Mode<S>> Unpin for CollectOnRuntime<S, M> {}

impl<S: Source, M: Mode<S>> Future for CollectOnRuntime<S, M> {
    type Output = M::Outcome<Vec<M::Value>>;

    /// # Panics
    ///
    /// As [`OnRuntime`], and if polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { run, values } = &mut *self;
        poll_collect::<S, M>(values, || run.poll_value(cx))
    }
}

impl<S: Source, M: Mode<S>> fmt::Debug for CollectOnRuntime<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectOnRuntime").finish_non_exhaustive()
    }
}
