use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;

use super::tick::Cause;
use super::{Overlap, Tick, TickFailure, TimerBuilder};
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::runtime::{Hook, report_unobserved};
use crate::task::{CancellationToken, JoinError, Task, catch};
use crate::time::interval::next_after;
use crate::time::timeout_at;

/// What a timer runs: waits for each tick to be due, and starts it.
pub(super) struct Driver<C, H> {
    options: TimerBuilder,
    token: CancellationToken,
    skipped: Arc<AtomicU64>,
    call: C,
    report: Report<H>,
    /// Ticks that have not been seen to end. At most as many as the overlap allows.
    running: Vec<Running>,
}

struct Running {
    number: u64,
    token: CancellationToken,
    task: Task<()>,
}

/// A tick on the schedule.
struct Due {
    number: u64,
    at: Instant,
}

impl<C, F, E, H> Driver<C, H>
where
    C: FnMut(Tick) -> F,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
    H: Fn(TickFailure<E>) + Send + Sync + 'static,
{
    pub(super) fn new(
        options: TimerBuilder,
        token: CancellationToken,
        skipped: Arc<AtomicU64>,
        call: C,
        hook: H,
    ) -> Self {
        let report = Report {
            unobserved: options.rt.hook(),
            hook: Arc::new(hook),
        };
        Self {
            options,
            token,
            skipped,
            call,
            report,
            running: Vec::new(),
        }
    }

    /// Ends when the token asks it to. Gives the number of ticks that are stuck.
    pub(super) fn run(mut self) -> impl Future<Output = usize>
    where
        C: Send + 'static,
    {
        // Here and not at the first poll: the period counts from the start.
        let now = self.options.rt.now();
        async move {
            let first = if self.options.after_period {
                now.checked_add(self.options.period)
            } else {
                Some(now)
            };
            let mut next = first.map(|at| Due { number: 0, at });
            while let Some(due) = next {
                let start = due.at.checked_add(self.options.jitter.of(due.number));
                let Some(start) = start else { break };
                let sleep = self.options.rt.sleep_until(start);
                self.token.run_until_cancelled(sleep).await;
                // Asked even after the sleep: a stopped timer starts nothing more.
                if self.token.is_cancelled() {
                    break;
                }
                next = self.tick(due).await;
            }
            // Also when the clock has no more ticks: what runs may go on until it is asked to stop.
            self.token.cancelled().await;
            self.end_all().await;
            self.running.len()
        }
    }

    /// Does what is to be done about a tick that is due, and gives the next one.
    async fn tick(&mut self, due: Due) -> Option<Due> {
        self.see_ended().await;
        if self.options.fixed_delay {
            let number = due.number + 1;
            self.start(due);
            self.ended().await;
            let at = self.options.rt.now().checked_add(self.options.period)?;
            return Some(Due { number, at });
        }
        let most = match self.options.overlap {
            Overlap::Wait => {
                let number = due.number + 1;
                let at = due.at.checked_add(self.options.period);
                self.start(due);
                self.ended().await;
                return Some(Due { number, at: at? });
            }
            Overlap::CancelPrevious => {
                let token = self.token.clone();
                token.run_until_cancelled(self.end_all()).await;
                1
            }
            Overlap::Skip => 1,
            Overlap::Accumulate(most) => most.get(),
        };
        let Due { number, at } = due;
        if self.token.is_cancelled() {
            return None;
        }
        if self.running.len() < most {
            self.start(due);
        } else {
            self.skip(1);
        }
        // More than one may have passed while the timer itself was not run.
        let now = self.options.rt.now();
        // It was to start so much later: only what came on top of that may cost the next one.
        let late = now
            .checked_sub(self.options.jitter.of(number))
            .unwrap_or(at);
        let next = next_after(at, self.options.period, late)?;
        let periods = (next - at).as_nanos() / self.options.period.as_nanos();
        let periods = u64::try_from(periods).unwrap_or(u64::MAX);
        self.skip(periods - 1);
        Some(Due {
            number: number.saturating_add(periods),
            at: next,
        })
    }

    fn skip(&self, ticks: u64) {
        self.skipped.fetch_add(ticks, Ordering::Relaxed);
    }

    fn start(&mut self, due: Due) {
        let token = self.token.child_token();
        let tick = Tick {
            number: due.number,
            due: due.at,
            period: self.options.period,
            token: token.clone(),
        };
        match catch(|| (self.call)(tick)) {
            Ok(future) => self.running.push(Running {
                number: due.number,
                token,
                task: self.options.rt.spawn(Body {
                    future: Some(future),
                    number: due.number,
                    report: self.report.clone(),
                }),
            }),
            Err(payload) => self.report.panicked(due.number, payload),
        }
    }

    /// Waits until the tick that runs has ended, or the timer is asked to stop.
    async fn ended(&mut self) {
        if let Some(running) = self.running.first_mut() {
            let ended = self.token.run_until_cancelled(&mut running.task).await;
            if let Some(result) = ended {
                self.saw_end(0, result);
            }
        }
    }

    /// Lets go of the ticks that have ended.
    async fn see_ended(&mut self) {
        let mut index = 0;
        while let Some(running) = self.running.get_mut(index) {
            if running.task.is_finished() {
                let result = (&mut running.task).await;
                self.saw_end(index, result);
            } else {
                index += 1;
            }
        }
    }

    fn saw_end(&mut self, index: usize, result: Result<(), JoinError>) {
        let running = self.running.swap_remove(index);
        // A tick reports its own panics: this one is of a destructor, when it was dropped.
        if let Err(Ok(payload)) = result.map_err(JoinError::into_panic) {
            self.report.panicked(running.number, payload);
        }
    }

    /// Asks all ticks to stop, drops them when the grace is over, and waits until they are gone.
    ///
    /// Those that are left are stuck.
    async fn end_all(&mut self) {
        if self.running.is_empty() {
            return;
        }
        for running in &self.running {
            running.token.cancel("the next tick is due");
        }
        let grace = self.options.rt.now().checked_add(self.options.grace);
        self.ended_until(grace).await;
        for running in &self.running {
            running.task.abort();
        }
        let hard = self.options.rt.now().checked_add(self.options.hard_limit);
        self.ended_until(hard).await;
    }

    /// Waits for the ticks to end, until `deadline`; `None` is never.
    async fn ended_until(&mut self, deadline: Option<Instant>) {
        let mut index = 0;
        while let Some(running) = self.running.get_mut(index) {
            let result = match deadline {
                Some(at) => timeout_at(&self.options.rt, at, &mut running.task).await,
                None => Ok((&mut running.task).await),
            };
            match result {
                Ok(result) => self.saw_end(index, result),
                Err(_) => index += 1,
            }
        }
    }
}

/// Tells of ticks that failed.
struct Report<H> {
    /// Of the runtime, which the ticks must not keep alive.
    unobserved: Arc<Hook>,
    hook: Arc<H>,
}

impl<H> Clone for Report<H> {
    fn clone(&self) -> Self {
        Self {
            unobserved: self.unobserved.clone(),
            hook: self.hook.clone(),
        }
    }
}

impl<H> Report<H> {
    fn panicked<E>(&self, number: u64, payload: Box<dyn Any + Send>)
    where
        H: Fn(TickFailure<E>),
    {
        self.failed(number, Cause::Panic(payload));
    }

    fn failed<E>(&self, number: u64, cause: Cause<E>)
    where
        H: Fn(TickFailure<E>),
    {
        if let Err(payload) = catch(|| (self.hook)(TickFailure { number, cause })) {
            report_unobserved(&*self.unobserved, payload);
        }
    }
}

pin_project! {
    /// Runs one tick and reports how it failed, at once and not only when the next one is due.
    struct Body<F, H> {
        // `None` once it has ended.
        #[pin]
        future: Option<F>,
        number: u64,
        report: Report<H>,
    }
}

impl<F, E, H> Future for Body<F, H>
where
    F: Future<Output = Result<(), E>>,
    H: Fn(TickFailure<E>),
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let cause = match catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result.err().map(Cause::Error),
            Err(payload) => Some(Cause::Panic(payload)),
        };
        let dropped = catch(|| this.future.set(None));
        if let Some(cause) = cause {
            this.report.failed(*this.number, cause);
        }
        if let Err(payload) = dropped {
            this.report.panicked(*this.number, payload);
        }
        Poll::Ready(())
    }
}
